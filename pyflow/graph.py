# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The intermediate representation: an integer spiking network as a graph of operators.

A tensor is named after the operator that makes it; several operators may read one tensor (branches).
A state edge feeds a tensor back into an earlier operator on the next time step.
"""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from pyflow.errors import VolleyError
from pyflow.frames import InputFormat
from pyflow.operators import OPERATORS, Encoding, Operator, Readout, Stateful, Tensor
from pyflow.operators.encode import MAX_STEPS

FORMAT_VERSION = 2
INPUT = "input"
NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)  # becomes names of signals and files
HOST_BITS = 8  # of the byte that a host sends per neuron and pass


@dataclass(frozen=True, slots=True)
class StateEdge:
    """A tensor fed back: operators that read `tensor` at step t see what `source` was at step t - 1, and
    zeros before the first step. tensor: its declared type, which must be that of `source`."""

    source: str
    tensor: Tensor


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

    def __post_init__(self) -> None:
        if not isinstance(self.meta, dict):
            raise self._fail(f"meta must be an object, not {type(self.meta).__name__}")
        if len(self.input_shape) != 3 or not all(isinstance(n, int) and n > 0 for n in self.input_shape):
            raise self._fail(f"input shape {self.input_shape} must be three positive integers (C, H, W)")
        if not self.operators:
            raise self._fail("has no operators")
        tensors = {INPUT: self._input_tensor()}
        for name in (*(edge.tensor.name for edge in self.state_edges), *(op.name for op in self.operators)):
            if not NAME.fullmatch(name):
                raise self._fail(f"name {name!r} must be letters, digits and _, beginning with a letter")
        for edge in self.state_edges:
            if edge.tensor.name in tensors:
                raise self._fail(f"state edge {edge.tensor.name!r}: another tensor has this name")
            tensors[edge.tensor.name] = edge.tensor
        for op in self.operators:
            if op.name in tensors:
                raise self._fail(f"two operators are called {op.name!r}")
            for source in op.inputs:
                if source not in tensors:
                    raise VolleyError(f"{op.kind} {op.name!r}: reads {source!r}, which no earlier operator makes")
            op.check_operands()
            if len(set(op.inputs)) < len(op.inputs):
                raise VolleyError(f"{op.kind} {op.name!r}: reads {op.inputs[0]!r} twice")
            tensors[op.name] = op.infer(*(tensors[s] for s in op.inputs))
        block = self._block(tensors)
        object.__setattr__(self, "time_block", block)
        tensors = {n: replace(t, block=block) if t.timed else t for n, t in tensors.items()}
        for edge in self.state_edges:
            if edge.source not in tensors:
                raise self._fail(f"state edge from unknown tensor {edge.source!r}")
            if edge.source == INPUT:
                raise self._fail("state edge from the input; feed back what an operator makes")
            if not edge.tensor.timed:
                raise self._fail(f"state edge from {edge.source!r}: it has no time steps; feed back spikes over time")
            want = replace(tensors[edge.source], name=edge.tensor.name)
            if want != tensors[edge.tensor.name]:
                raise self._fail(
                    f"state edge {edge.tensor.name!r} is not of the type of {edge.source!r}; declare it as {want}"
                )
            if not self.readers(edge.tensor.name):
                raise self._fail(f"state edge {edge.tensor.name!r}: no operator reads it; remove it")
        object.__setattr__(self, "tensors", tensors)
        for op in (op for loop in self.loops() for op in loop):
            if not (op.each_step or isinstance(op, Stateful)):
                raise VolleyError(f"{op.kind} {op.name!r}: stands in a loop, but needs all time steps at once")
        last = self.operators[-1]
        if isinstance(last, Readout) and tensors[last.name].shape[1:] != (1, 1):
            _, h, w = tensors[last.name].shape
            raise VolleyError(f"readout {last.name!r}: reads a map of {h}x{w}; put a linear layer in front")

    def _fail(self, message: str) -> VolleyError:
        return VolleyError(f"network {self.name!r}: {message}")

    def _input_tensor(self) -> Tensor:
        c, h, w = self.input_shape
        if not isinstance(self.input_steps, int) or not 1 <= self.input_steps <= MAX_STEPS:
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
        if not isinstance(self.time_block, int):
            raise self._fail(f"time_block = {self.time_block!r} must be an integer")
        common = math.gcd(*(t.steps for t in tensors.values() if t.timed))
        if not common:
            if self.time_block > 1:
                raise self._fail(f"time_block = {self.time_block}, but no tensor has time steps; leave it out")
            return 1
        why, limit = "", common
        if self.state_edges:
            why, limit = " (a state edge needs the step before)", 1
        elif self.input_encoding is Encoding.SIGNAL:
            why, limit = " (a host sends one sample per byte)", 1
        elif self.input_encoding is Encoding.RATE:
            why, limit = f" (a host's byte holds {HOST_BITS} steps)", min(common, HOST_BITS)
        if not self.time_block:
            return max(b for b in range(1, min(limit, 4) + 1) if common % b == 0)
        if not 1 <= self.time_block <= limit or common % self.time_block:
            legal = ", ".join(str(b) for b in range(1, limit + 1) if common % b == 0)
            raise self._fail(f"time_block = {self.time_block} must be one of {legal}{why}")
        return self.time_block

    @property
    def classes(self) -> int:
        return self.tensors[self.operators[-1].name].shape[0]

    def loops(self) -> list[list[Operator]]:
        """Operators that depend on themselves one step before, one list per cycle, in order."""
        if not self.state_edges:
            return []
        import networkx

        graph = networkx.DiGraph((s, op.name) for op in self.operators for s in op.inputs)
        graph.add_edges_from((edge.source, edge.tensor.name) for edge in self.state_edges)
        cycles = [c for c in networkx.strongly_connected_components(graph) if len(c) > 1]
        return [[op for op in self.operators if op.name in cycle] for cycle in cycles]

    def sources(self, op: Operator) -> tuple[Tensor, ...]:
        """Operand tensors of `op`."""
        return tuple(self.tensors[s] for s in op.inputs)

    def readers(self, name: str) -> tuple[Operator, ...]:
        """Operators that read tensor `name`."""
        return tuple(op for op in self.operators if name in op.inputs)

    def destinations(self, name: str) -> list[str]:
        """Names of the operators and of the state edges' tensors that tensor `name` goes to."""
        fed = [edge.tensor.name for edge in self.state_edges if edge.source == name]
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
        return f"{self.name}: input {'x'.join(map(str, self.input_shape))}, {self.classes} classes\n{body}"

    def with_meta(self, **items: Any) -> Network:
        return replace(self, meta={**self.meta, **items})

    # ---------------------------------------------------------------- files
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a `.vly` file: a zip of `network.json` and one .npy per array; same network, same bytes."""
        if not isinstance(path, str | os.PathLike):
            raise VolleyError(f"network: {path!r} is no path; name a file to write")
        path = Path(path)
        document = {
            "format": "volley-network",
            "version": FORMAT_VERSION,
            "name": self.name,
            "input_shape": list(self.input_shape),
            "input_encoding": self.input_encoding,
            "input_steps": self.input_steps,
            "time_block": self.time_block,
            "logit_scale": self.logit_scale,
            "state_edges": [{"source": e.source, **asdict(e.tensor)} for e in self.state_edges],
            "meta": self.meta,
            "operators": [],
        }
        arrays: dict[str, np.ndarray] = {}
        for op in self.operators:
            entry: dict[str, Any] = {"kind": op.kind}
            for f in fields(op):
                value = getattr(op, f.name)
                if isinstance(value, np.ndarray):
                    arrays[f"{op.name}.{f.name}"] = value
                else:
                    entry[f.name] = list(value) if isinstance(value, tuple) else value
            document["operators"].append(entry)  # type: ignore[attr-defined]
        try:
            text = json.dumps(document, indent=1, sort_keys=True)
        except TypeError as e:
            raise VolleyError(f"network {self.name!r}: meta is not JSON ({e}); use plain numbers and strings") from None
        try:
            fd, temporary = tempfile.mkstemp(dir=path.parent or Path("."), suffix=".tmp")
        except OSError as e:
            raise VolleyError(f"{path}: cannot be written ({e.strerror}); choose a writable folder") from None
        try:
            with os.fdopen(fd, "wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as z:
                z.writestr(zipfile.ZipInfo("network.json"), text)
                for key in sorted(arrays):
                    with z.open(zipfile.ZipInfo(f"{key}.npy"), "w") as entry_file:
                        np.lib.format.write_array(entry_file, np.ascontiguousarray(arrays[key]), allow_pickle=False)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except OSError as e:
            Path(temporary).unlink(missing_ok=True)
            raise VolleyError(f"{path}: cannot be written ({e.strerror}); name a file in a writable folder") from None
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """Read a `.vly` file. Raises VolleyError if it is missing, corrupt or of a newer version."""
        if not isinstance(path, str | os.PathLike):
            raise VolleyError(f"network: {path!r} is no path; give a file saved by Network.save()")
        path = Path(path)
        try:
            with zipfile.ZipFile(path) as z:
                document = json.loads(z.read("network.json"))
                arrays = {}
                for name in z.namelist():
                    if name.endswith(".npy"):
                        with z.open(name) as f:
                            arrays[name[:-4]] = np.lib.format.read_array(f, allow_pickle=False)
        except FileNotFoundError:
            raise VolleyError(f"{path}: no such file; give a network saved by Network.save()") from None
        except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, OSError, RuntimeError) as e:
            raise VolleyError(
                f"{path}: not a readable Volley network ({e}); save it again with Network.save()"
            ) from None
        if not isinstance(document, dict) or document.get("format") != "volley-network":
            raise VolleyError(f"{path}: not a Volley network; save one with Network.save()")
        if document.get("version") not in (1, FORMAT_VERSION):
            raise VolleyError(
                f"{path}: format version {document.get('version')}, this release reads 1 to {FORMAT_VERSION}; "
                "upgrade volley-snn or save it again"
            )
        try:
            operators = tuple(_operator(entry, arrays) for entry in document["operators"])
            return cls(
                document["name"],
                tuple(document["input_shape"]),
                operators,
                document["logit_scale"],
                tuple(_state_edge(e) for e in document["state_edges"]),
                document["meta"],
                Encoding(document.get("input_encoding", Encoding.PIXEL)),  # version 1 had pixels only
                document.get("input_steps", 1),
                document.get("time_block", 0),
            )
        except VolleyError as e:
            raise VolleyError(f"{path}: {e}") from None
        except (KeyError, TypeError, IndexError, ValueError) as e:
            raise VolleyError(f"{path}: damaged network description ({type(e).__name__}: {e}); save it again") from None


def _state_edge(entry: dict[str, Any]) -> StateEdge:
    tensor = Tensor(
        entry["name"],
        tuple(entry["shape"]),
        Encoding(entry["encoding"]),
        entry["steps"],
        entry["bound"],
        entry.get("timed", False),
    )
    return StateEdge(entry["source"], tensor)


def _operator(entry: dict[str, Any], arrays: dict[str, np.ndarray]) -> Operator:
    kind = OPERATORS.get(entry["kind"])
    if kind is None:
        raise VolleyError(f"unknown operator kind {entry['kind']!r}; known: {', '.join(OPERATORS)}")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items() if k != "kind"}
    for f in fields(kind):
        if f"{entry['name']}.{f.name}" in arrays:
            values[f.name] = arrays[f"{entry['name']}.{f.name}"]
    return kind(**values)
