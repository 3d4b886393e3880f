"""A former artifact's symbol as a network that goes on learning, also for other classes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import mxnet as mx
from mxnet.gluon import SymbolBlock

from contracts import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from training.pretrained.weights import Pretrained

OPERATORS = frozenset(
    {
        "null",
        "Activation",
        "BatchNorm",
        "BatchNorm_v1",
        "Cast",
        "Concat",
        "Convolution",
        "Convolution_v1",
        "Crop",
        "Dropout",
        "Flatten",
        "FullyConnected",
        "GroupNorm",
        "L2Normalization",
        "LRN",
        "LayerNorm",
        "LeakyReLU",
        "LinearRegressionOutput",
        "LogisticRegressionOutput",
        "Pad",
        "Pooling",
        "Pooling_v1",
        "Reshape",
        "SliceChannel",
        "Softmax",
        "SoftmaxActivation",
        "SoftmaxOutput",
        "UpSampling",
        "_Plus",
        "_add",
        "_copy",
        "_div_scalar",
        "_minus_scalar",
        "_mul_scalar",
        "_plus_scalar",
        "_contrib_AdaptiveAvgPooling2D",
        "_contrib_BilinearResize2D",
        "_rdiv_scalar",
        "_rminus_scalar",
        "_zeros",
        "amp_cast",
        "amp_multicast",
        "broadcast_add",
        "broadcast_div",
        "broadcast_mul",
        "broadcast_sub",
        "clip",
        "concat",
        "elemwise_add",
        "elemwise_div",
        "elemwise_mul",
        "elemwise_sub",
        "exp",
        "expand_dims",
        "hard_sigmoid",
        "identity",
        "log",
        "max",
        "mean",
        "relu",
        "reshape",
        "reverse",
        "sigmoid",
        "slice",
        "slice_axis",
        "softmax",
        "log_softmax",
        "softsign",
        "sqrt",
        "square",
        "squeeze",
        "sum",
        "tanh",
        "transpose",
        "zeros_like",
        "ones_like",
    }
)
"""What picture networks are made of. Some of MXNet's others call what a number in the file points
to (`_Native`, `_NDArray`) or code by name (`Custom`)."""

DENSE = "FullyConnected"


class SymbolNetwork(SymbolBlock):
    """Pictures to logits by a symbol.

    Attributes:
        head: names of the weight and, if it has one, the bias of the last fully-connected layer.
    """

    head: tuple[str, ...] = ()

    def check_sizes(self, sizes: Iterable[int]) -> None:
        """Any size is tried: only the symbol knows which it takes."""


def build_symbol(pretrained: Pretrained, num_classes: int) -> SymbolNetwork:
    """The network of a former artifact, not yet initialised, with `num_classes` logits.

    It ends in the last fully-connected layer, which is a new one of the same name where the number
    of classes differs. `transfer` puts the weights in.

    Raises:
        TrainingError: the weights came without a symbol, or it is damaged, has an operator that
            picture networks have no need of, or no fully-connected layer.
    """
    if pretrained.symbol is None:
        raise TrainingError(f"{pretrained.source} has no symbol, but weights alone")
    layer = _last_dense(pretrained.symbol, pretrained.source)
    try:
        internals = mx.sym.load_json(pretrained.symbol).get_internals()
        logits = internals[f"{layer['name']}_output"]
        if int(layer["attrs"]["num_hidden"]) != num_classes:
            logits = _replaced(logits, layer, num_classes)
        names = {*logits.list_arguments(), *logits.list_auxiliary_states()} - {"data"}
        network = SymbolNetwork(logits, mx.sym.var("data"))
    except (mx.base.MXNetError, ValueError, KeyError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else "no reason"
        raise TrainingError(f"{pretrained.source}: its symbol cannot be used ({reason})") from error
    absent = sorted(names - pretrained.arrays.keys())
    if absent:
        raise TrainingError(f"{pretrained.source}: its symbol needs {absent[0]}, no array has it")
    parts = ("weight", "bias")
    network.head = tuple(f"{layer['name']}_{p}" for p in parts if f"{layer['name']}_{p}" in names)
    _state_shapes(network, pretrained, num_classes)
    return network


def _last_dense(symbol: str, source: str) -> dict[str, Any]:
    try:
        nodes = json.loads(symbol)["nodes"]
        foreign = sorted({str(node["op"]) for node in nodes} - OPERATORS)
        dense = [node for node in nodes if node["op"] == DENSE]
        attributes = [node.get("attrs") or node.get("attr") or node.get("param") for node in dense]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"{source}: its symbol is no JSON of MXNet ({error})") from error
    if foreign:
        raise TrainingError(
            f"{source}: its symbol has the operator {', '.join(foreign)}, which is not admitted",
            hint="expected a network of convolutions, as SageMaker's Image Classification writes",
        )
    if not dense or not attributes[-1] or "num_hidden" not in attributes[-1]:
        raise TrainingError(f"{source}: its symbol has no fully-connected layer to end in")
    return {"name": str(dense[-1]["name"]), "attrs": attributes[-1]}


def _replaced(logits: Any, layer: dict[str, Any], num_classes: int) -> Any:
    """A layer of the same name and input for other classes."""
    options = {
        name: str(layer["attrs"].get(name, default)) in {"True", "1"}
        for name, default in (("no_bias", False), ("flatten", True))
    }
    features = logits.get_children()[0]
    return mx.sym.FullyConnected(features, num_hidden=num_classes, name=layer["name"], **options)


def _state_shapes(network: SymbolNetwork, pretrained: Pretrained, num_classes: int) -> None:
    """A symbol without a picture's size knows no shapes, but the weights do."""
    for name, parameter in network.collect_params().items():
        shape = pretrained.arrays[name].shape
        parameter.shape = (num_classes, *shape[1:]) if name in network.head else shape
