# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Models of Brevitas: layers of brevitas.nn keep their integers. torch.fx follows forward(), with each of those layers
as a leaf; what quantisers make is recorded while the model runs."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from pyflow.errors import VolleyError
from pyflow.frontends import causes, kernels
from pyflow.frontends import torch_layers as layers
from pyflow.frontends.trained.build import TrainedBuilder
from pyflow.frontends.trained.tensors import Codes, Layer, Potential, Quantiser, Stream, Weight
from pyflow.graph import Network

PACKAGE = "brevitas."
BATCH = "batch"  # stands for x.size(0)
ROUNDINGS = {"ROUND": "even", "FLOOR": "floor"}
NOT_UNDERSTOOD = (TypeError, ValueError, AttributeError, IndexError, KeyError, RuntimeError, ArithmeticError)
SUPPORTED = (
    "QuantConv1d/2d, QuantLinear, QuantReLU, QuantIdentity; of torch BatchNorm, ReLU, MaxPool, AvgPool, Flatten, "
    "Dropout, Identity, flatten, view, cat, +, max_pool, avg_pool, relu"
)


def is_brevitas(model: object) -> bool:
    """Has it layers of Brevitas?"""
    return isinstance(model, nn.Module) and any(_is_leaf(module) for module in model.modules())


def _is_leaf(module: nn.Module) -> bool:
    return any(kind.__module__.startswith(f"{PACKAGE}nn") for kind in type(module).__mro__)


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A call of a quantiser. codes: the operator that gives its codes; made, read: float [N, ...], by the model itself.
    scale, rounding: its own."""

    codes: str
    made: np.ndarray
    read: np.ndarray
    scale: float
    rounding: str


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """network; sites: its quantisers. answer: the model's, float [N, classes]; rounded: does a quantiser follow it?"""

    network: Network
    sites: tuple[Site, ...]
    answer: np.ndarray
    rounded: bool


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return _is_leaf(m) or super().is_leaf_module(m, module_qualified_name)


def imported(model: nn.Module, images: np.ndarray, name: str, ties: str = "even") -> Imported:
    """The network of a model's integers, and what the model itself makes of float32 images [N, ...], in eval(); it is
    left as it was. Raises VolleyError naming the layer that has no exact form."""
    was = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            record = _Record(model, images, name)
            try:
                graph = _Tracer().trace(model)
            except (Exception, SystemExit) as e:  # the user's own forward()
                raise causes.untraced(model, name, e) from None
            return _Walk(model, record, TrainedBuilder(name, images.shape[1:], ties)).run(graph)
    finally:
        for module, training in was:
            module.training = training


def _value(x: Any) -> torch.Tensor:
    """Of a tensor, or of one of Brevitas with its scale."""
    return getattr(x, "value", x)  # type: ignore[no-any-return]


class _Record:
    """One run: what every quantiser read and made, and the biases as they are quantised."""

    def __init__(self, model: nn.Module, images: np.ndarray, name: str) -> None:
        self.calls: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}  # (made, read) of each, by path
        hooks = [m.register_forward_hook(self._keep(path)) for path, m in model.named_modules() if _quantises(m)]
        try:
            answer = _value(model(torch.from_numpy(images.copy())))
            self.answer = answer.detach().numpy()
        except (Exception, SystemExit) as e:
            raise VolleyError(f"model {name!r}: fails on images {images.shape} ({causes.place(e)}{e})") from None
        finally:
            for hook in hooks:
                hook.remove()

    def _keep(self, path: str) -> Callable[..., None]:
        def hook(_module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            made, read = (np.array(_value(x).detach().numpy()) for x in (output, inputs[0]))
            self.calls.setdefault(path, []).append((made, read))

        return hook


def _quantises(module: nn.Module) -> bool:
    """One of Brevitas' proxies that is switched on."""
    here = type(module).__module__.startswith(f"{PACKAGE}proxy")
    return here and bool(getattr(module, "is_quant_enabled", False)) and not hasattr(module, "tensor_quant_module")


class _Walk:
    """One pass over the traced graph."""

    def __init__(self, model: nn.Module, record: _Record, builder: TrainedBuilder) -> None:
        self.model, self.record, self.builder = model, record, builder
        self.sites: list[Site] = []
        self.values: dict[fx.Node, Any] = {}

    def run(self, graph: fx.Graph) -> Imported:
        answer: Any = None
        for node in graph.nodes:
            if node.op == "placeholder":
                self.values[node] = node.args[0] if node.args else self.builder.start
            elif node.op == "output":
                answer = self._given(node.args[0])
            else:
                self.values[node] = self._node(node)
        if not isinstance(answer, Stream):
            raise VolleyError(
                f"model {self.builder.name!r}: returns {type(answer).__name__}, needs one tensor of logits"
            )
        rounded = isinstance(answer, Potential) and answer.ends is not None
        network, record = self.builder.finish(answer), self.record
        return Imported(network, tuple(self.sites), record.answer, rounded)

    def _given(self, args: Any) -> Any:
        return fx.node.map_arg(args, lambda n: self.values[n])

    def _node(self, node: fx.Node) -> Any:
        args, kwargs = self._given(node.args), self._given(dict(node.kwargs))
        module: nn.Module | None = None
        if node.op == "get_attr":
            return operator.attrgetter(str(node.target))(self.model)
        if node.op == "call_module":
            module = self.model.get_submodule(str(node.target))
            layer = Layer(str(node.target), type(module).__name__)
            kinds = [kind.__name__ for kind in type(module).__mro__]
        else:
            called = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "")
            layer, kinds = Layer(node.name, called), [called.rstrip("_")]
        if kinds == ["getitem"]:
            return args[0][args[1]]
        if not any(isinstance(a, Stream) for a in _flat((args, kwargs))):
            raise layer.fail("works out numbers in forward(), which is not supported here; use flatten(1)")
        handler = next((HANDLERS[kind] for kind in kinds if kind in HANDLERS), None)
        if handler is None:
            raise layer.fail(f"is not supported among trained integers; supported: {SUPPORTED}")
        try:
            return handler(self, layer, module, *args, **kwargs)
        except NOT_UNDERSTOOD as e:
            if isinstance(e, VolleyError):
                raise
            cause = str(e).partition("\n")[0][:120]
            raise layer.fail(f"its settings are not understood ({type(e).__name__}: {cause})") from None

    def quantise(self, path: str, kind: str, source: Stream, proxy: Any) -> Stream:
        """Behind a quantiser of activations; the stream itself where that is switched off."""
        if not getattr(proxy, "is_quant_enabled", False):
            return source
        layer, bits, scale = Layer(path, kind), float(proxy.bit_width()), proxy.scale()
        if scale.numel() != 1 or bits != int(bits) or float(torch.as_tensor(proxy.zero_point()).abs().max()):
            raise layer.fail("needs one scale, a whole number of bits and zero point 0")
        if proxy.rounding_mode not in ROUNDINGS:
            raise layer.fail(f"rounding mode {proxy.rounding_mode} is not supported; needs {' or '.join(ROUNDINGS)}")
        signed, narrow = bool(proxy.is_signed), bool(proxy.is_narrow_range)
        high = 2 ** (int(bits) - signed) - 1 - (narrow and not signed)
        low = (narrow - 2 ** (int(bits) - 1)) if signed else 0
        q = Quantiser(Fraction(float(scale)), int(low), int(high), ROUNDINGS[proxy.rounding_mode])
        self.builder.codes.pop(path, None)  # of an earlier call
        stream, values = self.builder.quantise(layer, source, q), self.record.calls[path].pop(0)
        if codes := self.builder.codes.get(path):
            self.sites.append(Site(codes, *values, float(scale), q.rounding))
        return stream


def _flat(value: Any) -> list[Any]:
    if isinstance(value, tuple | list | dict):
        return [x for v in (value.values() if isinstance(value, dict) else value) for x in _flat(v)]
    return [value]


# ---------------------------------------------------------------------- layers of Brevitas
def _activation(walk: _Walk, layer: Layer, m: Any, x: Stream) -> Stream:
    """QuantIdentity, QuantReLU."""
    x = walk.quantise(f"{layer.label}.input_quant", layer.kind, x, m.input_quant)
    if any(kind.__name__ == "QuantReLU" for kind in type(m).__mro__):
        x = walk.builder.relu(layer, x)
    return walk.quantise(f"{layer.label}.act_quant", layer.kind, x, m.act_quant)


def _weight(layer: Layer, m: Any) -> Weight:
    if not m.weight_quant.is_quant_enabled:
        raise layer.fail("weight is not quantised, as activations are; quantise both, or neither")
    found = m.quant_weight()
    bits, zero = float(found.bit_width), torch.as_tensor(found.zero_point)
    if float(zero.abs().max()) or bits != int(bits):
        raise layer.fail("weight has a zero point, or no whole number of bits; use a symmetric quantiser")
    integers = found.int().to(torch.int64).numpy()
    scale = found.scale.detach().to(torch.float64)
    if scale.numel() not in (1, len(integers)) or (scale.numel() > 1 and scale.shape[0] == 1):
        raise layer.fail(f"weight has scales of shape {tuple(scale.shape)}; needs one, or one per output channel")
    return Weight(integers, scale.numpy().ravel(), int(bits))


def _bias(walk: _Walk, layer: Layer, m: Any) -> np.ndarray | None:
    if m.bias is None:
        return None
    quantised = walk.record.calls.get(f"{layer.label}.bias_quant")
    return quantised[0][0] if quantised else np.array(m.bias.detach().numpy())


def _conv(walk: _Walk, layer: Layer, m: Any, x: Stream) -> Stream:
    x = walk.quantise(f"{layer.label}.input_quant", layer.kind, x, m.input_quant)
    weight = _weight(layer, m)
    axes = weight.integers.ndim - 2
    if m.padding_mode != "zeros" or not isinstance(m.padding, tuple) or axes != x.axes:
        raise layer.fail(
            f"padding {m.padding!r} ({m.padding_mode}) on {x.size} is not supported; needs numbers of zeros"
        )
    kernel = weight.integers.reshape(*weight.integers.shape[:2], *layers.kernel_sides(weight.integers.shape[2:], axes))
    depthwise = m.groups > 1 and kernel.shape[1] == 1
    apart = layers.kernel_sides(m.dilation, axes)
    dense, _ = kernels.laid_out(layer.label, layer.kind, kernel, apart, 1 if depthwise else m.groups)
    laid, pad = Weight(dense.astype(np.int64), weight.scale, weight.bits), layers.padding_sides(m.padding, axes)
    stride = layers.kernel_sides(m.stride, axes)
    out = walk.builder.conv(layer, x, laid, _bias(walk, layer, m), stride, pad, pad, depthwise)
    return walk.quantise(f"{layer.label}.output_quant", layer.kind, out, m.output_quant)


def _linear(walk: _Walk, layer: Layer, m: Any, x: Stream) -> Stream:
    x = walk.quantise(f"{layer.label}.input_quant", layer.kind, x, m.input_quant)
    out = walk.builder.linear(layer, x, _weight(layer, m), _bias(walk, layer, m))
    return walk.quantise(f"{layer.label}.output_quant", layer.kind, out, m.output_quant)


# ---------------------------------------------------------------------- layers and functions of torch
def _relu(walk: _Walk, layer: Layer, _: Any, x: Stream, inplace: bool = False) -> Stream:  # noqa: ARG001
    return walk.builder.relu(layer, x)


def _norm(walk: _Walk, layer: Layer, m: Any, x: Stream) -> Stream:
    if m.running_mean is None:
        raise layer.fail("has no running statistics; train with track_running_stats=True")
    inverse = 1 / np.sqrt(layers.array_of(m.running_var) + m.eps)
    scale = inverse * (layers.array_of(m.weight) if m.affine else 1.0)
    shift = (layers.array_of(m.bias) if m.affine else 0.0) - layers.array_of(m.running_mean) * scale
    return walk.builder.affine(layer, x, scale, shift)


def _pool(largest: bool) -> Callable[..., Stream]:
    def handler(walk: _Walk, layer: Layer, m: Any, x: Stream, *args: Any, **kwargs: Any) -> Stream:
        names = ("kernel_size", "stride", "padding", *(("dilation", "ceil_mode") if largest else ("ceil_mode",)))
        given = dict(zip(names, args, strict=False)) | kwargs if m is None else {n: getattr(m, n) for n in names}
        kernel = layers.kernel_sides(given["kernel_size"], x.axes)
        stride, pad = given.get("stride"), layers.padding_sides(given.get("padding", 0), x.axes)
        step = kernel if stride is None or stride == [] else layers.kernel_sides(stride, x.axes)
        fits = all((n + 2 * p - k) % s == 0 for n, p, k, s in zip(x.shape[1:], pad, kernel, step, strict=True))
        if not x.axes or (given.get("ceil_mode") and not fits) or given.get("dilation", 1) not in (1, (1, 1), (1,)):
            raise layer.fail(f"on {x.size} with {given} is not supported; needs whole windows, without dilation")
        pool = walk.builder.max_pool if largest else walk.builder.avg_pool
        return pool(layer, x, kernel, step, pad)

    return handler


def _flatten(walk: _Walk, layer: Layer, m: Any, x: Stream, start_dim: int = 1, end_dim: int = -1) -> Stream:
    start, end = (start_dim, end_dim) if m is None else (m.start_dim, m.end_dim)
    if start != 1 or end not in (-1, len(x.size)):
        raise layer.fail(f"start_dim {start}, end_dim {end} is not supported; needs 1, -1")
    return walk.builder.flatten(x)


def _view(walk: _Walk, layer: Layer, _: Any, x: Stream, *sizes: Any) -> Stream:
    wanted = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
    features = int(np.prod(x.size))
    if list(wanted) not in ([BATCH, -1], [BATCH, features], [-1, features]):
        raise layer.fail(f"to {tuple(wanted)} is no Flatten of {x.size}, which is supported; use flatten(1)")
    return walk.builder.flatten(x)


def _size(_: _Walk, __: Layer, ___: Any, x: Stream, dim: int | None = None) -> Any:
    sizes = (BATCH, *x.size)
    return sizes if dim is None else sizes[dim]


def _attribute(_: _Walk, layer: Layer, __: Any, x: Stream, name: str) -> Any:
    if name != "shape":
        raise layer.fail(f"attribute {name!r} of an activation is not supported")
    return (BATCH, *x.size)


def _nothing(_: _Walk, __: Layer, ___: Any, x: Stream, *____: Any, **_____: Any) -> Stream:
    return x


def _add(walk: _Walk, layer: Layer, _: Any, x: Any, y: Any) -> Codes:
    if not (isinstance(x, Stream) and isinstance(y, Stream)):
        raise layer.fail("adds a constant, which is not supported among trained integers")
    return walk.builder.add(layer, [x, y])


def _cat(walk: _Walk, layer: Layer, _: Any, tensors: Any, dim: int = 0) -> Codes:
    if dim % (1 + len(tensors[0].size)) != 1:
        raise layer.fail(f"along dimension {dim} is not supported; needs that of the channels, 1")
    return walk.builder.concat(layer, list(tensors))


# By name of the class or function.
HANDLERS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("QuantIdentity", "QuantReLU"), _activation),
    **dict.fromkeys(("QuantConv1d", "QuantConv2d"), _conv),
    "QuantLinear": _linear,
    **dict.fromkeys(("ReLU", "relu"), _relu),
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d"), _norm),
    **dict.fromkeys(("MaxPool1d", "MaxPool2d", "max_pool1d", "max_pool2d"), _pool(True)),
    **dict.fromkeys(("AvgPool1d", "AvgPool2d", "avg_pool1d", "avg_pool2d"), _pool(False)),
    **dict.fromkeys(("Flatten", "flatten"), _flatten),
    **dict.fromkeys(("Dropout", "Dropout1d", "Dropout2d", "Identity", "dropout", "contiguous"), _nothing),
    **dict.fromkeys(("view", "reshape"), _view),
    "size": _size,
    "getattr": _attribute,
    **dict.fromkeys(("add", "iadd"), _add),
    **dict.fromkeys(("cat", "concat"), _cat),
}
