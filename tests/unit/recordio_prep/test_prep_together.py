"""Photos added to others: the same categories, their own names, and nothing left unsaid."""

import csv
import pickle

import pytest

from contracts import DatasetError
from recordio_prep import prepare, read_records
from recordio_prep.sources.folders import Folders
from recordio_prep.sources.listing import Listing
from recordio_prep.sources.source import LeftOut, Photo
from recordio_prep.sources.together import Together


@pytest.fixture
def named(tmp_path, make_photos):
    """Photos that people named: one called as one of the main photos is, and one of no category."""
    paths = ["cat/00.png", "cat/new.png", "dog/new.png", "other/x.png"]
    return make_photos(tmp_path / "named", dict.fromkeys(paths))


def together(*folders):
    """The source of these folders."""
    main, *added = (Folders(folder, may_lack=True) for folder in folders)
    return Together(main, tuple(added))


def test_photos_of_both_are_packed_under_names_of_their_own(two_classes, named, tmp_path):
    """Two photos called cat/00.png are two photos."""
    dataset = prepare(together(two_classes, named), tmp_path / "records", size=8, train_ratio=1)
    assert dataset.splits["train"].by_class == {"cat": 12, "dog": 11}
    listed = (tmp_path / "records" / "train.lst").read_text()
    assert {"added1/cat/00.png", "added1/cat/new.png", "added1/dog/new.png"} < {
        line.split("\t")[2] for line in listed.splitlines()
    }
    assert len(list(read_records(tmp_path / "records" / "train.rec"))) == 23


def test_the_main_photos_keep_their_records(two_classes, named, tmp_path):
    """What is added moves nothing: without it each of the main photos is on the same side."""
    sides = {}
    for out, source in (("alone", Folders(two_classes)), ("both", together(two_classes, named))):
        prepare(source, tmp_path / out, size=8)
        lists = {s: (tmp_path / out / f"{s}.lst").read_text() for s in ("train", "validation")}
        sides[out] = {line.split("\t")[2]: s for s, t in lists.items() for line in t.splitlines()}
    moved = [path for path, side in sides["alone"].items() if sides["both"][path] != side]
    assert len(moved) <= 2  # one at most in each category, where the ratio's edge falls


def test_a_category_of_the_added_alone_is_left_out_and_listed(two_classes, named, tmp_path):
    """One wrong folder name does not become a category of the model."""
    dataset = prepare(together(two_classes, named), tmp_path / "records", size=8)
    assert dataset.classes == ("cat", "dog")
    with (tmp_path / "records" / "left_out.csv").open() as file:
        assert list(csv.reader(file))[1:] == [
            ["added1/other/x.png", "category other is none of the main photos'"]
        ]


def test_bytes_come_from_the_source_that_has_the_photo(two_classes, named, tmp_path, make_photos):
    """Of two photos of one name each is read where it lies, in another process too."""
    third = make_photos(tmp_path / "third", {"dog/new.png": "red"})
    source = pickle.loads(pickle.dumps(together(two_classes, named, third)))  # noqa: S301 - our own
    photos = {entry.path: entry for entry in source.entries() if isinstance(entry, Photo)}
    for path, folder in (
        ("cat/00.png", two_classes),
        ("added1/cat/00.png", named),
        ("added2/dog/new.png", third),
    ):
        expected = (folder / path.removeprefix("added1/").removeprefix("added2/")).read_bytes()
        assert source.read(photos[path].locator) == expected


def test_what_an_added_source_leaves_out_is_listed(two_classes, named):
    """Its notes and hidden files bear its number."""
    (named / "cat" / "notes.txt").write_text("not a photo")
    left_out = [e for e in together(two_classes, named).entries() if isinstance(e, LeftOut)]
    assert [entry.path for entry in left_out] == ["added1/cat/notes.txt", "added1/other/x.png"]


def test_an_empty_added_source_is_an_error(two_classes, tmp_path):
    """A wrong address would otherwise pass for photos that were taken in."""
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DatasetError, match="nothing: nothing is there, expected photos to add"):
        prepare(together(two_classes, tmp_path / "nothing"), tmp_path / "records")


def test_records_may_not_lie_in_an_added_source(two_classes, named):
    """As they may not lie among the photos."""
    with pytest.raises(DatasetError, match=r"lies in .*named"):
        prepare(together(two_classes, named), named / "records")


def test_several_labels_and_one_do_not_go_together(two_classes, tmp_path):
    """A photo of one category says nothing of the others; a list of several labels does."""
    (tmp_path / "several.lst").write_text("0\t1\t0\tcat/00.png\n1\t0\t1\tdog/00.png\n")
    several = Listing.opened(tmp_path / "several.lst", two_classes)
    with pytest.raises(DatasetError, match=r"several\.lst has several labels a photo and .*photos"):
        Together(Folders(two_classes), (several,))


def test_other_is_a_category_where_one_is_told_from_the_rest(two_classes, named, tmp_path):
    """People name a photo `other` that is not of the one category."""
    main = Folders(two_classes)
    source = Together(main, (Folders(named),), frozenset({"other"}))
    dataset = prepare(source, tmp_path / "records", size=8, train_ratio=1, positive="cat")
    assert dataset.splits["train"].by_class == {"cat": 12, "other": 12}
