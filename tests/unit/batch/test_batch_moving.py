"""Answered photos put away: over no other, and only those that were answered."""

import errno
import os

import pytest
from batch_api import fill, photo_of
from batch_runs import Shelf, run, settings_of


@pytest.fixture
def done(tmp_path):
    """Where answered photos go: it holds an `a.jpg` of an earlier night."""
    return fill(tmp_path / "done", {"a.jpg": photo_of(1, "first")})


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


def test_a_photo_never_replaces_one_that_was_moved_earlier(tmp_path, done):
    """Cameras reuse names: other bytes get a free one, which the summary tells."""
    folder = fill(tmp_path / "in", {"a.jpg": photo_of(2, "second"), "b.jpg": photo_of(3)})
    summary = run(folder, Shelf(), settings_of(folder, move_done=str(done)))
    assert contents(done) == {
        "a.jpg": photo_of(1, "first"),
        "a-2.jpg": photo_of(2, "second"),
        "b.jpg": photo_of(3),
    }
    assert contents(folder) == {}
    assert (summary.renamed, summary.renames) == (1, (("a.jpg", "a-2.jpg"),))


def test_the_same_bytes_are_moved_once(tmp_path, done):
    """A photo that is there already is there: it gets no second name."""
    folder = fill(tmp_path / "in", {"a.jpg": photo_of(1, "first")})
    summary = run(folder, Shelf(), settings_of(folder, move_done=str(done)))
    assert contents(done) == {"a.jpg": photo_of(1, "first")}
    assert contents(folder) == {}
    assert summary.renamed == 0


@pytest.mark.parametrize("refusal", [errno.EXDEV, errno.EPERM])
def test_photos_move_to_where_no_hard_link_can(tmp_path, done, monkeypatch, refusal):
    """Another file system, or one without hard links: copied, and over nothing either."""

    def no_link(*_):
        raise OSError(refusal, os.strerror(refusal))

    monkeypatch.setattr(os, "link", no_link)
    folder = fill(tmp_path / "in", {"a.jpg": photo_of(2), "x/b.jpg": photo_of(3)})
    run(folder, Shelf(), settings_of(folder, move_done=str(done)))
    assert contents(done) == {
        "a.jpg": photo_of(1, "first"),
        "a-2.jpg": photo_of(2),
        "x/b.jpg": photo_of(3),
    }
    assert contents(folder) == {}


def test_a_link_to_a_photo_leaves_the_photo_behind(tmp_path, done):
    """What it points to stays where it is, and its bytes go where answered photos are."""
    fill(tmp_path, {"kept/b.jpg": photo_of(3)})
    folder = fill(tmp_path / "in", {})
    folder.mkdir()
    (folder / "b.jpg").symlink_to("../kept/b.jpg")
    run(folder, Shelf(), settings_of(folder, move_done=str(done)))
    assert contents(done)["b.jpg"] == (tmp_path / "kept" / "b.jpg").read_bytes() == photo_of(3)
    assert not (done / "b.jpg").is_symlink()
    assert contents(folder) == {}
