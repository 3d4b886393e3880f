"""Engines: the same records wherever the work runs, though workers are killed meanwhile."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts import DatasetError
from recordio_prep import Dataset, prepare
from recordio_prep.engines import LocalProcesses, started
from recordio_prep.errors import BrokenOffError
from recordio_prep.sources.folders import Folders
from recordio_prep.workers import Crashed

OPTIONS = {"size": 16, "shard_size": 10}

PACK = """
import sys
from pathlib import Path
from recordio_prep import prepare
if __name__ == "__main__":
    prepare(Path(sys.argv[1]), Path(sys.argv[2]), size=256, encoding="png", shard_size=40,
            engine="dask", workers=2)
"""


@pytest.fixture(scope="module")
def dask():
    """An engine on two workers of this machine, which forgives a task one of them."""
    # Its defaults come with this import: set before, a value would take them all away at its end.
    pytest.importorskip(
        "distributed", reason="needs the extra `dask`: pip install 'snapshelf[dask]'"
    )
    config = pytest.importorskip("dask.config")
    with config.set({"distributed.scheduler.allowed-failures": 1}), started("dask", 1, 2) as engine:
        yield engine


@pytest.fixture
def address(dask):
    """Of that engine's scheduler, as another program finds it."""
    return dask.client.scheduler.address.replace("tcp://", "dask://")


@pytest.fixture(params=["processes", "dask"])
def engine(request):
    """Every kind of engine, with two workers."""
    if request.param == "dask":
        return request.getfixturevalue("dask")
    return LocalProcesses(2)


@dataclass(frozen=True, slots=True)
class Deadly(Folders):
    """Folders, one photo of which ends the process that reads it, for as long as it may."""

    deadly: str = ""
    ended: Path = Path()
    times: int = 0

    def read(self, locator):
        if locator == self.deadly and len(list(self.ended.iterdir())) < self.times:
            (self.ended / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Folders.read(self, locator)


def double(number):
    """A task; 13 ends its process."""
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def refuse(number):
    """A task that cannot be done."""
    raise DatasetError(f"{number} is no good", hint="give another")


def contents(folder):
    """Every file's bytes, but those that tell times."""
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*")}


def test_every_task_comes_back_and_one_that_ends_its_worker_is_told(engine):
    """In whatever order."""
    results = dict(engine.run(double, range(30)))
    assert isinstance(results.pop(13), Crashed)
    assert results == {n: 2 * n for n in range(30) if n != 13}


def end_often(task):
    """A task that ends its process for the first so many times."""
    folder, times = task
    if len(list(folder.iterdir())) < times:
        (folder / str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def test_a_task_beside_which_others_ended_a_worker_is_not_given_up(dask, tmp_path):
    """The scheduler forgives here one lost worker; a task that was only nearby looks like this."""
    assert list(dask.run(end_often, [(tmp_path, 2)])) == [((tmp_path, 2), "done")]


def test_tasks_are_taken_as_they_are_needed(engine):
    """A million of them must not stand in memory."""
    taken = []
    results = engine.run(double, (taken.append(n) or n for n in range(20, 1000)))
    next(results)
    assert len(taken) <= 6
    results.close()


def test_a_tasks_error_is_raised_with_its_hint(engine):
    """As if it had happened here."""
    with pytest.raises(DatasetError, match="7 is no good") as caught:
        list(engine.run(refuse, [7]))
    assert caught.value.hint == "give another"


def test_records_are_the_same_though_a_worker_is_killed(two_classes, tmp_path, address):
    """Byte for byte those of a local run."""
    prepare(two_classes, tmp_path / "local", **OPTIONS)
    (tmp_path / "ended").mkdir()
    photos = Deadly(two_classes, deadly="cat/03.png", ended=tmp_path / "ended", times=1)
    prepare(photos, tmp_path / "out", engine=address, **OPTIONS)
    assert len(list((tmp_path / "ended").iterdir())) == 1
    assert contents(tmp_path / "out") == contents(tmp_path / "local")


def test_a_photo_that_ends_every_worker_is_listed(two_classes, tmp_path, address):
    """And every other photo of its chunk is packed."""
    (tmp_path / "ended").mkdir()
    photos = Deadly(two_classes, deadly="cat/03.png", ended=tmp_path / "ended", times=99)
    dataset = prepare(photos, tmp_path / "out", engine=address, **OPTIONS)
    assert sum(split.photos for split in dataset.splits.values()) == 19
    rows = (tmp_path / "out" / "left_out.csv").read_text().splitlines()
    assert rows[1:] == ["cat/03.png,decoding it ended the process"]


def test_encoded_photos_can_lie_in_another_folder(two_classes, tmp_path):
    """Nothing is left there."""
    prepare(two_classes, tmp_path / "local", **OPTIONS)
    prepare(two_classes, tmp_path / "out", work=tmp_path / "work", **OPTIONS)
    assert contents(tmp_path / "out") == contents(tmp_path / "local")
    assert not [path for path in (tmp_path / "work").rglob("*") if path.is_file()]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_driver_that_ends_takes_its_workers_along_and_is_resumed(tmp_path, make_photos, number):
    """No process is left, and what was encoded stays encoded."""
    pytest.importorskip("distributed", reason="needs the extra `dask`")
    names = [f"{category}/{n:03d}.png" for category in "ab" for n in range(60)]
    photos = make_photos(tmp_path / "photos", dict.fromkeys(names))
    out = tmp_path / "out"
    process = pack(photos, out)
    spooled = out / ".preparing" / "spool"
    wait_until(lambda: len(list(spooled.glob("*.spool"))) >= 2, process)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.kill()
    process.communicate(timeout=60)
    assert process.returncode != 0
    wait_until(lambda: not alive(process.pid))
    assert len(list(spooled.glob("*.spool"))) >= 2
    with pytest.raises(DatasetError, match="No such file"):
        Dataset.load(out)
    options = {"size": 256, "encoding": "png", "shard_size": 40}
    prepare(photos, out, **options)
    prepare(photos, tmp_path / "unbroken", **options)
    assert contents(out) == contents(tmp_path / "unbroken")


def pack(photos, out):
    """Prepare on a Dask cluster, in a process group of its own."""
    script = out.with_name("pack.py")
    script.write_text(PACK)
    return subprocess.Popen(
        [sys.executable, script, photos, out],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_until(condition, process=None):
    """Give up after a minute, or when the process has ended."""
    deadline = time.monotonic() + 60
    while not condition():
        assert process is None or process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(group):
    """Whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "spark://here:7077", "shard_size": 10}, "expected dask or dask://host:port"),
        ({"engine": "dask"}, "one file a split"),
    ],
)
def test_an_engine_that_cannot_be_used_is_refused_at_once(two_classes, tmp_path, options, message):
    """Before any photo is listed."""
    if options["engine"] == "dask":
        pytest.importorskip("distributed", reason="needs the extra `dask`")
    with pytest.raises(DatasetError, match=message):
        prepare(two_classes, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_an_engine_without_its_package_names_the_extra(two_classes, tmp_path, monkeypatch):
    """As the hint."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(DatasetError, match="not installed") as caught:
        prepare(two_classes, tmp_path / "out", engine="dask", **OPTIONS)
    assert "snapshelf[dask]" in caught.value.hint


def test_a_scheduler_that_does_not_answer_costs_nothing_that_was_reached(
    two_classes, tmp_path, monkeypatch
):
    """The catalog stays for the next run."""
    engine = pytest.importorskip("recordio_prep.dask_engine", reason="needs the extra `dask`")
    monkeypatch.setattr(engine, "_ANSWER_SECONDS", 0.2)
    with pytest.raises(BrokenOffError, match=r"dask://127\.0\.0\.1:9"):
        prepare(two_classes, tmp_path / "out", engine="dask://127.0.0.1:9", **OPTIONS)
    assert (tmp_path / "out" / ".preparing" / "catalog.sqlite").exists()
