"""The trained symbol as an ONNX model that ONNX Runtime and OpenVINO read without MXNet."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from training import onnx_operators

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OPSET = 13
"""The newest operator set that MXNet 1.9.1 translates to."""

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

INPUT, OUTPUT = "data", "probabilities"


def export_onnx(symbol: Any, params: dict[str, Any], shape: tuple[int, int, int]) -> bytes:
    """Serialise `symbol`, which ends in a softmax, as ONNX with a free batch dimension.

    Args:
        symbol: an `mx.sym.Symbol` of one output, class probabilities (N, classes).
        params: its parameters and auxiliary states by name, without `arg:` or `aux:` before it.
        shape: of one photo, (channels, height, width).

    Returns:
        The ONNX file: input `data` float32 (N, C, H, W), output `probabilities` (N, classes).
    """
    from mxnet import onnx as mx_onnx

    onnx_operators.register()
    with _type_tables(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        mx_onnx.export_model(
            symbol,
            params,
            [(1, *shape)],
            np.float32,
            str(path),
            dynamic=True,
            dynamic_input_shapes=[("N", *shape)],
        )
        model = onnx.load(path)
    _, ((_, classes),), _ = symbol.infer_shape(data=(1, *shape))
    _tidy(model, classes)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


@contextlib.contextmanager
def _type_tables() -> Iterator[None]:
    """Put back `onnx.mapping`, which MXNet's exporter reads and onnx took out in 1.16.

    Weights are taken as bytes meanwhile: number by number, a ResNet-18 took 4 s more.
    """
    mapping: Any = types.ModuleType("onnx.mapping")
    pairs = [(number, helper.tensor_dtype_to_np_dtype(number)) for number in TENSOR_TYPES]
    mapping.TENSOR_TYPE_TO_NP_TYPE = dict(pairs)
    mapping.NP_TYPE_TO_TENSOR_TYPE = {dtype: number for number, dtype in pairs}
    sys.modules["onnx.mapping"] = onnx.mapping = mapping
    version = onnx.defs.onnx_opset_version
    onnx.defs.onnx_opset_version = lambda: OPSET
    make_tensor = helper.make_tensor
    helper.make_tensor = _raw_floats(make_tensor)
    try:
        yield
    finally:
        helper.make_tensor = make_tensor
        onnx.defs.onnx_opset_version = version
        del sys.modules["onnx.mapping"], onnx.mapping


def _raw_floats(make_tensor: Callable[..., Any]) -> Callable[..., Any]:
    def make(name: str, data_type: int, dims: Any, vals: Any, raw: bool = False) -> Any:
        if data_type == TensorProto.FLOAT and not raw:
            vals, raw = np.asarray(vals, "<f4").tobytes(), True
        return make_tensor(name, data_type, dims, vals, raw=raw)

    return make


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
        node.output[:] = [OUTPUT if name == output.name else name for name in node.output]
    output.name = OUTPUT
    photos, probabilities = output.type.tensor_type.shape.dim
    photos.dim_param, probabilities.dim_value = "N", classes
