"""What is answered is the first accepted type that is offered."""

import json
from types import SimpleNamespace

import pytest

from evaluation.trust import Trust
from hosting.model import Answer
from hosting.replies import AcceptError, encode

MODEL = SimpleNamespace(
    classes=("hatt", "sko"), threshold=0.5, version="abc", trust=Trust(fitted=False)
)
PROBABILITIES = [0.25, 0.75]


def reply(accept):
    return encode(MODEL, Answer(PROBABILITIES, 4.5), accept, milliseconds=1.23456)


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "application/json", "APPLICATION/JSON", "application/*", "text/html, */*;q=0.1"],
)
def test_json_is_the_bare_array(accept):
    """As SageMaker's built-in algorithm, and to whoever accepts anything."""
    assert reply(accept) == ("application/json", b"[0.25,0.75]")


@pytest.mark.parametrize("accept", ["application/json;verbose", "application/json ; verbose"])
def test_verbose_json_names_the_classes(accept):
    """Labels, the best of them, threshold, version and time stand beside the probabilities."""
    content_type, body = reply(accept)
    assert content_type == "application/json"
    assert json.loads(body) == {
        "probabilities": [0.25, 0.75],
        "labels": ["hatt", "sko"],
        "predicted_label": "sko",
        "threshold": 0.5,
        "model_version": "abc",
        "model_latency_ms": 1.235,
    }


def test_json_lines_is_one_line():
    """As batch transform writes them."""
    assert reply("application/jsonlines") == (
        "application/jsonlines",
        b'{"prediction":[0.25,0.75]}\n',
    )


@pytest.mark.parametrize("accept", ["", "application/json"])
def test_batch_transform_gets_an_object_instead_of_the_bare_array(accept):
    """As the built-in algorithm's container answers there; what was asked for by name stays."""
    answer = Answer(PROBABILITIES, 4.5)
    _, body = encode(MODEL, answer, accept, milliseconds=1, batch=True)
    assert body == b'{"prediction":[0.25,0.75]}'
    _, body = encode(MODEL, answer, "application/json;verbose", milliseconds=1, batch=True)
    assert json.loads(body)["predicted_label"] == "sko"


def test_the_first_offered_type_wins():
    """Types that are not offered are passed over, in the client's order."""
    assert reply("image/png, application/jsonlines, application/json")[0] == "application/jsonlines"
    assert reply("application/json, application/jsonlines")[0] == "application/json"


@pytest.mark.parametrize("accept", ["text/csv", "image/*", "application/x-npy,text/html"])
def test_a_type_that_is_not_offered_is_refused(accept):
    """406, naming what was asked for and what there is."""
    with pytest.raises(AcceptError) as caught:
        reply(accept)
    assert caught.value.status == 406
    assert accept in caught.value.message
    assert "application/jsonlines" in caught.value.hint
