"""A former artifact's symbol as a network that goes on learning, also for other classes."""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING, Any

import mxnet as mx
from mxnet.gluon import SymbolBlock

from contracts import TrainingError
from training.networks import PHOTO_CHANNELS, Grey

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
_CONVOLUTIONS = ("Convolution", "Convolution_v1")
_SIDE = 64  # of a picture that any first convolution takes
MULTI_LABEL = "LogisticRegressionOutput"
_OPTIONS = ("attrs", "attr", "param")
"""Where a node's options stand, in today's MXNet and before 1.0."""


class SymbolNetwork(SymbolBlock):
    """Pictures to logits by a symbol.

    Attributes:
        head: names of the weight and, if it has one, the bias of the last fully-connected layer.
        channels: of the pictures that the symbol was made for. 1 means that photos, which arrive as
            RGB all the same, are made grey before it.
    """

    head: tuple[str, ...] = ()
    channels: int = PHOTO_CHANNELS

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
    layer, head, options = _last_dense(pretrained.symbol, pretrained.source)
    try:
        internals = mx.sym.load_json(pretrained.symbol).get_internals()
        logits = internals[f"{layer}_output"]
        if int(options["num_hidden"]) != num_classes:
            logits = _replaced(logits, layer, head, options, num_classes)
        channels = _channels(internals, pretrained)
        if channels == 1:
            logits = logits(data=Grey(prefix="photo_grey_")(mx.sym.var("data", dtype="float32")))
        names = {*logits.list_arguments(), *logits.list_auxiliary_states()} - {"data"}
        network = SymbolNetwork(logits, mx.sym.var("data", dtype="float32"))
    except (mx.base.MXNetError, ValueError, KeyError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else "no reason"
        raise TrainingError(f"{pretrained.source}: its symbol cannot be used ({reason})") from error
    absent = sorted(names - pretrained.arrays.keys())
    if absent:
        raise TrainingError(f"{pretrained.source}: its symbol needs {absent[0]}, no array has it")
    network.head, network.channels = head, channels
    _state_shapes(network, pretrained, num_classes)
    return network


def symbol_classes(pretrained: Pretrained) -> tuple[int, bool]:
    """How many classes a former artifact tells apart, and whether each is answered by itself.

    Raises:
        TrainingError: as `build_symbol`.
    """
    if pretrained.symbol is None:
        raise TrainingError(f"{pretrained.source} has no symbol, but weights alone")
    _, _, options = _last_dense(pretrained.symbol, pretrained.source)
    ends = {node["op"] for node in json.loads(pretrained.symbol)["nodes"]}
    try:
        return int(options["num_hidden"]), MULTI_LABEL in ends
    except (KeyError, ValueError) as error:
        raise TrainingError(
            f"{pretrained.source}: its last layer tells no number of classes ({error!r})"
        ) from error


def _last_dense(symbol: str, source: str) -> tuple[str, tuple[str, ...], dict[str, Any]]:
    """The last fully-connected layer's name, the names of its parameters, and its options."""
    try:
        nodes = json.loads(symbol)["nodes"]
        foreign = sorted({str(node["op"]) for node in nodes} - OPERATORS)
        if foreign:
            raise TrainingError(
                f"{source}: its symbol has the operator {', '.join(foreign)}, "
                "which is not admitted",
                hint="expected a network of convolutions, as SageMaker's algorithm writes",
            )
        dense = [node for node in nodes if node["op"] == DENSE]
        if not dense:
            raise TrainingError(f"{source}: its symbol has no fully-connected layer to end in")
        options: dict[str, Any] = next(filter(None, map(dense[-1].get, _OPTIONS)), {})
        head = tuple(str(nodes[entry[0]]["name"]) for entry in dense[-1]["inputs"][1:])
        return str(dense[-1]["name"]), head, dict(options)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise TrainingError(f"{source}: its symbol is no JSON of MXNet ({error})") from error


def _channels(internals: Any, pretrained: Pretrained) -> int:
    """What the symbol takes: 3, or 1 where only that fits the weights up to its first convolution.

    MXNet's reader of records, which feeds the built-in algorithm, decodes pictures as luma where
    image_shape has one channel.
    """
    outputs = internals.list_outputs()
    nodes = json.loads(pretrained.symbol or "")["nodes"]
    names = [f"{node['name']}_output" for node in nodes if node["op"] in _CONVOLUTIONS]
    if not names or names[0] not in outputs:
        return PHOTO_CHANNELS
    first = internals[names[0]]
    shapes = {
        name: pretrained.arrays[name].shape
        for name in first.list_arguments()
        if name in pretrained.arrays
    }
    with contextlib.redirect_stdout(io.StringIO()):  # where MXNet prints what does not fit
        try:
            first.infer_shape(data=(1, PHOTO_CHANNELS, _SIDE, _SIDE), **shapes)
        except mx.base.MXNetError:
            first.infer_shape(data=(1, 1, _SIDE, _SIDE), **shapes)
            return 1
    return PHOTO_CHANNELS


def _replaced(
    logits: Any, layer: str, head: tuple[str, ...], options: dict[str, Any], num_classes: int
) -> Any:
    """A layer of the same name, input and parameters' names for other classes."""
    given: dict[str, Any] = dict(zip(("weight", "bias"), map(mx.sym.var, head), strict=False))
    for name, default in (("no_bias", False), ("flatten", True)):
        given[name] = str(options.get(name, default)) in {"True", "1"}
    features = logits.get_children()[0]
    return mx.sym.FullyConnected(features, num_hidden=num_classes, name=layer, **given)


def _state_shapes(network: SymbolNetwork, pretrained: Pretrained, num_classes: int) -> None:
    """A symbol without a picture's size knows no shapes, but the weights do.

    What has one axis starts at zero: the bias of a new layer; `transfer` fills in the rest.
    """
    for name, parameter in network.collect_params().items():
        shape = pretrained.arrays[name].shape
        parameter.shape = (num_classes, *shape[1:]) if name in network.head else shape
        if len(shape) == 1:
            parameter.init = mx.init.Zero()
