"""SageMaker's container layout as the training program finds it."""

from pathlib import Path

import pytest

from contracts import TrainingError
from training.environment import Environment


def at(folder):
    return Environment.from_environ({"SAGEMAKER_BASE_DIR": str(folder)})


def write_hyperparameters(folder, text):
    path = folder / "input" / "config" / "hyperparameters.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_nothing_set_is_sagemakers_layout():
    """Every folder where the developer guide puts it, under /opt/ml."""
    environment = Environment.from_environ({})
    assert environment.model_dir == Path("/opt/ml/model")
    assert environment.output_data_dir == Path("/opt/ml/output/data")
    assert environment.failure_file == Path("/opt/ml/output/failure")
    assert environment.checkpoints_dir == Path("/opt/ml/checkpoints")
    assert environment.job_name == ""
    assert environment.threads >= 1


def test_variables_set_folder_name_and_threads(tmp_path):
    """SAGEMAKER_BASE_DIR, TRAINING_JOB_NAME and OMP_NUM_THREADS."""
    variables = {
        "SAGEMAKER_BASE_DIR": str(tmp_path),
        "TRAINING_JOB_NAME": "shop-1",
        "OMP_NUM_THREADS": "3",
    }
    assert Environment.from_environ(variables) == Environment(tmp_path, "shop-1", 3)


def test_hyperparameters_arrive_as_strings(tmp_path):
    """Numbers that somebody wrote as numbers are taken as their text."""
    write_hyperparameters(tmp_path, '{"epochs": "6", "num_layers": 18}')
    assert at(tmp_path).hyperparameters() == {"epochs": "6", "num_layers": "18"}


def test_no_hyperparameters_are_none(tmp_path):
    """A job without the file has every default."""
    assert at(tmp_path).hyperparameters() == {}


@pytest.mark.parametrize(("text", "reason"), [("{", "is not JSON"), ("[1]", "holds list")])
def test_hyperparameters_that_are_no_object_are_refused(tmp_path, text, reason):
    """The file is named, and what is wrong with it."""
    write_hyperparameters(tmp_path, text)
    with pytest.raises(TrainingError, match=rf"hyperparameters\.json {reason}"):
        at(tmp_path).hyperparameters()


def test_a_channel_is_a_folder_or_absent(tmp_path):
    """A job without validation has no folder of that name."""
    folder = tmp_path / "input" / "data" / "train"
    folder.mkdir(parents=True)
    assert at(tmp_path).channel_dir("train") == folder
    assert at(tmp_path).channel_dir("validation") is None
