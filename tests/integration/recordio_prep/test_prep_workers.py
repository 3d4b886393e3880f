"""Workers: in order, ended with their parent, and killed runs leave nothing that is trusted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contracts import DatasetError
from recordio_prep import Dataset, prepare
from recordio_prep.sources.folders import Folders
from recordio_prep.workers import Crashed, run, worker_count
from recordio_prep.workplace import workplace

PACK = """
import sys
from pathlib import Path
from recordio_prep import prepare
prepare(Path(sys.argv[1]), Path(sys.argv[2]), size=400, encoding="png", workers=2, shard_size=40)
"""


@pytest.fixture
def many_photos(tmp_path, make_photos):
    """Enough work to be interrupted in."""
    names = [f"{category}/{n:03d}.png" for category in "ab" for n in range(60)]
    return make_photos(tmp_path / "photos", dict.fromkeys(names))


def start_packing(photos, out):
    """Pack in a process group of its own, and wait until the first chunks are encoded."""
    process = subprocess.Popen(
        [sys.executable, "-c", PACK, photos, out],
        cwd=Path(__file__).parents[3],
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while len(list(out.glob(".preparing/spool/*.spool"))) < 4:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return process


def wait_for_empty_group(group):
    """Wait until no process of the group is left."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_leaves_no_worker_and_nothing_trusted(many_photos, tmp_path, number):
    """Killed in mid-pack: no process is left, no dataset.json, and a rerun is as if unbroken."""
    out = tmp_path / "out"
    process = start_packing(many_photos, out)
    if number == signal.SIGKILL:
        process.kill()
    else:
        os.killpg(process.pid, number)  # Ctrl-C reaches the workers too
    stderr = process.communicate(timeout=30)[1]
    assert process.returncode != 0
    assert wait_for_empty_group(process.pid)
    if number == signal.SIGINT:
        assert stderr.count(b"Traceback") == 1
    assert not list(out.glob("*.rec"))
    with pytest.raises(DatasetError, match="No such file"):
        Dataset.load(out)
    again = subprocess.run(
        [sys.executable, "-c", PACK, many_photos, out], cwd=Path(__file__).parents[3], check=False
    )
    assert again.returncode == 0
    options = {"size": 400, "encoding": "png", "shard_size": 40}
    prepare(many_photos, tmp_path / "unbroken", **options)
    assert not (out / ".preparing").exists()
    for path in (tmp_path / "unbroken").glob("[!.]*"):
        assert (out / path.name).read_bytes() == path.read_bytes()


def double(number):
    """A task; 13 ends its process, as a decoder with a bug would."""
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_every_task_comes_back_with_its_result(workers):
    """In whatever order."""
    tasks = [*range(13), *range(14, 60)]
    assert sorted(run(double, tasks, workers=workers)) == [(n, 2 * n) for n in tasks]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_task_that_ends_its_process_is_told_and_the_others_go_on(workers):
    """One bad file must not cost the rest."""
    results = dict(run(double, range(40), workers=workers))
    assert isinstance(results.pop(13), Crashed)
    assert results == {n: 2 * n for n in range(40) if n != 13}


def test_tasks_are_taken_as_they_are_needed():
    """A million of them must not stand in memory."""
    taken = []
    results = run(double, (taken.append(n) or n for n in range(20, 1000)), workers=2)
    next(results)
    assert len(taken) <= 6
    results.close()


def test_a_photo_that_ends_its_process_is_listed(tmp_path, make_photos, monkeypatch):
    """And every other photo of its chunk is packed."""
    names = [f"{category}/{n:02d}.png" for category in "ab" for n in range(40)]
    photos = make_photos(tmp_path / "photos", dict.fromkeys(names))
    read = Folders.read

    def deadly(self, locator):
        if locator == "a/07.png":
            os.kill(os.getpid(), signal.SIGKILL)
        return read(self, locator)

    monkeypatch.setattr(Folders, "read", deadly)
    dataset = prepare(photos, tmp_path / "out", size=8, workers=2)
    assert sum(split.photos for split in dataset.splits.values()) == 79
    rows = (tmp_path / "out" / "left_out.csv").read_text().splitlines()
    assert rows[1:] == ["a/07.png,decoding it ended the process"]


def test_workers_are_one_for_each_core_where_there_is_work():
    """A handful of photos is not worth a process."""
    cores = len(os.sched_getaffinity(0))
    assert worker_count(5, None) == 1
    assert worker_count(1_000_000, None) == cores
    assert worker_count(500, 7) == 7
    assert worker_count(5, 7) == 5
    with pytest.raises(DatasetError, match="0 workers"):
        worker_count(5, 0)


def test_two_writers_to_one_folder_are_told_apart(two_classes, tmp_path):
    """The second is refused, not mixed in."""
    with workplace(tmp_path / "out"), pytest.raises(DatasetError, match="another process"):
        prepare(two_classes, tmp_path / "out")
    prepare(two_classes, tmp_path / "out", size=8)
