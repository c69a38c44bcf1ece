# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Why a model cannot be traced: the true cause in one line, with file and line of the user's own code, and the cure."""

from __future__ import annotations

import copy
import linecache
import re
import site
import sysconfig
import traceback
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn
from torch.nn.parameter import is_lazy

from pyflow.errors import VolleyError
from pyflow.frontends.checkpoint import short
from pyflow.frontends.plain import duplicate, plain
from pyflow.frontends.spiking.tables import FRAMEWORKS

SPIKING = {  # packages of spiking neurons by the root of a module's __module__
    "snntorch": "snnTorch",
    "spikingjelly": "SpikingJelly",
    "norse": "Norse",
    "sinabs": "Sinabs",
    "lava": "Lava",
    "bindsnet": "BindsNET",
    "rockpool": "Rockpool",
    "nirtorch": "NIR",
}
QUANTISED = ("torch.ao.", "torch.nn.quantized", "torch.nn.intrinsic", "torch.nn.qat", "torchao.", "brevitas.")
WRAPPERS = ("DistributedDataParallel", "AveragedModel", "FullyShardedDataParallel", "DeepSpeedEngine")
# Layers of torch that fx keeps whole and no handler reads; said before what they are joined by.
WHOLE = (nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention, nn.Transformer, nn.Embedding, nn.EmbeddingBag)
READ = (nn.Linear, nn.Conv1d, nn.Conv2d)  # layers of which the weight is read
# What is known of an activation without its values.
SHAPE_QUERIES = {"shape", "ndim", "dtype", "device", "is_cuda", "requires_grad", "layout", "size", "dim", "ndimension"}
SHAPE_CALLS = {"numel", "nelement", "is_floating_point", "get_device", "is_contiguous", "stride"}
STATEMENTS = {"assert": "the assertion", "if": "the condition", "elif": "the condition", "while": "the loop"}
ASKS_LENGTH = "asks for the batch size; use x.flatten(1), or x.shape[0]"


class ControlFlow(fx.proxy.TraceError):
    """A value of the trace decides what forward() does next. known: only its shape or type does, not its data."""

    def __init__(self, known: bool) -> None:
        super().__init__("a traced value decides")
        self.known = known


def only_shape(node: fx.Node) -> bool:
    """Does `node` depend on activations through their shape or type alone?"""
    if node.op == "placeholder" or node.op == "call_module":
        return False
    name = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "")
    if name == "getattr":
        return node.args[1] in SHAPE_QUERIES or all(map(only_shape, node.all_input_nodes))
    if node.op == "call_method" and name in SHAPE_QUERIES | SHAPE_CALLS:
        return True
    return node.op != "get_attr" and all(map(only_shape, node.all_input_nodes))


# ------------------------------------------------------------------ before tracing
def unwrapped(model: nn.Module) -> nn.Module:
    """The user's own module inside of torch.compile, DataParallel and their kind, as torch has them. Raises VolleyError
    where such a wrapper has a hook of its own."""
    while True:
        kind = type(model)
        if kind.__name__ == "OptimizedModule" and kind.__module__.startswith("torch."):
            inner = model._modules.get("_orig_mod")
        elif kind.__name__ in (*WRAPPERS, "DataParallel") and kind.__module__.startswith("torch."):
            inner = model._modules.get("module")
        else:
            inner = None
        if inner is None:
            return model
        _refuse_hook(model, f"model {kind.__name__!r}")
        model = inner


def _wraps(module: nn.Module) -> bool:
    return isinstance(module, nn.DataParallel) or (type(module).__name__ in WRAPPERS and "module" in module._modules)


def refuse(model: nn.Module, name: str) -> None:
    """Raises VolleyError for models that torch.fx cannot take, by what they are."""
    for label, module in model.named_modules():
        what = f"layer {label!r} ({type(module).__name__})" if label else f"model {name!r}"
        here = f"model.{label}" if label else "model"
        if "_orig_mod" in module._modules:
            raise VolleyError(f"{what}: is compiled by torch.compile, which hides its layers; give {here}._orig_mod")
        if _wraps(module):
            raise VolleyError(f"{what}: is wrapped in {type(module).__name__}; give {here}.module")
        if isinstance(module, torch.jit.ScriptModule):
            raise VolleyError(f"{what}: is TorchScript, a compiled program; give the nn.Module that it was made of")
        if isinstance(module, WHOLE):
            kind = type(module).__name__
            raise VolleyError(f"layer {label!r} ({kind}): not supported; recurrence and attention have no spiking form")
        if module._parameters.get("weight", 0) is None and isinstance(module, READ):
            raise VolleyError(f"{what}: weight is None; give it a tensor")
        for key, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                _refuse_tensor(tensor, f"layer {label!r} ({type(module).__name__}): {key}")


def _refuse_tensor(tensor: torch.Tensor, what: str) -> None:
    if is_lazy(tensor):
        raise VolleyError(f"{what} has no shape yet; load weights, or run the model once on a batch of images before")
    if tensor.is_meta:
        raise VolleyError(
            f"{what} is on the meta device, without values; load its weights "
            '(model.to_empty(device="cpu"), then load_state_dict)'
        )
    if tensor.is_complex():
        raise VolleyError(f"{what} is {str(tensor.dtype).removeprefix('torch.')}, needs real numbers")


def refuse_hooks(model: nn.Module) -> None:
    """Raises VolleyError for a forward hook: it changes the outputs, and a trace does not see it."""
    for label, module in model.named_modules():
        kind = type(module).__name__
        _refuse_hook(module, f"layer {label!r} ({kind})" if label else f"model {kind!r}")


def _refuse_hook(module: nn.Module, what: str) -> None:
    if hooks := {**module._forward_pre_hooks, **module._forward_hooks}:
        hook = next(iter(hooks.values()))
        name = getattr(hook, "__qualname__", type(hook).__name__)
        raise VolleyError(f"{what}: has a forward hook ({name}), which is not converted; remove it")


def spiking(model: nn.Module) -> str:
    """The line for a model with layers of a spiking framework; "" where it has none."""
    found = [(n, m) for n, m in model.named_modules() if type(m).__module__.split(".")[0] in SPIKING]
    if not found:
        return ""
    label, module = min(found, key=lambda f: not _fires(f[1]))
    package = type(module).__module__.split(".")[0]
    what = f"layer {label!r} ({package} {type(module).__name__})"
    if package not in FRAMEWORKS:
        return (
            f"{what}: a front end for {SPIKING[package]} is not built yet; docs/frameworks.md says how to write its "
            "neurons as a pyflow.Network"
        )
    if _fires(module):
        return f"{what}: computes over time; pyflow.convert() takes the whole model, with its loop over time"
    return f"{what}: is {SPIKING[package]}'s own layer in a model without its neurons; use that of torch.nn"


def _fires(module: nn.Module) -> bool:
    """Is it a neuron, not one of torch's layers in another coat?"""
    return not any(c.__module__.startswith("torch.nn.") and c is not nn.Module for c in type(module).__mro__)


def kind(module: nn.Module) -> str:
    """What to say of a layer that no handler knows, before the list of what is supported."""
    if type(module).__module__.startswith(QUANTISED):
        package = ".".join(type(module).__module__.split(".")[:2])
        return f"is a quantised layer of {package}; give the float model, conversion quantises; "
    return "not supported; "


# ------------------------------------------------------------------ copying
def copied(model: nn.Module, name: str) -> nn.Module:
    """A copy of `model` on the CPU, in eval mode, of plain layers.

    Raises VolleyError naming the attribute that cannot be copied.
    """
    try:
        model = duplicate(model)
    except Exception as e:
        raise VolleyError(_uncopied(model, name, e)) from None
    try:
        model.cpu()
        model.eval()  # a train() of the user's own may return nothing
    except Exception as e:
        raise VolleyError(f"model {name!r}: train() or eval() of it fails ({place(e)}{short(e)})") from None
    return plain(model)


def _uncopied(model: nn.Module, name: str, error: Exception) -> str:
    for label, module in model.named_modules():
        what = f"layer {label!r} ({type(module).__name__})" if label else f"model {name!r} ({type(module).__name__})"
        parts = {**module._parameters, **module._buffers}
        parts |= {k: v for k, v in vars(module).items() if k not in ("_modules", "_parameters", "_buffers")}
        for key, value in parts.items():
            if _copies(value):
                continue
            if key.startswith("_") and key.endswith(("_hooks", "_hooks_with_kwargs")):
                return f"{what}: a hook of it cannot be copied ({short(error)}); remove it before"
            return f"{what}: attribute {key!r} ({type(value).__name__}) cannot be copied; set it to None before"
    return f"model {name!r}: cannot be copied ({place(error)}{short(error)})"


def _copies(value: Any) -> bool:
    try:
        copy.deepcopy(value)
    except Exception:
        return False
    return True


# ------------------------------------------------------------------ tracing
def untraced(model: nn.Module, name: str, error: BaseException) -> VolleyError:
    """The one line for an exception of tracing `model`."""
    if line := spiking(model):
        return VolleyError(line)
    what = f"model {name!r}: torch.fx cannot trace it"
    where, text = _statement(error), " ".join(str(error).split())
    if isinstance(error, ControlFlow):
        word = STATEMENTS.get(where[1].split(" ")[0].rstrip("("), "the expression")
        if "len(" in where[1] and error.known:
            return VolleyError(f"{what}: {where[0]}`{where[1]}` {ASKS_LENGTH}")
        if error.known:
            return VolleyError(
                f"{what}: {where[0]}`{where[1]}`: {word} depends on the batch size; the hardware takes one image after "
                "the other, so write forward() without it"
            )
        return VolleyError(
            f"{what}: {where[0]}`{where[1]}`: {word} depends on the data; the hardware does the same for every image, "
            "so write forward() without it"
        )
    if isinstance(error, RuntimeError) and "'len' is not supported" in text:
        return VolleyError(f"{what}: {where[0]}`{where[1]}` {ASKS_LENGTH}")
    if (isinstance(error, fx.proxy.TraceError) and "iterate" in text) or "cannot be iterated" in text:
        return VolleyError(f"{what}: {where[0]}`{where[1]}` loops over an activation or unpacks it; index it instead")
    if isinstance(error, NotImplementedError) and "forward" in text:
        return VolleyError(f"{what}: it, or a layer of it, has no forward()")
    if "Proxy" in text:
        return VolleyError(f"{what}: {where[0]}`{where[1]}` needs a number where a trace has none yet ({short(error)})")
    return VolleyError(f"{what} ({short(error)}{f' at {where[0]}`{where[1]}`' if where[1] else ''})")


_LIBRARIES = tuple(
    str(Path(p).resolve())
    for p in {*site.getsitepackages(), site.getusersitepackages(), *map(sysconfig.get_path, ("stdlib", "purelib"))}
    if p
)
_HERE = str(Path(__file__).resolve().parents[1])


def _statement(error: BaseException) -> tuple[str, str]:
    """("file:line: ", source line) of the innermost frame of the user's own code; empty strings if there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith("<") and not _library(f.filename)]
    if not own:
        return "", ""
    frame = own[-1]
    line = (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
    return f"{_shown(frame.filename)}:{frame.lineno}: ", line[:120]


def _shown(filename: str) -> Path:
    path = Path(filename)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def where(node: fx.Node) -> str:
    """ "file:line" of the user's forward() that made a traced node; "" where only libraries' code did."""
    for filename, line in reversed(re.findall(r'^ *File "(.+)", line (\d+)', node.stack_trace or "", re.MULTILINE)):
        if filename.startswith(_HERE):
            break  # what lies around it called the trace
        if not filename.startswith("<") and not _library(filename):
            return f"{_shown(filename)}:{line}"
    return ""


def _library(filename: str) -> bool:
    path = str(Path(filename).resolve())
    return path.startswith((*_LIBRARIES, _HERE)) or f"{Path('/site-packages/')}" in path


def place(error: BaseException) -> str:
    """ "file:line: " of the user's own code in an exception's traceback."""
    return _statement(error)[0]
