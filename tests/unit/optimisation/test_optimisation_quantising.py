"""Eight bits: the same verdicts, the same outputs, and a file that older runtimes read."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from pattern_artifact import normalised, pattern_pictures, write_pattern_artifact

from hosting.runtimes import open_runtime
from optimisation.quantising import quantise


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    """An artifact with the network in both precisions."""
    folder = write_pattern_artifact(tmp_path_factory.mktemp("patterns"))
    pictures = normalised(pattern_pictures(40, seed=5)[0])
    quantise(folder / "model.onnx", pictures[:, np.newaxis], folder / "model-int8.onnx")
    return folder


@pytest.fixture(scope="module")
def quantised(artifact):
    """The 8-bit network as ONNX."""
    return onnx.load(artifact / "model-int8.onnx")


@pytest.mark.parametrize("runtime", ["onnxruntime-int8", "openvino-int8"])
def test_verdicts_stay(artifact, runtime):
    """At least 98 of 100 photos get the category that float32 gives them, and it is theirs."""
    pictures, labels = pattern_pictures(400, seed=6)
    names = ("probabilities", "logits")
    exact, _ = open_runtime("onnxruntime-fp32", artifact, 1).run(names, normalised(pictures))
    found, logits = open_runtime(runtime, artifact, 1).run(names, normalised(pictures))
    assert (found.argmax(axis=1) == exact.argmax(axis=1)).mean() >= 0.98
    assert (exact.argmax(axis=1) == labels).mean() >= 0.98
    assert np.abs(logits).max() > 1
    assert not np.array_equal(found, exact)


def test_weights_keep_to_seven_bits_each_channel_with_its_own_scale(quantised):
    """So that no sum overflows on processors without VNNI."""
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in quantised.graph.initializer}
    weights = {name: value for name, value in tensors.items() if name.endswith("_quantized")}
    assert {name.removesuffix("_quantized") for name in weights} == {"first", "second"}
    for name, value in weights.items():
        assert value.dtype == np.int8
        assert -64 <= value.min() <= value.max() <= 64
        assert tensors[name.replace("_quantized", "_scale")].shape == (48,)


def test_the_last_layer_stays_float32(quantised):
    """Its weights are the same for the logits and for the activation map, and stored once."""
    (dense,) = (node for node in quantised.graph.node if node.op_type == "Gemm")
    assert dense.input[1] == "weights"
    (weights,) = (t for t in quantised.graph.initializer if t.name == "weights")
    assert weights.data_type == onnx.TensorProto.FLOAT


def test_outputs_and_versions_stay(quantised):
    """Whatever reads the one reads the other."""
    names = [output.name for output in quantised.graph.output]
    assert names == ["probabilities", "logits", "embedding", "activation_map"]
    assert quantised.ir_version == 8
    assert [(opset.domain, opset.version) for opset in quantised.opset_import] == [("", 13)]
