"""Thresholds, familiarity and the verdict that they come to."""

import numpy as np
import pytest

from contracts import ArtifactError, TrainingError
from evaluation.answers import Answers
from evaluation.binary import measure_positive
from evaluation.familiarity import fit_bound
from evaluation.fitting import fit_trust
from evaluation.one_against_rest import column
from evaluation.report import evaluate
from evaluation.thresholds import choose_thresholds
from evaluation.trust import Trust
from evaluation.verdict import energies, verdict
from evaluation.verdicts import measure_multi_label_verdicts, measure_verdicts

CLASSES = ("hat", "shoe")


def f1_at(answers, category, value):
    one = column(answers, category)
    named = one.scores >= value
    return 2 * (named & one.own).sum() / (named.sum() + one.own.sum())


def test_best_f1_is_the_best(draw):
    """No other threshold of a fine grid gives a category a better F1."""
    answers = draw(photos=500, skill=1.5)
    for k, found in enumerate(choose_thresholds(answers)):
        grid = [f1_at(answers, k, value) for value in np.linspace(0, 1, 500)]
        assert found.f1 >= max(grid) - 1e-12
        assert found.f1 == pytest.approx(f1_at(answers, k, found.value))
        assert found.how == "best F1"


def test_a_wanted_precision_is_reached_by_the_lowest(draw):
    """Precision holds, and no lower threshold of a grid holds it too with more found."""
    answers = draw(photos=500, skill=1.5)
    for k, found in enumerate(choose_thresholds(answers, wanted_precision=0.9)):
        assert found.precision >= 0.9
        one = column(answers, k)
        for value in np.linspace(0.001, found.value, 300, endpoint=False):
            named = one.scores >= value
            if (named & one.own).sum() > found.recall * found.positives + 1e-6:
                assert (named & one.own).sum() / named.sum() < 0.9


def test_a_precision_that_none_reaches_is_null():
    """The surest photo of the category belongs to another: nothing to trust."""
    logits = np.array([[5.0, 0.0]] * 6 + [[9.0, 0.0]] * 6)
    answers = Answers(CLASSES, np.array([0] * 6 + [1] * 6), logits)
    hat = choose_thresholds(answers, wanted_precision=0.9)[0]
    assert (hat.value, hat.how, hat.coverage) == (None, "precision not reached", 0.0)


def test_four_photos_are_too_few():
    """The default stands, and its figures are those of the default."""
    answers = Answers(CLASSES, np.array([0] * 4 + [1] * 5), np.eye(2)[[0] * 4 + [1] * 5] * 4)
    hat, shoe = choose_thresholds(answers)
    assert (hat.value, hat.how, hat.precision, hat.recall) == (0.5, "too few photos", 1.0, 1.0)
    assert shoe.how == "best F1"


@pytest.mark.parametrize("wanted", [0, -0.1, 1.1])
def test_a_precision_outside_its_range_is_refused(draw, wanted):
    """0 would name everything, above 1 nothing."""
    with pytest.raises(TrainingError, match="wanted_precision="):
        choose_thresholds(draw(), wanted_precision=wanted)


def test_the_bound_lets_99_in_100_pass(draw):
    """As many photos as asked for have the bound's energy or more."""
    answers = draw(photos=1000)
    found = energies(answers.logits)
    assert (found >= fit_bound(answers)).sum() == 990
    assert (found >= fit_bound(answers, reach=1)).sum() == 1000


@pytest.mark.parametrize("photos", [1, 19])
def test_no_bound_of_few_photos(draw, photos):
    """The lowest of a handful says nothing about a hundredth."""
    assert fit_bound(draw(photos=photos)) is None


def test_no_bound_of_probabilities(draw):
    """What the softmax divided out cannot be had back."""
    answers = Answers.from_probabilities(CLASSES, [0] * 30, [[0.5, 0.5]] * 30)
    assert fit_bound(answers) is None
    with pytest.raises(TrainingError, match="reach=0"):
        fit_bound(draw(), reach=0)


@pytest.mark.parametrize(
    ("probabilities", "energy", "bound", "expected"),
    [
        ([0.8, 0.2], 5.0, 3.0, ("hat", None)),
        ([0.7, 0.3], None, None, ("hat", None)),
        ([0.69, 0.31], 5.0, 3.0, ("none", "below threshold")),
        ([0.4, 0.6], None, 3.0, ("shoe", None)),
        ([0.99, 0.01], 2.9, 3.0, ("none", "unfamiliar")),
        ([0.6, 0.4], 2.9, 3.0, ("none", "unfamiliar")),
        ([0.99, 0.01], 3.0, 3.0, ("hat", None)),
    ],
)
def test_the_verdict(probabilities, energy, bound, expected):
    """At the threshold is named, below is not; unfamiliar comes before both."""
    found = verdict(CLASSES, probabilities, thresholds={"hat": 0.7}, energy=energy, bound=bound)
    assert (found.category, found.reason) == expected


def test_a_category_without_a_threshold_is_never_named():
    """None: no threshold gives the wanted precision."""
    found = verdict(CLASSES, [1.0, 0.0], thresholds={"hat": None})
    assert (found.category, found.reason) == ("none", "below threshold")


def test_counted_verdicts_are_those_of_one_by_one(draw):
    """The report's counts and the endpoint's rule agree on every photo."""
    answers = draw(photos=300, skill=1)
    trust = fit_trust(answers, reach=0.9)
    from evaluation.calibration import apply

    chances = apply(answers.logits, trust.temperature)
    found = [
        verdict(answers.classes, row, thresholds=trust.thresholds, energy=energy, bound=trust.bound)
        for row, energy in zip(chances, energies(answers.logits), strict=True)
    ]
    counts = measure_verdicts(answers, trust)
    assert counts["unfamiliar"] == sum(one.reason == "unfamiliar" for one in found) == 30
    assert counts["below_threshold"] == sum(one.reason == "below threshold" for one in found)
    assert counts["named"] == sum(one.reason is None for one in found)


def test_trust_goes_through_the_card(draw):
    """What is stored is what is read."""
    trust = fit_trust(draw())
    again = Trust.from_card(trust.to_card())
    assert again.to_card() == trust.to_card()
    assert set(trust.to_card()) == {"temperature", "thresholds", "familiarity"}
    old = Trust.from_card({"classes": ["a"], "threshold": 0.7})
    assert (old.fitted, old.default, old.temperature) == (False, 0.7, 1.0)


@pytest.mark.parametrize(
    "card",
    [
        {"temperature": "hot"},
        {"temperature": 0},
        {"temperature": 1, "thresholds": {"a": "b"}},
        {"temperature": 1, "familiarity": {"energy": []}},
    ],
)
def test_a_damaged_card_is_told(card):
    """As the artifact's fault."""
    with pytest.raises(ArtifactError):
        Trust.from_card(card)


def test_what_was_odd_is_noted():
    """A faultless model of few photos: nothing was learnt, and each thing is said."""
    answers = Answers(CLASSES, np.array([0, 1]), np.eye(2))
    notes = " ".join(fit_trust(answers).notes)
    assert "no photo is answered wrongly" in notes
    assert "2 of 2 thresholds: too few photos" in notes
    assert "familiarity is not tested" in notes


def test_multi_label_verdicts(draw_multi_label):
    """Every category at its own threshold."""
    answers = draw_multi_label()
    found = measure_multi_label_verdicts(answers, fit_trust(answers))
    assert 0.7 < found["f1"] < 1


def test_one_against_the_rest(draw):
    """The counts add up and the figures are those of yes and no."""
    answers = draw(photos=400)
    found = measure_positive(answers, "category 2", threshold=0.5)
    counts = found["counts"]
    assert sum(counts.values()) == 400
    assert counts["true_positives"] + counts["false_negatives"] == found["positives"]
    assert found["precision"] == pytest.approx(
        counts["true_positives"] / (counts["true_positives"] + counts["false_positives"])
    )
    assert found["best_threshold"]["f1"] >= found["f1"]


def test_only_photos_of_the_category():
    """What needs others is None, without a warning."""
    answers = Answers(CLASSES, np.zeros(3, int), np.array([[2.0, 0.0]] * 3))
    found = measure_positive(answers, "hat", threshold=0.5)
    assert (found["roc_auc"], found["specificity"], found["accuracy"]) == (None, None, 1.0)


def test_an_unknown_category_is_told(draw):
    """With those that there are."""
    with pytest.raises(TrainingError, match="positive=phone, expected one of category 0"):
        measure_positive(draw(), "phone", threshold=None)


@pytest.mark.parametrize(
    ("trust", "threshold", "yeses"),
    [
        (Trust(thresholds={"hat": None}), None, 0),
        (Trust(default=0.99, fitted=False), 0.99, 0),
        (Trust(thresholds={"hat": 0.6}), 0.6, 4),
    ],
)
def test_one_category_is_measured_at_the_models_own_threshold(trust, threshold, yeses):
    """Also one that is never named, or a model's of old; not at the best of these photos."""
    logits = np.array([[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 8)
    answers = Answers(CLASSES, np.array([0] * 4 + [1] * 8), logits)
    found = evaluate(answers, calibration=trust, positive="hat")["positive"]
    assert found["threshold"] == threshold
    assert found["counts"]["true_positives"] == yeses


@pytest.mark.parametrize("given", [{"probabilities": [float("nan")] * 2}, {"energy": float("nan")}])
def test_what_is_no_number_names_no_category(given):
    """A network that overflows on a photo has said nothing of it."""
    asked = {"probabilities": [0.9, 0.1], "energy": 3.0} | given
    assert verdict(CLASSES, thresholds={}, bound=1.0, **asked).category == "none"
