# SPDX-License-Identifier: Apache-2.0
"""The intermediate representation: an integer spiking network as a graph of operators.

A tensor is named after the operator that makes it; several operators may read one tensor (branches).
A state edge feeds a tensor back into an earlier operator on the next time step.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
import zlib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from pyflow.errors import VolleyError
from pyflow.operators import OPERATORS, Encoding, Operator, Tensor

FORMAT_VERSION = 1
INPUT = "input"


@dataclass(frozen=True, slots=True)
class StateEdge:
    """A tensor fed back: operators that read `tensor` at step t see what `source` was at step t - 1, and
    zeros before the first step. tensor: its declared type, which must be that of `source`."""

    source: str
    tensor: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """name: identifier. input_shape: (C, H, W) of 8-bit pixels. operators: topological order, the last
    one gives the logits. logit_scale: real value of one logit unit. meta: free, JSON (accuracies,
    class names, the command that made it)."""

    name: str
    input_shape: tuple[int, int, int]
    operators: tuple[Operator, ...]
    logit_scale: float = 1.0
    state_edges: tuple[StateEdge, ...] = ()
    meta: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(init=False)

    def __post_init__(self) -> None:
        c, h, w = self.input_shape
        if not isinstance(self.meta, dict):
            raise VolleyError(f"network {self.name!r}: meta must be an object, not {type(self.meta).__name__}")
        if not all(isinstance(n, int) for n in (c, h, w)) or min(c, h, w) < 1:
            raise VolleyError(f"network {self.name!r}: input shape {self.input_shape} must be positive")
        tensors = {INPUT: Tensor(INPUT, (c, h, w), Encoding.PIXEL, 8, 255)}
        tensors |= {edge.tensor.name: edge.tensor for edge in self.state_edges}
        for op in self.operators:
            if op.name in tensors:
                raise VolleyError(f"network {self.name!r}: two operators are called {op.name!r}")
            for source in op.inputs:
                if source not in tensors:
                    raise VolleyError(f"{op.kind} {op.name!r}: reads {source!r}, which no earlier operator makes")
            tensors[op.name] = op.infer(*(tensors[s] for s in op.inputs))
        for edge in self.state_edges:
            if edge.source not in tensors:
                raise VolleyError(f"network {self.name!r}: state edge from unknown tensor {edge.source!r}")
            if tensors[edge.source] != replace(edge.tensor, name=edge.source):
                raise VolleyError(
                    f"network {self.name!r}: state edge {edge.tensor} is not of the type of {edge.source!r}"
                )
        if not self.operators:
            raise VolleyError(f"network {self.name!r}: has no operators")
        object.__setattr__(self, "tensors", tensors)

    @property
    def classes(self) -> int:
        return self.tensors[self.operators[-1].name].shape[0]

    def sources(self, op: Operator) -> tuple[Tensor, ...]:
        """Operand tensors of `op`."""
        return tuple(self.tensors[s] for s in op.inputs)

    def readers(self, name: str) -> tuple[Operator, ...]:
        """Operators that read tensor `name`."""
        return tuple(op for op in self.operators if name in op.inputs)

    def pixels(self, x: np.ndarray) -> np.ndarray:
        """Checked input as int64 pixels [N, C, H, W].

        x: float [N, C, H, W] in [0, 1] (becomes floor(255 x + 1/2)), or an integer array of pixels
        0..255 of that shape. Raises VolleyError on another shape, NaN or a value out of range.
        """
        x = np.asarray(x)
        if x.ndim != 4 or x.shape[1:] != tuple(self.input_shape):
            want = "x".join(map(str, self.input_shape))
            raise VolleyError(
                f"input: shape {x.shape} does not fit network {self.name!r}, which takes [N, {want}] (N,C,H,W)"
            )
        if not (np.issubdtype(x.dtype, np.integer) or np.issubdtype(x.dtype, np.floating)):
            raise VolleyError(f"input: dtype {x.dtype} is neither integer pixels nor float images")
        top = 255 if np.issubdtype(x.dtype, np.integer) else 1
        bad = ~((x >= 0) & (x <= top))
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise VolleyError(f"input: value {x[where].item()!r} at {where} is outside 0..{top} ({x.dtype} images)")
        if top == 255:
            return x.astype(np.int64)
        return np.floor(x.astype(np.float64) * 255 + 0.5).astype(np.int64)

    def run(self, x: np.ndarray, trace: bool = False) -> Any:
        """Integer reference: int64 logits [N, classes]; with `trace` also {tensor: int64 [N, C, H, W]}."""
        from pyflow.reference import run

        return run(self, x, trace=trace)

    def summary(self) -> str:
        """One line per operator: name, kind, shape, T, bits, weights."""
        rows = [("layer", "kind", "output", "T", "bits", "weights", "W")]
        for op in self.operators:
            t = self.tensors[op.name]
            weight = getattr(op, "weight", None)
            rows.append(
                (
                    op.name,
                    op.kind,
                    "x".join(map(str, t.shape)),
                    "-" if t.encoding is Encoding.POTENTIAL else str(t.steps),
                    str(t.bits),
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
        path = Path(path)
        document = {
            "format": "volley-network",
            "version": FORMAT_VERSION,
            "name": self.name,
            "input_shape": list(self.input_shape),
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
            fd, temporary = tempfile.mkstemp(dir=path.parent or Path("."), suffix=".tmp")
        except OSError as e:
            raise VolleyError(f"{path}: cannot be written ({e.strerror}); choose a writable folder") from None
        try:
            with os.fdopen(fd, "wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as z:
                z.writestr(zipfile.ZipInfo("network.json"), json.dumps(document, indent=1, sort_keys=True))
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
        if document.get("version") != FORMAT_VERSION:
            raise VolleyError(
                f"{path}: format version {document.get('version')}, this release reads {FORMAT_VERSION}; "
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
            )
        except VolleyError as e:
            raise VolleyError(f"{path}: {e}") from None
        except (KeyError, TypeError, IndexError, ValueError) as e:
            raise VolleyError(f"{path}: damaged network description ({type(e).__name__}: {e}); save it again") from None


def _state_edge(entry: dict[str, Any]) -> StateEdge:
    tensor = Tensor(entry["name"], tuple(entry["shape"]), Encoding(entry["encoding"]), entry["steps"], entry["bound"])
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
