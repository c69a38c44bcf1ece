# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Front ends: from a framework's model to a FloatNetwork. Everything here may import torch."""

from pyflow.frontends.model_file import load_model
from pyflow.frontends.normalize import Normalize
from pyflow.frontends.torch_fx import trace
from pyflow.frontends.torch_layers import takes_sequences
from pyflow.model.graph import FloatNetwork

__all__ = ["FloatNetwork", "Normalize", "load_model", "takes_sequences", "trace"]
