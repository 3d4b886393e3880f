"""The learning rate: each schedule's formula at the places that tell it from the others."""

import math

import pytest

from training.hyperparameters import LR_SCHEDULES, Hyperparameters
from training.schedules import learning_rate


def settings(**changes):
    """Of 8 epochs at a rate of 0.1."""
    return Hyperparameters(**{"epochs": 8, "learning_rate": 0.1, **changes})


def test_exponential_is_the_default_and_falls_by_epochs():
    """`learning_rate * exp(-decay * epoch)`, the same all through an epoch."""
    assert learning_rate(settings(), 0) == 0.1
    assert learning_rate(settings(), 3) == pytest.approx(0.1 * math.exp(-0.15))
    assert learning_rate(settings(lr_decay=0.2), 3.9) == pytest.approx(0.1 * math.exp(-0.6))


def test_constant_stays():
    """From the first step to the last."""
    rates = {learning_rate(settings(lr_schedule="constant"), e / 4) for e in range(32)}
    assert rates == {0.1}


def test_step_falls_at_its_epochs():
    """As the built-in algorithm: times the factor at each of them."""
    stepped = Hyperparameters.parse(
        {"epochs": "8", "learning_rate": "0.1", "lr_scheduler_step": "2,5"}
    )
    rates = [learning_rate(stepped, epoch) for epoch in (0, 1.99, 2, 4.9, 5, 7)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


@pytest.mark.parametrize(
    ("schedule", "middle"), [("polynomial", 0.01 + 0.09 * 0.25), ("cosine", 0.01 + 0.09 / 2)]
)
def test_falls_from_the_rate_to_the_least(schedule, middle):
    """Within epochs too."""
    falling = settings(lr_schedule=schedule, lr_min=0.01)
    assert learning_rate(falling, 0) == pytest.approx(0.1)
    assert learning_rate(falling, 4) == pytest.approx(middle)
    assert learning_rate(falling, 8 - 1e-9) == pytest.approx(0.01)


def test_cyclical_rises_and_falls_in_straight_lines():
    """Smith's triangle, again and again."""
    cycling = settings(lr_schedule="cyclical", lr_min=0.02, lr_cycle_epochs=4)
    rates = [learning_rate(cycling, epoch) for epoch in (0, 1, 2, 3, 4, 6)]
    assert rates == pytest.approx([0.02, 0.06, 0.1, 0.06, 0.02, 0.1])


def test_cyclical_exponential_has_lower_peaks_each_time():
    """exp_range: the height falls, the floor stays."""
    cycling = settings(lr_schedule="cyclical_exponential", lr_cycle_epochs=4, lr_decay=0.1)
    assert learning_rate(cycling, 2) == pytest.approx(0.1 * math.exp(-0.2))
    assert learning_rate(cycling, 6) == pytest.approx(0.1 * math.exp(-0.6))
    assert learning_rate(cycling, 4) == pytest.approx(0)


def test_plateau_falls_after_so_many_scores_without_a_higher_one():
    """And waits anew after each fall; an equal score is not higher."""
    waiting = settings(lr_schedule="plateau", lr_patience=2, lr_scheduler_factor=0.5)
    assert learning_rate(waiting, 3, [0.5, 0.4, 0.6]) == 0.1
    assert learning_rate(waiting, 4, [0.5, 0.5, 0.4]) == pytest.approx(0.05)
    assert learning_rate(waiting, 6, [0.5, 0.5, 0.4, 0.4]) == pytest.approx(0.05)
    assert learning_rate(waiting, 6, [0.5, 0.5, 0.4, 0.4, 0.3]) == pytest.approx(0.025)


@pytest.mark.parametrize("schedule", LR_SCHEDULES)
def test_warm_up_multiplies_any_schedule(schedule):
    """By the share of its epochs that have passed, and no longer."""
    steps = (4,) if schedule == "step" else ()
    plain = settings(lr_schedule=schedule, lr_scheduler_step=steps)
    warmed = settings(lr_schedule=schedule, lr_scheduler_step=steps, warmup_epochs=2.0)
    assert learning_rate(warmed, 0) == 0
    assert learning_rate(warmed, 1.5) == pytest.approx(0.75 * learning_rate(plain, 1.5))
    assert learning_rate(warmed, 2) == learning_rate(plain, 2)


@pytest.mark.parametrize("schedule", LR_SCHEDULES)
def test_no_schedule_leaves_its_bounds(schedule):
    """Nowhere above the rate, or below 0."""
    steps = (1, 3) if schedule == "step" else ()
    any_schedule = settings(lr_schedule=schedule, lr_scheduler_step=steps)
    for tenth in range(80):
        assert 0 <= learning_rate(any_schedule, tenth / 10, [0.5] * (tenth // 10)) <= 0.1
