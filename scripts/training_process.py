"""The training program as a process on this machine, in SageMaker's container layout."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts import (
    ARTIFACT_FILE,
    BASE_DIR_VARIABLE,
    DATASET_FILE,
    MANIFEST_FILE,
    MODEL_CARD_FILE,
    SPLITS,
    TrainingError,
)
from infra import processes
from infra.deploy.options import find_artifact
from infra.sagemaker.artifacts import pack, unpack
from scripts.locks import sole_use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

REPORT_FOLDER = "report"
_CHECKPOINTS = ".checkpoints-"
_NOISE = ("DeprecationWarning",)
_PASSED_ON = ("PATH", "HOME", "LANG", "XDG_CACHE_HOME", "MLFLOW_TRACKING_URI")

PROJECT = Path(__file__).resolve().parent.parent


def train(
    records: Path,
    out: Path,
    hyperparameters: Mapping[str, str],
    on_log: Callable[[str], None],
    *,
    model: Path | None = None,
) -> dict[str, Any]:
    """Train on a folder of records.

    A run that was broken off leaves its checkpoints in a hidden folder of `out`; the next one with
    the same records and settings goes on from there, and one with others begins anew. They go, all
    of them, when a run has ended with a model.

    Args:
        records: what `snapshelf prepare` wrote.
        out: made if missing; the artifact appears in it as model.tar.gz when it is whole, and what
            the job writes about it in the folder `report`. The job works in a hidden folder there,
            which goes with it.
        hyperparameters: strings, as SageMaker would hand them on.
        on_log: takes the lines of the job's log as they come.
        model: a former artifact to go on from, or the folder that it is in.

    Returns:
        The model card.

    Raises:
        SnapshelfError: the folder holds no records, the job failed, or `out` cannot be used.
    """
    if not (records / DATASET_FILE).exists():
        raise TrainingError(
            f"{records} holds no {DATASET_FILE}",
            hint="make the records first: `snapshelf prepare PHOTOS --out RECORDS`",
        )
    with _job_folder(out) as folder:
        _lay_out(folder, records.resolve(), hyperparameters)
        if model:
            _lay_out_model(folder, find_artifact(model))
        checkpoints = _checkpoints(out, records, hyperparameters, model)
        (folder / "checkpoints").symlink_to(checkpoints)
        _run(folder, "train", on_log)
        pack([folder / "model"], folder / ARTIFACT_FILE)
        card: dict[str, Any] = json.loads((folder / "model" / MODEL_CARD_FILE).read_text())
        shutil.rmtree(out / REPORT_FOLDER, ignore_errors=True)
        shutil.move(folder / "output" / "data", out / REPORT_FOLDER)
        (folder / ARTIFACT_FILE).replace(out / ARTIFACT_FILE)
        for left in out.glob(f"{_CHECKPOINTS}*"):
            shutil.rmtree(left, ignore_errors=True)
        return card


def convert(
    artifact: Path, out: Path, settings: Mapping[str, str], on_log: Callable[[str], None]
) -> dict[str, Any]:
    """Make of SageMaker's own artifact one that hosting loads.

    Args:
        artifact: model.tar.gz, or the folder that it is in.
        out: made if missing; the new model.tar.gz appears in it when it is whole.
        settings: strings, as `training.conversion.Told` reads them.
        on_log: takes the lines of the program's log as they come.

    Returns:
        The model card.

    Raises:
        SnapshelfError: it is no such artifact, or `out` cannot be used.
    """
    source = find_artifact(artifact).resolve()
    with _job_folder(out) as folder:
        (folder / "input" / "config").mkdir(parents=True)
        (folder / "input" / "config" / "hyperparameters.json").write_text(
            json.dumps(dict(settings))
        )
        channel = folder / "input" / "data" / "model"
        channel.mkdir(parents=True)
        unpack(source, channel)
        _run(folder, "convert", on_log)
        pack([folder / "model"], folder / ARTIFACT_FILE)
        card: dict[str, Any] = json.loads((folder / "model" / MODEL_CARD_FILE).read_text())
        (folder / ARTIFACT_FILE).replace(out / ARTIFACT_FILE)
        return card


def tell_log(line: str) -> None:
    """A line of the program's log, on standard error."""
    if not any(noise in line for noise in _NOISE):
        print(line, file=sys.stderr, flush=True)


def _checkpoints(
    out: Path, records: Path, hyperparameters: Mapping[str, str], model: Path | None
) -> Path:
    """The folder for the checkpoints of just this job."""
    from training.identity import FREE

    fingerprint = json.loads((records / DATASET_FILE).read_text())["fingerprint"]
    fixed = {name: value for name, value in hyperparameters.items() if name not in FREE}
    origin = [str(model.resolve()), find_artifact(model).stat().st_mtime_ns] if model else []
    text = json.dumps([fingerprint, fixed, origin], sort_keys=True)
    name = f"{_CHECKPOINTS}{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    (out / name).mkdir(exist_ok=True)
    return (out / name).resolve()


@contextmanager
def _job_folder(out: Path) -> Iterator[Path]:
    with sole_use(out, ".lock"):
        for left in out.glob(".job-*"):  # by a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=".job-", dir=out))
        try:
            yield folder.resolve()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _lay_out(folder: Path, records: Path, hyperparameters: Mapping[str, str]) -> None:
    config = folder / "input" / "config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text(json.dumps(dict(hyperparameters)))
    for split in SPLITS:
        files = [*records.glob(f"{split}.*"), *records.glob(f"{split}_*.*")]
        if not any(file.suffix == ".rec" for file in files):
            continue
        channel = folder / "input" / "data" / split
        channel.mkdir(parents=True)
        for file in (*files, records / DATASET_FILE, records / MANIFEST_FILE):
            if file.exists():
                (channel / file.name).symlink_to(file)


def _lay_out_model(folder: Path, artifact: Path) -> None:
    channel = folder / "input" / "data" / "model"
    channel.mkdir(parents=True)
    (channel / ARTIFACT_FILE).symlink_to(artifact.resolve())


def _run(folder: Path, command: str, on_log: Callable[[str], None]) -> None:
    environ = {
        **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        **{name: value for name, value in os.environ.items() if name.startswith("OMP_")},
        BASE_DIR_VARIABLE: str(folder),
        "PYTHONPATH": str(PROJECT),
    }
    argv = [sys.executable, "-m", "training", command]
    with processes.spawn(argv, env=environ, stdout=subprocess.PIPE) as process:
        try:
            for line in process.stdout or ():
                on_log(line.decode(errors="replace").rstrip("\n"))
            code = process.wait()
        finally:
            processes.stop(process, grace_seconds=0)
    if code:
        raise _failure(folder, code)


def _failure(folder: Path, code: int) -> TrainingError:
    path = folder / "output" / "failure"
    if path.exists():
        return TrainingError(path.read_text(), hint="the log above tells what went before")
    if code < 0:
        return TrainingError(
            f"the training process was killed by {signal.Signals(-code).name}",
            hint="too little memory? a smaller mini_batch_size needs less",
        )
    return TrainingError(f"the training process ended with code {code}", hint="see the log above")
