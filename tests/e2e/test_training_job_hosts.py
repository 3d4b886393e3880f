"""One training job on two hosts, as SageMaker starts it: a container each, with its own files."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hosting.model import Model
from recordio_prep import prepare

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "num_layers": 20,
    "image_shape": "3,28,28",
    "epochs": 3,
    "learning_rate": 0.02,
    "seed": 3,
    "kv_store": "dist_sync",
}
LEVELS = {"dark": 60, "light": 190}


def drawn(seed: int, level: int) -> bytes:
    noise = np.random.default_rng(seed).integers(-50, 51, (28, 28, 3))
    buffer = io.BytesIO()
    Image.fromarray(np.clip(level + noise, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 48 photos to train on and 16 for validation."""
    root, seed = tmp_path_factory.mktemp("prepared"), 0
    for split, photos in (("train", 24), ("validation", 8)):
        for name, level in LEVELS.items():
            (root / split / name).mkdir(parents=True)
            for number in range(photos):
                seed += 1
                (root / split / name / f"{number}.png").write_bytes(drawn(seed, level))
    prepare(root / "train", root / "records", size=28, validation=root / "validation", workers=1)
    return root / "records"


def lay_out(folder: Path, records: Path, host: str, hosts: list[str], batch: int) -> None:
    config = folder / "input" / "config"
    config.mkdir(parents=True)
    strings = {name: str(value) for name, value in (SETTINGS | {"mini_batch_size": batch}).items()}
    (config / "hyperparameters.json").write_text(json.dumps(strings))
    resources = {"current_host": host, "hosts": hosts, "network_interface_name": "lo"}
    (config / "resourceconfig.json").write_text(json.dumps(resources))
    for split in ("train", "validation"):
        channel = folder / "input" / "data" / split
        channel.mkdir(parents=True)
        for name in (f"{split}.rec", f"{split}.idx", "dataset.json"):
            (channel / name).symlink_to(records / name)


def run(folder: Path, records: Path, count: int, batch: int) -> list[Path]:
    """Run the job to its end on so many hosts of this machine; each one's folder."""
    hosts = [f"algo-{n + 1}" for n in range(count)]
    addresses = ",".join(f"{host}=127.202.{count}.{n + 1}" for n, host in enumerate(hosts))
    processes = []
    for host in hosts:
        lay_out(folder / host, records, host, hosts, batch)
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "SAGEMAKER_BASE_DIR": str(folder / host),
            "TRAINING_JOB_NAME": f"hosts-{count}-{os.getpid()}",
            "SNAPSHELF_HOST_ADDRESSES": addresses,
        }
        with (folder / f"{host}.log").open("wb") as log:
            command = [sys.executable, "-m", "training", "train"]
            processes.append(
                subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
            )
    try:
        codes = [process.wait(150) for process in processes]
    finally:
        for process in processes:
            process.kill()
    logs = "\n".join((folder / f"{host}.log").read_text() for host in hosts)
    assert codes == [0] * count, logs
    return [folder / host for host in hosts]


def test_two_hosts_train_as_well_as_one(records: Path, tmp_path: Path) -> None:
    """With batch norms, the joint batch alike; the first host alone writes an artifact.

    Batch norms see each host's own photos, so the weights are not those of one host.
    """
    (alone,) = run(tmp_path / "one", records, 1, 16)
    first, second = run(tmp_path / "two", records, 2, 8)
    assert not (second / "model").exists()
    assert not (second / "output" / "failure").exists()
    cards = [
        json.loads((folder / "model" / "model-card.json").read_text()) for folder in (alone, first)
    ]
    scores = [card["metrics"]["validation_accuracy"] for card in cards]
    assert abs(scores[0] - scores[1]) <= 3 / 16
    assert scores[1] > 0.8
    answers = Model.load(first / "model", threads=1)
    assert [np.argmax(answers.classify(drawn(900, level))) for level in LEVELS.values()] == [0, 1]
