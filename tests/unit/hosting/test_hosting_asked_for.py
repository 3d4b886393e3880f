"""A request that asks for more than probabilities, over HTTP and without."""

import base64
import io
import json

import numpy as np
import pytest
from asked_server import Server
from pattern_artifact import CLASSES, pattern_pictures, write_pattern_artifact
from PIL import Image

from hosting.invocations import invoke
from hosting.model import Model

ATTRIBUTES = "X_Amzn_SageMaker_Custom_Attributes"


@pytest.fixture(scope="module")
def patterns(tmp_path_factory):
    """A model that tells an embedding and an activation map."""
    return Model.load(write_pattern_artifact(tmp_path_factory.mktemp("patterns")), threads=1)


@pytest.fixture(scope="module")
def photos():
    """Four photos, PNG, one of each pattern."""
    return [png(pixels) for pixels in pattern_pictures(4, seed=31)[0]]


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def ask(model, content, attributes, content_type="image/png", **headers):
    headers = {"Content_Type": content_type, ATTRIBUTES: attributes, **headers}
    return Server(model).ask(content=content, **headers)


def as_lines(photos):
    return b"\n".join(b'{"image":"%b"}' % base64.b64encode(photo) for photo in photos)


def test_the_embedding_is_told_as_it_is(patterns, photos):
    """Beside labels and probabilities, whatever JSON was accepted: every float32 to the bit."""
    reply = ask(patterns, photos[0], "embedding=true").json()
    array = patterns.preparation.array(photos[0])[np.newaxis]
    (expected,) = patterns.answers(array, embedding=True)
    np.testing.assert_array_equal(np.float32(reply["embedding"]), expected.embedding)
    assert reply["probabilities"] == expected.probabilities
    assert reply["predicted_label"] == "across"
    assert "heatmap" not in reply


def test_each_of_many_photos_has_its_own_embedding(patterns, photos):
    """A line a photo; one that cannot be read has its error in its place."""
    body = as_lines([photos[0], b"no photo", photos[2]])
    reply = ask(patterns, body, "embedding=true,top_k=1", "application/jsonlines")
    first, bad, last = (json.loads(line) for line in reply.text.splitlines())
    assert (first["labels"], last["labels"]) == (["across"], ["down"])
    assert bad["error"]["code"] == "unreadable_photo"
    assert len(first["embedding"]) == len(last["embedding"]) == 48
    assert first["embedding"] != last["embedding"]


def test_a_heat_map_is_a_picture(patterns, photos):
    """PNG in base64, with the category that it speaks of and how it was found."""
    heatmap = ask(patterns, photos[2], "heatmap=true").json()["heatmap"]
    assert (heatmap["category"], heatmap["method"]) == ("down", "activation map")
    shown = Image.open(io.BytesIO(base64.b64decode(heatmap["png"])))
    assert (shown.format, shown.size) == ("PNG", (224, 224))


def test_heat_maps_of_several_photos_are_refused(patterns, photos):
    """Each may take as long as fifty answers."""
    reply = ask(patterns, as_lines(photos[:2]), "heatmap=true", "application/jsonlines")
    assert (reply.status_code, reply.json()["code"]) == (400, "bad_attributes")
    assert "heatmap=true with 2 photos: expected one" in reply.json()["message"]


def test_bytes_that_are_no_photo_have_no_heat_map(patterns):
    """The fault is the one of a plain request."""
    reply = ask(patterns, b"no photo", "heatmap=true")
    assert (reply.status_code, reply.json()["code"]) == (400, "unreadable_photo")


def test_the_best_classes_alone_are_told(patterns, photos):
    """As with top_k in the Accept header."""
    asked = ask(patterns, photos[1], "top_k=2").json()
    accept = "application/json;verbose;top_k=2"
    accepted = ask(patterns, photos[1], "", Accept=accept).json()
    for reply in (asked, accepted):
        del reply["model_latency_ms"]
    assert asked == accepted
    assert asked["labels"][0] == CLASSES[1]


def test_a_network_that_tells_no_embedding_says_so(model, red_photo):
    """An artifact of before: 400 with the mend; what it can show it shows."""
    reply = ask(model, red_photo, "embedding=true")
    assert (reply.status_code, reply.json()["code"]) == (400, "no_embedding")
    assert "train the model again" in reply.json()["hint"]
    heatmap = ask(model, red_photo, "heatmap=true").json()["heatmap"]
    assert (heatmap["category"], heatmap["method"]) == ("red", "occlusion")


@pytest.mark.parametrize("attributes", ["embedding=false", "trace=c000b4f9-df62", "method=predict"])
def test_what_asks_for_nothing_is_answered_as_ever(patterns, photos, attributes):
    """To the byte: attributes of a client's own mean nothing here."""
    expected = ask(patterns, photos[0], "")
    assert ask(patterns, photos[0], attributes).content == expected.content


def test_a_wrong_value_is_refused(patterns, photos):
    """400, before the photo is looked at."""
    reply = ask(patterns, photos[0], "heatmap=please")
    assert (reply.status_code, reply.json()["code"]) == (400, "bad_attributes")


@pytest.mark.parametrize(
    ("attributes", "status", "member"),
    [("embedding=true,heatmap=true", 200, "heatmap"), ("top_k=none", 400, "hint")],
)
def test_a_function_that_holds_the_model_answers_the_same(
    patterns, photos, attributes, status, member
):
    """Without HTTP."""
    reply = invoke(patterns, photos[0], content_type="image/png", attributes=attributes)
    assert reply.status == status
    assert member in json.loads(reply.body)
