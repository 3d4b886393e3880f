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


def no_link(number):
    """In os.link's place: what a file system that cannot answers."""

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    return refuse


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
    monkeypatch.setattr(os, "link", no_link(refusal))
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


@pytest.mark.parametrize("kind", ["linked", "copied"])
def test_a_photo_that_was_replaced_during_the_run_stays(tmp_path, done, monkeypatch, kind):
    """Nobody has asked about it yet: the next run does, and moves it then."""
    if kind == "copied":
        monkeypatch.setattr(os, "link", no_link(errno.EXDEV))
    folder = fill(tmp_path / "in", {"b.jpg": photo_of(2), "c.jpg": photo_of(3)})
    settings = settings_of(folder, move_done=str(done))
    replace = {"b.jpg": photo_of(4, "replaced")}
    summary = run(folder, Shelf(), settings, on_table=lambda _: fill(folder, replace))
    assert contents(folder) == replace
    assert set(contents(done)) == {"a.jpg", "c.jpg"}
    assert summary.replaced == 1
    assert run(folder, shelf := Shelf(), settings).replaced == 0
    assert shelf.sent == [photo_of(4, "replaced")]
    assert contents(done)["b.jpg"] == photo_of(4, "replaced")


@pytest.mark.parametrize("moment", ["before it is placed", "after it was placed"])
def test_a_photo_that_is_replaced_at_the_moment_of_moving_stays(
    tmp_path, done, monkeypatch, moment
):
    """Neither is the new one taken away, nor the one that was asked about lost."""
    folder = fill(tmp_path / "in", {"b.jpg": photo_of(2)})
    link = os.link

    def replacing(source, target):
        if moment == "after it was placed":
            link(source, target)
        source.with_name("new").write_bytes(photo_of(4, "replaced"))
        source.with_name("new").replace(source)
        if moment == "before it is placed":
            link(source, target)

    monkeypatch.setattr(os, "link", replacing)
    summary = run(folder, Shelf(), settings_of(folder, move_done=str(done)))
    assert contents(folder) == {"b.jpg": photo_of(4, "replaced")}
    assert summary.replaced == 1
    assert contents(done).get("b.jpg", photo_of(2)) == photo_of(2)
