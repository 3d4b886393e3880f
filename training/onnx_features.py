"""What an exported network tells beside its logits: the last features, and where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

EMBEDDING, ACTIVATION_MAP = "embedding", "activation_map"

_DENSE, _POOLING = "Gemm", "GlobalAveragePool"
_SHAPING = ("Dropout", "Flatten", "Identity", "Reshape")
"""What may stand between the pooling and the dense layer, and changes no value at inference."""


def add_features(graph: onnx.GraphProto, logits: str) -> None:
    """Add the outputs EMBEDDING and ACTIVATION_MAP, as far as the network's end has them.

    The embedding is what the last dense layer takes: float32 (N, F). Where that is the mean of each
    feature map, the logit of a class is the mean over all places of the maps' sum, weighted as the
    class weights them. That sum, for the most probable class, is the activation map: float32
    (N, h, w), a value for each place of the last maps, exact and all but free.

    Source: Zhou et al., "Learning Deep Features for Discriminative Localization" (2016).

    A network that does not end in a dense layer of that form is left as it is.

    Args:
        graph: of an exported network.
        logits: the name of its output.
    """
    makers = {name: node for node in graph.node for name in node.output}
    dense = makers.get(logits)
    if dense is None or dense.op_type != _DENSE or not _is_transposed(dense):
        return
    features, weights = dense.input[0], dense.input[1]
    (count,) = (tensor.dims[1] for tensor in graph.initializer if tensor.name == weights)
    maps = _pooled_maps(makers, features)
    _rename(graph, features, EMBEDDING)
    graph.output.append(_output(EMBEDDING, ("N", count)))
    if maps is not None:
        _add_activation_map(graph, logits, weights, maps)


def _pooled_maps(makers: dict[str, onnx.NodeProto], name: str) -> str | None:
    """The maps whose means a value is, or None."""
    node = makers.get(name)
    while node is not None and node.op_type in _SHAPING:
        node = makers.get(node.input[0])
    return node.input[0] if node is not None and node.op_type == _POOLING else None


def _add_activation_map(graph: onnx.GraphProto, logits: str, weights: str, maps: str) -> None:
    names = ("class", "row", "column", "places")
    best, row, column, places = (f"{ACTIVATION_MAP}_{name}" for name in names)
    sides, features = _constant(graph, "sides", 2, 3), _constant(graph, "features", 1)
    graph.node.extend(
        [
            _node("ArgMax", [logits], best, axis=1, keepdims=0),
            _node("Gather", [weights, best], row),  # (N, F)
            _node("Unsqueeze", [row, sides], column),  # (N, F, 1, 1)
            _node("Mul", [maps, column], places),  # (N, F, h, w)
            _node("ReduceSum", [places, features], ACTIVATION_MAP, keepdims=0),
        ]
    )
    graph.output.append(_output(ACTIVATION_MAP, ("N", "map_height", "map_width")))


def _node(kind: str, inputs: list[str], output: str, **attributes: int) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], output, **attributes)


def _constant(graph: onnx.GraphProto, name: str, *values: int) -> str:
    tensor = numpy_helper.from_array(np.array(values, np.int64), f"{ACTIVATION_MAP}_{name}")
    graph.initializer.append(tensor)
    return str(tensor.name)


def _output(name: str, shape: Sequence[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]


def _is_transposed(dense: onnx.NodeProto) -> bool:
    """Whether a row of its weights is a class, as MXNet's exporter writes it."""
    return any(each.name == "transB" and each.i for each in dense.attribute)
