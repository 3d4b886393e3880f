"""Bytecode in a function's zip: taken as it is, the same bytes everywhere, of no harm elsewhere."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from infra.deploy.bytecode import compile_module
from infra.images import PROJECT_ROOT

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = b'def where():\n    return __file__, where.__code__.co_filename\n\n\nKINDS = {"a", "b"}\n'


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A module with its bytecode, as Lambda unpacks both."""
    (tmp_path / "shelf.py").write_bytes(SOURCE)
    name, code = compile_module("shelf.py", SOURCE)
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_bytes(code)
    return tmp_path


def run(folder: Path, program: str, *, seed: str = "0") -> str:
    """What a fresh interpreter says that has the folder on its path, and writes no bytecode."""
    environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-B", "-c", program]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_source_is_not_compiled_again(unpacked: Path) -> None:
    """Whatever it says by now: neither its date nor its content is looked at."""
    (unpacked / "shelf.py").write_text("raise SystemExit('compiled')")
    assert run(unpacked, "import shelf; print(sorted(shelf.KINDS))") == "['a', 'b']"


def test_tracebacks_name_the_source(unpacked: Path) -> None:
    """Where it lies now, and not where it was compiled."""
    path = str(unpacked / "shelf.py")
    assert run(unpacked, "import shelf; print(shelf.where())") == str((path, path))


def test_another_version_of_python_takes_the_source(unpacked: Path) -> None:
    """A function that is moved to another runtime goes on."""
    (bytecode,) = (unpacked / "__pycache__").iterdir()
    bytecode.write_bytes(b"\0\0\r\n" + bytecode.read_bytes()[4:])
    assert run(unpacked, "import shelf; print(sorted(shelf.KINDS))") == "['a', 'b']"


def test_the_bytes_are_the_same_in_every_process() -> None:
    """Lambda tells by its digest whether a function has changed: no hash seed may enter it."""
    program = (
        "import hashlib; from infra.deploy.bytecode import compile_module as c;"
        f"print(hashlib.sha256(c('shelf.py', {SOURCE!r})[1]).hexdigest())"
    )
    assert run(PROJECT_ROOT, program, seed="1") == run(PROJECT_ROOT, program, seed="2")
