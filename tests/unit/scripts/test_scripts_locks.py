"""One program at a time in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts import SnapshelfError
from scripts.locks import InUseError, sole_reading, sole_use

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_holder_is_refused_and_a_later_one_is_not(tmp_path: Path) -> None:
    """While the lock is held nobody else gets it; afterwards the next one does."""
    folder = tmp_path / "made" / "for it"
    with sole_use(folder, ".lock"):
        second = sole_use(folder, ".lock")
        with pytest.raises(SnapshelfError, match="another snapshelf") as caught, second:
            pytest.fail("two programs held one folder")
        assert caught.value.hint
    with sole_use(folder, ".lock"):
        assert folder.is_dir()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in the folder's place is an error of ours, with the mend."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SnapshelfError, match="file"), sole_use(tmp_path / "file" / "x", ".lock"):
        pytest.fail("a folder was made inside a file")


def test_what_is_held_is_named_with_what_to_give_in_its_place(tmp_path: Path) -> None:
    """Where a file is locked, another file of the same folder is free: the folder is not."""
    table = tmp_path / "predictions.csv"
    with sole_use(tmp_path, ".lock", held=table, instead="another --out"):
        second = sole_use(tmp_path, ".lock", held=table, instead="another --out")
        with pytest.raises(InUseError) as caught, second:
            pytest.fail("two programs held one table")
    assert caught.value.message == f"{table}: another snapshelf is at work on it"
    assert caught.value.hint == "wait for it, stop it, or give another --out"


def test_photos_that_are_read_by_another_are_named(tmp_path: Path) -> None:
    """No other table helps then: each photo would be sent twice."""
    with sole_reading(tmp_path):
        second = sole_reading(tmp_path)
        with pytest.raises(InUseError) as caught, second:
            pytest.fail("two programs held one folder")
    assert caught.value.message == f"{tmp_path}: another snapshelf is at work on it"
    assert caught.value.hint == "wait for it, or stop it"
