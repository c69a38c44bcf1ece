# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Front end of ONNX files (needs the onnx package): plain float networks, and trained integers in QONNX or
QuantizeLinear form."""

from pyflow.frontends.onnx.model import OnnxModel, open_onnx

__all__ = ["OnnxModel", "open_onnx"]
