"""A real artifact that can be worked out by hand: the mean colour of a photo decides."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from contracts import ARTIFACT_FILE, MODEL_CARD_FILE, ONNX_FILE
from infra.sagemaker import artifacts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CATEGORIES = ("red", "green", "blue")
SIZE = 28
_OPSET, _IR_VERSION = 13, 8  # what training writes, too


def write_small_artifact(
    folder: Path,
    categories: Sequence[str] = CATEGORIES,
    tree: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """Write model.tar.gz into `folder`: it tells whether a photo is mostly red, green or blue.

    Its probabilities are the softmax of the mean red, green and blue, each 0 to 255 less 100 and
    through 50.

    Args:
        folder: for the artifact.
        categories: what it calls red, green and blue.
        tree: their levels in a tree of categories, from the top down.
    """
    contents = folder / "contents"
    contents.mkdir(parents=True)
    (contents / ONNX_FILE).write_bytes(_network())
    (contents / MODEL_CARD_FILE).write_text(json.dumps(_card(categories, tree)), encoding="utf-8")
    artifacts.pack([contents], folder / ARTIFACT_FILE)
    return folder / ARTIFACT_FILE


def _network() -> bytes:
    nodes = [
        helper.make_node("GlobalAveragePool", ["data"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["colour"]),
        helper.make_node("MatMul", ["colour", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    classes = len(CATEGORIES)
    graph = helper.make_graph(
        nodes,
        "colour",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", classes])],
        [numpy_helper.from_array(np.eye(3, classes, dtype=np.float32), "weights")],
    )
    opset = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)
    serialised: bytes = model.SerializeToString()
    return serialised


def _card(categories: Sequence[str], tree: Mapping[str, Sequence[str]] | None) -> dict[str, Any]:
    return {
        "format": 1,
        "version": "0123456789ab",
        "network": "mean colour",
        "classes": list(categories),
        "photo": {
            "size": SIZE,
            "fit": "squash",
            "statistics": {"mean": [100.0] * 3, "std": [50.0] * 3},
        },
        "threshold": 0.5,
        **({"tree": tree} if tree else {}),
    }
