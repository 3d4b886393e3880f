"""An artifact whose network is small enough to be worked out by hand: the mean colour decides."""

import io
import json

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

SIZE = 28


def colour_network(classes=3, size=SIZE, outputs=("probabilities",), weight=1.0):
    """ONNX bytes: the mean of each colour, of which three logits are made, and a softmax."""
    weights = np.eye(3, classes, dtype=np.float32) * np.float32(weight)
    nodes = [
        helper.make_node("GlobalAveragePool", ["data"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["colour"]),
        helper.make_node("MatMul", ["colour", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "colour",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 3, size, size])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", classes])
            for name in outputs
        ],
        [numpy_helper.from_array(weights, "weights")],
    )
    opset = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def colour_card(**changes):
    """A model card of three classes named by the colour that they are."""
    return {
        "version": "0123456789ab",
        "classes": ["red", "green", "blå"],
        "photo": {
            "size": SIZE,
            "fit": "squash",
            "statistics": {"mean": [100.0, 110.0, 120.0], "std": [50.0, 55.0, 60.0]},
        },
        "threshold": 0.75,
    } | changes


@pytest.fixture
def make_artifact(tmp_path):
    """A function that writes an artifact: `make_artifact(card=..., network=...)`; None leaves out."""

    def make(card=None, network=None):
        folder = tmp_path / "model"
        folder.mkdir(parents=True, exist_ok=True)
        text = card if isinstance(card, str) else json.dumps(card or colour_card())
        (folder / "model-card.json").write_text(text)
        (folder / "model.onnx").write_bytes(colour_network() if network is None else network)
        return folder

    return make


@pytest.fixture
def red_photo():
    """A red photo's PNG bytes."""
    return photo((250, 10, 10))


def photo(colour, size=(40, 30)):
    """A photo of one colour, PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def network_of():
    """`colour_network`: an ONNX file of as many classes, and a picture as large, as asked for."""
    return colour_network


@pytest.fixture
def card_of():
    """`colour_card`: a model card with the changes asked for."""
    return colour_card
