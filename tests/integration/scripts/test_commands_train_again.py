"""`snapshelf train` as users meet it: broken off, given again, gone on from, on other records."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from recordio_prep import prepare

PROJECT = Path(__file__).parents[3]
COLOURS = {"blue": (20, 20, 200), "red": (200, 20, 20)}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of records and of the same in shards, each of train, validation and test photos."""
    root = tmp_path_factory.mktemp("shop")
    for split, count in (("photos", 12), ("validation", 4), ("test", 3)):
        for name, (red, green, blue) in COLOURS.items():
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                image = Image.new("RGB", (40, 30), (red, green + 3 * number + count, blue))
                image.save(root / split / name / f"{number:02d}.png")
    options: dict[str, Any] = {
        "size": 28,
        "validation": root / "validation",
        "test": root / "test",
        "workers": 1,
    }
    prepare(root / "photos", root / "records", **options)
    prepare(root / "photos", root / "shards", **options, shard_size=10)
    return root


def command(records: Path, out: Path, *options: str) -> list[str]:
    arguments = ["train", str(records), "--out", str(out), "--epochs", "2"]
    if not {"--pretrained", "--network", "--model"} & set(options):
        arguments += ["--network", "refund_cnn"]
    settings = ["--set", "mini_batch_size=8", "--set", "checkpoint_minutes=0"]
    return [sys.executable, "-m", "scripts.cli", *arguments, *settings, *options]


def started(records: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(records, out, *options),
        cwd=PROJECT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(records: Path, out: Path, *options: str) -> tuple[int, str, str]:
    """(Exit code, standard output, standard error)."""
    process = started(records, out, *options)
    output, log = process.communicate(timeout=120)
    return process.returncode, output, log


def member(out: Path, name: str) -> bytes:
    with tarfile.open(out / "model.tar.gz") as archive:
        stream = archive.extractfile(name)
        assert stream
        return stream.read()


def kill_at(process: subprocess.Popen[str], out: Path, place: str) -> None:
    until, former = time.monotonic() + 60, set(out.glob(f".checkpoints-*/{place}"))
    while not set(out.glob(f".checkpoints-*/{place}")) - former:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, f"no {place}"
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.fixture(scope="module")
def model(shop: Path) -> Path:
    """The folder of a model that was trained in one go."""
    out = shop / "model"
    code, output, log = run(shop / "records", out, "--json")
    assert code == 0, log
    assert json.loads(output)["metrics"]["photos"] == {"train": 24, "validation": 8, "test": 6}
    return out


def test_the_report_lies_beside_the_model(model: Path) -> None:
    """One for each channel that was measured; nothing half made is left."""
    for split in ("validation", "test"):
        assert "<html" in (model / "report" / split / "report.html").read_text()
    assert {path.name for path in model.iterdir()} == {".lock", "model.tar.gz", "report"}


def test_a_killed_run_goes_on_when_it_is_given_again(
    shop: Path, model: Path, tmp_path: Path
) -> None:
    """And ends with the network of a run in one go; one with other settings begins anew.

    What was reached goes when a run has ended: other settings may have been a slip.
    """
    kill_at(started(shop / "records", tmp_path), tmp_path, "checkpoint-00001-*.npz")
    (kept,) = tmp_path.glob(".checkpoints-*")
    kill_at(
        started(shop / "records", tmp_path, "--set", "seed=1"), tmp_path, "checkpoint-00001-*.npz"
    )
    assert run(shop / "records", tmp_path, "--set", "sed=1")[0] == 1
    assert kept.exists()
    code, _, log = run(shop / "records", tmp_path, "--set", "seed=1")
    assert (code, "Going on from epoch 1" in log) == (0, True)
    assert not any(tmp_path.glob(".checkpoints-*"))
    kill_at(started(shop / "records", tmp_path), tmp_path, "checkpoint-00001-*.npz")
    code, _, log = run(shop / "records", tmp_path)
    assert (code, "Going on from epoch 1" in log) == (0, True)
    assert member(tmp_path, "model.onnx") == member(model, "model.onnx")
    assert not any(tmp_path.glob(".checkpoints-*"))


def test_shards_train_to_the_same_network(shop: Path, model: Path, tmp_path: Path) -> None:
    """As records in one file: order and photos are the same."""
    assert len(list((shop / "shards").glob("train_*.rec"))) > 1
    code, _, log = run(shop / "shards", tmp_path)
    assert code == 0, log
    assert member(tmp_path, "model.onnx") == member(model, "model.onnx")


def test_a_former_model_is_gone_on_from(shop: Path, model: Path, tmp_path: Path) -> None:
    """By --model with its folder, or by --pretrained with the .params file in it."""
    code, _, log = run(shop / "records", tmp_path / "model", "--model", str(model))
    assert code == 0, log
    assert "Starting from model: 10 parameters, 0 drawn anew" in log
    with tarfile.open(model / "model.tar.gz") as archive:
        (params,) = [name for name in archive.getnames() if name.endswith(".params")]
    (tmp_path / "own.params").write_bytes(member(model, params))
    options = ("--network", "refund_cnn", "--pretrained", str(tmp_path / "own.params"))
    code, _, log = run(shop / "records", tmp_path / "params", *options)
    assert code == 0, log
    assert "Starting from own.params: 10 parameters, 0 drawn anew" in log


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--network", "resnet19"), "resnet19"),
        (("--pretrained", "resnet19.pth"), "resnet19.pth"),
        (("--set", "colour=red"), "unknown hyperparameter 'colour'"),
        (("--set", "epochs=none"), "hyperparameter epochs='none'"),
    ],
)
def test_bad_names_are_told_in_two_lines(
    shop: Path, tmp_path: Path, options: tuple[str, ...], error: str
) -> None:
    """ERROR names the value, HINT what to do; exit code 1, no traceback, no model."""
    code, output, log = run(shop / "records", tmp_path, *options)
    assert (code, output) == (1, "")
    told = [line for line in log.splitlines() if line.startswith(("ERROR ", "HINT  "))]
    assert error in told[0]
    assert len(told) == 2
    assert "Traceback" not in log
    assert not (tmp_path / "model.tar.gz").exists()
