"""Fashion-MNIST: fetched once, verified, and written out the same every time."""

import gzip
import hashlib
import os
import struct

import numpy as np
import pytest
from PIL import Image

from contracts import DatasetError
from scripts import fashion_mnist
from scripts.fashion_mnist import CATEGORIES, FILES, fetch_fashion_mnist, write_folders

PER_CLASS = {"train": 6, "t10k": 3}


def write_files(folder):
    """Four small files in the authors' format; returns their pictures and labels by part."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    parts = {}
    for part, per_class in PER_CLASS.items():
        labels = random.permutation(np.repeat(np.arange(10, dtype=np.uint8), per_class))
        pictures = random.integers(0, 256, (len(labels), 28, 28), np.uint8)
        images = struct.pack(">IIII", 2051, len(labels), 28, 28) + pictures.tobytes()
        classes = struct.pack(">II", 2049, len(labels)) + labels.tobytes()
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(classes))
        parts[part] = (pictures, labels)
    return parts


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A small Fashion-MNIST that passes verification, and its pictures and labels."""
    folder = tmp_path / "source"
    parts = write_files(folder)
    digests = {
        name: hashlib.sha256(gzip.decompress((folder / f"{name}.gz").read_bytes())).hexdigest()
        for name in FILES
    }
    monkeypatch.setattr(fashion_mnist, "FILES", digests)
    return folder, parts


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """A function that puts a program of that name, a shell script, before all others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def put(name, script):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return put


@pytest.fixture
def no_site(monkeypatch):
    """The authors' site refuses connections."""
    monkeypatch.setattr(fashion_mnist, "SITE", "http://127.0.0.1:9/")


def test_folders_hold_every_picture_under_its_category(source, tmp_path):
    """Pixels, labels and numbers are those of the files."""
    folder, parts = source
    write_folders(folder, tmp_path / "out")
    for split, part in (("train", "train"), ("test", "t10k")):
        pictures, labels = parts[part]
        files = sorted((tmp_path / "out" / split).rglob("*.png"))
        assert len(files) == len(labels) == 10 * PER_CLASS[part]
        for file in files:
            index = int(file.stem)
            image = Image.open(file)
            assert (image.mode, image.size) == ("L", (28, 28))
            assert np.array_equal(image, pictures[index])
            assert file.parent.name == CATEGORIES[labels[index]]


def test_the_first_of_each_category_are_taken(source, tmp_path):
    """A smaller set is a part of a larger one, equal in every category."""
    folder, parts = source
    write_folders(folder, tmp_path / "out", train_per_class=2, test_per_class=1)
    labels = parts["train"][1]
    for label, category in enumerate(CATEGORIES):
        written = sorted(int(p.stem) for p in (tmp_path / "out" / "train" / category).iterdir())
        assert written == np.flatnonzero(labels == label)[:2].tolist()


def test_folders_are_kept_until_something_changes(source, tmp_path):
    """Another number, or a picture gone, writes them again; nothing else does."""
    folder, _ = source
    out = tmp_path / "out"
    write_folders(folder, out, train_per_class=3)
    picture = next((out / "train" / "bag").iterdir())
    picture.write_bytes(b"kept")
    write_folders(folder, out, train_per_class=3)
    assert picture.read_bytes() == b"kept"
    next((out / "test" / "coat").iterdir()).unlink()
    write_folders(folder, out, train_per_class=3)
    assert picture.read_bytes() != b"kept"
    write_folders(folder, out, train_per_class=1)
    assert len(list((out / "train").rglob("*.png"))) == 10


def test_an_unfinished_write_is_not_trusted(source, tmp_path, monkeypatch):
    """A run that was killed leaves no stamp, so that the next one starts over."""
    folder, _ = source
    out = tmp_path / "out"

    def fail(*_arguments, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", fail)
        with pytest.raises(KeyboardInterrupt):
            write_folders(folder, out)
    write_folders(folder, out)
    assert len(list(out.rglob("*.png"))) == 90


def test_files_that_were_altered_are_refused(source, tmp_path):
    """The sum of the uncompressed bytes is what counts."""
    folder, _ = source
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[::-1]))
    with pytest.raises(DatasetError, match=r"train-labels.*SHA-256 .*expected"):
        write_folders(folder, tmp_path / "out")
    path.write_bytes(b"not gzip")
    with pytest.raises(DatasetError, match=r"train-labels"):
        write_folders(folder, tmp_path / "out")


def test_debians_package_is_fetched_once(source, tmp_path, commands):
    """apt-get and dpkg are asked without root, and the second time nobody is."""
    folder, _ = source
    commands("apt-get", 'echo "$@" >> "$0.log"; touch dataset-fashion-mnist_1_all.deb')
    inside = "usr/share/datasets/fashion-mnist"
    commands("dpkg", f'mkdir -p "$3/{inside}" && cp {folder}/*.gz "$3/{inside}"')
    for _ in range(2):
        fetched = fetch_fashion_mnist(tmp_path / "cache")
        assert sorted(path.name for path in fetched.iterdir()) == sorted(f"{n}.gz" for n in FILES)
    assert (tmp_path / "bin" / "apt-get.log").read_text() == "download dataset-fashion-mnist\n"
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["fashion-mnist"]


def test_the_authors_site_is_the_second_way(source, tmp_path, commands, monkeypatch):
    """Where apt-get fails, the four files come from the site."""
    folder, _ = source
    commands("apt-get", "echo 'E: no network' >&2; exit 100")
    monkeypatch.setattr(fashion_mnist, "SITE", f"{folder.as_uri()}/")
    fetched = fetch_fashion_mnist(tmp_path / "cache")
    for name in FILES:
        assert (fetched / f"{name}.gz").read_bytes() == (folder / f"{name}.gz").read_bytes()


@pytest.mark.usefixtures("no_site")
def test_where_nothing_works_both_reasons_are_told(tmp_path, commands):
    """And the way round it; the cache is left empty."""
    commands("apt-get", "echo 'E: Unable to locate package' >&2; exit 100")
    with pytest.raises(DatasetError, match=r"Unable to locate.*Connection refused") as error:
        fetch_fashion_mnist(tmp_path / "cache")
    assert "--photos DIR" in error.value.hint
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.usefixtures("no_site", "source")
def test_a_package_of_other_files_is_refused(tmp_path, commands):
    """What was downloaded is verified before it is kept."""
    inside = "usr/share/datasets/fashion-mnist"
    commands("apt-get", "touch dataset-fashion-mnist_1_all.deb")
    commands("dpkg", f'mkdir -p "$3/{inside}"; echo x > "$3/{inside}/train-images-idx3-ubyte.gz"')
    with pytest.raises(DatasetError, match="train-images"):
        fetch_fashion_mnist(tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_machine_without_apt_is_told(tmp_path, monkeypatch):
    """The programs' absence is a reason like others."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(fashion_mnist, "SITE", "http://127.0.0.1:9/")
    with pytest.raises(DatasetError, match="apt-get"):
        fetch_fashion_mnist(tmp_path / "cache")
