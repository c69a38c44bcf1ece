# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""torch.fx front end: any traceable nn.Module (modules or functions) -> FloatNetwork.

The traced graph is walked once with abstract values: `Activations` for what depends on the input, everything else
(sizes, buffers, numbers) is computed on the spot. What each layer means is in `torch_layers.py`, each
function in `torch_functions.py`.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx, nn

from pyflow.errors import VolleyError
from pyflow.frontends import causes
from pyflow.frontends import torch_functions as functions
from pyflow.frontends import torch_layers as layers
from pyflow.frontends.builder import Activations, Builder
from pyflow.frontends.normalize import Normalize
from pyflow.model.graph import FloatNetwork
from pyflow.model.order import spiking_form
from pyflow.shapes import check_shape

BATCH = "batch"  # stands for x.size(0)
BATCHES = (1, 2, 3, 7, 64, 65)  # sizes with which a shape is asked for
MOST_QUESTIONS = 1000
NOT_UNDERSTOOD = (TypeError, ValueError, AttributeError, IndexError, KeyError, RuntimeError)


class _Proxy(fx.Proxy):
    """A traced value that tells `x += y` from `x = x + y`: the former changes what else shares its memory."""

    def __iadd__(self, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", operator.iadd, (self, other), {})

    def __isub__(self, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", operator.isub, (self, other), {})

    def __imul__(self, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", operator.imul, (self, other), {})

    def __itruediv__(self, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", operator.itruediv, (self, other), {})

    def __getattr__(self, name: str) -> fx.Proxy:
        return _Attribute(self, name)

    def __index__(self) -> int:
        return int(self.tracer.known(self.node, int))  # type: ignore[attr-defined]

    def __len__(self) -> int:
        if causes.only_shape(self.node):
            return int(self.tracer.known(self.node, len))  # type: ignore[attr-defined]
        batch = self.tracer.create_proxy("call_method", "size", (self, 0), {})  # of activations
        return int(self.tracer.known(batch.node, int))  # type: ignore[attr-defined]


class _Attribute(fx.proxy.Attribute, _Proxy):
    """x.shape and its kind, which are asked for their length."""


class _Shapes:
    """Runs a part of a graph that is still being traced on zeros, for what depends on shapes alone."""

    def __init__(self, root: nn.Module, input_shape: Sequence[int], batch: int) -> None:
        self.root, self.size = root, (batch, *input_shape)
        self.values: dict[fx.Node, Any] = {}

    def value(self, node: fx.Node) -> Any:
        if node not in self.values:
            with torch.no_grad():
                self.values[node] = self._made(node)
        return self.values[node]

    def _made(self, node: fx.Node) -> Any:
        args: Any = fx.node.map_arg(node.args, self.value)
        kwargs: Any = fx.node.map_arg(dict(node.kwargs), self.value)
        match node.op:
            case "placeholder":
                first = next(n for n in node.graph.nodes if n.op == "placeholder")
                return torch.zeros(self.size) if node is first else args[0]
            case "get_attr":
                return operator.attrgetter(str(node.target))(self.root)
            case "call_module":
                return self.root.get_submodule(str(node.target))(*args, **kwargs)
            case "call_method":
                return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        return node.target(*args, **kwargs)  # type: ignore[operator]


class _Asked(BaseException):
    """forward() asks for what a trace leaves open. No Exception: a user's own handler is not meant."""

    def __init__(self, node: fx.Node, what: Callable[[Any], Any]) -> None:
        super().__init__("a shape is asked for")
        self.node, self.what = node, what


class _Tracer(fx.Tracer):
    """answers: to what forward() asked for in earlier traces, in order."""

    record_stack_traces = True

    def __init__(self, answers: Sequence[Any]) -> None:
        super().__init__()
        self.answers = iter(answers)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Proxy(node, self)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Normalize) or super().is_leaf_module(m, module_qualified_name)

    def to_bool(self, obj: fx.Proxy) -> bool:
        return bool(self.known(obj.node, bool))

    def known(self, node: fx.Node, what: Callable[[Any], Any]) -> Any:
        """`what` of the value of a node that depends on shapes and types alone. Raises ControlFlow for others."""
        if not causes.only_shape(node):
            raise causes.ControlFlow(known=False)
        for answer in self.answers:
            return answer
        raise _Asked(node, what)


def _traced(model: nn.Module, input_shape: Sequence[int]) -> fx.Graph:
    """The graph of `model`. What forward() asks of shapes is worked out between two traces, since while one goes on
    torch.fx stands in for every module. Raises ControlFlow where the batch size decides."""
    answers: list[Any] = []
    while True:
        try:
            return _Tracer(answers).trace(model, _defaults(model))
        except _Asked as question:
            found = [question.what(_Shapes(model, input_shape, size).value(question.node)) for size in BATCHES]
            if any(answer != found[0] for answer in found) or len(answers) > MOST_QUESTIONS:
                raise causes.ControlFlow(known=True).with_traceback(question.__traceback__) from None
            answers.append(found[0])


def _defaults(model: nn.Module) -> dict[str, Any]:
    """Arguments of forward() behind the first that have a plain default: nobody gives them, so they have it."""
    _, *others = inspect.signature(model.forward).parameters.values()
    return {p.name: p.default for p in others if p.default is None or isinstance(p.default, bool | int | float | str)}


def trace(model: nn.Module, input_shape: Sequence[int], *, name: str | None = None) -> FloatNetwork:
    """The float network of `model` in eval mode; `model` itself is not changed.

    input_shape: (C, H, W) of one image, (C, L) of one sequence or (F,) of one vector. name: of the network, default the
    class name in lower case.
    Raises VolleyError naming the layer if the model cannot be traced or has no spiking form.
    """
    if not isinstance(model, nn.Module):
        raise VolleyError(f"model: is {type(model).__name__}, needs a torch.nn.Module")
    name = name or type(model).__name__.lower()
    check_shape(input_shape, f"model {name!r}: input shape")
    model = causes.unwrapped(model)
    causes.refuse(model, name)
    model = causes.copied(model, name)
    try:
        graph = fx.GraphModule(model, _traced(model, input_shape)).graph
        _drop_unused(graph, model)
    except (Exception, SystemExit) as e:  # tracing runs the user's forward(), which may do anything
        raise causes.untraced(model, name, e) from None
    try:
        with torch.no_grad():
            network = _Walk(model, Builder(name, input_shape)).run(graph)
        spiking_form(network)  # refuses what has none
        causes.refuse_hooks(model)
    except VolleyError as e:
        raise VolleyError(causes.spiking(model) or str(e)) from None
    return network


def _drop_unused(graph: fx.Graph, model: nn.Module) -> None:
    """Erase what nothing reads, but for what works in place: its operand is read."""
    for node in reversed(graph.nodes):
        if not node.users and node.op not in ("placeholder", "output") and not _in_place(node, model):
            graph.erase_node(node)


def _in_place(node: fx.Node, model: nn.Module) -> bool:
    """Does a node write its result over its operand?"""
    if node.op == "call_module":
        return bool(getattr(model.get_submodule(str(node.target)), "inplace", False))
    called = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "")
    return functions.in_place(functions.Call(node.name, called, node.args, dict(node.kwargs)))


class _Walk:
    """One pass over the traced graph."""

    def __init__(self, model: nn.Module, builder: Builder) -> None:
        self.model = model
        self.builder = builder
        self.values: dict[fx.Node, Any] = {}

    def run(self, graph: fx.Graph) -> FloatNetwork:
        inputs = 0
        for node in graph.nodes:
            if node.op == "placeholder":
                if inputs and node.args:  # a second argument that has a default
                    self.values[node] = node.args[0]
                    continue
                inputs += 1
                if inputs > 1:
                    raise VolleyError(
                        f"model {self.builder.name!r}: forward() takes a second input {node.target!r}; needs one"
                    )
                self.values[node] = self.builder.stream
            elif node.op == "output":
                out = self._value(node.args[0])
                if not isinstance(out, Activations):
                    raise VolleyError(
                        f"model {self.builder.name!r}: returns {type(out).__name__}, needs one tensor of logits"
                    )
                self.builder.read(out, "the output")
            else:
                try:
                    self.values[node] = self._node(node)
                except VolleyError as e:
                    raise self._located(e) from None
        return self.builder.finish()

    def _located(self, error: VolleyError) -> VolleyError:
        """`error`, with file and line of the user's code that is being read, where they are known."""
        at = f" ({self.builder.where})"
        return error if not self.builder.where or str(error).endswith(at) else VolleyError(f"{error}{at}")

    def _value(self, arg: Any) -> Any:
        return fx.node.map_arg(arg, lambda n: self.values[n])

    def _node(self, node: fx.Node) -> Any:
        if node.op == "get_attr":
            value: Any = self.model
            for part in str(node.target).split("."):
                value = getattr(value, part)
            return value
        self.builder.where = causes.where(node)
        args, kwargs = self._value(node.args), self._value(dict(node.kwargs))
        streams = [a for a in _flat((args, kwargs)) if isinstance(a, Activations)]
        if node.op == "call_module":
            return self._module(node, (*args, *kwargs.values()), streams)
        called = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", str(node.target))
        if not streams:
            return self._constant(node, called, args, kwargs)
        if called in ("size", "getattr", "dim", "ndimension"):
            return self._query(node, called, (*args, *kwargs.values()), streams[0])
        name = called.rstrip("_") if called.endswith("_") else called
        if name in ("to", "type_as") and not isinstance(args[0], Activations):
            return args[0]  # a buffer, of the type of what it is brought to
        call = functions.Call(node.name, called, args, kwargs)
        try:
            if name in functions.JOINS and (len(streams) > 1 or name in functions.ALWAYS_JOIN):
                functions.JOINS[name](self.builder, call)
            elif len(streams) > 1:
                raise VolleyError(f"layer {node.name!r} ({called}): of two activations has no spiking form")
            elif name in functions.FUNCTIONS:
                self.builder.read(streams[0], node.name)
                functions.FUNCTIONS[name](self.builder, call)
            else:
                raise VolleyError(f"layer {node.name!r} ({called}): not supported; {layers.hint(called)}")
        except NOT_UNDERSTOOD as e:
            raise _refusal(e, f"layer {node.name!r} ({called}): arguments are not understood") from None
        if functions.in_place(call):
            self._written(streams[0], node.name)
        return self.builder.stream

    def _module(self, node: fx.Node, args: tuple[Any, ...], streams: list[Activations]) -> Activations:
        module = self.model.get_submodule(str(node.target))
        label, kind = str(node.target), type(module).__name__
        if len(streams) != 1 or len(args) != 1:
            raise VolleyError(f"layer {label!r} ({kind}): needs one tensor as its input")
        self.builder.read(streams[0], label)
        handler = next((layers.MODULES[c] for c in type(module).__mro__ if c in layers.MODULES), None)
        if handler is None:
            raise VolleyError(f"layer {label!r} ({kind}): {causes.kind(module)}{layers.hint(kind)}")
        try:
            handler(self.builder, label, module)
        except NOT_UNDERSTOOD as e:
            raise _refusal(e, f"layer {label!r} ({kind}): its settings are not understood") from None
        if getattr(module, "inplace", False):
            self._written(streams[0], label)
        return self.builder.stream

    def _written(self, before: Activations, label: str) -> None:
        """What was added last lies where `before` lay: whoever reads that tensor from now on reads the new numbers."""
        self.builder.in_place(before, label)
        self.values = {n: self.builder.stream if value is before else value for n, value in self.values.items()}

    def _query(self, node: fx.Node, called: str, args: tuple[Any, ...], stream: Activations) -> Any:
        shape = (BATCH, *stream.size)
        if called in ("dim", "ndimension"):
            return len(shape)
        if called == "size":
            return shape[args[1]] if len(args) > 1 else shape
        if args[1] in ("shape", "ndim"):
            return shape if args[1] == "shape" else len(shape)
        if args[1] in ("device", "dtype"):
            return None
        raise VolleyError(f"layer {node.name!r}: attribute {args[1]!r} of an activation is not supported")

    def _constant(self, node: fx.Node, called: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Arithmetic on sizes and buffers, done now."""
        if any(a is BATCH for a in _flat((args, kwargs))) and node.target is not operator.getitem:
            raise VolleyError(f"layer {node.name!r} ({called}): computes with the batch size; use flatten(1)")
        try:
            return (
                getattr(args[0], called)(*args[1:], **kwargs)
                if node.op == "call_method"
                else node.target(*args, **kwargs)  # type: ignore[operator]
            )
        except Exception as e:
            raise VolleyError(
                f"layer {node.name!r} ({called}): cannot be evaluated ({type(e).__name__}: {e})"
            ) from None


def _refusal(error: Exception, otherwise: str) -> VolleyError:
    """A handler's own line, or `otherwise` with what went wrong in it."""
    return error if isinstance(error, VolleyError) else VolleyError(f"{otherwise} ({error})")


def _flat(value: Any) -> list[Any]:
    if isinstance(value, tuple | list):
        return [x for v in value for x in _flat(v)]
    if isinstance(value, dict):
        return [x for v in value.values() for x in _flat(v)]
    return [value]
