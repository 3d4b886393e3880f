"""The trained symbol as an ONNX model that ONNX Runtime and OpenVINO read without MXNet."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from training import onnx_operators
from training.onnx_features import add_features

if TYPE_CHECKING:
    from collections.abc import Iterator

OPSET = 13
"""The newest operator set that MXNet 1.9.1 translates to."""

OLDEST_OPSET = 12
"""Under which MXNet registers the translations that later operator sets share."""

IR_VERSION = 8
"""Stated, since onnx would write its newest, which no released ONNX Runtime reads yet."""

TENSOR_TYPES = (
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.FLOAT16,
    TensorProto.INT8,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.UINT8,
    TensorProto.BOOL,
)

INPUT, PROBABILITIES, LOGITS = "data", "probabilities", "logits"
_TEMPERATURE, _SCALED = "temperature", "calibrated"


def export_onnx(
    logits: Any,
    params: dict[str, Any],
    shape: tuple[int, int, int],
    *,
    temperature: float = 1.0,
    multi_label: bool = False,
) -> bytes:
    """Serialise a network and what makes probabilities of its logits as ONNX.

    Args:
        logits: an `mx.sym.Symbol` of one output, (N, classes).
        params: its parameters and auxiliary states by name, without `arg:` or `aux:` before it.
        shape: of one photo, (channels, height, width).
        temperature: above 0, that calibrates: logits are divided by it.
        multi_label: whether each class is answered apart, by a sigmoid in place of the softmax.

    Returns:
        The ONNX file: input `data` float32 (N, C, H, W), N free; outputs `probabilities` and,
        uncalibrated, `logits`, both float32 (N, classes); and what `add_features` adds.
    """
    from mxnet import onnx as mx_onnx

    onnx_operators.register()
    with _type_tables(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        mx_onnx.export_model(
            logits,
            {**params, **_fixed_scales(logits, params)},
            [(1, *shape)],
            np.float32,
            str(path),
            dynamic=True,
            dynamic_input_shapes=[("N", *shape)],
        )
        model = onnx.load(path)
    _, ((_, classes),), _ = logits.infer_shape(data=(1, *shape))
    _tidy(model, classes)
    _end_in_probabilities(model, temperature, multi_label=multi_label)
    add_features(model.graph, LOGITS)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _fixed_scales(logits: Any, params: dict[str, Any]) -> dict[str, Any]:
    """1 for each scale that a batch norm does not look at (`fix_gamma`), whatever is stored for it.

    MXNet's exporter has ONNX, which knows no such option, scale by what is stored.
    """
    nodes = json.loads(logits.tojson())["nodes"]
    norms = [node for node in nodes if node["op"].startswith("BatchNorm")]
    fixed = [node for node in norms if _option(node, "fix_gamma", "True") in {"True", "1"}]
    names = [nodes[node["inputs"][1][0]]["name"] for node in fixed]
    return {name: params[name].ones_like() for name in names}


def _option(node: dict[str, Any], name: str, default: str) -> str:
    return str(node.get("attrs", {}).get(name, default))


@contextlib.contextmanager
def _type_tables() -> Iterator[None]:
    """Put back `onnx.mapping`, which MXNet's exporter reads and onnx took out in 1.16.

    Weights are taken as bytes meanwhile: number by number, a ResNet-18 took 4 s more.
    """
    from mxnet.onnx.mx2onnx._export_onnx import MXNetGraph

    mapping: Any = types.ModuleType("onnx.mapping")
    pairs = [(number, helper.tensor_dtype_to_np_dtype(number)) for number in TENSOR_TYPES]
    mapping.TENSOR_TYPE_TO_NP_TYPE = dict(pairs)
    mapping.NP_TYPE_TO_TENSOR_TYPE = {dtype: number for number, dtype in pairs}
    sys.modules["onnx.mapping"] = onnx.mapping = mapping
    version = onnx.defs.onnx_opset_version
    onnx.defs.onnx_opset_version = lambda: OPSET
    translations = MXNetGraph.registry_[OLDEST_OPSET]
    slow, translations["null"] = translations["null"], _translate_variable
    try:
        yield
    finally:
        translations["null"] = slow
        onnx.defs.onnx_opset_version = version
        del sys.modules["onnx.mapping"], onnx.mapping


def _translate_variable(node: dict[str, Any], **graph: Any) -> tuple[list[Any], tuple[Any]]:
    """The photo as an input, or a weight's bytes as an initializer.

    In place of MXNet's, which turns every weight into a Python number and back.
    """
    if graph["is_input"]:
        number = graph["in_type"]
        dtype = helper.tensor_dtype_to_np_dtype(number)
        shape = graph["in_shape"]
    else:
        weights = graph["weights"][node["name"]]
        tensor = numpy_helper.from_array(weights, node["name"])
        graph["initializer"].append(tensor)
        number, dtype, shape = tensor.data_type, weights.dtype, weights.shape
    return [helper.make_tensor_value_info(node["name"], number, shape)], (dtype,)


def _tidy(model: onnx.ModelProto, classes: int) -> None:
    """State the IR version, leave only the photo as input, and say what the output is."""
    model.ir_version = IR_VERSION
    read = {name for node in model.graph.node for name in node.input}
    weights = [tensor for tensor in model.graph.initializer if tensor.name in read]
    inputs = [value for value in model.graph.input if value.name == INPUT]
    del model.graph.initializer[:], model.graph.input[:]
    model.graph.initializer.extend(weights)
    model.graph.input.extend(inputs)
    (output,) = model.graph.output
    for node in model.graph.node:
        node.output[:] = [LOGITS if name == output.name else name for name in node.output]
    output.name = LOGITS
    photos, width = output.type.tensor_type.shape.dim
    photos.dim_param, width.dim_value = "N", classes


def _end_in_probabilities(model: onnx.ModelProto, temperature: float, *, multi_label: bool) -> None:
    graph = model.graph
    graph.initializer.append(
        numpy_helper.from_array(np.array(temperature, np.float32), _TEMPERATURE)
    )
    graph.node.append(helper.make_node("Div", [LOGITS, _TEMPERATURE], [_SCALED]))
    if multi_label:
        graph.node.append(helper.make_node("Sigmoid", [_SCALED], [PROBABILITIES]))
    else:
        graph.node.append(helper.make_node("Softmax", [_SCALED], [PROBABILITIES], axis=1))
    (logits,) = graph.output
    probabilities = onnx.ValueInfoProto()
    probabilities.CopyFrom(logits)
    probabilities.name = PROBABILITIES
    graph.output.insert(0, probabilities)  # what answers a request comes first
