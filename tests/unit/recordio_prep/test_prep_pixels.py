"""A CSV of pixels: good lines are pictures, bad ones are left out with their number and reason."""

import multiprocessing
import os
import tracemalloc
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import DatasetError, PhotoError, SnapshelfError
from photo import decode_photo
from recordio_prep.sources.lines import MAX_LINE_BYTES
from recordio_prep.sources.pixels import Pixels
from recordio_prep.sources.source import LeftOut, Photo

HEADER = "label,pixel1,pixel2,pixel3,pixel4"


@pytest.fixture
def csv(tmp_path):
    """A function that writes a file of these lines."""

    def write(*lines, end="\n"):
        path = tmp_path / "train.csv"
        path.write_bytes(b"".join(f"{line}{end}".encode() for line in lines))
        return path

    return write


def left_out(source):
    """Why each line was left out, by path."""
    entries = [entry for entry in source.entries() if isinstance(entry, LeftOut)]
    assert all(entry.photo for entry in entries)
    return {entry.path: entry.reason for entry in entries}


@pytest.mark.parametrize("header", [[], [HEADER], ['"Label","pixel1","pixel2","pixel3","pixel4"']])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_line_is_a_grey_picture_named_by_class_and_line(csv, header, end, mark):
    """With or without names of columns; its pixels decode exactly."""
    lines = [*header, "3,0,1,254,255", "1,9,8,7,6"]
    source = Pixels.opened(csv(mark + lines[0], *lines[1:], end=end), may_lack=True)
    photos = list(source.entries())
    first = len(header) + 1
    assert [(photo.path, photo.categories) for photo in photos] == [
        (f"3/{first:05d}.pgm", ("3",)),
        (f"1/{first + 1:05d}.pgm", ("1",)),
    ]
    payloads = [source.read(photo.locator) for photo in photos]
    assert payloads[1] == b"P5 2 2 255\n\x09\x08\x07\x06"
    assert [photo.size for photo in photos] == [len(payload) for payload in payloads]
    pixels = np.asarray(decode_photo(payloads[0]))
    assert pixels[..., 0].tolist() == [[0, 1], [254, 255]]
    assert source.classes == ("0", "1", "2", "3")
    assert source.side == 2
    assert source.name.endswith("train.csv")
    assert not source.multi_label
    assert source.tree == {}


def test_pictures_of_fashion_mnists_size_are_read(csv):
    """784 columns are 28 x 28 pixels; the last line may lack its end."""
    header = ",".join(["label", *(f"pixel{k}" for k in range(1, 785))])
    source = Pixels.opened(
        csv(f"{header}\n9,{','.join(str(k % 256) for k in range(784))}", end=""), may_lack=True
    )
    (photo,) = source.entries()
    picture = decode_photo(source.read(photo.locator))
    assert picture.size == (28, 28)
    assert picture.getpixel((1, 1)) == (29, 29, 29)


def test_classes_may_have_names_in_label_order(csv):
    """Not sorted; too few are refused."""
    path = csv("1,0,0,0,0")
    source = Pixels.opened(path, names=("T-shirt/top", "Bag", "Ankle boot"))
    assert source.classes == ("T-shirt/top", "Bag", "Ankle boot")
    assert [photo.categories for photo in source.entries()] == [("Bag",)]
    with pytest.raises(DatasetError, match="label 1, expected 0 to 0: 1 names"):
        Pixels.opened(path, names=("T-shirt/top",))


def test_bad_lines_are_left_out_with_number_and_reason(csv):
    """The good ones stay, and bad ones make no class."""
    source = Pixels.opened(
        csv(
            HEADER,
            "0,1,2,3,4",
            "1,1,2,3",
            "1,1,2,3,4,5",
            "1,1,2,3,256",
            "1,1,2,3,-1",
            "1,1,2,3,4.5",
            "1,1,2,3,",
            "1,1,2,3,1_0",
            "cat,1,2,3,4",
            "-1,1,2,3,4",
            "100000,1,2,3,4",
            "",
            "9" * MAX_LINE_BYTES,
            "9,9,9,9,\u0669",
            "2,5,6,7,8",
        ),
        may_lack=True,
    )
    assert left_out(source) == {
        f"train.csv:{line}": f"line {line}: {reason}"
        for line, reason in {
            3: "3 pixels, expected 4",
            4: "5 pixels, expected 4",
            5: "pixel '256', expected a whole number from 0 to 255",
            6: "pixel '-1', expected a whole number from 0 to 255",
            7: "pixel '4.5', expected a whole number from 0 to 255",
            8: "pixel '', expected a whole number from 0 to 255",
            9: "pixel '1_0', expected a whole number from 0 to 255",
            10: "label 'cat', expected a whole number from 0 to 99,999",
            11: "label '-1', expected a whole number from 0 to 99,999",
            12: "label '100000', expected a whole number from 0 to 99,999",
            14: "longer than 1,048,576 bytes",
            15: r"pixel '\u0669', expected a whole number from 0 to 255",
        }.items()
    }
    photos = [entry for entry in source.entries() if isinstance(entry, Photo)]
    assert [photo.path for photo in photos] == ["0/00002.pgm", "2/00016.pgm"]
    assert source.read(photos[1].locator).endswith(b"\x05\x06\x07\x08")
    assert source.classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "empty"),
        (["", ""], "empty"),
        (["label"], "0 columns behind the label"),
        (["label,pixel1,pixel2"], "2 columns behind the label, expected a square's"),
        (["0,1,2,3"], "3 columns behind the label, expected a square's"),
        (["pixel1,pixel2,pixel3,pixel4,class"], "first column 'pixel1', expected 'label'"),
        ([HEADER], "no line with a label and 4 pixels"),
        ([HEADER, "0,1", "x,1,2,3,4"], "no line with a label and 4 pixels"),
        (["1" * (MAX_LINE_BYTES + 1)], "a line of more than 1,048,576 bytes"),
    ],
)
def test_a_file_without_pictures_is_refused(csv, lines, message):
    """With the hint that says what a line is."""
    with pytest.raises(DatasetError, match=message) as refused:
        Pixels.opened(csv(*lines))
    assert "label,pixel1" in refused.value.hint


def test_a_file_that_is_not_there_is_refused(tmp_path):
    """With the system's reason."""
    with pytest.raises(DatasetError, match="No such file"):
        Pixels.opened(tmp_path / "none.csv")


def test_what_a_locator_promised_is_checked(csv):
    """A line that was cut or changed meanwhile is no picture."""
    path = csv("0,1,2,3,4", "1,5,6,7,8")
    source = Pixels.opened(path)
    _, second = (photo.locator for photo in source.entries())
    os.truncate(path, 15)
    with pytest.raises(PhotoError, match="it is cut off"):
        source.read(second)
    for locator in ("", "1", "a:b", "0:0", "-1:3", "0:99999999", f"{'9' * 30}:9", "3:12"):
        with pytest.raises(PhotoError):
            source.read(locator)
    csv("0,1,2,3,4", "0,1,2,3,4", "7,1,2,3,4")
    assert left_out(source) == {
        "train.csv:3": "line 3: label 7, and the file has changed meanwhile"
    }


def test_workers_read_at_the_same_time(csv):
    """Forked processes do not move each other's position in the file."""
    source = Pixels.opened(csv(*(f"0,{k}" for k in range(200))))
    locators = [photo.locator for photo in source.entries()]
    source.read(locators[0])
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        read = list(pool.map(source.read, locators * 5, chunksize=5))
    assert read == [b"P5 1 1 255\n%c" % k for k in range(200)] * 5


def test_a_file_that_took_anothers_place_is_read_anew(csv, tmp_path):
    """Not the one that was open before."""
    source = Pixels.opened(csv("0,1"))
    assert source.read("0:3").endswith(b"\x01")
    (tmp_path / "new").write_text("0,2\n")
    (tmp_path / "new").replace(source.path)
    assert source.read("0:3").endswith(b"\x02")


def test_memory_does_not_grow_with_the_file(csv):
    """20,000 lines take no more than the first."""
    path = csv(HEADER, *(f"{k % 9},1,22,133,{k % 256}" for k in range(20_000)))
    tracemalloc.start()
    try:
        count = sum(1 for _ in Pixels.opened(path).entries())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 400_000


@settings(max_examples=150)
@given(
    data=st.binary(max_size=80) | st.text('0123456789,\n\r".-lab e', max_size=80).map(str.encode)
)
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    """Whatever the file holds, nothing but our own errors leaves the reader."""
    path = tmp_path_factory.getbasetemp() / "fuzzed.csv"
    path.write_bytes(data)
    try:
        source = Pixels.opened(path)
        for entry in source.entries():
            if isinstance(entry, Photo):
                decode_photo(source.read(entry.locator))
    except SnapshelfError:
        pass


def test_labels_that_begin_elsewhere_or_have_gaps_want_names(csv):
    """Unless it is a part of the photos."""
    with pytest.raises(DatasetError, match="labels 1 to 2, none is 0") as refused:
        Pixels.opened(csv("1,1,2,3,4", "2,1,2,3,4"))
    assert "--class-names" in refused.value.hint
    path = csv("0,1,2,3,4", "2,1,2,3,4")
    with pytest.raises(DatasetError, match="no photo has label 1,"):
        Pixels.opened(path)
    assert Pixels.opened(path, may_lack=True).classes == ("0", "1", "2")
    assert Pixels.opened(path, names=("a", "b", "c")).classes == ("a", "b", "c")
