"""A float32 ONNX network becomes one of 8-bit weights and activations."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_static,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

QUANTISED = (
    "Conv",
    "Gemm",
    "MatMul",
    "Add",
    "AveragePool",
    "GlobalAveragePool",
    "MaxPool",
    "Concat",
)
"""Operators computed in 8 bits; activations such as Clip and Relu are taken into those before."""

LOGITS, INPUT = "logits", "data"


def quantise(network: Path, pictures: Iterable[Any], out: Path) -> None:
    """Write the network with weights of 8 bits a channel and activations of 8 bits.

    Quantised statically, in the form of QuantizeLinear and DequantizeLinear nodes that ONNX Runtime
    and OpenVINO both read. The last layer, which makes the logits, stays float32, as does all
    behind it. Weights keep to 7 of their bits: on x86-64 processors without VNNI, two products of
    8 bits overflow the 16 that their sum is given, and nobody knows yet on which processor the
    model will answer. Source: ONNX Runtime, *Quantize ONNX models*.

    Args:
        network: the ONNX file, whose opset and IR version are kept.
        pictures: float32 (N, 3, H, W) each, normalised, of training photos: the ranges of the
            activations are taken from them.
        out: the ONNX file to write.
    """
    version = onnx.load(network).ir_version
    with tempfile.TemporaryDirectory(prefix="quantise-") as folder:
        folded, quantised = Path(folder, "folded.onnx"), Path(folder, "quantised.onnx")
        quant_pre_process(str(network), str(folded), skip_symbolic_shape=True)
        last = _name_nodes(folded)
        quantize_static(
            str(folded),
            str(quantised),
            Pictures(pictures),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_exclude=last,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        model = onnx.load(quantised)
        model.ir_version = version  # the library states its own, which older runtimes refuse
        _drop_unused_domains(model)
        onnx.checker.check_model(model)
        out.write_bytes(model.SerializeToString())


class Pictures(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime's types are not followed
    """Pictures one after another, as ONNX Runtime's calibration asks for them."""

    def __init__(self, pictures: Iterable[Any]) -> None:
        self._left: Iterator[Any] = iter(pictures)

    def get_next(self) -> dict[str, Any] | None:
        """The network's next input, or None behind the last."""
        picture = next(self._left, None)
        return None if picture is None else {INPUT: picture}


def _drop_unused_domains(model: onnx.ModelProto) -> None:
    """Take out the operator sets that ONNX Runtime names and no node is of."""
    used = {node.domain for node in model.graph.node}
    kept = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _name_nodes(path: Path) -> list[str]:
    """Give each node a name of its own, by which it can be left out; returns the last layer's.

    Those are the one that makes the logits and all behind it.
    """
    model = onnx.load(path)
    last: list[str] = []
    reached: set[str] = set()
    for number, node in enumerate(model.graph.node):  # in topological order
        node.name = f"{node.op_type}_{number}"
        if LOGITS in node.output or reached.intersection(node.input):
            last.append(node.name)
            reached.update(node.output)
    onnx.save(model, path)
    return last
