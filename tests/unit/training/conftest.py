"""Photos, channels and a job's folder, small enough to train on within seconds."""

import io
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photo import Preparation
from recordio_prep import RecordWriter, prepare

with warnings.catch_warnings():
    # NumPy 1.23 is the newest for MXNet 1.9.1, which still uses a name that it warns of.
    warnings.simplefilter("ignore")
    import mxnet  # noqa: F401 - so that what the tests import of training finds it imported

ROOT = Path(__file__).parents[3]
SIZE = 28
CLASSES = {"dark": 60, "light": 190}


def drawn(seed, level=128, size=(SIZE, SIZE)):
    """A noisy photo about one level of grey, PNG bytes, the same for the same seed."""
    noise = np.random.default_rng(seed).integers(-50, 51, (size[1], size[0], 3))
    buffer = io.BytesIO()
    Image.fromarray(np.clip(level + noise, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def draw():
    """`drawn`: a noisy photo's PNG bytes."""
    return drawn


@pytest.fixture
def preparation():
    """Of 28 pixels, each channel with figures of its own, so that a swap shows."""
    return Preparation(SIZE, "squash", (120.0, 110.0, 100.0), (50.0, 60.0, 70.0))


@pytest.fixture
def pack(tmp_path):
    """A function that writes a channel: `pack(photos, labels=..., index=...)` returns its folder."""

    def write(photos, *, labels=None, index=True, folder=None):
        folder = folder or tmp_path / "channel"
        folder.mkdir(parents=True, exist_ok=True)
        with RecordWriter(folder / "a.rec", folder / "a.idx") as writer:
            for number, photo in enumerate(photos):
                writer.append(number, labels[number] if labels else number % 2, photo)
        if not index:
            (folder / "a.idx").unlink()
        return folder

    return write


@pytest.fixture(scope="session")
def records(tmp_path_factory):
    """What `snapshelf prepare` makes of 24 training, 4 validation and 3 test photos a class."""
    root = tmp_path_factory.mktemp("prepared")
    seed = 0
    for split, photos in (("train", 24), ("validation", 4), ("test", 3)):
        for name, level in CLASSES.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(photos):
                seed += 1
                (folder / f"{number}.png").write_bytes(drawn(seed, level))
    prepare(
        root / "train",
        root / "records",
        size=SIZE,
        validation=root / "validation",
        test=root / "test",
        workers=1,
    )
    return root / "records"


class Job:
    """A job's folder in SageMaker's layout, and the program run on it."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "input" / "config").mkdir(parents=True)

    def channel(self, name, records, split=None):
        """Give the job a channel: the records of a split, and the dataset.json beside them."""
        folder = self.folder / "input" / "data" / name
        folder.mkdir(parents=True)
        for suffix in ("rec", "idx"):
            file = f"{split or name}.{suffix}"
            (folder / file).write_bytes((records / file).read_bytes())
        (folder / "dataset.json").write_bytes((records / "dataset.json").read_bytes())

    def start(self, **hyperparameters):
        """`python -m training train`, as the container runs it."""
        strings = {name: str(value) for name, value in hyperparameters.items()}
        config = self.folder / "input" / "config" / "hyperparameters.json"
        config.write_text(json.dumps(strings))
        environment = {"SAGEMAKER_BASE_DIR": str(self.folder), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "training", "train"],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, **hyperparameters):
        """Run it to its end: (exit code, log lines without time and level, the failure's text)."""
        process = self.start(**hyperparameters)
        try:
            output, log = process.communicate(timeout=120)
        finally:
            process.kill()
        assert output == ""
        return process.returncode, messages(log), self.failure

    @property
    def failure(self):
        """What the failure file says, or None."""
        file = self.folder / "output" / "failure"
        return file.read_text() if file.exists() else None

    @property
    def model_dir(self):
        """Where the artifact is written."""
        return self.folder / "model"

    @property
    def checkpoints_dir(self):
        """Where the job says how far it has come."""
        return self.folder / "checkpoints"


def messages(log):
    """The log's lines without `[time LEVEL] ` before them."""
    return [line.partition("] ")[2] if line[:1] == "[" else line for line in log.splitlines()]


SETTINGS = {
    "num_layers": 18,
    "image_shape": "3,28,28",
    "epochs": 2,
    "mini_batch_size": 8,
    "learning_rate": 0.02,
    "seed": 3,
}


@pytest.fixture
def job(tmp_path):
    """An empty job."""
    return Job(tmp_path / "job")


@pytest.fixture
def settings():
    """Hyperparameters of a job that ends within seconds."""
    return dict(SETTINGS)


@pytest.fixture(scope="session")
def settings_of():
    """A function that gives `settings` with others among them."""

    def changed(**changes):
        # A network of a name has no need of a number of layers.
        dropped = {"num_layers"} if "network" in changes else set()
        return {name: SETTINGS[name] for name in SETTINGS.keys() - dropped} | changes

    return changed


@pytest.fixture(scope="session")
def empty_job():
    """A function that makes a job without channels below a folder."""
    return lambda folder: Job(folder / "job")


@pytest.fixture(scope="session")
def make_job(records):
    """A function that lays out a job on some of the records' splits: `make_job(folder, *splits)`."""

    def make(folder, *splits):
        job = Job(folder / "job")
        for split in splits:
            job.channel(split, records)
        return job

    return make


@pytest.fixture(scope="session")
def finished(tmp_path_factory, records):
    """A whole job of two epochs on three channels, run once: (job, exit code, log lines)."""
    job = Job(tmp_path_factory.mktemp("finished") / "job")
    for split in ("train", "validation", "test"):
        job.channel(split, records)
    code, lines, _ = job.run(**SETTINGS)
    return job, code, lines
