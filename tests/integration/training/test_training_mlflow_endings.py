"""How the run of a job ends in MLflow: as the job does."""

import json

import pytest

from training.environment import Environment
from training.job import train
from training.stopping import StoppedError


class After:
    """Says to stop from some question on; as the signal does, for good."""

    def __init__(self, questions):
        self.left = questions

    def __call__(self):
        self.left -= 1
        return self.left < 0


@pytest.fixture
def run(make_job, settings_of, tmp_path):
    """A function that runs a job of two small channels in this process; returns its card."""

    def start(should_stop=lambda: False, **changes):
        job = make_job(tmp_path, "train", "validation")
        strings = settings_of(network="refund_cnn", **changes)
        text = json.dumps({name: str(value) for name, value in strings.items()})
        (job.folder / "input/config/hyperparameters.json").write_text(text)
        return train(Environment(job.folder, "a-job", 1), should_stop)

    return start


@pytest.fixture
def ending(run, tmp_path, monkeypatch):
    """A function that runs a job under MLflow; returns the word its run ended with."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "false")
    from mlflow.tracking import MlflowClient

    def of(should_stop, error=None, **changes):
        if error:
            with pytest.raises(error):
                run(should_stop, tracking="mlflow", **changes)
        else:
            run(should_stop, tracking="mlflow", **changes)
        client = MlflowClient((tmp_path / "job" / "output" / "data" / "mlflow").as_uri())
        (found,) = client.search_runs(["0"])
        return found.info.status

    return of


def test_a_job_that_is_stopped_is_killed_in_mlflow(ending):
    """Though it leaves the model of its first epoch."""
    assert ending(After(8), epochs=3) == "KILLED"


def test_a_job_that_is_stopped_without_a_model_is_killed_in_mlflow(ending):
    """That the program ends with a failure is of the stop's making."""
    assert ending(After(2), StoppedError) == "KILLED"


def test_a_job_that_fails_at_its_end_has_failed_in_mlflow(ending, monkeypatch):
    """The training went well, and there is no artifact."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("training.job.write_artifact", full)
    assert ending(lambda: False, OSError, epochs=1) == "FAILED"
