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
from recordio_prep.encode import Encoded, Job, Unreadable
from recordio_prep.files import staging
from recordio_prep.workers import encode_all, worker_count

PACK = """
import sys
from pathlib import Path
from recordio_prep import prepare
prepare(Path(sys.argv[1]), Path(sys.argv[2]), size=512, encoding="png", workers=2)
"""


@pytest.fixture
def many_photos(tmp_path, make_photos):
    """Enough work to be interrupted in."""
    names = [f"{category}/{n:03d}.png" for category in "ab" for n in range(150)]
    return make_photos(tmp_path / "photos", dict.fromkeys(names))


def start_packing(photos, out):
    """Pack in a process group of its own, and wait until records are being written."""
    process = subprocess.Popen(
        [sys.executable, "-c", PACK, photos, out],
        cwd=Path(__file__).parents[3],
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in out.glob(".preparing/*/train.rec")):
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
    prepare(many_photos, out, size=16)
    prepare(many_photos, tmp_path / "unbroken", size=16)
    assert not (out / ".preparing").exists()
    for path in (tmp_path / "unbroken").glob("[!.]*"):
        assert (out / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("workers", [1, 2])
def test_photos_come_in_the_order_of_their_jobs(tmp_path, make_photos, workers):
    """The unreadable ones in their places."""
    make_photos(tmp_path, {f"{n}.png": None for n in range(0, 70, 2)})
    jobs = [Job(tmp_path / f"{n}.png", 8, "png", 95) for n in range(70)]
    outcomes = list(encode_all(jobs, workers=workers))
    assert [isinstance(outcome, Encoded) for outcome in outcomes] == [True, False] * 35
    assert outcomes[1] == Unreadable("No such file or directory")
    alone = [next(encode_all([job], workers=1)) for job in jobs[:4]]
    assert outcomes[:4] == alone


def test_workers_are_one_for_each_core_where_there_is_work():
    """A handful of photos is not worth a process."""
    cores = len(os.sched_getaffinity(0))
    assert worker_count(5, None) == 1
    assert worker_count(1_000_000, None) == cores
    assert worker_count(5, 7) == 7
    with pytest.raises(DatasetError, match="0 workers"):
        worker_count(5, 0)


def test_two_writers_to_one_folder_are_told_apart(two_classes, tmp_path):
    """The second is refused, not mixed in."""
    with staging(tmp_path / "out"), pytest.raises(DatasetError, match="another process"):
        prepare(two_classes, tmp_path / "out")
    prepare(two_classes, tmp_path / "out", size=8)
