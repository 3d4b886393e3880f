"""Jobs that are killed or stopped and started again end as those that never were."""

import functools
import json
import shutil
import signal
import time

import pytest

from contracts import TrainingError
from training.environment import Environment
from training.job import train

PLAIN = {"num_layers": 20, "epochs": 3}
DRAWN = {
    "network": "refund_cnn",
    "epochs": 3,
    "optimizer": "adam",
    "learning_rate": 0.001,
    "augmentation_type": "crop_color_transform",
    "padding": 2,
    "weight_average": 0.9,
    "mixup": 0.3,
    "random_erasing": 0.5,
    "sampling": "balanced",
    "epoch_photos": 40,
    "lr_schedule": "plateau",
    "warmup_epochs": 1,
}
"""All that is drawn at random in a training, and the average of its weights."""

KINDS = {"plain": PLAIN, "drawn": DRAWN}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, make_job, settings_of):
    """A function: (hyperparameters, files that follow from the weights) of a job run in one go."""

    @functools.cache
    def run(kind):
        hyperparameters = settings_of(**KINDS[kind])
        job = make_job(tmp_path_factory.mktemp("unbroken"), "train", "validation")
        code, lines, _ = job.run(**hyperparameters)
        assert code == 0, "\n".join(lines)
        return hyperparameters, network_of(job)

    return run


def network_of(job):
    """The bytes of what the weights alone decide."""
    files = [*job.model_dir.glob("*.params"), job.model_dir / "model.onnx"]
    return {file.name: file.read_bytes() for file in files}


def killed_at(job, hyperparameters, place, within=60):
    """Start the job and kill it as soon as a file of this name is in the checkpoint folder."""
    process = job.start(**hyperparameters)
    try:
        until = time.monotonic() + within
        while time.monotonic() < until and process.poll() is None:
            if not any(job.checkpoints_dir.glob(place)):
                time.sleep(0.0005)
                continue
            process.send_signal(signal.SIGSTOP)  # it may have been renamed since
            if any(job.checkpoints_dir.glob(place)):
                return
            process.send_signal(signal.SIGCONT)
        pytest.fail(f"no {place}: exit code {process.poll()}")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_killed_again_and_again_ends_with_the_same_bytes(unbroken, make_job, tmp_path, kind):
    """In mid-epoch, while a checkpoint is written, and between epochs."""
    hyperparameters, expected = unbroken(kind)
    job = make_job(tmp_path, "train", "validation")
    often = hyperparameters | {"checkpoint_minutes": 0}
    killed_at(job, often, "checkpoint-00000-0000003.npz")
    killed_at(job, often, ".checkpoint-*.partial")
    killed_at(job, often, "checkpoint-00001-0000000.npz")
    killed_at(job, often, "checkpoint-00002-0000002.npz")
    code, lines, _ = job.run(**often)
    assert code == 0, "\n".join(lines)
    assert "Going on from epoch 2, batch 2" in lines
    assert network_of(job) == expected
    assert not any(job.checkpoints_dir.glob("*checkpoint-*"))


def stopped(job, hyperparameters, text):
    """Start the job and send SIGTERM when its log holds `text`; its log from there."""
    process = job.start(**hyperparameters)
    try:
        for line in process.stderr:
            if text in line:
                break
        else:
            pytest.fail(f"the log ended without {text!r}")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, log
    return log


def test_a_stopped_job_leaves_what_another_goes_on_from(make_job, unbroken, tmp_path):
    """SIGTERM: an artifact and a checkpoint, with which a new job ends as an unbroken one.

    A job of other hyperparameters refuses them.
    """
    hyperparameters, expected = unbroken("plain")
    hyperparameters = hyperparameters | {"checkpoint_minutes": 0}
    job = make_job(tmp_path / "stopped", "train", "validation")
    log = stopped(job, hyperparameters, "Storing the best model")
    assert "Stopped: neither calibrated nor measured" in log
    assert {"model.onnx", "model-card.json"} <= {file.name for file in job.model_dir.iterdir()}
    assert any(job.checkpoints_dir.glob("checkpoint-*.npz"))

    other = make_job(tmp_path / "other", "train", "validation")
    shutil.copytree(job.checkpoints_dir, other.checkpoints_dir)
    strings = {name: str(value) for name, value in (hyperparameters | {"seed": 4}).items()}
    (other.folder / "input" / "config" / "hyperparameters.json").write_text(json.dumps(strings))
    with pytest.raises(TrainingError, match="other hyperparameters or other photos"):
        train(Environment(other.folder, "", 1), lambda: False)
    assert any(other.checkpoints_dir.glob("checkpoint-*.npz"))

    code, lines, _ = other.run(**hyperparameters)
    assert code == 0, "\n".join(lines)
    assert any("Going on from epoch" in line for line in lines)
    assert network_of(other) == expected
    assert other.failure is None


def test_settings_that_only_say_when_to_end_may_change(make_job, settings_of, tmp_path):
    """A job that ran out of time goes on when it is given more."""
    hyperparameters = settings_of(network="refund_cnn", epochs=2, checkpoint_minutes=0)
    job = make_job(tmp_path, "train", "validation")
    killed_at(job, hyperparameters, "checkpoint-00001-0000000.npz")
    code, lines, _ = job.run(**hyperparameters | {"max_minutes": 5, "early_stopping": 1})
    assert code == 0, "\n".join(lines)
    assert any(line.startswith("Epoch[1] Validation-accuracy") for line in lines)
    assert not any("Epoch[0]" in line for line in lines)
