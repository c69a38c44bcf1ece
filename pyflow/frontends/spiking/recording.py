# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Records one run of a spiking network, call by call.

What torch calls is caught by a `TorchFunctionMode`, what the model's modules do by hooks. A leaf is one call: a
layer of torch or a layer or neuron of a framework; what happens inside is not recorded. The loop over time may stand
anywhere: in `forward()`, or in a function of the user's that calls the model step by step.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from pyflow.errors import VolleyError
from pyflow.frontends.spiking import neurons
from pyflow.frontends.spiking.outputs import Role, results
from pyflow.frontends.spiking.tables import FRAMEWORKS

# Functions of torch that give the same numbers in another coat.
SAME = {"detach", "detach_", "clone", "requires_grad_", "contiguous", "cpu", "alias", "__deepcopy__", "data"}
# Methods that hand a tensor's numbers to Python, where a loop can no longer be followed.
READS = {"item", "tolist", "numpy", "__bool__", "__int__", "__float__", "__index__", "nonzero", "__array__"}
# Functions that take a tensor's sizes alone.
SIZES = {"zeros_like", "ones_like", "empty_like", "full_like", "new_zeros", "new_ones", "new_full", "new_empty"}
# Functions that draw random numbers: calls like others, whatever they read.
RANDOM = {"rand", "rand_like", "bernoulli"}
HOST = "encode on the host, and feed [N, T, ...] with time_axis=1"
MOST_CALLS = 200_000


@dataclass(frozen=True, slots=True)
class Given:
    """The sample that the run was given."""


@dataclass(frozen=True, slots=True)
class Made:
    """Result `number` of call `call`."""

    call: int
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A tensor that does not depend on the sample. name: of the model's parameter or buffer, "" of others."""

    value: torch.Tensor
    name: str = ""


Source = Given | Made | Constant


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """site: path of a module, or name of a function and the line that calls it. args, kwargs: as given, a Source in the
    place of each tensor. shapes: of the tensors that it makes; roles: what they are, of a layer of neurons."""

    site: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shapes: tuple[tuple[int, ...], ...]
    where: str
    roles: tuple[Role, ...] = ()

    @property
    def module(self) -> nn.Module | None:
        return self.function if isinstance(self.function, nn.Module) else None

    @property
    def sources(self) -> list[Source]:
        return [s for s in leaves((self.args, self.kwargs)) if isinstance(s, Source)]


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """calls: in order. output: what the run gives, a Source in the place of each tensor."""

    calls: tuple[Call, ...]
    output: Any


def leaves(value: Any) -> Iterator[Any]:
    """What stands in tuples, lists and dictionaries, in order."""
    if isinstance(value, tuple | list):
        for part in value:
            yield from leaves(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from leaves(part)
    else:
        yield value


def mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    """`value` with `function` of each of its leaves."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(part, function) for part in value))
    if isinstance(value, torch.Size):
        return tuple(mapped(part, function) for part in value)
    if isinstance(value, tuple | list):
        return type(value)(mapped(part, function) for part in value)
    if isinstance(value, dict):
        return {key: mapped(part, function) for key, part in value.items()}
    return function(value)


def is_leaf(module: nn.Module) -> bool:
    """Is `module` one call? Layers of torch are, and those of a framework but for its containers."""
    kind = type(module)
    if isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict):
        return False
    if kind.__module__.startswith("torch.") or neurons.is_neuron(module):
        return True
    return kind.__module__.split(".")[0] in FRAMEWORKS and not _holds(module)


def _holds(module: nn.Module) -> bool:
    """A container of a framework: its children are the layers, and a loop through it shows."""
    name = type(module).__name__
    return name in ("SequentialState", "RecurrentSequential") or "container" in name.lower()


@dataclass
class _Recorder(TorchFunctionMode):
    """A mode that keeps what is called."""

    model: nn.Module
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.paths = {id(m): path for path, m in self.model.named_modules()}
        named = (*self.model.named_parameters(), *self.model.named_buffers())
        self.constants = {id(tensor): name for name, tensor in named}
        self.made: dict[int, Source] = {}
        self.kept: list[Any] = []  # nothing that was seen goes away: its id would be given anew
        self.inside = 0
        self.entered: tuple[Any, ...] = ()
        self.given: set[int] = set()

    def source(self, tensor: torch.Tensor) -> Source:
        if (known := self.made.get(id(tensor))) is not None:
            return known
        self.kept.append(tensor)
        return Constant(tensor, self.constants.get(id(tensor), ""))

    def sourced(self, value: Any) -> Any:
        return mapped(value, lambda part: self.source(part) if isinstance(part, torch.Tensor) else part)

    def starts(self, given: Any) -> bool:
        """A weight and zeros: the first step of what later multiplies the spikes of the step before?"""
        constants = [leaf for leaf in leaves(given) if isinstance(leaf, Constant)]
        zeros = [c for c in constants if not c.name and c.value.ndim > 1 and not bool((c.value != 0).any())]
        return len(zeros) == 1 and any(c.name for c in constants)

    def see(self, tensor: torch.Tensor, source: Source) -> None:
        self.made[id(tensor)] = source
        self.kept.append(tensor)

    def keep(self, site: str, function: Callable[..., Any], given: tuple[Any, Any], result: Any, where: str) -> None:
        if len(self.calls) >= MOST_CALLS:
            raise VolleyError(f"run: makes more than {MOST_CALLS:,} calls; record a shorter one (fewer time steps)")
        roles: tuple[Role, ...] = ()
        tensors = [part for part in leaves(result) if isinstance(part, torch.Tensor)]
        if isinstance(function, nn.Module) and neurons.is_neuron(function):
            made = results(function, result)
            roles, tensors = tuple(role for role, _ in made), [tensor for _, tensor in made]
        shapes = tuple(tuple(t.shape) for t in tensors)
        self.calls.append(Call(site, function, given[0], given[1], shapes, where, roles))
        for number, tensor in reversed(list(enumerate(tensors))):  # of one that it gives twice, the first
            self.see(tensor, Made(len(self.calls) - 1, number))

    # ------------------------------------------------------------------ modules
    def before(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self.inside:
            self.entered = (self.sourced(args), self.sourced(kwargs))
            self.given = {id(value) for value in leaves((args, kwargs))}
        self.inside += 1

    def after(self, module: nn.Module, _args: Any, _kwargs: Any, result: Any) -> None:
        self.inside -= 1
        same = {id(v) for v in leaves(result) if isinstance(v, torch.Tensor)} <= self.given  # it does nothing
        if not self.inside and not same:
            self.keep(self.paths[id(module)], module, self.entered, result, "")

    # ------------------------------------------------------------------ functions
    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.inside:
            return func(*args, **kwargs)
        name = _name(func)
        given = (self.sourced(args), self.sourced(kwargs))
        if writes(name) and isinstance(given[0][0], Constant):  # its start is what counts
            start = Constant(args[0].clone(), given[0][0].name)
            given = ((start, *given[0][1:]), given[1])
        free = all(isinstance(s, Constant) for s in leaves(given) if isinstance(s, Source))
        if name in READS and not free:
            if (inside := _place()[0]).startswith(("spikegen.py", "encode.py", "encoding.py")):
                raise VolleyError(f"run: an encoder at {inside} is not that of the core; {HOST}")
            raise VolleyError(
                f"run: {name}() at {_place()[1]} hands activations to Python; a network must not depend on their values"
            )
        result = func(*args, **kwargs)
        if name == "__setitem__":
            result = args[0]
        tensors = [part for part in leaves(result) if isinstance(part, torch.Tensor)]
        same = not writes(name) and {id(t) for t in tensors} <= {id(v) for v in leaves((args, kwargs))}
        if (free and name not in RANDOM and not self.starts(given)) or not tensors or name in SIZES or same:
            return None if name == "__setitem__" else result
        if name in SAME:
            for tensor in tensors:
                self.see(tensor, self.source(args[0]))
            return result
        short, place = _place()
        self.keep(f"{name}@{short}", func, given, result, place)
        return None if name == "__setitem__" else result


def writes(name: str) -> bool:
    """Does the function `name` write to its first argument?"""
    augmented = name.startswith("__i") and name.endswith("__") and name not in ("__index__", "__int__", "__invert__")
    return name == "__setitem__" or augmented or (name.endswith("_") and not name.endswith("__"))


def _name(function: Any) -> str:
    name = getattr(function, "__name__", str(function))
    if name == "__get__":  # of a property
        return getattr(getattr(function, "__self__", None), "__name__", name)
    return str(name)


def _place() -> tuple[str, str]:
    """(file:line without its folder, path:line) of the user's code that calls torch."""
    frame = sys._getframe(1)
    own = (str(Path(torch.__file__).parent), __file__)
    while frame.f_back and frame.f_code.co_filename.startswith(own):
        frame = frame.f_back
    file = frame.f_code.co_filename
    return f"{Path(file).name}:{frame.f_lineno}", f"{file}:{frame.f_lineno}"


def record(run: Callable[[torch.Tensor], Any], model: nn.Module, sample: torch.Tensor) -> Recording:
    """The calls of `run(sample)`, which calls `model` once or step by step.

    Raises VolleyError where the run hands activations to Python.
    """
    recorder = _Recorder(model)
    recorder.see(sample, Given())
    handles = []
    for module in filter(is_leaf, model.modules()):
        handles.append(module.register_forward_pre_hook(recorder.before, with_kwargs=True))
        handles.append(module.register_forward_hook(recorder.after, with_kwargs=True, always_call=True))
    try:
        with torch.no_grad(), recorder:
            output = run(sample)
    finally:
        for handle in handles:
            handle.remove()
    return Recording(tuple(recorder.calls), recorder.sourced(output))
