"""A preparation that is broken off goes on where it was, and ends as if it never had been."""

from collections import Counter

import pytest

from recordio_prep import prepare, publishing, shards, workers
from recordio_prep.sources.folders import Folders
from recordio_prep.spool import Spool

OPTIONS = {"size": 16, "workers": 1, "shard_size": 25}


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """So that what is patched holds for the work too."""
    monkeypatch.setattr(workers, "worker_count", lambda *_: 0)


@pytest.fixture
def photos(tmp_path, make_photos):
    """80 photos in two categories, one of them damaged: twenty chunks of four."""
    names = [f"{category}/{n:02d}.png" for category in ("cat", "dog") for n in range(40)]
    folder = make_photos(tmp_path / "photos", dict.fromkeys(names))
    (folder / "cat" / "05.png").write_bytes(b"damaged")
    return folder


@pytest.fixture
def unbroken(photos, tmp_path):
    """What an unbroken run writes."""
    prepare(photos, tmp_path / "unbroken", **OPTIONS)
    return contents(tmp_path / "unbroken")


@pytest.fixture
def reads(monkeypatch):
    """Counts how often each photo is read."""
    counts = Counter()
    read = Folders.read

    def counted(self, locator):
        counts[locator] += 1
        return read(self, locator)

    monkeypatch.setattr(Folders, "read", counted)
    return counts


def contents(folder):
    """Every file's bytes, but those that tell times."""
    return {name: (folder / name).read_bytes() for name in names(folder)}


def names(folder):
    """The files that are not hidden."""
    return {path.name for path in folder.iterdir() if path.name[0] != "."}


def break_off(photos, out, owner, name, *, at):
    """Prepare until the call number `at` of a function, which ends as Ctrl-C would."""
    function, calls = getattr(owner, name), Counter()

    def interrupted(*arguments, **options):
        calls[name] += 1
        if calls[name] == at:
            raise KeyboardInterrupt
        return function(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare(photos, out, **OPTIONS)


@pytest.mark.parametrize("chunk", [1, 2, 7, 20])
def test_what_was_encoded_is_not_encoded_again(photos, unbroken, tmp_path, reads, chunk):
    """Only the chunk at hand is lost."""
    out = tmp_path / "out"
    break_off(photos, out, Spool, "write", at=chunk)
    assert not names(out)
    reads.clear()
    prepare(photos, out, **OPTIONS)
    again = [path for path, times in reads.items() if times]
    assert 80 - 4 * (chunk - 1) <= len(again) <= 80 - 4 * (chunk - 1) + 2  # two: encoded otherwise
    assert contents(out) == unbroken
    assert not (out / ".preparing").exists()


@pytest.mark.parametrize("shard", [1, 2, 3, 4])
def test_shards_that_are_whole_are_not_written_again(photos, unbroken, tmp_path, reads, shard):
    """Nor is any photo read."""
    out = tmp_path / "out"
    break_off(photos, out, shards, "_write", at=shard)
    whole = {path: path.stat().st_mtime_ns for path in out.glob(".preparing/records/*_0*")}
    assert len(whole) == 3 * (shard - 1)
    reads.clear()
    prepare(photos, out, **OPTIONS)
    assert sum(reads.values()) <= 2
    for path, written in whole.items():
        assert (out / path.name).stat().st_mtime_ns == written
    assert contents(out) == unbroken


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_chunk_that_the_disk_lost_is_encoded_again(photos, unbroken, tmp_path, reads, damage):
    """After a loss of power the catalog may know of more than the disk."""
    out = tmp_path / "out"
    break_off(photos, out, Spool, "write", at=7)
    chunk = out / ".preparing" / "spool" / "000003.spool"
    if damage == "gone":
        chunk.unlink()
    else:
        chunk.write_bytes(chunk.read_bytes()[:-1])
    reads.clear()
    prepare(photos, out, **OPTIONS)
    assert 60 <= sum(reads.values()) <= 62
    assert contents(out) == unbroken


def test_a_chunk_that_is_lost_after_the_selection_begins_the_work_anew(photos, unbroken, tmp_path):
    """What was decided rests on payloads that are not there."""
    out = tmp_path / "out"
    break_off(photos, out, shards, "_write", at=2)
    (out / ".preparing" / "spool" / "000003.spool").unlink()
    prepare(photos, out, **OPTIONS)
    assert contents(out) == unbroken


def test_a_run_that_ends_while_its_files_are_moved_is_mended(photos, unbroken, tmp_path):
    """Between two renames, dataset.json is away, so that nobody trusts the half."""
    out = tmp_path / "out"
    break_off(photos, out, publishing, "sync_folder", at=1)
    assert not (out / "dataset.json").exists()
    prepare(photos, out, **OPTIONS)
    assert contents(out) == unbroken


@pytest.mark.parametrize("change", ["photo", "setting", "catalog"])
def test_what_an_earlier_run_left_of_other_photos_is_not_used(photos, tmp_path, change):
    """Nor a catalog that is damaged."""
    out = tmp_path / "out"
    break_off(photos, out, Spool, "write", at=7)
    options = OPTIONS | ({"seed": 1} if change == "setting" else {})
    if change == "photo":
        (photos / "dog" / "00.png").unlink()
    if change == "catalog":
        (out / ".preparing" / "catalog.sqlite").write_bytes(b"no database" * 1000)
    prepare(photos, out, **options)
    prepare(photos, tmp_path / "fresh", **options)
    assert contents(out) == contents(tmp_path / "fresh")
