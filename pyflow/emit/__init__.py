# SPDX-License-Identifier: Apache-2.0
"""Writes what crosses from Python to RTL: parameters, memory images and a structural network module; and to hosts."""

from pyflow.emit.host import VECTORS, write_host, write_vectors
from pyflow.emit.memory import read_memory, write_memory
from pyflow.emit.verilog import emit

__all__ = ["VECTORS", "emit", "read_memory", "write_host", "write_memory", "write_vectors"]
