"""SageMaker's variables say where the model lies and where to listen."""

import os
from pathlib import Path

import pytest

from hosting.environment import Environment, SettingError


def test_nothing_set_is_sagemakers_layout_on_loopback():
    """The model in /opt/ml/model, port 8080, this machine only, every core that is ours."""
    environment = Environment.from_environ({})
    assert environment.model_dir == Path("/opt/ml/model")
    assert (environment.host, environment.port) == ("127.0.0.1", 8080)
    assert environment.threads == len(os.sched_getaffinity(0))


def test_each_variable_moves_what_it_names():
    """Base folder, host, port, threads, batch and runtime are each taken from their variable."""
    variables = {
        "SAGEMAKER_BASE_DIR": "/ml",
        "SNAPSHELF_HOST": "0.0.0.0",
        "SAGEMAKER_BIND_TO_PORT": "9000",
        "OMP_NUM_THREADS": "3",
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "4",
        "SNAPSHELF_MAX_BATCH": "16",
        "SNAPSHELF_RELOAD_SECONDS": "0.5",
        "SNAPSHELF_RUNTIME": "openvino-fp32",
    }
    expected = Environment(
        Path("/ml/model"),
        "0.0.0.0",
        9000,
        3,
        batch=True,
        workers=4,
        max_batch=16,
        reload_seconds=0.5,
        runtime="openvino-fp32",
    )
    assert Environment.from_environ(variables) == expected


def test_an_empty_number_of_threads_is_not_set():
    """As a container's environment has it where nobody filled it in."""
    assert Environment.from_environ({"OMP_NUM_THREADS": ""}).threads >= 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SAGEMAKER_BIND_TO_PORT", "http"),
        ("OMP_NUM_THREADS", "0"),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "-1"),
        ("SNAPSHELF_MAX_BATCH", "1.5"),
        ("SNAPSHELF_RELOAD_SECONDS", "nan"),
        ("SNAPSHELF_RELOAD_SECONDS", "inf"),
    ],
)
def test_a_number_that_is_none_is_named(name, text):
    """The variable, what it holds, and what was expected."""
    with pytest.raises(SettingError, match=f"{name}='{text}': expected a number") as caught:
        Environment.from_environ({name: text})
    assert caught.value.hint


@pytest.mark.parametrize(("threads", "workers", "decoders"), [(1, 1, 2), (8, 1, 8), (8, 4, 1)])
def test_photos_are_decoded_by_as_many_threads_as_there_are_cores(threads, workers, decoders):
    """Two at least, and one where every core has a worker."""
    environment = Environment(Path(), "", 0, threads, workers=workers)
    assert environment.decoders == decoders
