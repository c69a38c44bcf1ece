# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Synchronous and cyclo-static dataflow graphs: throughput, latency, buffers. See docs/analysis.md."""

from pyflow.analysis.dataflow.cycles import Cycles, Edges, largest_ratio
from pyflow.analysis.dataflow.expansion import Expansion
from pyflow.analysis.dataflow.graph import Actor, Channel, Graph, synchronous
from pyflow.analysis.dataflow.liveness import check_live, stuck
from pyflow.analysis.dataflow.maxplus import Executor, Matrix, matrix
from pyflow.analysis.dataflow.sdf3 import Application, Platform, Sdf3, read_sdf3
from pyflow.analysis.dataflow.sdf3_write import sdf3_text
from pyflow.analysis.dataflow.simulation import Execution, execute
from pyflow.analysis.dataflow.storage import Distribution, Front, Smallest, front, smallest
from pyflow.analysis.dataflow.timing import Latency, Timing, latency, timing

__all__ = [
    "Actor",
    "Application",
    "Channel",
    "Cycles",
    "Distribution",
    "Edges",
    "Execution",
    "Executor",
    "Expansion",
    "Front",
    "Graph",
    "Latency",
    "Matrix",
    "Platform",
    "Sdf3",
    "Smallest",
    "Timing",
    "check_live",
    "execute",
    "front",
    "largest_ratio",
    "latency",
    "matrix",
    "read_sdf3",
    "sdf3_text",
    "smallest",
    "stuck",
    "synchronous",
    "timing",
]
