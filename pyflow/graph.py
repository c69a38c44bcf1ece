# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The intermediate representation: an integer spiking network as a graph of operators.

A tensor is named after the operator that makes it; several operators may read one tensor (branches).
A state edge is an edge with a delay: it gives a tensor of some time steps before, to operators of a loop or behind it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pyflow import edges
from pyflow.edges import StateEdge
from pyflow.errors import VolleyError
from pyflow.frames import InputFormat
from pyflow.network_meta import complaint
from pyflow.operators import Encoding, Operator, Readout, Stateful, Tensor
from pyflow.operators.encode import MAX_STEPS

INPUT = "input"
NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)  # becomes names of signals and files
MAX_NAME = 200  # bytes: a file may have 255, with what is put behind
MAX_SIDE = 2**16  # of a frame
MAX_NUMBERS = 2**22  # of a tensor, in a step
MAX_OPERATORS = 512
HOST_BITS = 8  # of the byte that a host sends per neuron and pass


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """name: identifier. input_shape: (C, H, W). operators: topological order, the last one gives the
    logits. logit_scale: real value of one logit unit. meta: free, JSON (accuracies, class names, the command
    that made it). input_encoding: pixel (static, 8 bits), signal (8 bits per time step) or rate (spikes);
    input_steps: T of the latter two. time_block: TB, the time steps that a beat carries; 0 chooses."""

    name: str
    input_shape: tuple[int, int, int]
    operators: tuple[Operator, ...]
    logit_scale: float = 1.0
    state_edges: tuple[StateEdge, ...] = ()
    meta: dict[str, Any] = field(default_factory=dict)
    input_encoding: Encoding = Encoding.PIXEL
    input_steps: int = 1
    time_block: int = 0
    tensors: dict[str, Tensor] = field(init=False)
    # State edges as they are built: of several from one source, the longer delay goes on where the shorter ends.
    delay_lines: tuple[StateEdge, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._check_name()
        self._check_fields()
        self._check_names()
        edges.check(self.name, self.state_edges, {INPUT, *(op.name for op in self.operators)})
        object.__setattr__(self, "delay_lines", tuple(edges.lines(self.state_edges)))
        tensors = self._inferred()
        block = self._block(tensors)
        object.__setattr__(self, "time_block", block)
        tensors = {n: replace(t, block=block) if t.timed else t for n, t in tensors.items()}
        for edge in self.state_edges:
            self._check_edge(edge, tensors)
        reached = edges.lags(INPUT, self.operators, self.state_edges, tensors)
        if self.state_edges and self.operators[-1].name not in reached:
            raise self._fail(
                "no answer would wait for its frame: on every way from the input the delays add up to all its time "
                "steps; delay by less, or take more steps"
            )
        object.__setattr__(self, "tensors", tensors)
        for op in (op for loop in self.loops() for op in loop):
            if not (op.each_step or isinstance(op, Stateful)):
                raise VolleyError(f"{op.kind} {op.name!r}: stands in a loop, but needs all time steps at once")
        last = self.operators[-1]
        if isinstance(last, Readout) and tensors[last.name].shape[1:] != (1, 1):
            _, h, w = tensors[last.name].shape
            raise VolleyError(f"readout {last.name!r}: reads a map of {h}x{w}; put a linear layer in front")

    def _check_fields(self) -> None:
        if not isinstance(self.meta, dict):
            raise self._fail(f"meta must be an object, not {type(self.meta).__name__}")
        if wrong := complaint(self.meta):
            raise self._fail(f"meta: {wrong}")
        if len(self.input_shape) != 3 or not all(_is_int(n) and 0 < n <= MAX_SIDE for n in self.input_shape):
            raise self._fail(f"input shape {self.input_shape} must be three integers (C, H, W), 1 to {MAX_SIDE:,}")
        if not _is_number(self.logit_scale) or not 0 < self.logit_scale < math.inf:
            raise self._fail(f"logit_scale = {self.logit_scale!r} must be a number above 0")
        if not self.operators:
            raise self._fail("has no operators")
        if len(self.operators) > MAX_OPERATORS:
            raise self._fail(f"has {len(self.operators):,} operators, at most {MAX_OPERATORS} are planned")

    def _check_names(self) -> None:
        for name in (*(edge.name for edge in self.state_edges), *(op.name for op in self.operators)):
            if not NAME.fullmatch(name):
                raise self._fail(f"name {name!r} must be letters, digits and _, beginning with a letter")
            if len(name) > MAX_NAME:
                raise self._fail(f"name {name[:20]}... has {len(name):,} letters, at most {MAX_NAME}; rename the layer")

    def _inferred(self) -> dict[str, Tensor]:
        """The tensors by name, their time steps not yet in blocks."""
        tensors = {INPUT: self._input_tensor()}
        tensors |= {edge.name: edge.tensor for edge in self.state_edges if isinstance(edge.tensor, Tensor)}
        for name in tuple(tensors):
            self._delay(name, tensors)
        for op in self.operators:
            if op.name in tensors:
                raise self._fail(f"two operators are called {op.name!r}")
            for source in op.inputs:
                if source not in tensors:
                    raise VolleyError(f"{op.kind} {op.name!r}: reads {source!r}, {self._unknown(op, source)}")
            op.check_operands()
            if len(set(op.inputs)) < len(op.inputs):
                raise VolleyError(f"{op.kind} {op.name!r}: reads {op.inputs[0]!r} twice")
            tensors[op.name] = op.infer(*(tensors[s] for s in op.inputs))
            if (numbers := math.prod(tensors[op.name].shape)) > MAX_NUMBERS:
                raise VolleyError(f"{op.kind} {op.name!r}: makes {numbers:,} numbers a step, at most {MAX_NUMBERS:,}")
            self._delay(op.name, tensors)
        return tensors

    def _delay(self, source: str, tensors: dict[str, Tensor]) -> None:
        """Adds to `tensors` those that state edges make of `source`, where their type is not declared."""
        tensor = tensors[source]
        for edge in self.state_edges:
            if edge.source != source:
                continue
            if not tensor.timed or tensor.encoding is Encoding.SIGNAL:
                why = {
                    Encoding.RADIX: "a radix word has all its steps in one beat; use spikes over time",
                    Encoding.SIGNAL: "a sample is no spike; delay what its encoder makes of it",
                }.get(tensor.encoding, "it is static; delay spikes over time")
                raise self._fail(f"state edge {edge.name!r} from {source!r}: cannot be delayed, {why}")
            if edge.name not in tensors:
                tensors[edge.name] = replace(tensor, name=edge.name)
                self._delay(edge.name, tensors)

    def _unknown(self, op: Operator, source: str) -> str:
        """Why `op` cannot read the tensor `source`, which nothing in front of it makes."""
        if edge := next((edge for edge in self.state_edges if edge.name == source), None):
            return (
                f"a state edge from {edge.source!r}, which stands behind it; give the edge a Tensor, not a name alone"
            )
        if source not in {other.name for other in self.operators}:
            return "which no earlier operator makes"
        ways, seen = [[op.name]], {op.name}
        for way in ways:
            if way[-1] == source:
                names = " -> ".join((*way, op.name))
                return f"a loop without delay ({names}); read it through a state edge of 1 time step or more"
            further = [reader.name for reader in self.readers(way[-1]) if reader.name not in seen]
            seen.update(further)
            ways += [[*way, name] for name in further]
        return "which stands behind it; operators stand in topological order"

    def _check_edge(self, edge: StateEdge, tensors: Mapping[str, Tensor]) -> None:
        want = replace(tensors[edge.source], name=edge.name)
        if want != tensors[edge.name]:
            raise self._fail(f"state edge {edge.name!r} is not of the type of {edge.source!r}; declare it as {want}")
        if (delay := self.origin(edge.name)[1]) >= want.steps:
            raise self._fail(
                f"state edge {edge.name!r} from {edge.source!r}: a delay of {delay} leaves nothing of a frame of "
                f"{want.steps} time steps; delay by less, or take more steps"
            )
        if not self.readers(edge.name) and all(other.source != edge.name for other in self.state_edges):
            raise self._fail(f"state edge {edge.name!r}: no operator reads it; remove it")

    def _fail(self, message: str) -> VolleyError:
        return VolleyError(f"network {self.name!r}: {message}")

    def _check_name(self) -> None:
        """It becomes the name of a folder."""
        if not isinstance(self.name, str) or not self.name.isprintable():
            raise VolleyError(f"network: name {str(self.name)[:60]!r} must be printable text")
        if len(self.name.encode()) > MAX_NAME:
            raise VolleyError(f"network {self.name[:20]!r}...: {len(self.name):,} letters, at most {MAX_NAME}")

    def _input_tensor(self) -> Tensor:
        c, h, w = self.input_shape
        if not _is_int(self.input_steps) or not 1 <= self.input_steps <= MAX_STEPS:
            raise self._fail(f"input_steps = {self.input_steps} is outside 1..{MAX_STEPS}")
        match self.input_encoding:
            case Encoding.PIXEL:
                return Tensor(INPUT, (c, h, w), Encoding.PIXEL, HOST_BITS, 255)
            case Encoding.SIGNAL:
                return Tensor(INPUT, (c, h, w), Encoding.SIGNAL, self.input_steps, 255, timed=True)
            case Encoding.RATE:
                return Tensor(INPUT, (c, h, w), Encoding.RATE, self.input_steps, 1, timed=True)
        raise self._fail(f"input encoding {self.input_encoding!r} must be pixel, signal or rate")

    def _block(self, tensors: dict[str, Tensor]) -> int:
        """TB: as asked for, or up to 4 steps per beat where the network allows it."""
        if not _is_int(self.time_block):
            raise self._fail(f"time_block = {self.time_block!r} must be an integer")
        common = math.gcd(*(t.steps for t in tensors.values() if t.timed))
        if not common:
            if self.time_block > 1:
                raise self._fail(f"time_block = {self.time_block}, but no tensor has time steps; leave it out")
            return 1
        why, limit = "", common
        if self.state_edges:
            common = math.gcd(common, *(edge.delay for edge in self.state_edges))
            why, limit = " (a state edge's delay is a whole number of them)", common
        words = next((op for op in self.operators if op.needs_one_step(*(tensors[s] for s in op.inputs))), None)
        if words:
            why, limit = f" ({words.name!r} takes one word of several bits per beat)", 1
        elif self.input_encoding is Encoding.SIGNAL:
            why, limit = " (a host sends one sample per byte)", 1
        elif self.input_encoding is Encoding.RATE and common > HOST_BITS:
            why, limit = f" (a host's byte holds {HOST_BITS} steps)", HOST_BITS
        if not self.time_block:
            return max(b for b in range(1, min(limit, 4) + 1) if common % b == 0)
        if not 1 <= self.time_block <= limit or common % self.time_block:
            legal = ", ".join(str(b) for b in range(1, limit + 1) if common % b == 0)
            raise self._fail(f"time_block = {self.time_block} must be one of {legal}{why}")
        return self.time_block

    @property
    def classes(self) -> int:
        return self.tensors[self.operators[-1].name].shape[0]

    def origin(self, tensor: str) -> tuple[str, int]:
        """(what makes `tensor`, time steps that state edges delay it by)."""
        return edges.origin(self.state_edges, tensor)

    def fed_back(self) -> set[str]:
        """Tensors of state edges that an operator in front of their source reads, and of those that go on from them."""
        place = {op.name: n for n, op in enumerate(self.operators)}
        found: set[str] = set()
        for line in self.delay_lines:
            source = place.get(self.origin(line.name)[0], -1)
            if any(place[op.name] <= source for op in self.readers(line.name)):
                found.add(line.name)
        while more := {line.name for line in self.delay_lines if line.source in found} - found:
            found |= more
        return found

    def loops(self) -> list[list[Operator]]:
        """Operators that depend on themselves some steps before, one list per cycle, in order."""
        if not self.state_edges:
            return []
        import networkx

        graph = networkx.DiGraph((s, op.name) for op in self.operators for s in op.inputs)
        graph.add_edges_from((edge.source, edge.name) for edge in self.state_edges)
        cycles = [c for c in networkx.strongly_connected_components(graph) if len(c) > 1]
        return [[op for op in self.operators if op.name in cycle] for cycle in cycles]

    def sources(self, op: Operator) -> tuple[Tensor, ...]:
        """Operand tensors of `op`."""
        return tuple(self.tensors[s] for s in op.inputs)

    def readers(self, name: str) -> tuple[Operator, ...]:
        """Operators that read tensor `name`."""
        return tuple(op for op in self.operators if name in op.inputs)

    def destinations(self, name: str) -> list[str]:
        """Names of the operators and of the delay lines that tensor `name` goes to."""
        fed = [line.name for line in self.delay_lines if line.source == name]
        return [op.name for op in self.readers(name)] + fed

    def inputs(self, x: np.ndarray) -> np.ndarray:
        """Checked input as int64: pixels [N, C, H, W], or [N, T, C, H, W] where the input has time.

        x: pixels and signals: float in [0, 1] (becomes floor(255 x + 1/2)) or integers 0..255; spikes: 0 or 1.
        Of that shape; H and W may be left out where they are 1 ([N, C, L] for a 1-D network). Raises
        VolleyError on another shape, NaN or a value out of range.
        """
        return self.input_format.check(x)

    def host_bytes(self, x: np.ndarray) -> np.ndarray:
        """Checked input `x` as a host sends it: uint8 [N, passes * H * W * C], pass by pass, raster order,
        channel fastest. A byte is a pixel, a sample, or the TB steps of a neuron (the earliest most significant).
        """
        return self.input_format.to_bytes(x)

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame, as host_bytes() lays them out."""
        return self.input_format.frame_bytes

    @property
    def input_format(self) -> InputFormat:
        """What inputs() takes and host_bytes() makes of it."""
        source = self.tensors[INPUT]
        steps, block = (source.steps, source.block) if source.timed else (0, 1)
        return InputFormat(self.name, self.input_shape, str(source.encoding), steps, block)

    def run(self, x: np.ndarray, trace: bool | Collection[str] = False) -> Any:
        """Integer reference: int64 logits [N, classes]; with `trace` also {tensor: int64 [N, C, H, W], or
        [N, T, C, H, W] where it has time}, of all tensors or of those named."""
        from pyflow.reference import run

        return run(self, x, trace=trace)

    def saturations(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Neurons x steps whose state was clipped, per frame and LIF layer: {layer: int64 [N]}. More than a few
        mean that a layer's width is too small. x: as run() takes it."""
        from pyflow.reference import saturations

        return saturations(self, x)

    def with_rates(self, x: np.ndarray) -> Network:
        """With meta["nonzero"] measured on typical frames `x`: for each linear layer the share of its input words that
        are not zero ("mean", and "max" of a frame) and the "steps" of a word. The planner then knows what skipping
        zeros gives."""
        from pyflow.reference import rates

        return self.with_meta(nonzero=rates(self, x))

    def summary(self) -> str:
        """One line per operator: name, kind, shape, T, bits, weights."""
        rows = [("layer", "kind", "output", "T", "bits", "weights", "W")]
        for op in self.operators:
            t = self.tensors[op.name]
            steps = str(t.steps) if t.timed or t.encoding is not Encoding.POTENTIAL else "-"
            weight = getattr(op, "weight", None)
            rows.append(
                (
                    op.name,
                    op.kind,
                    "x".join(map(str, t.shape)),
                    steps,
                    str(t.number_bits),
                    "" if weight is None else f"{weight.size:,}",
                    "" if weight is None else str(op.weight_bits),  # type: ignore[attr-defined]
                )
            )
        widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
        body = "\n".join("  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows)
        end = f"\n{left_out} at the end is left out" if (left_out := self.meta.get("left_out")) else ""
        return f"{self.name}: input {'x'.join(map(str, self.input_shape))}, {self.classes} classes\n{body}{end}"

    def with_meta(self, **items: Any) -> Network:
        return replace(self, meta={**self.meta, **items})

    # ---------------------------------------------------------------- files
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a `.vly` file: a zip of `network.json` and one .npy per array; same network, same bytes."""
        from pyflow.network_file import save

        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """Read a `.vly` file. Raises VolleyError if it is missing, corrupt, too large or of a newer version."""
        from pyflow.network_file import load

        return load(path)
