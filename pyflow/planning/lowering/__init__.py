# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Lowering: from operators and foldings to instances of cores. A module per kind of operator, as in
pyflow/operators/. Nothing here touches files."""

from __future__ import annotations

from dataclasses import replace

from pyflow.errors import VolleyError
from pyflow.graph import INPUT, Network
from pyflow.operators import Conv, Readout, Synapse
from pyflow.planning.builder import Builder
from pyflow.planning.folding import Folding
from pyflow.planning.lowering import eltwise, encode, neuron, pool, synapse, upsample  # noqa: F401  (they register)
from pyflow.planning.lowering.encode import network_input
from pyflow.planning.lowering.registry import LOWERINGS
from pyflow.planning.lowering.synapse import embed_kernel
from pyflow.planning.netlist import Netlist, branch_name

__all__ = ["build_netlist", "embed_kernel"]


def build_netlist(network: Network, foldings: dict[str, Folding], fifos: dict[str, int] | None = None) -> Netlist:
    """Instances for `network`. foldings: by synapse operator; fifos: beats of the FIFO behind a tensor, or
    behind one branch of it (branch_name()).

    Raises VolleyError where an operator or folding cannot be built.
    """
    operators = tuple(embed_kernel(op) if isinstance(op, Conv) else op for op in network.operators)
    network = replace(network, operators=operators)
    b = Builder(network, dict(foldings), dict(fifos or {}))
    places = fifo_places(b)
    for key, depth in b.fifos.items():
        if key not in places:
            raise VolleyError(f"folding: fifos: no operator {key!r} to stand behind; places: {', '.join(places)}")
        if depth < 2:
            raise VolleyError(f"folding: fifos: {key}={depth} beats is below 2; leave it out for none")
    names = {op.name for op in operators if isinstance(op, Synapse)}
    if set(foldings) != names:
        odd = sorted(set(foldings) ^ names)[0]
        raise VolleyError(
            f"folding: {odd!r} is {'missing' if odd in names else 'no synapse layer'}; "
            f"layers: {', '.join(sorted(names))}"
        )
    last = operators[-1]
    if not isinstance(last, Readout):
        raise VolleyError(f"{last.kind} {last.name!r}: the last operator must be a readout")
    for op in operators[:-1]:
        if not b.readers[op.name]:
            raise VolleyError(f"{op.kind} {op.name!r}: nothing reads its output; remove it")
    if not b.readers[INPUT]:
        raise VolleyError(f"network {network.name!r}: nothing reads the input")
    network_input(b)
    b.feed_forward()
    for op in operators:
        if type(op) not in LOWERINGS:
            raise VolleyError(f"{op.kind} {op.name!r}: no core does this; register one by @lowers({type(op).__name__})")
        b.publish(op.name, LOWERINGS[type(op)](b, op, *(b.operand(s, op) for s in op.inputs)))
    return b.netlist()


def fifo_places(b: Builder) -> list[str]:
    """Keys that `fifos` may have: tensors, or their branches where several operators read one."""
    places = []
    for tensor, readers in b.readers.items():
        if len(readers) > 1:
            places += [branch_name(tensor, reader) for reader in readers]
        elif tensor != INPUT:
            places += [tensor] * len(readers)
    return places
