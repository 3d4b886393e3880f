"""`snapshelf doctor` tells what lacks, with the mend, and by its exit code."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

from click.testing import CliRunner

from scripts.commands import doctor
from scripts.commands.doctor import Check, doctor_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

FINE = Check("Python", "3.11.7", passed=True, required=True)
LACKING = Check("setpriv", "not found", "install util-linux", passed=False, required=True)
OPTIONAL = Check("Chromium", "not found", "only tests need it", passed=False, required=False)


def run(monkeypatch: pytest.MonkeyPatch, *checks: Check, as_json: bool = False) -> tuple[int, str]:
    monkeypatch.setattr(doctor, "_checks", lambda _: iter(checks))
    result = CliRunner().invoke(doctor_command, ["--json"] if as_json else [])
    return result.exit_code, result.stdout


def test_optional_lack_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only tests need does not fail the command, but its mend is printed."""
    code, printed = run(monkeypatch, FINE, OPTIONAL)
    assert code == 0
    assert "note  Chromium" in printed
    assert "-> only tests need it" in printed


def test_required_lack_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is 1, and what is fine is told too."""
    code, printed = run(monkeypatch, FINE, LACKING)
    assert code == 1
    assert "ok    Python" in printed
    assert "LACK  setpriv" in printed


def test_json_is_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs read whether the machine is sound, and each check."""
    code, printed = run(monkeypatch, FINE, LACKING, as_json=True)
    document = json.loads(printed)
    assert code == 1
    assert document["sound"] is False
    assert [each["name"] for each in document["checks"]] == ["Python", "setpriv"]


def test_port_is_free_or_taken() -> None:
    """A program that is not our local cloud is told from a free port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        taken = doctor._port(port)
    assert (taken.passed, taken.found) == (False, "taken by another program")
    free = doctor._port(port)
    assert (free.passed, free.found) == (True, "free")


def test_every_check_says_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the machine that runs the tests, everything that is required is there."""
    monkeypatch.setattr(doctor, "_mxnet", lambda: FINE)  # its import takes seconds

    def found() -> Iterator[Check]:
        yield from doctor._checks(1)

    checks = list(found())
    assert all(check.found for check in checks)
    assert [check.name for check in checks if check.required and not check.passed] == []
