"""The program `python -m training train`, as SageMaker runs a container."""

import json
import re
import signal

import pytest

FIGURE = r"[01]\.[0-9]{6}"


def artifact_names(job):
    return {file.name for file in job.model_dir.iterdir()} if job.model_dir.exists() else set()


def wait_for(process, text):
    """Read the log until a line holds `text`."""
    for line in process.stderr:
        if text in line:
            return
    pytest.fail(f"the log ended without {text!r}")


def test_a_job_logs_sagemakers_lines(finished):
    """To the letter, since metric definitions are regular expressions over them."""
    _, code, lines = finished
    assert code == 0, "\n".join(lines)
    for epoch in (0, 1):
        for what in ("Train", "Validation"):
            pattern = rf"Epoch\[{epoch}\] {what}-accuracy={FIGURE}"
            assert sum(bool(re.fullmatch(pattern, line)) for line in lines) == 1
    storing = rf"Storing the best model with validation accuracy: {FIGURE}"
    assert any(re.fullmatch(storing, line) for line in lines)
    assert sum(bool(re.fullmatch(rf"Test-accuracy={FIGURE}", line)) for line in lines) == 1


def test_a_job_that_ended_well_leaves_its_metrics_and_no_failure(finished):
    """metrics.json says what the log said, and the figures are accuracies."""
    job, _, lines = finished
    metrics = json.loads((job.folder / "output" / "data" / "metrics.json").read_text())
    assert job.failure is None
    assert f"Test-accuracy={metrics['test_accuracy']:f}" in lines
    for number, epoch in enumerate(metrics["epochs"]):
        assert f"Epoch[{number}] Validation-accuracy={epoch['validation_accuracy']:f}" in lines
        assert (epoch["number"], epoch["size"]) == (number, 28)
        assert epoch["images_per_second"] > 0


def test_the_card_tells_what_the_temperature_did(finished):
    """Calibration error before and after, of both channels: the reports' figures, logged too."""
    job, _, lines = finished
    card = json.loads((job.model_dir / "model-card.json").read_text())
    told = card["metrics"]["calibration_error"]
    assert set(told) == {"validation", "test"}
    for channel, errors in told.items():
        report = job.folder / "output" / "data" / channel / "metrics.json"
        found = json.loads(report.read_text())["calibration"]
        assert errors == {key: found[key]["error_equal_width"] for key in ("before", "after")}
        before, after = errors["before"], errors["after"]
        line = f"Calibration error on {channel} photos: {before:.4f} before, {after:.4f} after"
        assert line in lines


def test_the_same_seed_gives_the_same_network(finished, job, records, settings):
    """On one thread, to the bit: the version is the hash of the network's bytes."""
    for split in ("train", "validation", "test"):
        job.channel(split, records)
    assert job.run(**settings)[0] == 0
    networks = [each.model_dir.joinpath("model.onnx").read_bytes() for each in (finished[0], job)]
    assert networks[0] == networks[1]


def test_a_wrong_setting_ends_the_job_with_the_reason(job, records, settings):
    """Exit 1, the failure file and the log say the same, without a traceback, and no artifact."""
    job.channel("train", records)
    code, lines, failure = job.run(**settings | {"mini_batch_size": "49"})
    assert code == 1
    assert "mini_batch_size=49 is larger than the 48 photos of train.rec" in failure
    assert lines[-1] == failure
    assert not any("Traceback" in line for line in lines)
    assert artifact_names(job) == set()


def test_sigterm_keeps_the_best_so_far(job, records, settings):
    """SageMaker's stop: exit 0 within its two minutes, and an artifact that is whole."""
    job.channel("train", records)
    job.channel("validation", records)
    process = job.start(**settings | {"epochs": 100_000})
    try:
        wait_for(process, "Storing the best model")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, log
    assert "Stopped in epoch" in log
    assert artifact_names(job) >= {"model.onnx", "model-card.json", "model-shapes.json"}
    assert job.failure is None


def test_sigterm_before_any_epoch_at_full_size_is_a_failure(job, pack, draw, settings):
    """There is nothing to keep: exit 1, and the failure file says why."""
    folder = job.folder / "input" / "data" / "train"
    pack([draw(seed) for seed in range(8)], folder=folder)
    growing = {"image_shape": "3,56,56", "picture_sizes": "28:100000,56:1", "epochs": 100_001}
    process = job.start(**settings | growing | {"num_classes": 2})
    try:
        wait_for(process, "Epoch[0] Train-accuracy")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1, log
    assert "stopped before its first epoch at full size" in job.failure
    assert artifact_names(job) == set()
