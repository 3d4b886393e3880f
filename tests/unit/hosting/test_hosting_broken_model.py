"""A network whose answers are no numbers: an error that says so, not invalid JSON."""

import pytest
from asked_server import Server

from hosting.model import BrokenModelError, Model

OVERFLOWING = 3e38
"""As a weight, it makes infinity of a colour, and of black pictures nothing."""


def test_a_model_that_never_answers_a_number_is_not_loaded(make_artifact, network_of):
    """Weights of a training that diverged: the endpoint fails with the reason, before any photo."""
    folder = make_artifact(network=network_of(weight=float("nan")))
    with pytest.raises(BrokenModelError, match=r"model\.onnx answers probabilities of nan"):
        Model.load(folder, threads=1)


@pytest.mark.parametrize("accept", ["application/json", "application/json;verbose"])
def test_an_answer_that_is_no_number_is_an_error_of_the_model(
    make_artifact, network_of, red_photo, accept, caplog
):
    """500 with code and hint; `NaN` is no JSON, and a client would stumble over it."""
    outputs = ("probabilities", "logits")
    network = network_of(weight=OVERFLOWING, outputs=outputs)
    model = Model.load(make_artifact(network=network), threads=1)
    reply = Server(model).ask(content=red_photo, Content_Type="image/png", Accept=accept)
    assert reply.status_code == 500
    assert reply.json()["code"] == "broken_model"
    assert reply.json()["hint"].endswith("train the model again")
    assert "expected finite numbers" in caplog.text
