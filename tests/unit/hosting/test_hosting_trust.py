"""A calibrated artifact's verdict: its own thresholds, and what is unlike anything seen."""

import json
import subprocess
import sys

import numpy as np
import pytest

from contracts import ArtifactError
from hosting.model import Model
from hosting.replies import encode

TRUST = {
    "temperature": 1.0,
    "thresholds": {"red": 0.9, "green": None},
    "familiarity": {"energy": 2.0},
}


@pytest.fixture
def load(make_artifact, card_of, network_of):
    """A model with the trust given, whose network tells logits in the order given."""

    def make(trust, outputs=("probabilities", "logits")):
        folder = make_artifact(card_of(**trust), network_of(outputs=outputs))
        return Model.load(folder, threads=1)

    return make


def verbose(model, photo):
    _, body = encode(model, model.answer(photo), "application/json;verbose", milliseconds=1.0)
    return json.loads(body)


@pytest.mark.parametrize("outputs", [("probabilities", "logits"), ("logits", "probabilities")])
def test_outputs_are_told_by_name(load, red_photo, outputs):
    """Whichever comes first, probabilities add up to 1 and the energy is the logits'."""
    model = load(TRUST, outputs)
    answer = model.answer(red_photo)
    logits = np.log(answer.probabilities)
    assert sum(answer.probabilities) == pytest.approx(1)
    # the colour's own logits: (250 - 100) / 50, (10 - 110) / 55 and (10 - 120) / 60
    assert logits[0] - logits[1] == pytest.approx(3 + 100 / 55, abs=1e-4)
    expected = np.log(np.exp([3, -100 / 55, -110 / 60]).sum())
    assert answer.energy == pytest.approx(expected, abs=1e-4)


def test_verbose_json_tells_the_verdict(load, red_photo):
    """Beside what it told before: verdict, reason, thresholds in class order, energy."""
    reply = verbose(load(TRUST), red_photo)
    assert (reply["verdict"], reply["reason"]) == ("red", None)
    assert reply["thresholds"] == [0.9, None, 0.75]
    assert reply["threshold"] == 0.9
    assert reply["energy"] == pytest.approx(3.016, abs=0.01)


def test_a_model_of_several_labels_names_all_that_reach_their_thresholds(load, red_photo):
    """Each category by itself, in class order; one that is never to be named is not."""
    limits = {"red": 0.5, "green": None, "blå": 0.001}
    reply = verbose(load(TRUST | {"thresholds": limits, "multi_label": True}), red_photo)
    assert reply["predicted_labels"] == ["red", "blå"]
    assert reply["verdict"] == "red"
    lower = {"red": 0.999, "green": 0.001, "blå": 0.9}
    reply = verbose(load(TRUST | {"thresholds": lower, "multi_label": True}), red_photo)
    assert reply["predicted_labels"] == ["green"]
    assert "predicted_labels" not in verbose(load(TRUST), red_photo)


def test_an_unsure_photo_is_none(load, red_photo):
    """Under its category's own threshold, though above the one for all."""
    reply = verbose(load(TRUST | {"thresholds": {"red": 0.9999}}), red_photo)
    assert (reply["verdict"], reply["reason"]) == ("none", "below threshold")
    assert reply["predicted_label"] == "red"


def test_an_unfamiliar_photo_is_none(load, red_photo):
    """However sure the softmax is."""
    reply = verbose(load(TRUST | {"familiarity": {"energy": 3.5}}), red_photo)
    assert (reply["verdict"], reply["reason"]) == ("none", "unfamiliar")


def test_without_logits_familiarity_is_not_tested(load, red_photo):
    """There is no energy, and the thresholds decide alone."""
    reply = verbose(load(TRUST | {"familiarity": {"energy": 99.0}}, ("probabilities",)), red_photo)
    assert (reply["verdict"], reply["energy"]) == ("red", None)


def test_an_artifact_of_old_answers_as_before(load, red_photo):
    """Not calibrated: not one key more."""
    assert set(verbose(load({}), red_photo)) == {
        "probabilities",
        "labels",
        "predicted_label",
        "threshold",
        "model_version",
        "model_latency_ms",
    }


def test_a_damaged_trust_is_refused_at_loading(load):
    """Not at the first photo."""
    with pytest.raises(ArtifactError, match="temperature -1"):
        load(TRUST | {"temperature": -1})


def test_hosting_needs_nothing_that_the_report_is_made_with():
    """Its image has neither scikit-learn nor matplotlib."""
    program = "import sys, hosting.app, hosting.model; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert {"sklearn", "matplotlib", "scipy"} & set(done.stdout.split()) == set()
