# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Weights as people have them: what a file is, is told by its content; where in it the model's tensors are, by their
names. Nothing in a file is executed: pickles are read with weights_only=True.
"""

from __future__ import annotations

import json
import os
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from pyflow.errors import VolleyError
from pyflow.kinds import foreign
from pyflow.reading import check_weights, open_file

State = dict[str, torch.Tensor]
SHOWN = 4  # names listed in a message
DEPTH = 4  # of nested dictionaries that are looked into
LONG = 160  # characters of another library's message
WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")  # parts of names
BESIDE = frozenset({"n_averaged"})  # of AveragedModel: no weight
COUNTER = "num_batches_tracked"  # of BatchNorm: no weight
AVERAGED = re.compile(r"ema|avg|average|swa|teacher|optim", re.IGNORECASE)  # taken only where nothing else fits
HINT = "save model.state_dict(), better as .safetensors"
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_OBJECTS = "holds Python objects{}, perhaps a whole module, which do not load without executing code; " + HINT


class _Inert:
    """Stands for an object that a checkpoint holds beside its weights: settings, paths, numbers of numpy. It keeps
    nothing and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> _Inert:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


_DATA = tuple(
    f"{module}.{name}"
    for module, found in {
        "argparse": ("Namespace",),
        "types": ("SimpleNamespace",),
        "pathlib": ("Path", "PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath"),
        "datetime": ("datetime", "date", "timedelta"),
        "numpy": ("dtype", "ndarray"),
        "numpy.core.multiarray": ("scalar", "_reconstruct"),
        "numpy._core.multiarray": ("scalar", "_reconstruct"),
        "_codecs": ("encode",),
    }.items()
    for name in found
)  # settings and measurements, which a checkpoint may hold


def load_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Load the weights of `model` from a checkpoint: .safetensors, or a file of torch.save, whatever its ending.

    The tensors may stand in nested dictionaries ({"epoch": ..., "state_dict": ...}) and their names behind the prefixes
    of wrappers (`module.`, `_orig_mod.`). Every name and shape must match. Warns where several dictionaries fit, and of
    integers in place of real weights. Raises VolleyError if the file is missing, unreadable or of another model.
    """
    path = Path(path)
    with open_file(path, "give weights as .safetensors, or a state_dict saved by torch.save") as file:
        head = file.read(512)
    content = _read(path, head)
    state = _choose(path, content, model)
    _check_types(path, model, state)
    model.load_state_dict(state, strict=False)


# ------------------------------------------------------------------ reading
def _read(path: Path, head: bytes) -> Any:
    if not head:
        raise VolleyError(f"{path}: is empty; {HINT}")
    if _is_archive(path):
        return _torch(path)
    if head[:2] == b"PK":
        raise VolleyError(f"{path}: is damaged (an archive without its end); save it again")
    if len(head) > 8 and head[8:9] == b"{":  # eight bytes of length, then JSON
        return _safetensors(path)
    if path.suffix == ".safetensors":
        return _safetensors(path)
    if head[:1] == b"\x80":  # a pickle: torch.save before 1.6
        return _torch(path)
    text = head.lstrip()
    if text[:1] == b"{" or text[:1] == b"[":
        _refuse_json(path)
    kind = foreign(head)
    raise VolleyError(f"{path}: {f'is {kind}' if kind else 'is neither .safetensors nor a file of torch.save'}; {HINT}")


def _refuse_json(path: Path) -> None:
    try:
        found = json.loads(path.read_bytes()[: 1 << 24])
    except (ValueError, RecursionError):
        raise VolleyError(f"{path}: is a text file, no weights; {HINT}") from None
    if isinstance(found, dict) and isinstance(found.get("weight_map"), dict):
        files = sorted({str(name) for name in found["weight_map"].values()})
        raise VolleyError(
            f"{path}: is the index of a checkpoint in {len(files)} files ({names(files)}); "
            "load them together and save one file, model.state_dict() as .safetensors"
        )
    raise VolleyError(f"{path}: is a JSON file, no weights; {HINT}")


def _safetensors(path: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    check_weights(path, "save it again")
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError, MemoryError, OverflowError) as e:
        raise VolleyError(f"{path}: not a readable safetensors file ({short(e)}); save it again") from None


def _is_archive(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile as e:  # one in several parts
        raise VolleyError(f"{path}: is damaged ({short(e)}); save it again") from None


def _torch(path: Path) -> Any:
    if _is_archive(path):
        try:
            with zipfile.ZipFile(path) as z:
                members = z.namelist()
                packed = any(info.compress_type != zipfile.ZIP_STORED for info in z.infolist())
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as e:
            raise VolleyError(f"{path}: is damaged ({short(e)}); save it again") from None
        if any("/code/" in f"/{name}" for name in members):
            raise VolleyError(f"{path}: is a TorchScript program, which is code and is never loaded; {HINT}")
        if not any(name.endswith("data.pkl") for name in members):
            arrays = any(name.endswith(".npy") for name in members)
            kind = "an archive of numpy arrays (.npz)" if arrays else "a zip archive of other files"
            raise VolleyError(f"{path}: is {kind}, not a file of torch.save; {HINT}")
        if packed:
            raise VolleyError(f"{path}: is a compressed archive, which torch.save does not write; {HINT}")
        check_weights(path, "save it again")
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals([(_Inert, name) for name in _DATA]):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as e:  # whatever the unpickler makes of it
        raise VolleyError(f"{path}: {_unpickling(e)}") from None


def _unpickling(e: Exception) -> str:
    """Why a file of torch.save is not loaded."""
    text = " ".join(ESCAPES.sub("", str(e)).split())
    if "weights_only" not in text:
        return f"is damaged or no file of torch.save ({short(e)}); {HINT}"
    found = re.search(r"(?:GLOBAL|instantiate|import|class|function) `?([A-Za-z_][\w.]*\.\w+)", text)
    return _OBJECTS.format(f" ({found[1]})" if found else "")


# ------------------------------------------------------------------ which of its dictionaries
def _choose(path: Path, content: Any, model: nn.Module) -> State:
    """The dictionary of tensors in `content` that is the model's, under the model's names."""
    if isinstance(content, _Inert):
        raise VolleyError(f"{path}: {_OBJECTS.format('')}")
    if isinstance(content, torch.Tensor):
        raise VolleyError(f"{path}: holds one tensor of shape {tuple(content.shape)}, no dictionary of tensors; {HINT}")
    if not isinstance(content, Mapping):
        raise VolleyError(f"{path}: holds a {type(content).__name__}, is not a dictionary of tensors; {HINT}")
    own = _Names(model)
    found = sorted(_dictionaries(content, "", 0), key=lambda f: bool(AVERAGED.search(f[0])))
    if not found:
        keys = names([str(k) for k in content]) or "nothing"
        raise VolleyError(f"{path}: is not a dictionary of tensors, nor holds one (it has {keys}); {HINT}")
    found.append(("", dict(_leaves(content, "", 0))))
    renamed = [(where, own.match(state)) for where, state in found]
    fitting = [(where, state) for where, state in renamed if not own.problems(state)]
    if not fitting:
        where, state = max(renamed, key=lambda f: len(f[1].keys() & own.shapes.keys()))
        inside = f"{where!r} in it " if where else ""
        raise VolleyError(f"{path}: {inside}does not fit the model: {'; '.join(own.problems(state))}")
    where, state = fitting[0]
    if others := [repr(w) for w, other in fitting[1:] if w and not _equal(state, other)]:
        warnings.warn(
            f"{path}: holds several weights of this model: {where!r} is taken, not {names(others)}", stacklevel=4
        )
    return state


def _dictionaries(content: Mapping[Any, Any], where: str, depth: int) -> Iterator[tuple[str, State]]:
    """(place, tensors) of every dictionary with tensors, the outermost and the first ones first."""
    tensors = {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, torch.Tensor)}
    if tensors:
        yield where, tensors
    for key, value in content.items() if depth < DEPTH else ():
        if isinstance(value, Mapping):
            yield from _dictionaries(value, f"{where}.{key}".lstrip("."), depth + 1)


def _leaves(content: Mapping[Any, Any], where: str, depth: int) -> Iterator[tuple[str, torch.Tensor]]:
    """All tensors of a tree of dictionaries ({"conv1": {"weight": ...}}), by their path."""
    for key, value in content.items():
        if isinstance(value, torch.Tensor):
            yield f"{where}{key}", value
        elif isinstance(value, Mapping) and depth < DEPTH:
            yield from _leaves(value, f"{where}{key}.", depth + 1)


def _equal(a: State, b: State) -> bool:
    return all(a[k].shape == b[k].shape and torch.equal(a[k], b[k]) for k in a.keys() & b.keys())


class _Names:
    """The names and shapes of a model, and how those of a checkpoint become them."""

    def __init__(self, model: nn.Module) -> None:
        state = model.state_dict()
        # A lazy module takes the shape of what is loaded.
        self.shapes = {k: None if is_lazy(v) else tuple(v.shape) for k, v in state.items()}
        self.weights = {k for k in self.shapes if not k.endswith(COUNTER)}
        self._bare = {_bare(k): k for k in self.shapes}

    def match(self, state: State) -> State:
        """`state` under the model's names: without prefixes of wrappers, wherever they stand, and without one prefix
        that stands before all of the model's (Lightning's `model.`)."""
        if self.weights <= state.keys() or len(self._bare) < len(self.shapes):
            return state
        bare = {_bare(k): v for k, v in state.items() if k not in BESIDE}
        if len(bare) < len(state.keys() - BESIDE):
            return state
        wanted = {_bare(k) for k in self.weights}
        if not wanted <= bare.keys() and wanted:
            first = min(wanted)
            for prefix in (k[: -len(first)] for k in bare if k.endswith(f".{first}")):
                if wanted <= {k[len(prefix) :] for k in bare if k.startswith(prefix)}:
                    bare = {k[len(prefix) :]: v for k, v in bare.items() if k.startswith(prefix)}
                    break
            else:
                if not bare.keys() & wanted:
                    return state
        return {self._bare.get(k, k): v for k, v in bare.items()}

    def problems(self, state: State) -> list[str]:
        """What of `state` is not the model's, one phrase each; empty if all is."""
        wrong = [
            f"{k} {tuple(state[k].shape)} for {self.shapes[k]}"
            for k in sorted(self.shapes.keys() & state.keys())
            if self.shapes[k] not in (None, tuple(state[k].shape))
        ]
        lists = {
            "missing": sorted(self.weights - state.keys()),
            "unexpected": sorted(state.keys() - self.shapes.keys() - BESIDE),
            "wrong shape": wrong,
        }
        return [f"{what} {names(which)}" for what, which in lists.items() if which]


def _bare(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _check_types(path: Path, model: nn.Module, state: State) -> None:
    """Refuses tensors whose copy into the model would not be their values."""
    own = model.state_dict()
    for key in sorted(own.keys() & state.keys()):
        tensor = state[key]
        real = own[key].is_floating_point()
        if tensor.is_quantized or tensor.is_sparse or tensor.is_meta or (real and not tensor.is_floating_point()):
            kind = "on the meta device, without values" if tensor.is_meta else f"of {str(tensor.dtype).split('.')[-1]}"
            kind = "sparse" if tensor.is_sparse else kind
            raise VolleyError(f"{path}: tensor {key!r} is {kind}; needs real numbers (save model.float().state_dict())")


def names(found: list[str]) -> str:
    more = len(found) - SHOWN
    return ", ".join(found[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def short(e: BaseException) -> str:
    text = " ".join(ESCAPES.sub("", str(e)).split())
    if len(text) > LONG:  # at the end of a sentence, or of a word
        cut = text[:LONG]
        text = cut[: cut.rfind(". ")] if ". " in cut else f"{cut.rsplit(' ', 1)[0]} ..."
    return f"{type(e).__name__}: {text}" if text else type(e).__name__
