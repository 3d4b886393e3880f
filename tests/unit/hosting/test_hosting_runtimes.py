"""Which runtime computes an artifact, and that they all compute the same."""

import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from pattern_artifact import SIZE, normalised, pattern_pictures, write_pattern_artifact

from contracts import RUNTIME_FILES, ArtifactError
from hosting import runtimes
from hosting.model import Model
from hosting.runtimes import RuntimeChoiceError, choose_runtime, open_runtime

OUTPUTS = ("probabilities", "logits", "embedding", "activation_map")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    """An artifact in float32."""
    return write_pattern_artifact(tmp_path_factory.mktemp("patterns"))


@pytest.fixture
def without_openvino(monkeypatch):
    """An environment that lacks OpenVINO."""
    monkeypatch.setattr(runtimes, "is_installed", lambda name: not name.startswith("openvino"))


def test_both_libraries_compute_the_same_float32(artifact):
    """Every output of 64 photos, within 1e-4, whatever OpenVINO would take of itself."""
    pictures = normalised(pattern_pictures(64, seed=1)[0])
    found = [
        open_runtime(name, artifact, threads=1).run(OUTPUTS, pictures)
        for name in ("onnxruntime-fp32", "openvino-fp32")
    ]
    for name, one, other in zip(OUTPUTS, *found, strict=True):
        assert one.dtype == other.dtype == np.float32, name
        np.testing.assert_allclose(one, other, atol=1e-4, err_msg=name)


def test_threads_of_a_run_that_is_over_sleep(artifact):
    """The core that ONNX Runtime's would keep busy between runs is the next photo's."""
    network = open_runtime("onnxruntime-fp32", artifact, 2)
    options = network._session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_threads_may_ask_openvino_at_once(artifact):
    """Each gets its own photo's answer."""
    runtime = open_runtime("openvino-fp32", artifact, threads=1)
    pictures = normalised(pattern_pictures(40, seed=2)[0])
    (expected,) = runtime.run(["logits"], pictures)

    def ask(picture):
        return runtime.run(["logits"], picture[np.newaxis])[0][0]

    with ThreadPoolExecutor(4) as pool:
        found = np.stack(list(pool.map(ask, pictures)))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_an_answer_of_openvinos_outlives_the_next(artifact):
    """What a caller holds is a copy, not the runtime's own memory."""
    runtime = open_runtime("openvino-fp32", artifact, threads=1)
    pictures = normalised(pattern_pictures(2, seed=3)[0])
    (first,) = runtime.run(["logits"], pictures[:1])
    kept = first.copy()
    runtime.run(["logits"], pictures[1:])
    np.testing.assert_array_equal(first, kept)


def dense_network():
    """ONNX bytes: two dense layers, the second behind a Flatten that has nothing to flatten."""
    rng = np.random.default_rng(0)
    weights = {
        "first": rng.normal(0, 0.05, (5, 3 * SIZE * SIZE)),
        "second": rng.normal(size=(4, 5)),
    }
    nodes = [
        helper.make_node("Flatten", ["data"], ["flat"]),
        helper.make_node("Gemm", ["flat", "first"], ["hidden"], transB=1),
        helper.make_node("Relu", ["hidden"], ["activation"]),
        helper.make_node("Flatten", ["activation"], ["embedding"]),
        helper.make_node("Gemm", ["embedding", "second"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    shapes = {"probabilities": 4, "logits": 4, "embedding": 5}
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", k]) for n, k in shapes.items()],
        [numpy_helper.from_array(v.astype(np.float32), n) for n, v in weights.items()],
    )
    opsets = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def test_an_output_that_openvino_joins_with_another_keeps_its_name(tmp_path):
    """It drops layers that change nothing, and what they made then has two names."""
    (tmp_path / "model.onnx").write_bytes(dense_network())
    runtime = open_runtime("openvino-fp32", tmp_path, threads=1)
    assert {"probabilities", "logits", "embedding"} <= set(runtime.outputs)
    pictures = normalised(pattern_pictures(3)[0])
    (found,) = runtime.run(["embedding"], pictures)
    (expected,) = open_runtime("onnxruntime-fp32", tmp_path, 1).run(["embedding"], pictures)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("runtime", ["onnxruntime-fp32", "openvino-fp32"])
def test_another_picture_size_is_found_out_while_it_is_loaded(tmp_path, runtime):
    """OpenVINO would take it, and answer something."""
    photo = {"size": 32, "fit": "squash", "statistics": {"mean": [1.0] * 3, "std": [1.0] * 3}}
    folder = write_pattern_artifact(tmp_path, photo=photo)
    with pytest.raises(ArtifactError, match="does not take a picture of 3 x 32 x 32"):
        Model.load(folder, threads=1, runtime=runtime)


@pytest.mark.parametrize("runtime", list(RUNTIME_FILES))
def test_a_damaged_file_is_named(tmp_path, runtime):
    """Whichever library reads it."""
    folder = write_pattern_artifact(tmp_path)
    name = RUNTIME_FILES[runtime]
    (folder / name).write_bytes(b"no network")
    with pytest.raises(ArtifactError, match=f"{name} cannot be loaded") as caught:
        Model.load(folder, threads=1, runtime=runtime)
    assert caught.value.hint


def test_an_artifact_that_was_never_optimised_is_computed_as_ever():
    """ONNX Runtime, float32."""
    assert choose_runtime({}) == "onnxruntime-fp32"


def test_the_cards_fastest_is_taken(artifact, tmp_path):
    """The first of its order; the model says which it is."""
    order = ["openvino-fp32", "onnxruntime-fp32"]
    folder = write_pattern_artifact(tmp_path, runtimes={"order": order})
    assert Model.load(folder, threads=1).runtime_name == "openvino-fp32"


def test_a_library_that_lacks_is_passed_over_and_told(without_openvino, caplog):
    """The next in order that is there answers."""
    order = ["openvino-int8", "openvino-fp32", "onnxruntime-int8", "onnxruntime-fp32"]
    with caplog.at_level(logging.WARNING):
        assert choose_runtime({"runtimes": {"order": order}}) == "onnxruntime-int8"
    assert "openvino-int8 is passed over: openvino is not installed" in caplog.text


def test_the_default_is_left_where_nothing_of_the_order_is_installed(without_openvino):
    """float32 on ONNX Runtime is always right."""
    assert choose_runtime({"runtimes": {"order": ["openvino-int8"]}}) == "onnxruntime-fp32"


@pytest.mark.parametrize(
    "runtimes", [None, [], {}, {"order": []}, {"order": "openvino-fp32"}, {"order": ["tpu-int4"]}]
)
def test_a_card_with_no_such_order_is_refused(runtimes):
    """The value, what was expected, and the command that writes it."""
    with pytest.raises(ArtifactError, match=r"runtimes\.order is .*expected some of") as caught:
        choose_runtime({"runtimes": runtimes})
    assert "snapshelf optimise" in caught.value.hint


def test_what_is_wanted_wins_over_the_card():
    """The operator's word."""
    card = {"runtimes": {"order": ["onnxruntime-int8"]}}
    assert choose_runtime(card, "openvino-fp32") == "openvino-fp32"


def test_an_unknown_wish_is_refused():
    """With what there is."""
    with pytest.raises(RuntimeChoiceError, match=r"SNAPSHELF_RUNTIME=tpu: expected one of onnx"):
        choose_runtime({}, "tpu")


def test_a_wish_that_is_not_installed_is_refused(without_openvino):
    """An operator who names a runtime does not get another."""
    with pytest.raises(RuntimeChoiceError, match="openvino is not installed") as caught:
        choose_runtime({}, "openvino-fp32")
    assert "pip install openvino" in caught.value.hint


def test_what_forked_workers_cannot_share_is_passed_over(caplog):
    """OpenVINO's threads stay behind: a worker would wait for its first answer for ever."""
    card = {"runtimes": {"order": ["openvino-fp32", "onnxruntime-fp32"]}}
    assert choose_runtime(card, forked=True) == "onnxruntime-fp32"
    assert "several workers cannot share openvino" in caplog.text
    with pytest.raises(RuntimeChoiceError, match="several workers cannot share openvino") as caught:
        choose_runtime(card, "openvino-fp32", forked=True)
    assert caught.value.hint == "set one worker, or take onnxruntime-fp32"


def test_eight_bits_that_the_artifact_lacks_are_refused(artifact):
    """With the command that makes them."""
    with pytest.raises(ArtifactError, match=r"model-int8\.onnx cannot be loaded") as caught:
        Model.load(artifact, threads=1, runtime="onnxruntime-int8")
    assert "snapshelf optimise" in caught.value.hint
