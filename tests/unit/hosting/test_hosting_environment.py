"""SageMaker's variables say where the model lies and where to listen."""

import os
from pathlib import Path

from hosting.environment import Environment


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
        "SNAPSHELF_RUNTIME": "openvino-fp32",
    }
    expected = Environment(
        Path("/ml/model"), "0.0.0.0", 9000, 3, batch=True, runtime="openvino-fp32"
    )
    assert Environment.from_environ(variables) == expected


def test_an_empty_number_of_threads_is_not_set():
    """As a container's environment has it where nobody filled it in."""
    assert Environment.from_environ({"OMP_NUM_THREADS": ""}).threads >= 1
