# SPDX-License-Identifier: Apache-2.0
"""Writes what crosses from Python to RTL: parameters, memory images and a structural network module."""

from pyflow.emit.memory import LoadImage, checksum_of, load_words, read_memory, write_memory
from pyflow.emit.verilog import Probe, emit, probes

__all__ = ["LoadImage", "Probe", "checksum_of", "emit", "load_words", "probes", "read_memory", "write_memory"]
