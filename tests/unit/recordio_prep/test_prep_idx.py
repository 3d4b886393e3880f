"""IDX files: a pair that belongs together, its sizes right, unpacked once and never without end."""

import gzip
import multiprocessing
import os
import resource
import shutil
import struct
import tracemalloc
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import DatasetError, PhotoError, SnapshelfError
from photo import decode_photo
from recordio_prep.sources.idx import Idx, labels_beside

PICTURES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def pictures_file(count=3, height=2, width=3, pixels=None):
    """An IDX file of pictures: pixel k of all has the value k."""
    body = bytes(k % 256 for k in range(count * height * width)) if pixels is None else pixels
    return struct.pack(">IIII", 0x803, count, height, width) + body


def labels_file(*labels):
    """An IDX file of labels."""
    return struct.pack(">II", 0x801, len(labels)) + bytes(labels)


@pytest.fixture
def scratch(tmp_path):
    """A folder that does not exist yet."""
    return tmp_path / "scratch"


@pytest.fixture
def pair(tmp_path):
    """A function that writes the two files, and gives the path of the pictures."""

    def write(pictures=None, labels=None, *, suffix=""):
        pack = gzip.compress if suffix else bytes
        (tmp_path / f"{LABELS}{suffix}").write_bytes(pack(labels or labels_file(2, 0, 2)))
        path = tmp_path / f"{PICTURES}{suffix}"
        path.write_bytes(pack(pictures or pictures_file()))
        return path

    return write


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_picture_is_a_grey_file_named_by_class_and_place(pair, scratch, suffix):
    """Its pixels decode exactly, gzipped or not."""
    source = Idx.opened(pair(suffix=suffix), scratch, may_lack=True)
    photos = list(source.entries())
    assert [(photo.path, photo.categories) for photo in photos] == [
        ("2/00000.pgm", ("2",)),
        ("0/00001.pgm", ("0",)),
        ("2/00002.pgm", ("2",)),
    ]
    payloads = [source.read(photo.locator) for photo in photos]
    assert payloads[1] == b"P5 3 2 255\n" + bytes(range(6, 12))
    assert [photo.size for photo in photos] == [len(payload) for payload in payloads]
    pixels = np.asarray(decode_photo(payloads[2]))
    assert (pixels == np.arange(12, 18).reshape(2, 3, 1)).all()
    assert source.classes == ("0", "1", "2")
    assert source.name.endswith(PICTURES + suffix)
    assert not source.multi_label
    assert source.tree == {}


def test_classes_may_have_names_in_label_order(pair, scratch):
    """Those of Fashion-MNIST, say, one with a slash in it; not sorted."""
    source = Idx.opened(pair(), scratch, names=("T-shirt/top", "Trouser", "Bag", "Ankle boot"))
    assert source.classes == ("T-shirt/top", "Trouser", "Bag", "Ankle boot")
    assert [photo.categories[0] for photo in source.entries()] == ["Bag", "T-shirt/top", "Bag"]


def test_too_few_names_are_refused(pair, scratch):
    """A label without one."""
    with pytest.raises(DatasetError, match="label 2, expected 0 to 1: 2 names"):
        Idx.opened(pair(), scratch, names=("a", "b"))


@pytest.mark.parametrize(
    ("pictures", "labels"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"),
        ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
        ("emnist-balanced-test-images-idx3-ubyte.gz", "emnist-balanced-test-labels-idx1-ubyte.gz"),
    ],
)
def test_the_labels_lie_beside_under_the_usual_name(tmp_path, pictures, labels):
    """In both spellings, gzipped or not; the other one where only that is there."""
    path = tmp_path / pictures
    assert labels_beside(path) == tmp_path / labels
    bare = labels.removesuffix(".gz")
    other = tmp_path / (bare if bare != labels else f"{labels}.gz")
    other.touch()
    assert labels_beside(path) == other


def test_another_name_wants_its_labels_named(tmp_path, scratch):
    """And takes them."""
    (tmp_path / "pictures").write_bytes(pictures_file(1))
    (tmp_path / "classes").write_bytes(labels_file(0))
    with pytest.raises(DatasetError, match="images-idx3") as refused:
        Idx.opened(tmp_path / "pictures", scratch)
    assert "labels" in refused.value.hint
    source = Idx.opened(tmp_path / "pictures", scratch, labels=tmp_path / "classes")
    assert len(list(source.entries())) == 1


@pytest.mark.parametrize(
    ("pictures", "labels", "message"),
    [
        (labels_file(2, 0, 2) + bytes(20), None, "magic number 0x00000801, expected 0x00000803"),
        (None, pictures_file(), "magic number 0x00000803, expected 0x00000801"),
        (struct.pack(">IIII", 0xD03, 3, 2, 3) + bytes(72), None, "magic number 0x00000d03"),
        (b"<html>No such file</html>", None, "magic number 0x3c68746d"),
        (b"\0\0\x08\x03\0\0", None, "6 bytes, expected an IDX header"),
        (pictures_file(pixels=bytes(17)), None, "33 bytes, expected 34 as the header says"),
        (pictures_file(2), None, "2 pictures, and 3 labels"),
        (pictures_file(0), labels_file(), "0 pictures of 3 x 2 pixels"),
        (pictures_file(3, 0, 9), None, "pictures of 9 x 0 pixels"),
    ],
)
def test_files_that_are_not_a_pair_of_idx_are_refused(pair, scratch, pictures, labels, message):
    """The message names what is wrong, packed or not."""
    for suffix in ("", ".gz"):
        with pytest.raises(DatasetError, match=message) as refused:
            Idx.opened(pair(pictures, labels, suffix=suffix), scratch)
        assert refused.value.hint


def test_bytes_behind_the_last_picture_are_refused(pair, scratch):
    """They say that the header is not this file's."""
    with pytest.raises(DatasetError, match="35 bytes, expected 34"):
        Idx.opened(pair(pictures_file() + b"\0"), scratch)


def test_absent_labels_are_refused(pair, scratch, tmp_path):
    """With their path."""
    path = pair()
    (tmp_path / LABELS).unlink()
    with pytest.raises(DatasetError, match=f"{LABELS}: No such file"):
        Idx.opened(path, scratch)


def test_what_is_unpacked_stops_where_the_header_says(pair, scratch):
    """A gzip bomb of 20 MB behind a header of 34 bytes is not written, not even for a moment."""
    path = pair(pictures_file() + bytes(20_000_000), suffix=".gz")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (35, hard))  # bytes: more fails with EFBIG
    try:
        with pytest.raises(DatasetError, match="more than the 34 bytes that its header says"):
            Idx.opened(path, scratch)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(scratch.iterdir())


def test_what_the_disk_cannot_hold_is_not_unpacked(pair, scratch):
    """A header that promises petabytes is refused before a byte is written."""
    huge = struct.pack(">IIII", 0x803, 2**32 - 1, 9000, 9000) + bytes(100)
    with pytest.raises(DatasetError, match="has room for"):
        Idx.opened(pair(huge, suffix=".gz"), scratch)
    assert not list(scratch.iterdir())


def test_pictures_too_large_to_decode_are_refused(pair, scratch, tmp_path):
    """Also where the file is as large as its header says (a sparse one)."""
    path = pair(struct.pack(">IIII", 0x803, 3, 20_000, 20_000))
    os.truncate(path, 16 + 3 * 20_000 * 20_000)
    with pytest.raises(DatasetError, match="at most 100,000,000 bytes"):
        Idx.opened(path, scratch)


@pytest.mark.parametrize("damage", ["cut", "changed", "followed"])
def test_a_damaged_gzip_is_refused(pair, scratch, damage):
    """Cut short, with a wrong byte, or with something else behind it."""
    path = pair(pictures_file(300), labels_file(*([1] * 300)), suffix=".gz")
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "cut": whole[:-10],
            "changed": whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :],
            "followed": whole + b"something",
        }[damage]
    )
    with pytest.raises(DatasetError, match=PICTURES):
        Idx.opened(path, scratch)
    assert not list(scratch.iterdir())


def test_a_file_is_unpacked_once(pair, scratch):
    """What is there is kept as long as the file is the same."""
    path = pair(suffix=".gz")
    Idx.opened(path, scratch, may_lack=True)
    before = {file: file.stat().st_mtime_ns for file in scratch.iterdir()}
    assert len(before) == 2
    Idx.opened(path, scratch, may_lack=True)
    assert {file: file.stat().st_mtime_ns for file in scratch.iterdir()} == before
    changed = Idx.opened(
        pair(pictures_file(pixels=bytes(18)), suffix=".gz"), scratch, may_lack=True
    )
    assert changed.read("0").endswith(bytes(6))


def test_a_file_that_is_not_gzipped_in_spite_of_its_name_is_read(pair, scratch, tmp_path):
    """Browsers unpack what they download, and keep the name."""
    path = pair(suffix=".gz")
    path.write_bytes(gzip.decompress(path.read_bytes()))
    assert len(list(Idx.opened(path, scratch, may_lack=True).entries())) == 3


def test_a_scratch_folder_that_cannot_be_written_is_told(pair, tmp_path):
    """As a fault of that folder, not of the file."""
    (tmp_path / "taken").touch()
    with pytest.raises(DatasetError, match=r"cannot be unpacked into .*taken") as refused:
        Idx.opened(pair(suffix=".gz"), tmp_path / "taken")
    assert "another folder" in refused.value.hint


def test_a_picture_that_is_not_there_is_refused(pair, scratch):
    """By its number, or because the file was cut meanwhile."""
    path = pair()
    source = Idx.opened(path, scratch, may_lack=True)
    for locator in ("3", "-1", "", "x", "1:2", "9" * 30):
        with pytest.raises(PhotoError):
            source.read(locator)
    os.truncate(path, 30)
    with pytest.raises(PhotoError, match="ends inside picture 2"):
        source.read("2")
    path.unlink()
    with pytest.raises(FileNotFoundError):
        source.read("0")


def test_labels_that_changed_are_refused(pair, scratch, tmp_path):
    """They are held to the classes that were read."""
    source = Idx.opened(pair(), scratch, may_lack=True)
    (tmp_path / LABELS).write_bytes(labels_file(0, 1, 9))
    with pytest.raises(DatasetError, match="label 9, expected 0 to 2"):
        list(source.entries())


def test_workers_read_at_the_same_time(pair, scratch):
    """Forked processes do not move each other's position in the file."""
    path = pair(pictures_file(200, 1, 1), labels_file(*range(200)), suffix=".gz")
    source = Idx.opened(path, scratch)
    source.read("0")
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        read = list(pool.map(source.read, map(str, range(200)), chunksize=5))
    assert read == [b"P5 1 1 255\n%c" % k for k in range(200)]


def test_memory_does_not_grow_with_the_file(pair, scratch):
    """20,000 pictures, 16 MB in all, are listed and unpacked in a few chunks."""
    path = pair(
        pictures_file(20_000, 28, 28, bytes(15_680_000)), labels_file(*bytes(20_000)), suffix=".gz"
    )
    tracemalloc.start()
    try:
        count = sum(1 for _ in Idx.opened(path, scratch).entries())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 5_000_000


@settings(max_examples=200)
@given(
    pictures=st.binary(max_size=60)
    | st.binary(max_size=40).map(lambda body: pictures_file(pixels=body)),
    labels=st.binary(max_size=20)
    | st.binary(min_size=3, max_size=3).map(lambda body: labels_file(*body)),
    packed=st.booleans(),
    cut=st.integers(0, 100),
)
def test_any_bytes_are_read_or_refused(tmp_path_factory, pictures, labels, packed, cut):
    """Whatever the two files hold, nothing but our own errors leaves the reader."""
    folder = tmp_path_factory.getbasetemp() / "fuzzed-idx"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    data = gzip.compress(pictures) if packed else pictures
    (folder / PICTURES).write_bytes(data[: len(data) - cut] if cut < 50 else data)
    (folder / LABELS).write_bytes(labels)
    try:
        source = Idx.opened(folder / PICTURES, folder / "scratch")
        for photo in source.entries():
            decode_photo(source.read(photo.locator))
    except SnapshelfError:
        pass


def test_labels_that_begin_elsewhere_or_have_gaps_want_names(pair, scratch):
    """Unless it is a part of the photos."""
    with pytest.raises(DatasetError, match="labels 1 to 3, none is 0") as refused:
        Idx.opened(pair(labels=labels_file(1, 2, 3)), scratch)
    assert "--class-names" in refused.value.hint
    path = pair(labels=labels_file(0, 0, 2))
    with pytest.raises(DatasetError, match="no photo has label 1,"):
        Idx.opened(path, scratch)
    assert Idx.opened(path, scratch, may_lack=True).classes == ("0", "1", "2")
    assert Idx.opened(path, scratch, names=("a", "b", "c")).classes == ("a", "b", "c")
