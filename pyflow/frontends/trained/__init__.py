# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Networks whose integers training has chosen already: QONNX, ONNX with QuantizeLinear, Brevitas."""

from pyflow.frontends.trained.build import TrainedBuilder
from pyflow.frontends.trained.tensors import Codes, Layer, Potential, Quantiser, Stream, Weight, rounded

__all__ = ["Codes", "Layer", "Potential", "Quantiser", "Stream", "TrainedBuilder", "Weight", "rounded"]
