"""What a function that holds the model carries: the program runs alone, the libraries can be had."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from contracts import DeployError
from infra.deploy import model_bundle
from infra.deploy.model_bundle import find_modules
from infra.images import FUNCTION_PROGRAM, PROJECT_ROOT

if TYPE_CHECKING:
    from pathlib import Path

BROUGHT = {"numpy", "onnxruntime", "PIL"}
"""Top-level packages of the locked libraries."""


def test_the_program_is_the_images_own_files_and_runs_alone(tmp_path: Path) -> None:
    """Copied elsewhere, with the libraries alone beside it, it imports: nothing else is needed."""
    modules = find_modules(FUNCTION_PROGRAM)
    for name, path in modules.items():
        assert path == PROJECT_ROOT / name
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(path.read_bytes())
    check = (
        "import sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        f"import {FUNCTION_PROGRAM}\n"
        "print(*{name.partition('.')[0] for name in sys.modules"
        " if 'site-packages' in (getattr(sys.modules[name], '__file__', '') or '')})\n"
        f"print({FUNCTION_PROGRAM}.__file__)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", check],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    brought, where = ran.stdout.splitlines()
    assert where.startswith(str(tmp_path))
    optional = {"_distutils_hack", "ml_dtypes"}
    assert {name for name in brought.split() if not name.startswith("__editable__")} <= (
        BROUGHT | optional
    )


def test_libraries_that_cannot_be_had_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The installer's own words, and nothing half-made left behind."""
    lock = tmp_path / "some.lock"
    lock.write_text("not-a-package-that-is-anywhere==1 --hash=sha256:" + "0" * 64)
    monkeypatch.setattr(model_bundle, "LIBRARIES", lock)
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(DeployError, match="the function's libraries cannot be had: "):
        model_bundle.install_libraries(tmp_path / "build")
    assert list((tmp_path / "build").iterdir()) == []
