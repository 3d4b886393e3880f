"""Answers drawn at random, with a known relation to their labels."""

import numpy as np
import pytest

from evaluation.answers import Answers


def drawn(photos=400, classes=4, skill=2.0, seed=0, scale=1.0):
    """Answers whose logits are noise, with `skill` added at the label."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, photos)
    logits = random.normal(size=(photos, classes))
    logits[np.arange(photos), labels] += skill
    names = tuple(f"photo/{number}.jpg" for number in range(photos))
    known = tuple(f"category {number}" for number in range(classes))
    return Answers(known, labels, (logits * scale).astype(np.float32), names)


def drawn_multi_label(photos=300, classes=5, seed=1):
    """Multi-label answers: each category holds by a coin of its own."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, (photos, classes))
    logits = random.normal(size=(photos, classes)) + 2 * labels - 1
    known = tuple(f"category {number}" for number in range(classes))
    return Answers(known, labels, logits.astype(np.float32))


@pytest.fixture
def draw():
    """`drawn`: single-label answers with the options asked for."""
    return drawn


@pytest.fixture
def draw_multi_label():
    """`drawn_multi_label`: multi-label answers with the options asked for."""
    return drawn_multi_label
