# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""NIR graphs in and out (neuroir.org): read without the package `nir`, which refuses some published files."""

from pyflow.frontends.nir.build import model_of, taken
from pyflow.frontends.nir.graph import Graph, read_graph
from pyflow.frontends.nir.write import write_nir

__all__ = ["Graph", "model_of", "read_graph", "taken", "write_nir"]
