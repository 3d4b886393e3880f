"""A network whose answers are no numbers: an error that says so, not invalid JSON."""

import asyncio

import httpx
import pytest

from hosting.app import create_app
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
    app = create_app(Model.load(make_artifact(network=network), threads=1))

    async def ask():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
            headers = {"content-type": "image/png", "accept": accept}
            return await client.post("/invocations", content=red_photo, headers=headers)

    reply = asyncio.run(ask())
    assert reply.status_code == 500
    assert reply.json()["code"] == "broken_model"
    assert reply.json()["hint"].endswith("train the model again")
    assert "expected finite numbers" in caplog.text
