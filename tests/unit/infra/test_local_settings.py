"""The cloud's settings: all under one folder, and nothing of the host's environment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from contracts import DeployError
from infra.local.settings import CloudSettings, lambda_python


def test_no_secret_and_no_foreign_setting_reaches_the_cloud(tmp_path: Path) -> None:
    """Only what programs need to run passes from the host's environment."""
    host = {"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "real", "LAMBDA_STRICT": "1", "TOKEN": "t"}
    environment = CloudSettings(tmp_path).environment(host)
    assert environment["PATH"] == "/bin"
    assert environment["AWS_SECRET_ACCESS_KEY"] != "real"
    assert not {"LAMBDA_STRICT", "TOKEN"} & set(environment)


def test_every_folder_lies_under_the_state_folder(tmp_path: Path) -> None:
    """MiniStack's state, objects, home and temporary files are all inside."""
    settings = CloudSettings(tmp_path)
    environment = settings.environment({})
    for name in ("HOME", "TMPDIR", "STATE_DIR", "S3_DATA_DIR", "ATHENA_DATA_DIR"):
        assert Path(environment[name]).is_relative_to(tmp_path)


def test_the_scratch_folder_is_emptied_and_the_rest_is_kept(tmp_path: Path) -> None:
    """A start clears what a killed cloud left in scratch, and nothing else."""
    settings = CloudSettings(tmp_path)
    settings.make_folders()
    (settings.scratch / "tmp" / "left").touch()
    (settings.objects / "kept").touch()
    settings.make_folders()
    assert not (settings.scratch / "tmp" / "left").exists()
    assert (settings.objects / "kept").exists()
    assert tmp_path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_out_of_range_is_refused(tmp_path: Path, port: int) -> None:
    """The message names the port."""
    with pytest.raises(DeployError, match=str(port)):
        CloudSettings(tmp_path, port=port)


def test_a_relative_state_folder_is_refused() -> None:
    """A child process with another working folder would keep its state elsewhere."""
    with pytest.raises(DeployError, match="absolute"):
        CloudSettings(Path("state"))


def test_the_cloud_is_reached_by_loopback_wherever_it_listens(tmp_path: Path) -> None:
    """An address that means all addresses is none to connect to."""
    assert CloudSettings(tmp_path, 80, "0.0.0.0").endpoint_url == "http://127.0.0.1:80"
    assert CloudSettings(tmp_path, 80, "192.0.2.1").endpoint_url == "http://192.0.2.1:80"


def test_the_functions_interpreter_can_be_named() -> None:
    """By environment variable; one that does not exist is refused with the mend."""
    named = {"SNAPSHELF_LAMBDA_PYTHON": sys.executable}
    assert lambda_python(named) == Path(sys.executable)
    with pytest.raises(DeployError, match="/no/python") as refusal:
        lambda_python({"SNAPSHELF_LAMBDA_PYTHON": "/no/python"})
    assert "SNAPSHELF_LAMBDA_PYTHON" in refusal.value.hint
