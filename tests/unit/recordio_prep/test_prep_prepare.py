"""The whole preparation: what is written, that it repeats to the byte, and what it refuses."""

import csv
import errno
import io
import os
import resource
import shutil
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from contracts import DatasetError
from photo import decode_photo, prepare_photo
from recordio_prep import Dataset, prepare, read_records
from recordio_prep.sources.folders import Folders

PREPARE_AND_MEASURE = """
import resource, sys
from pathlib import Path
from recordio_prep import prepare
prepare(Path(sys.argv[1]), Path(sys.argv[2]), size=16, workers=2)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""In a process of its own: a worker begins with what the process that forks it holds."""

OUTPUTS = [
    ".lock",
    ".stamp.json",
    "check.html",
    "check.json",
    "dataset.json",
    "left_out.csv",
    *(f"train.{extension}" for extension in ("idx", "lst", "rec")),
    *(f"validation.{extension}" for extension in ("idx", "lst", "rec")),
]


def contents(folder):
    """Every file's bytes, but the stamp's, which tells times."""
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.name not in {".stamp.json", ".lock", ".preparing"}
    }


def listed(records, split):
    """The rows of a `.lst` file: index, label, path."""
    rows = (line.split("\t") for line in (records / f"{split}.lst").read_text().splitlines())
    return [(int(index), float(label), path) for index, label, path in rows]


def left_out(records):
    """The rows of left_out.csv by path."""
    with (records / "left_out.csv").open(newline="") as file:
        return {row["path"]: row["reason"] for row in csv.DictReader(file)}


def test_records_lists_and_document_agree(two_classes, tmp_path):
    """Order, index, label and pixels are the same in `.lst`, `.rec` and `.idx`."""
    out = tmp_path / "records"
    dataset = prepare(two_classes, out, size=16)
    assert sorted(path.name for path in out.iterdir()) == OUTPUTS
    assert Dataset.load(out) == dataset
    assert dataset.classes == ("cat", "dog")
    for split, photos in (("train", 14), ("validation", 6)):
        assert dataset.splits[split].photos == photos
        assert dataset.splits[split].by_class == {"cat": photos // 2, "dog": photos // 2}
        rows = listed(out, split)
        records = list(read_records(out / f"{split}.rec"))
        assert [(header.index, header.labels[0]) for header, _ in records] == [
            row[:2] for row in rows
        ]
        for (_, payload), (_, label, path) in zip(records, rows, strict=True):
            assert dataset.classes[int(label)] == path.split("/")[0]
            expected = np.asarray(prepare_photo((two_classes / path).read_bytes(), 16), int)
            difference = np.abs(np.asarray(decode_photo(payload), int) - expected)
            assert difference.max() == 0 if split == "validation" else difference.mean() < 4


def test_training_records_are_shuffled_and_the_others_sorted(two_classes, tmp_path):
    """As im2rec does, so that a reader without a shuffle does not see a class at a time."""
    prepare(two_classes, tmp_path / "out", size=8)
    train = [row[2] for row in listed(tmp_path / "out", "train")]
    validation = [row[2] for row in listed(tmp_path / "out", "validation")]
    assert train != sorted(train)
    assert len(set(train)) == 14
    assert validation == sorted(validation)
    indexes = [row[0] for row in listed(tmp_path / "out", "train")]
    assert sorted(indexes) == list(range(14))


def test_payloads_are_jpeg_and_png_as_chosen(two_classes, tmp_path):
    """Train is JPEG without subsampling, validation lossless; one option changes both."""
    for encoding, expected in ((None, ("JPEG", "PNG")), ("jpeg", ("JPEG", "JPEG"))):
        out = tmp_path / str(encoding)
        prepare(two_classes, out, size=16, encoding=encoding)
        formats = []
        for split in ("train", "validation"):
            _, payload = next(read_records(out / f"{split}.rec"))
            image = Image.open(io.BytesIO(payload))
            formats.append(image.format)
            if image.format == "JPEG":
                assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3
        assert tuple(formats) == expected


def test_statistics_are_those_of_the_training_photos(tmp_path, make_photos):
    """Red, green, blue; the validation photos do not count."""
    make_photos(tmp_path / "photos", {"a/1.png": (10, 20, 30), "b/1.png": (30, 40, 50)})
    make_photos(tmp_path / "validation", {"a/1.png": "white"})
    dataset = prepare(tmp_path / "photos", tmp_path / "out", validation=tmp_path / "validation")
    assert dataset.preparation.mean == (20.0, 30.0, 40.0)
    assert dataset.preparation.std == (10.0, 10.0, 10.0)
    assert dataset.splits["validation"].by_class == {"a": 1, "b": 0}
    assert dataset.train_ratio == 1.0


@pytest.mark.parametrize("damaged", [False, True])
def test_any_number_of_workers_writes_the_same_bytes(tmp_path, make_photos, damaged):
    """One process and two, unreadable photos or none."""
    names = [f"{category}/{n:02d}.png" for category in "ab" for n in range(40)]
    photos = make_photos(tmp_path / "photos", dict.fromkeys(names))
    if damaged:
        for name in ("a/03.png", "b/17.png", "b/18.png"):
            (photos / name).write_bytes(b"no photo")
    for workers in (1, 2):
        prepare(photos, tmp_path / f"out{workers}", size=16, workers=workers)
    assert contents(tmp_path / "out1") == contents(tmp_path / "out2")


@pytest.mark.parametrize("encoding", [None, "png"])
def test_unreadable_photos_change_nothing_but_the_list(tmp_path, make_photos, encoding):
    """The split of the rest is what it would be had they never been there."""
    names = [f"{category}/{n:02d}.png" for category in "ab" for n in range(12)]
    photos = make_photos(tmp_path / "photos", dict.fromkeys(names))
    bad = ["a/00.png", "a/05.png", "b/01.png", "b/02.png", "b/03.png"]
    for name in bad:
        (photos / name).write_bytes((photos / name).read_bytes()[:60])
    dataset = prepare(photos, tmp_path / "with", size=8, encoding=encoding)
    assert sorted(left_out(tmp_path / "with")) == bad
    assert dataset.left_out == 5
    for name in bad:
        (photos / name).unlink()
    without = prepare(photos, tmp_path / "without", size=8, encoding=encoding)
    assert without.fingerprint == dataset.fingerprint
    ours, theirs = contents(tmp_path / "with"), contents(tmp_path / "without")
    different = {name for name in ours if ours[name] != theirs[name]}
    assert different == {"left_out.csv", "dataset.json", "check.html", "check.json"}


def test_the_list_of_what_was_left_out_holds_no_formula(two_classes, tmp_path):
    """Whoever opens it in a spreadsheet computes nothing that a file's name says."""
    (two_classes / "=1+1.jpg").write_bytes(b"")
    prepare(two_classes, tmp_path / "out", size=8)
    assert list(left_out(tmp_path / "out")) == ["'=1+1.jpg"]


def test_test_photos_are_packed_as_a_whole(two_classes, tmp_path, make_photos):
    """And their left-out files are listed under their own folder."""
    test = make_photos(tmp_path / "test", {"dog/9.png": None, "dog/10.png": None})
    (test / "dog" / "bad.png").write_bytes(b"")
    dataset = prepare(two_classes, tmp_path / "out", size=8, test=test)
    assert dataset.splits["test"].by_class == {"cat": 0, "dog": 2}
    assert [row[2] for row in listed(tmp_path / "out", "test")] == ["dog/10.png", "dog/9.png"]
    assert list(left_out(tmp_path / "out")) == [f"{test}/dog/bad.png"]


def test_a_test_photo_of_an_unknown_category_is_refused(two_classes, tmp_path, make_photos):
    """It has no label."""
    test = make_photos(tmp_path / "test", {"emu/9.png": None})
    with pytest.raises(DatasetError, match="unknown category emu"):
        prepare(two_classes, tmp_path / "out", test=test)


def test_strict_refuses_unreadable_photos_after_naming_all(two_classes, tmp_path, caplog):
    """Nothing is written, and what was there before stays."""
    prepare(two_classes, tmp_path / "out", size=8)
    before = contents(tmp_path / "out")
    for name in ("cat/00.png", "dog/05.png"):
        (two_classes / name).write_bytes(b"damaged")
    with pytest.raises(DatasetError, match=r"2 photos cannot be read, the first: cat/00\.png"):
        prepare(two_classes, tmp_path / "out", size=8, strict=True)
    assert "cat/00.png" in caplog.text
    assert "dog/05.png" in caplog.text
    assert contents(tmp_path / "out") == before


def test_strict_minds_unreadable_photos_of_an_earlier_run(two_classes, tmp_path):
    """Records that are up to date are not good enough if photos were left out of them."""
    (two_classes / "cat" / "00.png").write_bytes(b"damaged")
    prepare(two_classes, tmp_path / "out", size=8)
    with pytest.raises(DatasetError, match="1 photos cannot be read"):
        prepare(two_classes, tmp_path / "out", size=8, strict=True)


def test_strict_minds_what_the_check_finds(two_classes, tmp_path, caplog, make_photos):
    """A photo of training that is in the test folder too, say; nothing is written."""
    make_photos(two_classes, {"dog/more.png": None})
    test = make_photos(tmp_path / "test", {"cat/new.png": None})
    shutil.copy(two_classes / "dog" / "03.png", make_photos(test, {"dog/x.png": None}) / "dog")
    with pytest.raises(DatasetError, match="1 problems with the photos, the first: 1 group of the"):
        prepare(two_classes, tmp_path / "out", test=test, size=8, strict=True)
    assert not [path for path in (tmp_path / "out").iterdir() if path.name[0] != "."]
    prepare(two_classes, tmp_path / "out", test=test, size=8)
    assert "more than one of photos, validation and test" in caplog.text
    with pytest.raises(DatasetError, match="1 problems"):  # up to date, but not good enough
        prepare(two_classes, tmp_path / "out", test=test, size=8, strict=True)
    dataset = prepare(
        two_classes, tmp_path / "out", test=test, size=8, strict=True, drop_duplicates=True
    )
    assert left_out(tmp_path / "out") == {"dog/03.png": "shows the same as test photo dog/03.png"}
    assert dataset.splits["test"].photos == 3


def test_a_category_that_cannot_be_read_at_all_is_named(tmp_path, make_photos):
    """It would be a class without photos."""
    photos = make_photos(tmp_path / "photos", {"a/1.png": None, "b/1.png": None})
    (photos / "b" / "1.png").write_bytes(b"damaged")
    with pytest.raises(DatasetError, match="no photo can be read of b"):
        prepare(photos, tmp_path / "out")


def test_a_second_run_keeps_what_is_there(two_classes, tmp_path, caplog):
    """Nothing is decoded, nothing is written."""
    caplog.set_level("INFO")
    first = prepare(two_classes, tmp_path / "out", size=8)
    written = (tmp_path / "out" / "dataset.json").stat().st_mtime_ns
    assert "up to date" not in caplog.text
    assert prepare(two_classes, tmp_path / "out", size=8) == first
    assert (tmp_path / "out" / "dataset.json").stat().st_mtime_ns == written
    assert "up to date" in caplog.text


@pytest.mark.parametrize("change", ["photo", "new photo", "setting", "output", "document"])
def test_a_change_is_noticed(two_classes, tmp_path, change):
    """Of the photos, of the settings, or of the records themselves."""
    out = tmp_path / "out"
    prepare(two_classes, out, size=8)
    written = (out / "dataset.json").stat().st_mtime_ns
    if change == "photo":
        os.utime(two_classes / "cat" / "00.png", ns=(1, 1))
    elif change == "new photo":
        shutil.copy(two_classes / "cat" / "00.png", two_classes / "dog" / "new.png")
    elif change == "output":
        (out / "train.rec").write_bytes(b"")
    elif change == "document":
        (out / "dataset.json").unlink()
    prepare(two_classes, out, size=8, seed=int(change == "setting"))
    assert (out / "dataset.json").stat().st_mtime_ns > written
    assert sum(1 for _ in read_records(out / "train.rec")) >= 14


def test_a_split_that_is_gone_leaves_no_files(two_classes, tmp_path):
    """Records of a former test split would be trusted by whoever lists the folder."""
    out = tmp_path / "out"
    prepare(two_classes, out, size=8, test=two_classes)
    assert (out / "test.rec").exists()
    prepare(two_classes, out, size=8)
    assert not list(out.glob("test.*"))


@pytest.mark.parametrize("name", ["train.lst", "test.rec", "manifest.json", "train_00000.idx"])
def test_files_of_somebody_elses_are_refused_not_replaced(two_classes, tmp_path, name):
    """An im2rec user keeps `train.lst` beside the records, and means it."""
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    with pytest.raises(DatasetError, match=f"holds {name}, which no preparation wrote"):
        prepare(two_classes, out, size=8)
    assert (out / name).read_text() == "mine"
    (out / name).unlink()
    prepare(two_classes, out, size=8)
    (out / "test.lst").write_text("mine")
    with pytest.raises(DatasetError, match=r"holds test\.lst"):
        prepare(two_classes, out, size=9)


def test_a_photo_that_the_system_could_not_read_is_tried_again(two_classes, tmp_path, monkeypatch):
    """No permission, or a broken network, may have passed; what is damaged stays damaged."""
    read = Folders.read

    def refused(self, locator):
        if locator == "cat/03.png":
            raise PermissionError(errno.EACCES, "Permission denied")
        return read(self, locator)

    with monkeypatch.context() as patch:
        patch.setattr(Folders, "read", refused)
        prepare(two_classes, tmp_path / "out", size=8)
    assert left_out(tmp_path / "out") == {"cat/03.png": "Permission denied"}
    prepare(two_classes, tmp_path / "out", size=8)
    assert left_out(tmp_path / "out") == {}


def test_a_document_that_is_damaged_is_made_anew(two_classes, tmp_path):
    """Even if it has the length that it had."""
    dataset = prepare(two_classes, tmp_path / "out", size=8)
    document = tmp_path / "out" / "dataset.json"
    document.write_bytes(b"x" * document.stat().st_size)
    assert prepare(two_classes, tmp_path / "out", size=8) == dataset
    assert Dataset.load(tmp_path / "out") == dataset


@pytest.mark.parametrize("name", ["r#1", "r?x", "r%41", "r'x"])
def test_a_folder_may_have_any_name(two_classes, tmp_path, name):
    """And nothing is made outside it."""
    prepare(two_classes, tmp_path / "outs" / name, size=8, workers=2)
    assert (tmp_path / "outs" / name / "train.rec").exists()
    assert [path.name for path in (tmp_path / "outs").iterdir()] == [name]


def test_a_lock_that_is_a_link_leads_nowhere(two_classes, tmp_path):
    """It could empty a file that is not ours."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").symlink_to(victim)
    with pytest.raises(DatasetError, match="out: Too many levels of symbolic links"):
        prepare(two_classes, tmp_path / "out", size=8)
    assert victim.read_text() == "mine"


def test_work_is_kept_where_strict_ends_it(two_classes, tmp_path, monkeypatch):
    """The same call without it goes on: nothing is encoded again."""
    test = two_classes.parent / "test"
    shutil.copytree(two_classes, test)
    with pytest.raises(DatasetError, match="more than one of photos, validation and test"):
        prepare(two_classes, tmp_path / "out", test=test, size=8, strict=True)

    def refused(self, locator):
        raise AssertionError(locator)

    monkeypatch.setattr(Folders, "read", refused)
    assert prepare(two_classes, tmp_path / "out", test=test, size=8).left_out == 0


def test_the_fingerprint_tells_contents_and_settings_not_times(two_classes, tmp_path):
    """Two machines that packed the same photos agree."""
    prints = [prepare(two_classes, tmp_path / "0", size=8).fingerprint]
    os.utime(two_classes / "cat" / "00.png", ns=(1, 1))
    prints.append(prepare(two_classes, tmp_path / "1", size=8).fingerprint)
    prints.append(prepare(two_classes, tmp_path / "2", size=9).fingerprint)
    Image.new("RGB", (5, 5), "red").save(two_classes / "cat" / "00.png")
    prints.append(prepare(two_classes, tmp_path / "3", size=9).fingerprint)
    assert [one == other for one, other in pairwise(prints)] == [True, False, False]


def test_records_among_the_photos_are_refused(two_classes):
    """They would be a category at the next run."""
    with pytest.raises(DatasetError, match="expected a folder apart"):
        prepare(two_classes, two_classes / "records")


@pytest.mark.parametrize(
    "setting",
    [
        {"size": 0},
        {"train_ratio": 0.0},
        {"train_ratio": 1.1},
        {"train_ratio": float("nan")},
        {"quality": 101},
        {"encoding": "gif"},
        {"workers": 0},
    ],
)
def test_settings_out_of_range_are_refused(two_classes, tmp_path, setting):
    """The message gives the value and the range."""
    with pytest.raises(DatasetError, match="expected"):
        prepare(two_classes, tmp_path / "out", **setting)


def test_an_output_that_cannot_be_written_is_told(two_classes, tmp_path):
    """Not an OSError."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="file"):
        prepare(two_classes, tmp_path / "file" / "out")


def test_a_full_disk_is_told_leaves_what_was_there_and_is_gone_on_from(two_classes, tmp_path):
    """Stood in for by the system's limit on the size of files."""
    out = tmp_path / "out"
    prepare(two_classes, out, size=8)
    before = contents(out)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
    try:
        with pytest.raises(DatasetError, match="out: File too large") as error:
            prepare(two_classes, out, size=700)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "space" in error.value.hint
    assert contents(out) == before
    prepare(two_classes, out, size=700)
    prepare(two_classes, tmp_path / "unbroken", size=700)
    assert contents(out) == contents(tmp_path / "unbroken")


def test_a_disk_that_will_not_do_is_told_at_the_beginning(two_classes, tmp_path, monkeypatch):
    """And not after hours of work."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10_000))
    with pytest.raises(DatasetError, match=r"20 photos need about 0\.0 GB more") as error:
        prepare(two_classes, tmp_path / "out", size=64, encoding="png")
    assert "smaller --size" in error.value.hint


def test_a_test_folder_that_cannot_be_read_is_named(two_classes, tmp_path, make_photos):
    """It was asked for, so that its absence from the records is no small matter."""
    test = make_photos(tmp_path / "test", {"dog/9.png": None})
    (test / "dog" / "9.png").write_bytes(b"damaged")
    with pytest.raises(DatasetError, match=f"no photo can be read of {test}"):
        prepare(two_classes, tmp_path / "out", test=test)


@pytest.mark.real_data
def test_hostile_files_are_packed_or_listed(shared_data, tmp_path):
    """Collections of bad images pack without a crash or a hang, and every file is accounted for.

    A photo of the largest size that is decoded takes some 400 MB; nothing adds up beyond that.
    """
    photos = tmp_path / "photos"
    good = shared_data / "hostile" / "exif-orientation" / "Landscape_1.jpg"
    shutil.copytree(shared_data / "hostile", photos)
    for category in (path for path in photos.iterdir() if path.is_dir()):
        shutil.copy(good, category / "good.jpg")
    out = tmp_path / "out"
    measured = subprocess.run(
        [sys.executable, "-c", PREPARE_AND_MEASURE, str(photos), str(out)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    dataset = Dataset.load(out)
    files = [str(path.relative_to(photos)) for path in photos.rglob("*") if path.is_file()]
    packed = [row[2] for split in ("train", "validation") for row in listed(out, split)]
    assert sorted([*packed, *left_out(out)]) == sorted(files)
    assert dataset.left_out == len(left_out(out)) > 200
    assert all(left_out(out).values())
    assert int(measured.stdout) < 900_000  # KB, the largest worker
