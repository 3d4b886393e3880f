"""`snapshelf batch run` on the command line: options, locks, exit codes, and a kill."""

import csv
import fcntl
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import pytest
from batch_api import BAD, BatchApi, fill, photo_of
from click.testing import CliRunner

from scripts.commands.batch import batch_command

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def shared_api():
    with BatchApi() as server:
        yield server


@pytest.fixture
def api(shared_api):
    """The API without what an earlier test left."""
    shared_api.received.clear()
    return shared_api


@pytest.fixture
def photos(tmp_path):
    names = [f"image_{n}_label_{n % 10}.png" for n in range(12)]
    return fill(tmp_path / "in", {name: photo_of(n % 10, name) for n, name in enumerate(names)})


def call(photos, api, *options):
    out = photos.parent / "predictions.csv"
    arguments = ["run", "--in", str(photos), "--out", str(out), "--api", api.url, *options]
    return CliRunner().invoke(batch_command, arguments, catch_exceptions=False)


def rows_of(photos):
    with (photos.parent / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_becomes_a_table(photos, api):
    """Exit code 0, the summary on stdout, the accuracy by the names."""
    result = call(photos, api)
    assert result.exit_code == 0
    assert "12 photos: 12 answered" in result.stdout
    assert "accuracy 100.00% (12 of 12)" in result.stdout
    assert [row["prediction"] for row in rows_of(photos)][:4] == ["0", "0", "1", "1"]


def test_further_columns_are_asked_for(photos, api):
    """Label, confidence and verdict come from the API's detailed form."""
    call(photos, api, "--columns", "label,confidence,verdict,error")
    assert rows_of(photos)[2] == {
        "filename": "image_11_label_1.png",
        "prediction": "1",
        "label": "class 1",
        "confidence": "0.9",
        "verdict": "class 1",
        "error": "",
    }


def test_columns_that_are_asked_for_later_are_filled(photos, api):
    """The journal has every answer's figures from the first run on; nothing is sent again."""
    call(photos, api)
    assert list(rows_of(photos)[0]) == ["filename", "prediction"]
    result = call(photos, api, "--columns", "label,confidence,verdict,error")
    assert "12 answered (12 of them earlier)" in result.stdout
    assert rows_of(photos)[2]["label"] == "class 1"
    assert rows_of(photos)[2]["confidence"] == "0.9"
    assert "have no label" not in result.stdout
    assert set(api.received.values()) == {1}


def test_columns_that_the_answers_do_not_fill_are_told(photos, api):
    """An API may tell numbers alone, and so may a journal of old: with the mend."""
    call(photos, api)
    with closing(sqlite3.connect(photos.parent / "predictions.csv.journal")) as journal, journal:
        journal.execute("UPDATE photo SET label = '', confidence = NULL, verdict = ''")
    result = call(photos, api, "--columns", "label")
    assert "12 answers have no label" in result.stdout
    assert "--again all" in result.stdout
    assert "have no label" not in call(photos, api, "--columns", "label", "--again", "all").stdout


def test_a_report_is_written_on_the_way(photos, api):
    """With names of categories, also where the table has none; photos that move are in it still."""
    report = photos.parent / "morning.html"
    done = photos.parent / "done"
    assert call(photos, api, "--report", str(report), "--move-done", str(done)).exit_code == 0
    assert "class 3" in report.read_text()
    assert list(rows_of(photos)[0]) == ["filename", "prediction"]
    assert len(list(done.iterdir())) == 12


def test_a_report_is_made_of_a_table_later(photos, api):
    """`snapshelf batch report` reads what the run wrote."""
    call(photos, api, "--columns", "label,confidence,verdict")
    table, out = photos.parent / "predictions.csv", photos.parent / "report.html"
    arguments = ["report", str(table), "--photos", str(photos), "--out", str(out), "--json"]
    result = CliRunner().invoke(batch_command, arguments, catch_exceptions=False)
    assert json.loads(result.stdout) == {"report": str(out)}
    assert "class 3" in out.read_text()


def test_a_failed_photo_ends_with_1_and_its_reason(photos, api):
    """So that monitoring sees it, with the table written all the same."""
    fill(photos, {"bad.png": BAD})
    result = call(photos, api, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["failed"] == 1
    assert told["failures"]["bad.png"].startswith("no photo (is it a photo, and whole? ")
    assert len(rows_of(photos)) == 13


@pytest.mark.parametrize(
    "options",
    [
        ("--columns", "labels"),
        ("--batch-size", "0"),
        ("--move-done", "s3://bucket/done"),
        ("--again", "never"),
    ],
)
def test_wrong_usage_ends_with_2(photos, api, options):
    """Before anything is sent."""
    assert call(photos, api, *options).exit_code == 2
    assert not api.received


def test_the_key_is_read_from_a_file(photos, api):
    """Where no list of processes shows it."""
    key = photos.parent / "key"
    key.write_text("s3cret\n")
    key.chmod(0o600)
    api.keys.clear()
    assert call(photos, api, "--key-file", str(key)).exit_code == 0
    assert api.keys == {"s3cret"}
    assert call(photos, api, "--key-file", str(key), "--key", "other").exit_code == 2


def test_moving_photos_to_where_they_come_from_is_refused(photos, api):
    """The next run would find them again."""
    result = call(photos, api, "--move-done", str(photos / "done"))
    assert result.exit_code == 2
    assert "find the photos again" in " ".join(result.stderr.split())


def test_a_run_that_finds_another_at_work_ends_with_3(photos, api):
    """Whether it is the same table or the same photos into another."""
    lock = photos.parent / ".predictions.csv.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        result = call(photos, api)
    assert result.exit_code == 3
    assert (
        f"{photos.parent / 'predictions.csv'}: another snapshelf is at work on it" in result.stderr
    )
    assert "give another --out" in result.stderr
    descriptor = os.open(photos, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        result = call(photos, api)
    finally:
        os.close(descriptor)
    assert result.exit_code == 3
    assert f"{photos}: another snapshelf is at work on it" in result.stderr
    assert "--out" not in result.stderr
    assert not api.received


def start(photos, api, *options):
    out = photos.parent / "predictions.csv"
    program = [sys.executable, str(ROOT / "scripts" / "batch_request.py")]
    arguments = ["--in", str(photos), "--out", str(out), "--api", api.url, *options]
    return subprocess.Popen(
        [*program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.01)


def answered(photos):
    """How many answers the journal of a run that is under way has."""
    path = photos.parent / "predictions.csv.journal"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as journal, suppress(sqlite3.OperationalError):
        return journal.execute("SELECT COUNT(prediction) FROM photo").fetchone()[0]
    return 0


def test_a_killed_run_is_finished_by_the_next(photos, api):
    """SIGKILL with two requests under way: only those are sent again, and that is told.

    Each photo is once in the table. Whether the two were answered, nobody knows.
    """
    options = ("--batch-size", "2", "--concurrency", "2")
    api.hold_after = api.requests + 3
    api.gate.clear()
    with start(photos, api, *options) as first:
        until(lambda: answered(photos) == 6 and sum(api.received.values()) == 10)
        first.kill()
    api.gate.set()
    assert not (photos.parent / "predictions.csv").exists()
    result = call(photos, api, *options, "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [row["filename"] for row in rows_of(photos)] == sorted(p.name for p in photos.iterdir())
    assert Counter(api.received.values()) == {1: 8, 2: 4}
    assert (told["earlier"], told["sent_again"]) == (6, 4)


def test_sigterm_ends_a_run_and_keeps_its_answers(photos, api):
    """A service that is stopped: answers that come while it ends are written down."""
    api.hold_after = api.requests + 1
    api.gate.clear()
    with start(photos, api, "--batch-size", "2", "--concurrency", "1") as first:
        until(lambda: sum(api.received.values()) == 4)
        first.terminate()
        api.gate.set()
        assert first.wait(60) == 1
    assert answered(photos) in (4, 6)
    assert call(photos, api).exit_code == 0
    assert set(api.received.values()) == {1}
