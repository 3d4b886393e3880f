"""Where in a photo the answer lies: exactly where the network tells it, by covering where not."""

import io
from dataclasses import replace

import numpy as np
import onnx
import pytest
from pattern_artifact import (
    MEAN,
    SIZE,
    pattern_network,
    pattern_pictures,
    write_pattern_artifact,
)
from PIL import Image

from contracts import PhotoError
from hosting.heatmap import SMALLEST_SIDE, explain, occlude, overlay
from hosting.model import Model, NoEmbeddingError


def network(*outputs):
    """The network of patterns, as one that tells nothing but these."""
    model = onnx.load_from_string(pattern_network())
    kept = [output for output in model.graph.output if output.name in outputs]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    return model.SerializeToString()


def load(folder, *outputs, **card):
    write_pattern_artifact(folder, **card)
    if outputs:
        (folder / "model.onnx").write_bytes(network(*outputs))
    return Model.load(folder, threads=1)


@pytest.fixture(scope="module")
def half_striped():
    """A PNG: stripes across in its left half, the mean grey in its right."""
    pixels = np.full((SIZE, SIZE, 3), int(MEAN), np.uint8)
    pixels[::4, : SIZE // 2] = pixels[1::4, : SIZE // 2] = 255
    pixels[2::4, : SIZE // 2] = pixels[3::4, : SIZE // 2] = 0
    return png(Image.fromarray(pixels))


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def redness(answer):
    """How much redder than green each pixel is: (left half, right half)."""
    pixels = np.asarray(Image.open(io.BytesIO(answer.heatmap.png)), np.float64)
    shown = pixels[..., 0] - pixels[..., 2]
    middle = shown.shape[1] // 2
    return shown[:, :middle].mean(), shown[:, middle:].mean()


@pytest.mark.parametrize(
    ("outputs", "method"),
    [
        ((), "activation map"),
        (("probabilities", "logits"), "occlusion"),
        (("probabilities",), "occlusion"),
    ],
)
def test_heat_is_where_the_pattern_is(tmp_path, half_striped, outputs, method):
    """Whichever way it is found, and for the category that the answer names."""
    model = load(tmp_path, *outputs)
    answer = explain(model, half_striped)
    assert answer.heatmap.category == model.classes[int(np.argmax(answer.probabilities))]
    assert answer.heatmap.method == method
    left, right = redness(answer)
    assert left > 2 * max(right, 1)


def test_an_explained_answer_is_the_answer(tmp_path, half_striped):
    """Probabilities and energy are those of a request without a heat map, to the bit."""
    model = load(tmp_path)
    plain = model.answer(half_striped)
    assert (plain.embedding, plain.heatmap) == (None, None)
    assert replace(explain(model, half_striped), heatmap=None) == plain


def test_the_embedding_comes_along(tmp_path, half_striped):
    """The same as without a heat map."""
    model = load(tmp_path)
    array = model.preparation.array(half_striped)[np.newaxis]
    (expected,) = model.answers(array, embedding=True)
    found = explain(model, half_striped, embedding=True)
    np.testing.assert_array_equal(found.embedding, expected.embedding)
    assert found.embedding.shape == (48,)


def test_a_network_without_embedding_says_so(tmp_path, half_striped):
    """Older artifacts: what lacks, and the mend."""
    model = load(tmp_path, "probabilities", "logits")
    with pytest.raises(NoEmbeddingError, match="tells no embedding") as caught:
        explain(model, half_striped, embedding=True)
    assert (caught.value.status, caught.value.code) == (400, "no_embedding")
    assert "train the model again" in caught.value.hint


def test_bytes_that_are_no_photo_are_the_clients_fault(tmp_path):
    """As without a heat map."""
    with pytest.raises(PhotoError):
        explain(load(tmp_path), b"no photo")


def test_covering_tells_each_places_share():
    """A class that counts the brightness of one corner loses nothing elsewhere."""
    picture = np.ones((3, 16, 24), np.float32)
    heat = occlude(lambda pictures: pictures[:, :, :4, :6].sum(axis=(1, 2, 3)), picture)
    assert heat.shape == (16, 24)
    assert np.unravel_index(heat.argmax(), heat.shape) == (0, 0)
    assert heat[0, 0] == pytest.approx(3 * 4 * 6)  # one cover alone reaches the corner, all of it
    np.testing.assert_array_equal(heat[8:], 0)
    np.testing.assert_array_equal(heat[:, 12:], 0)


@pytest.mark.parametrize("side", [1, 2, 5, 7, 9, 13, 28, 160])
def test_every_place_is_covered(side):
    """Whatever the picture's size: a place under no cover would be no number."""
    heat = occlude(lambda pictures: pictures.mean(axis=(1, 2, 3)), np.ones((3, side, side)))
    assert np.isfinite(heat).all()
    assert heat.min() > 0


def test_the_overlay_leaves_cold_places_as_they_are():
    """And shows small pictures large enough to be looked at."""
    image = Image.new("RGB", (28, 28), (10, 200, 90))
    heat = np.zeros((4, 4), np.float32)
    heat[0, 0] = 3
    shown = Image.open(io.BytesIO(overlay(image, heat)))
    assert shown.size == (SMALLEST_SIDE, SMALLEST_SIDE)
    assert shown.getpixel((200, 200)) == (10, 200, 90)
    red, green, blue = shown.getpixel((8, 8))
    assert red > 100
    assert max(green, blue) < 100


@pytest.mark.parametrize("heat", [np.zeros((3, 3)), np.full((3, 3), -2.0)])
def test_a_photo_in_which_nothing_speaks_for_the_class_is_shown_as_it_is(heat):
    """There is no highest value to stretch to."""
    image = Image.fromarray(pattern_pictures(1)[0][0]).resize((300, 300))
    shown = Image.open(io.BytesIO(overlay(image, heat.astype(np.float32))))
    np.testing.assert_array_equal(np.asarray(shown), np.asarray(image))
