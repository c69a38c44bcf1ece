# SPDX-License-Identifier: Apache-2.0
"""Writes what crosses from Python to RTL: parameters, memory images and a structural network module."""

from pyflow.emit.memory import read_memory, write_memory
from pyflow.emit.verilog import emit

__all__ = ["emit", "read_memory", "write_memory"]
