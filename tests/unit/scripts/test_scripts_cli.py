"""The command line's edge: exit codes, and errors told in two lines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from infra.local import launch
from scripts import cli
from scripts.cli import COMMANDS, SUMMARIES, go_straight_to_this_machine

PROJECT = Path(__file__).parents[3]


def snapshelf(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.cli", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_every_command() -> None:
    """Each subcommand stands in the help with its summary."""
    text = snapshelf("--help").stdout
    assert set(COMMANDS) == set(SUMMARIES)
    assert all(f"  {name} " in text for name in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [("no-such-command",), ("prepare",), ("train", "--no-such-option")],
)
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    """An unknown command, a missing argument and an unknown option are wrong usage."""
    assert snapshelf(*arguments).returncode == 2


def test_a_mendable_error_is_told_in_two_lines(tmp_path: Path) -> None:
    """ERROR names the value, HINT the mend; nothing on stdout, exit code 1."""
    (tmp_path / "empty").mkdir()
    out = str(tmp_path / "records")
    result = snapshelf("prepare", str(tmp_path / "empty"), "--out", out)
    assert result.returncode == 1
    assert result.stdout == ""
    error, hint = result.stderr.splitlines()[-2:]
    assert error.startswith("ERROR ")
    assert str(tmp_path / "empty") in error
    assert hint.startswith("HINT  ")


def test_a_proxy_is_kept_out_of_the_talk_with_this_machine() -> None:
    """What the environment excludes already is kept, and loopback is added."""
    environ = {"NO_PROXY": "example.org"}
    go_straight_to_this_machine(environ)
    assert environ == {
        "NO_PROXY": "example.org,127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def test_a_folder_without_a_cloud_names_the_port_of_anothers(tmp_path, monkeypatch):
    """Whoever asks in the wrong folder is not told that nothing runs."""
    monkeypatch.setattr(launch, "answers", lambda port: port == 4566)
    state = ["--state", str(tmp_path / "none")]
    told = CliRunner().invoke(cli.snapshelf, ["status", *state])
    assert told.exit_code == 1
    assert "another folder is on port 4566" in told.stdout
    assert (
        "name its folder by --state" in CliRunner().invoke(cli.snapshelf, ["down", *state]).stdout
    )
