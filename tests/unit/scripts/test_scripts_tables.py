"""Tables that people open: no photo's name and no category is a formula in them."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from evaluation.trust import Trust
from recordio_prep.sources.source import Photo
from scripts import comparing
from scripts.asking import Reply
from scripts.predictions import write_predictions

if TYPE_CHECKING:
    from pathlib import Path

EVIL = '=HYPERLINK("http:evil","x")'


def read(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]


@pytest.fixture
def trust() -> Trust:
    return Trust()


def test_what_evaluate_writes_holds_no_formula(tmp_path: Path, trust: Trust) -> None:
    """Paths, categories, verdicts and reasons; other rows are unaltered."""
    sure = np.array([0.9, 0.1], np.float32)
    replies = [
        Reply(f"{EVIL}/a.jpg", EVIL, sure),
        Reply("b/b.jpg", "b", 1 - sure),
        Reply("b/-", "b", error="-1 bytes"),
    ]
    write_predictions(tmp_path, replies, [EVIL, "b"], trust)
    first, second, third = read(tmp_path / "predictions.csv")
    assert first[:3] == [f"'{EVIL}/a.jpg", f"'{EVIL}", f"'{EVIL}"]
    assert first[5] == f"'{EVIL}"
    assert second[:3] == ["b/b.jpg", "b", "b"]
    assert third[:5] == ["b/-", "b", "", "0.0", "'-1 bytes"]


def test_what_models_compare_writes_holds_no_formula(tmp_path: Path) -> None:
    """The photo, its category, and what both models called it."""
    photo = Photo(f"{EVIL}/a.jpg", (EVIL,), 1, "", "a")
    named: list[Any] = [comparing.Named(EVIL, 0.5), comparing.Named("b", 0.5)]
    comparing._write(tmp_path, [(photo, *named)])
    assert read(tmp_path / "differences.csv") == [
        [f"'{EVIL}/a.jpg", f"'{EVIL}", f"'{EVIL}", "0.5000", "b", "0.5000"]
    ]
