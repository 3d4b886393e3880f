"""A list of im2rec: labels that make sense or an error with the line, paths that stay in the root."""

import os
import pickle
import sqlite3
import tracemalloc

import pytest

from contracts import DatasetError, PhotoError
from photo import prepare_photo
from recordio_prep.sources.lines import MAX_LINE_BYTES
from recordio_prep.sources.listing import Listing
from recordio_prep.sources.source import LeftOut, Photo


@pytest.fixture
def root(tmp_path, make_photos):
    """Three photos in a folder."""
    return make_photos(tmp_path / "photos", dict.fromkeys(["cat/1.png", "dog/1.png", "dog/2.png"]))


@pytest.fixture
def lst(tmp_path):
    """A function that writes a list of these lines."""

    def write(*lines):
        path = tmp_path / "train.lst"
        path.write_bytes(b"".join(os.fsencode(line) + b"\n" for line in lines))
        return path

    return write


def left_out(listing):
    """Why each line was left out, by path."""
    entries = [entry for entry in listing.entries() if isinstance(entry, LeftOut)]
    assert all(entry.photo for entry in entries)
    return {entry.path: entry.reason for entry in entries}


def test_one_label_is_the_category(root, lst):
    """Photos come in the list's order, with the file's size, and decode from their locators."""
    listing = Listing.opened(
        lst("7\t1\tdog/2.png", "2\t0\tcat/1.png", "5\t1.000000\tdog/1.png"), root
    )
    photos = list(listing.entries())
    assert [(photo.path, photo.categories) for photo in photos] == [
        ("dog/2.png", ("1",)),
        ("cat/1.png", ("0",)),
        ("dog/1.png", ("1",)),
    ]
    assert listing.classes == ("0", "1")
    assert not listing.multi_label
    assert listing.tree == {}
    assert listing.name.endswith("train.lst")
    assert [photo.size for photo in photos] == [len(listing.read(p.locator)) for p in photos]
    assert prepare_photo(listing.read(photos[0].locator), 8).size == (8, 8)


def test_classes_are_in_numeric_order_and_may_lack_photos(root, lst):
    """Class "10" comes behind "9", and a label that nothing bears is a class all the same."""
    listing = Listing.opened(lst("0\t10\tcat/1.png", "1\t2\tdog/1.png"), root, may_lack=True)
    assert listing.classes == tuple(map(str, range(11)))


def test_labels_may_have_names(root, lst):
    """Names stand in label order, not sorted; those without a photo count."""
    listing = Listing.opened(
        lst("0\t0\tcat/1.png", "1\t1\tdog/1.png"), root, names=("puss", "dog", "ape")
    )
    assert listing.classes == ("puss", "dog", "ape")
    assert [photo.categories for photo in listing.entries()] == [("puss",), ("dog",)]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("cat",), "label 1, expected 0 to 0: 1 names"),
        (("cat", "cat"), "class names 'cat'"),
        (("cat", ""), "class names ''"),
        (("cat", "a\tb"), r"class names 'a\\tb'"),
        (("cat", "a\x1fb"), r"class names 'a\\x1fb'"),
        (("cat", "\x1b[2J"), r"class names '\\x1b\[2J'"),
        (("cat", "rub\x7fout"), r"class names 'rub\\x7fout'"),
    ],
)
def test_names_that_do_not_fit_are_refused(root, lst, names, message):
    """Too few, repeated, empty, or unfit for a list."""
    with pytest.raises(DatasetError, match=message):
        Listing.opened(lst("0\t0\tcat/1.png", "1\t1\tdog/1.png"), root, names=names)


def test_several_labels_are_one_for_each_category(root, lst):
    """A photo may show several categories, or none."""
    listing = Listing.opened(
        lst("0\t1\t0\t1\tcat/1.png", "1\t0\t0\t0\tdog/1.png"), root, names=("fur", "fin", "tail")
    )
    assert listing.multi_label
    assert listing.classes == ("fur", "fin", "tail")
    assert [photo.categories for photo in listing.entries()] == [("fur", "tail"), ()]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0\t0.5\ta.png"], "line 1: label '0.5', expected a whole number"),
        (["0\t0\ta.png", "1\t-1\tb.png"], "line 2: label '-1', expected a whole number"),
        (["0\tcat\ta.png"], "line 1: label 'cat'"),
        (["0\tnan\ta.png"], "line 1: label 'nan'"),
        (["0\t1e3\ta.png"], "line 1: label '1e3'"),
        (["0\t\u0663\ta.png"], r"line 1: label '\\u0663'"),
        (["0\t\ta.png"], "line 1: label ''"),
        (["0\t1000010653\ta.png"], "line 1: label 1000010653, expected 0 to 99,999"),
        (["0\t" + "9" * 5000 + "\ta.png"], r"line 1: label '9{40}\.\.\.'"),
        (["x\t0\ta.png"], "line 1: index 'x'"),
        (["0\t0\ta.png", "", "0 0 b.png"], "line 3: '0 0 b.png', expected at least 3 fields"),
        (["0\t0\t1\ta.png", "1\t2\t0\tb.png"], "line 2: label 2, expected 0 to 1"),
        (["0\t0\t1\ta.png", "1\t1\tb.png"], "line 2: 1 labels, expected 2"),
        (["0\t0\ta.png", "1\t1\t1\tb.png"], "line 2: 2 labels, expected 1"),
        (["0\t0\t" + "a" * MAX_LINE_BYTES], "line 1: longer than 1,048,576 bytes"),
        ([], "no line in it"),
        (["", "  "], "no line in it"),
    ],
)
def test_labels_of_another_kind_are_refused_with_their_line(root, lst, lines, message):
    """The message gives the line and the value; the hint says what a line is."""
    with pytest.raises(DatasetError, match=message) as refused:
        Listing.opened(lst(*lines), root)
    assert "<TAB>" in refused.value.hint


def test_an_unreadable_list_is_refused(root, tmp_path):
    """None there, a folder, or a pipe, which is not waited for."""
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (
        (tmp_path / "none.lst", "No such file"),
        (root, "not a regular file"),
        (tmp_path / "pipe", "not a regular file"),
    ):
        with pytest.raises(DatasetError, match=reason):
            Listing.opened(path, root)


def test_paths_that_leave_the_root_are_left_out(root, lst):
    """Neither upwards nor absolute, whether or not such a file exists."""
    listing = Listing.opened(
        lst("0\t0\t../train.lst", f"1\t0\t{root}/cat/1.png", "2\t0\tcat/../dog/1.png"), root
    )
    assert left_out(listing) == dict.fromkeys(
        ["../train.lst", f"{root}/cat/1.png", "cat/../dog/1.png"],
        "leads out of the folder of photos",
    )
    for locator in ("../train.lst", str(root / "cat/1.png"), "a\0b", ""):
        with pytest.raises(PhotoError):
            listing.read(locator)


def test_what_is_not_there_is_left_out_with_the_reason(root, lst):
    """The system's own words for a file that cannot be opened."""
    os.mkfifo(root / "pipe.png")
    (root / "self.png").symlink_to("self.png")
    long = "n" * 300
    listing = Listing.opened(
        lst(*(f"0\t0\t{path}" for path in ("gone.png", "cat", "pipe.png", "self.png", long))), root
    )
    assert left_out(listing) == {
        "gone.png": "No such file or directory",
        "cat": "not a regular file",
        "pipe.png": "not a regular file",
        "self.png": "Too many levels of symbolic links",
        long: "File name too long",
    }
    with pytest.raises(OSError, match="not a regular file"):
        listing.read("pipe.png")


def test_paths_that_a_list_cannot_hold_are_left_out(root, lst):
    """Bytes that are not UTF-8, a line break within, a zero byte, or no path at all."""
    listing = Listing.opened(
        lst(*(f"0\t0\t{path}" for path in ("latin\udce9.png", "a\rb.png", "a\0b.png", ""))), root
    )
    assert left_out(listing) == {
        r"latin\xe9.png": "a name that .lst cannot hold",
        r"a\rb.png": "a name that .lst cannot hold",
        "a\\x00b.png": "a name that .lst cannot hold",
        "train.lst:4": "no path",
    }


def test_a_path_listed_twice_is_left_out_once(root, lst):
    """The first line counts; the reason says whether the labels agree."""
    listing = Listing.opened(
        lst("0\t0\tcat/1.png", "1\t0\t./cat//1.png", "2\t1\tdog/1.png", "3\t0\tdog/1.png"), root
    )
    entries = list(listing.entries())
    assert [type(entry) for entry in entries] == [Photo, LeftOut, Photo, LeftOut]
    assert [entry.reason for entry in entries if isinstance(entry, LeftOut)] == [
        "line 2: listed before, in line 1",
        "line 4: listed before, in line 3, with another label",
    ]
    assert list(listing.entries()) == entries


def test_windows_line_ends_and_a_byte_order_mark_are_no_part_of_a_line(root, tmp_path):
    """As editors there write a list."""
    path = tmp_path / "train.lst"
    path.write_bytes(b"\xef\xbb\xbf0\t0\tcat/1.png\r\n1\t1\tdog/1.png")
    assert [photo.path for photo in Listing.opened(path, root).entries()] == [
        "cat/1.png",
        "dog/1.png",
    ]


def test_a_list_that_changed_is_refused(root, lst):
    """Its new labels are held to the classes that were read."""
    listing = Listing.opened(lst("0\t0\tcat/1.png"), root)
    lst("0\t1\tcat/1.png")
    with pytest.raises(DatasetError, match="line 1: label 1, expected 0 to 0"):
        list(listing.entries())


def test_no_room_for_the_paths_is_an_error_with_a_mend(root, lst, monkeypatch):
    """Not SQLite's own."""
    listing = Listing.opened(lst("0\t0\tcat/1.png"), root)

    def full(*_arguments, **_options):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", full)
    with pytest.raises(DatasetError, match="disk is full") as refused:
        list(listing.entries())
    assert "free some space" in refused.value.hint


def test_memory_does_not_grow_with_the_list(tmp_path, root):
    """5,000 lines are read in less than their paths alone would take."""
    folders = "/".join(["f" * 250] * 4)
    path = tmp_path / "long.lst"
    path.write_text("".join(f"{n}\t{n % 7}\t{folders}/{n}.png\n" for n in range(5_000)))
    listing = Listing.opened(path, root)
    tracemalloc.start()
    try:
        count = sum(1 for _ in listing.entries())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 5_000
    assert peak < 2_000_000


def test_workers_can_be_handed_a_listing(root, lst):
    """It pickles."""
    listing = Listing.opened(lst("0\t0\tcat/1.png"), root)
    assert pickle.loads(pickle.dumps(listing)) == listing  # noqa: S301 (our own bytes)


def test_names_are_the_same_in_either_form_of_unicode(root, lst):
    """They are composed, and two that differ in their form only are one name twice."""
    path = lst("0\t0\tcat/1.png", "1\t1\tdog/1.png")
    assert Listing.opened(path, root, names=("cafe\u0301", "bar")).classes == ("caf\u00e9", "bar")
    with pytest.raises(DatasetError, match="class names 'caf\u00e9', expected distinct"):
        Listing.opened(path, root, names=("cafe\u0301", "caf\u00e9"))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((1, 2, 3, 4, 5), "labels 1 to 5, none is 0"),
        ((0, 1, 2, 4), "no photo has label 3, expected all from 0 to 4"),
        ((0, 50_000), "no photo has label 1, 2, 3, 4, 5 and 49,994 more, expected"),
        ((9,), "labels 9 to 9, none is 0"),
    ],
)
def test_labels_that_begin_elsewhere_or_have_gaps_want_names(root, lst, labels, message):
    """Unless it is a part of the photos; the message is short, however many are lacking."""
    path = lst(*(f"{n}\t{label}\tcat/{n}.png" for n, label in enumerate(labels)))
    with pytest.raises(DatasetError, match=message) as refused:
        Listing.opened(path, root)
    assert len(str(refused.value)) < 300
    assert "--class-names" in refused.value.hint
    classes = tuple(map(str, range(max(labels) + 1)))
    assert Listing.opened(path, root, may_lack=True).classes == classes
    assert Listing.opened(path, root, names=classes).classes == classes
