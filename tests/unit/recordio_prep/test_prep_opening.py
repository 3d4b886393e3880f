"""Opening: what a person gives is told by path, name or content, and packed whatever it is."""

import errno
import gzip
import io
import os
import struct
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import bson
import numpy as np
import pytest
from PIL import Image

from contracts import DatasetError
from recordio_prep import prepare, read_records
from recordio_prep.sources import s3_fetch
from recordio_prep.sources.cdiscount import Cdiscount
from recordio_prep.sources.folders import Folders
from recordio_prep.sources.idx import Idx
from recordio_prep.sources.links import Links
from recordio_prep.sources.listing import Listing
from recordio_prep.sources.opening import Opening, open_source
from recordio_prep.sources.pixels import Pixels
from recordio_prep.sources.s3 import S3Prefix


@pytest.fixture
def opening(tmp_path):
    """Everything is to be found out."""
    return Opening(cache=tmp_path / "cache")


def png(seed):
    """A photo's bytes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 12, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write_listing(folder):
    """A `.lst` beside its photos."""
    (folder / "photos").mkdir(parents=True)
    rows = []
    for n in range(8):
        (folder / "photos" / f"{n}.png").write_bytes(png(n))
        rows.append(f"{n}\t{n % 2}.000000\tphotos/{n}.png\n")
    (folder / "all.lst").write_text("".join(rows))
    return folder / "all.lst"


def write_bson(folder):
    """Eight products in two categories, with the table of the tree beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    products = [
        {"_id": n, "imgs": [{"picture": png(n)}, {"picture": png(99 + n)}], "category_id": n % 2}
        for n in range(8)
    ]
    (folder / "train.bson").write_bytes(b"".join(map(bson.encode, products)))
    header = "category_id,category_level1,category_level2,category_level3\n"
    (folder / "category_names.csv").write_text(header + "0,A,B,C\n1,A,D,C\n")
    return folder / "train.bson"


def write_idx(folder):
    """Eight pictures of two classes, gzipped."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = np.random.default_rng(0).integers(0, 256, (8, 6, 6)).astype(np.uint8)
    with gzip.open(folder / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(struct.pack(">IIII", 0x803, 8, 6, 6) + pictures.tobytes())
    with gzip.open(folder / "train-labels-idx1-ubyte.gz", "wb") as file:
        file.write(struct.pack(">II", 0x801, 8) + bytes([0, 1] * 4))
    return folder / "train-images-idx3-ubyte.gz"


def write_pixels(folder):
    """Eight rows of a label and 36 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 36))
    lines = ["label," + ",".join(f"pixel{n}" for n in range(36))]
    lines += [",".join(map(str, [n % 2, *row])) for n, row in enumerate(pixels)]
    (folder / "train.csv").write_text("\n".join(lines) + "\n")
    return folder / "train.csv"


def write_zip(folder):
    """A category folder, packed."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "photos.zip", "w") as file:
        file.writestr("cat/1.png", png(1))
    return folder / "photos.zip"


@pytest.mark.parametrize(
    ("write", "kind", "photos"),
    [
        (write_listing, Listing, 8),
        (write_bson, Cdiscount, 16),
        (write_idx, Idx, 8),
        (write_pixels, Pixels, 8),
    ],
)
def test_a_file_is_told_and_packed(tmp_path, opening, write, kind, photos):
    """By its name alone, and a table by its first line."""
    source = open_source(str(write(tmp_path / "given")), opening)
    assert isinstance(source, kind)
    dataset = prepare(source, tmp_path / "out", size=8, train_ratio=0.5)
    assert dataset.classes == ("0", "1")
    assert sum(split.photos for split in dataset.splits.values()) == photos
    assert sum(1 for _ in read_records(tmp_path / "out" / "train.rec")) == photos // 2
    assert dataset.tree == (
        {"0": ("A", "B", "C"), "1": ("A", "D", "C")} if kind is Cdiscount else {}
    )


@pytest.mark.parametrize("write", [write_listing, write_bson, write_idx, write_pixels])
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_holds_any_of_them(tmp_path, opening, write, kind):
    """Unpacked once; what it must not hold is listed beside what its content leaves out."""
    write(tmp_path / "given")
    archive = tmp_path / f"given.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as file:
            for path in sorted((tmp_path / "given").rglob("*")):
                file.write(path, path.relative_to(tmp_path / "given"))
            file.writestr("../outside.png", b"x")
    else:
        with tarfile.open(archive, "w:gz") as file:
            file.add(tmp_path / "given", ".")
            outside = tarfile.TarInfo("../outside.png")
            file.addfile(outside, io.BytesIO())
    source = open_source(str(archive), opening)
    dataset = prepare(source, tmp_path / "out", size=8, train_ratio=0.5)
    assert dataset.classes == ("0", "1")
    assert dataset.left_out == 1
    assert "outside.png" in (tmp_path / "out" / "left_out.csv").read_text()
    again = prepare(open_source(str(archive), opening), tmp_path / "out", size=8, train_ratio=0.5)
    assert again.fingerprint == dataset.fingerprint


def test_a_folder_is_told_by_what_it_holds(two_classes, tmp_path, opening):
    """Category folders, the marketplace's lists of links, or one file of another format."""
    assert open_source(str(two_classes), opening) == Folders(two_classes)
    for category in ("books", "cars"):
        (tmp_path / "market" / category).mkdir(parents=True)
        (tmp_path / "market" / category / "data.csv").write_text("http://127.0.0.1/1.jpg\n")
    links = open_source(str(tmp_path / "market"), opening)
    assert isinstance(links, Links)
    assert links.classes == ("books", "cars")
    write_bson(tmp_path / "bson")
    assert isinstance(open_source(str(tmp_path / "bson"), opening), Cdiscount)


def test_a_table_of_links_is_told_from_one_of_pixels(tmp_path, opening):
    """Both are CSV."""
    (tmp_path / "photos.csv").write_text("url,label\nhttp://127.0.0.1/1.jpg,cat\n")
    assert isinstance(open_source(str(tmp_path / "photos.csv"), opening), Links)


def test_an_address_of_s3_is_a_prefix_unless_its_name_says_otherwise(opening):
    """Nothing is asked of S3 before the photos are listed."""
    assert open_source("s3://bucket/photos/", opening) == S3Prefix("s3://bucket/photos/")
    assert open_source("s3://bucket", opening) == S3Prefix("s3://bucket")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "No such file or directory"),
        ("notes.txt", "not a known kind of source"),
        ("cat.jpg", "one photo, expected many"),
    ],
)
def test_what_is_no_source_is_told_with_the_mend(tmp_path, opening, name, message):
    """The hint lists what would be one."""
    if name != "absent":
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DatasetError, match=message) as error:
        open_source(str(tmp_path / name), opening)
    assert "--format" in error.value.hint


def test_a_damaged_archive_is_told(tmp_path, opening):
    """Not a traceback."""
    (tmp_path / "photos.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DatasetError, match=r"photos\.zip"):
        open_source(str(tmp_path / "photos.zip"), opening)


def test_an_archive_inside_an_archive_is_not_opened(tmp_path, opening):
    """Each would multiply what the one before it may unpack to."""
    inner = tmp_path / "inner.zip"
    with zipfile.ZipFile(inner, "w") as file:
        file.writestr("cat/1.png", png(1))
    for name in ("one.zip", "two.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as file:
            file.write(inner, "inner.zip")
        inner = tmp_path / name
    with pytest.raises(DatasetError, match=r"two\.zip: holds another archive, inner\.zip") as error:
        open_source(str(inner), opening)
    assert "unpack" in error.value.hint


@pytest.mark.parametrize("source_format", [None, "folders", "links", "lst", "idx", "archive"])
def test_a_name_that_no_file_can_have_is_told(opening, source_format):
    """With the system's reason."""
    address = "/" + "a" * 300 + ".zip"
    with pytest.raises(DatasetError, match=r"aaa.*File name too long"):
        list(open_source(address, replace(opening, format=source_format)).entries())


@pytest.mark.parametrize("method", ["iterdir", "is_file"])
def test_a_folder_that_may_not_be_read_is_told(two_classes, opening, monkeypatch, method):
    """With its path and the system's reason, be it the folder itself or one in it."""

    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, method, refuse)
    with pytest.raises(DatasetError, match=f"{two_classes}.*: Permission denied") as error:
        open_source(str(two_classes), opening)
    assert "permissions" in error.value.hint


def test_a_link_to_where_nobody_may_look_is_no_folder(two_classes, opening, monkeypatch):
    """The reader of category folders lists it."""
    (two_classes / "elsewhere").symlink_to("/locked/photos")
    is_dir = Path.is_dir

    def refuse(path):
        if path.name == "elsewhere":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", refuse)
    assert open_source(str(two_classes), opening) == Folders(two_classes)


@pytest.mark.parametrize("write", [write_idx, write_zip])
def test_a_cache_that_cannot_be_made_is_told(tmp_path, opening, write):
    """A file lies where it should be, say."""
    opening.cache.write_text("")
    with pytest.raises(DatasetError, match=r"cache.*: Not a directory") as error:
        open_source(str(write(tmp_path / "given")), opening)
    assert error.value.hint


def test_pictures_that_are_not_packed_need_no_cache(tmp_path, opening):
    """They are read where they lie."""
    path = write_idx(tmp_path / "given")
    for packed in path.parent.iterdir():
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    opening.cache.write_text("")
    assert open_source(str(path.with_suffix("")), opening).classes == ("0", "1")


@pytest.mark.parametrize(
    "source_format", [None, "links", "lst", "bson", "idx", "pixels", "archive"]
)
@pytest.mark.parametrize("name", ["pipe", "x.csv", "x-images-idx3-ubyte", "x.zip"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, opening, source_format, name):
    """Sources are read more than once, which nothing but a file can be."""
    os.mkfifo(tmp_path / name)
    with pytest.raises(DatasetError, match=f"{name}: not a regular file"):
        list(open_source(str(tmp_path / name), replace(opening, format=source_format)).entries())


def test_a_link_in_a_circle_is_told(tmp_path, opening):
    """It leads to no file."""
    (tmp_path / "x.zip").symlink_to("x.zip")
    for source_format in (None, "archive", "links", "idx"):
        with pytest.raises(DatasetError, match=r"x\.zip: "):
            open_source(str(tmp_path / "x.zip"), replace(opening, format=source_format))


def test_labels_in_s3_lie_beside_their_pictures(tmp_path, opening, monkeypatch):
    """Only the last part of the key says `labels` instead: a bucket or a folder may say images."""
    here = write_idx(tmp_path / "given").parent
    asked = []

    def fetch(address, _into):
        asked.append(address)
        return here / address.rpartition("/")[2]

    monkeypatch.setattr(s3_fetch, "fetch", fetch)
    folder = "s3://images-idx3/images/idx3"
    assert isinstance(open_source(f"{folder}/train-images-idx3-ubyte.gz", opening), Idx)
    assert asked == [f"{folder}/train-{name}-ubyte.gz" for name in ("images-idx3", "labels-idx1")]
