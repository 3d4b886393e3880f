"""When a job ends, what it tells on the way, and what it leaves: the built-in algorithm's habits."""

import json

import numpy as np
import pytest
from torch_files import stored, zip_file
from torchvision_arrays import torchvision_arrays

from training.environment import Environment
from training.job import train


@pytest.fixture
def run(make_job, settings_of, tmp_path, caplog):
    """A function that runs a job in this process: (its folder's Job, model card, log lines)."""

    def start(*splits, **changes):
        job = make_job(tmp_path, *(splits or ("train", "validation")))
        strings = {name: str(value) for name, value in settings_of(**changes).items()}
        (job.folder / "input/config/hyperparameters.json").write_text(json.dumps(strings))
        caplog.clear()
        with caplog.at_level("INFO"):
            card = train(Environment(job.folder, "a-job", 1), lambda: False)
        return job, card, [record.getMessage() for record in caplog.records]

    return start


def params_of(job):
    return sorted(file.name for file in job.model_dir.glob("*.params"))


def test_a_job_out_of_time_keeps_what_it_has(run):
    """max_minutes ends within an epoch, which counts like a whole one."""
    _, card, lines = run(network="refund_cnn", epochs=1000, max_minutes=0.001)
    epochs = card["metrics"]["epochs"]
    assert 1 <= len(epochs) < 1000
    assert any(line.startswith("max_minutes=0.001 are over in epoch 0") for line in lines)
    assert card["metrics"]["validation_accuracy"] is not None


def test_early_stopping_waits_for_its_patience(run):
    """Weights that do not move: the first epoch is the best, and two more are waited for."""
    job, card, lines = run(
        network="refund_cnn",
        epochs=50,
        learning_rate=0,
        early_stopping="True",
        early_stopping_min_epochs=2,
        early_stopping_patience=2,
    )
    assert [epoch["number"] for epoch in card["metrics"]["epochs"]] == [0, 1, 2]
    assert "Early stopping: validation accuracy no longer improves" in lines
    assert params_of(job) == ["image-classification-0000.params"]


def test_checkpoint_frequency_keeps_every_so_many_epochs_weights(run):
    """In the artifact, beside the best epoch's; told by the line that tuning jobs look for."""
    job, _, lines = run(network="refund_cnn", epochs=5, learning_rate=0, checkpoint_frequency=2)
    kept = ["image-classification-0001.params", "image-classification-0003.params"]
    assert params_of(job) == ["image-classification-0000.params", *kept]
    told = [f'Saved checkpoint to "{job.checkpoints_dir / name}"' for name in kept]
    assert [line for line in lines if line.startswith("Saved checkpoint")] == told


def test_top_k_is_told_of_both_channels(run):
    """In the built-in algorithm's words and order; of two classes the label is always among two."""
    _, _, lines = run(network="refund_cnn", epochs=1, top_k=2)
    found = [line.partition("=")[0] for line in lines if line.startswith("Epoch[0] ")]
    assert [line for line in found if "Batch" not in line] == [
        "Epoch[0] Train-accuracy",
        "Epoch[0] Train-top_k_accuracy_2",
        "Epoch[0] Time cost",
        "Epoch[0] Validation-accuracy",
        "Epoch[0] Validation-top_k_accuracy_2",
    ]
    for channel in ("Train", "Validation"):
        assert f"Epoch[0] {channel}-top_k_accuracy_2=1.000000" in lines


def test_lr_scheduler_step_lowers_the_rate_at_its_epochs(run):
    """By lr_scheduler_factor each time, at the beginning of the epoch."""
    _, card, _ = run(
        network="refund_cnn", epochs=4, lr_scheduler_step="1,3", lr_scheduler_factor=0.5
    )
    rates = [epoch["learning_rate"] for epoch in card["metrics"]["epochs"]]
    assert rates == pytest.approx([0.02, 0.01, 0.01, 0.005])


def test_figures_for_tensorboard_are_read_back_by_it(run):
    """Every epoch is a step of every curve, with the figures of metrics.json."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    job, card, _ = run(network="refund_cnn", epochs=2, tracking="tensorboard")
    events = EventAccumulator(str(job.folder / "output" / "data" / "tensorboard"))
    events.Reload()
    for tag, name in (("train/loss", "train_loss"), ("validation/accuracy", "validation_accuracy")):
        found = [(event.step, event.value) for event in events.Scalars(tag)]
        expected = [(e["number"], pytest.approx(e[name])) for e in card["metrics"]["epochs"]]
        assert found == expected


def test_mlflow_has_a_run_with_the_jobs_figures(run, monkeypatch):
    """Where no server is named, in the job's output: parameters, a curve, and a run that ended."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "false")
    from mlflow.tracking import MlflowClient

    job, card, _ = run(network="refund_cnn", epochs=2, tracking="mlflow")
    client = MlflowClient((job.folder / "output" / "data" / "mlflow").as_uri())
    (found,) = client.search_runs(["0"])
    assert (found.info.run_name, found.info.status) == ("a-job", "FINISHED")
    assert found.data.params["network"] == "refund_cnn"
    assert found.data.params["epochs"] == "2"
    history = client.get_metric_history(found.info.run_id, "validation/accuracy")
    expected = [(e["number"], e["validation_accuracy"]) for e in card["metrics"]["epochs"]]
    assert sorted((one.step, one.value) for one in history) == expected


def test_a_file_of_torch_is_started_from(run, tmp_path):
    """A ResNet-18 by torchvision's names, of other classes; its statistics go into the card."""
    draw = np.random.default_rng(1)
    arrays = {
        name: draw.normal(0, 0.03, array.shape).astype("f4") if np.ndim(array) > 1 else array
        for name, array in torchvision_arrays(18, 5).items()
    }
    (tmp_path / "resnet18.pth").write_bytes(zip_file(stored(arrays)))
    _, card, lines = run(
        network="resnet18",
        epochs=1,
        learning_rate=0.001,
        freeze_epochs=1,
        pretrained=tmp_path / "resnet18.pth",
    )
    (told,) = [line for line in lines if line.startswith("Starting from resnet18.pth: ")]
    assert told.endswith(" parameters, 2 drawn anew")
    assert card["photo"]["statistics"]["mean"] == pytest.approx([123.675, 116.28, 103.53])


def test_a_stop_while_photos_are_measured_still_leaves_the_model(make_job, settings_of, tmp_path):
    """SageMaker kills two minutes later, and a large channel takes longer to measure."""
    job = make_job(tmp_path, "train", "validation", "test")
    strings = {k: str(v) for k, v in settings_of(network="refund_cnn", epochs=1).items()}
    (job.folder / "input/config/hyperparameters.json").write_text(json.dumps(strings))
    report = job.folder / "output" / "data" / "validation" / "report.html"
    card = train(Environment(job.folder, "a-job", 1), report.exists)
    assert report.exists()
    assert "test_accuracy" not in card["metrics"]
    assert (job.model_dir / "model.onnx").exists()


def test_weights_of_a_former_job_do_not_get_into_the_artifact(make_job, settings_of, tmp_path):
    """A checkpoint folder may be used by one job after another."""
    left = tmp_path / "job" / "checkpoints" / "image-classification-0099.params"
    job = make_job(tmp_path, "train")
    left.parent.mkdir()
    left.write_bytes(b"another network's")
    strings = {k: str(v) for k, v in settings_of(network="refund_cnn", epochs=1).items()}
    (job.folder / "input/config/hyperparameters.json").write_text(json.dumps(strings))
    train(Environment(job.folder, "a-job", 1), lambda: False)
    assert params_of(job) == ["image-classification-0000.params"]
