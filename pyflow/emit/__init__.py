# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Writes what crosses from Python to RTL: parameters, memory images and a structural network module; and to hosts."""

from pyflow.emit.host import VECTORS, is_ours, write_host, write_vectors
from pyflow.emit.memory import checksum_of, load_words, read_memory, write_memory
from pyflow.emit.verilog import emit, probes

__all__ = [
    "VECTORS",
    "checksum_of",
    "emit",
    "is_ours",
    "load_words",
    "probes",
    "read_memory",
    "write_host",
    "write_memory",
    "write_vectors",
]
