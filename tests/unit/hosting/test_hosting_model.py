"""A model artifact is loaded whole or refused with the reason, and predicts what its network says."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from contracts import ArtifactError, PhotoError
from hosting.model import Model

WITHOUT = """
import sys
import hosting.__main__
rooms = {"mxnet", "training", "recordio_prep", "infra", "boto3", "onnx"}
print(sorted(rooms & {name.partition(".")[0] for name in sys.modules}))
"""


def load(folder):
    return Model.load(folder, threads=1)


def test_a_loaded_model_says_what_its_card_says(make_artifact, card_of):
    """Classes, preparation, threshold and version come from the card, which is kept whole."""
    model = load(make_artifact(card_of(network="resnet18")))
    assert model.classes == ("red", "green", "blå")
    assert model.preparation.size == 28
    assert model.preparation.std == (50.0, 55.0, 60.0)
    assert (model.threshold, model.version) == (0.75, "0123456789ab")
    assert model.card["network"] == "resnet18"


def test_a_card_without_a_threshold_gets_the_default(make_artifact, card_of):
    """A model of before thresholds is served all the same."""
    card = card_of()
    del card["threshold"]
    assert load(make_artifact(card)).threshold == 0.5


def test_probabilities_are_those_of_the_normalised_photo(make_artifact, red_photo):
    """One photo's probabilities, worked out by hand from its colour and the card's statistics."""
    logits = (np.array([250, 10, 10]) - [100, 110, 120]) / [50, 55, 60]
    expected = np.exp(logits) / np.exp(logits).sum()
    found = load(make_artifact()).classify(red_photo)
    assert found == pytest.approx(expected.tolist(), abs=1e-5)
    assert all(type(value) is float for value in found)


def test_several_photos_are_predicted_as_each_alone(make_artifact):
    """The batch dimension is free, and photos of a batch do not touch each other."""
    model = load(make_artifact())
    arrays = np.random.default_rng(0).normal(size=(3, 3, 28, 28)).astype(np.float32)
    together = model.predict(arrays)
    alone = np.concatenate([model.predict(array[np.newaxis]) for array in arrays])
    assert together.shape == (3, 3)
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-6)


def test_bytes_that_are_no_photo_are_a_photo_error(make_artifact):
    """What cannot be decoded is the client's fault, and named so."""
    with pytest.raises(PhotoError):
        load(make_artifact()).classify(b"no photo")


@pytest.mark.parametrize("name", ["model-card.json", "model.onnx"])
def test_a_missing_file_is_named(make_artifact, name):
    """An artifact without its card or its network is refused, and the file is named."""
    folder = make_artifact()
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=name) as caught:
        load(folder)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("{", "is not JSON"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1") + "{", "is not JSON"),
        ("[1, 2]", "holds list, expected an object"),
        ("{}", "classes"),
        ({"classes": None}, "classes"),
        ({"version": ...}, "version"),
        ({"threshold": "high"}, "high"),
        ({"photo": {"size": 28}}, "preparation"),
        ({"photo": None}, "preparation"),
    ],
)
def test_a_card_that_cannot_be_used_is_told(make_artifact, card_of, card, reason):
    """Whatever is wrong with the card, the error says what, and what to do."""
    if isinstance(card, dict):
        card = {name: value for name, value in card_of(**card).items() if value is not ...}
    with pytest.raises(ArtifactError, match=reason) as caught:
        load(make_artifact(card))
    assert caught.value.hint


def test_a_card_that_is_not_text_is_told(make_artifact):
    """Bytes that are not UTF-8 are not JSON."""
    folder = make_artifact()
    (folder / "model-card.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ArtifactError, match="is not JSON"):
        load(folder)


@pytest.mark.parametrize("keep", [0, 40, -40])
def test_a_damaged_network_is_told(make_artifact, network_of, keep):
    """An empty or cut ONNX file is an ArtifactError, not ONNX Runtime's own."""
    with pytest.raises(ArtifactError, match=r"model\.onnx"):
        load(make_artifact(network=network_of()[:keep]))


def test_classes_of_card_and_network_must_be_as_many(make_artifact, network_of):
    """A card beside another model's network is found out while it is loaded."""
    with pytest.raises(ArtifactError, match=r"has 2 classes, model-card\.json names 3"):
        load(make_artifact(network=network_of(classes=2)))


def test_the_network_must_take_the_cards_photo(make_artifact, card_of):
    """Another picture size is found out while it is loaded."""
    larger = card_of(photo=card_of()["photo"] | {"size": 32})
    with pytest.raises(ArtifactError, match="does not take a picture of 3 x 32 x 32"):
        load(make_artifact(larger))


def pad_model(make_artifact, card_of, network_of):
    """A model whose card says 64 pixels, padded."""
    photo = card_of()["photo"] | {"size": 64, "fit": "pad"}
    return load(make_artifact(card_of(photo=photo), network_of(size=64)))


def png(image):
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_a_photo_is_prepared_as_the_card_says(make_artifact, card_of, network_of):
    """Size 64 and fit pad: half of the picture is the photo, the other half white."""
    model = pad_model(make_artifact, card_of, network_of)
    mean = (np.array([250, 10, 10]) + 255) / 2
    logits = (mean - [100, 110, 120]) / [50, 55, 60]
    expected = np.exp(logits) / np.exp(logits).sum()
    wide = Image.new("RGB", (300, 150), (250, 10, 10))
    assert model.classify(png(wide)) == pytest.approx(expected.tolist(), abs=1e-5)


def test_a_picture_of_the_cards_size_is_taken_as_it_is(make_artifact, card_of, network_of):
    """What the page has padded is not padded again."""
    model = pad_model(make_artifact, card_of, network_of)
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    array = model.preparation.array(png(Image.fromarray(pixels)))
    expected = (pixels.transpose(2, 0, 1) - np.reshape([100, 110, 120], (3, 1, 1))) / np.reshape(
        [50, 55, 60], (3, 1, 1)
    )
    np.testing.assert_allclose(array, expected, rtol=1e-6)


def test_hosting_needs_none_of_the_other_rooms():
    """The inference image holds no MXNet, no training code and no AWS client."""
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT], check=True, capture_output=True, text=True, timeout=60
    )
    assert run.stdout.strip() == "[]"
