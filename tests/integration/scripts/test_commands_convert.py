"""`snapshelf convert`, and what `snapshelf deploy` says of an artifact that needs it."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
SAGEMAKER = PROJECT / "tests" / "fixtures"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact's folder as SageMaker's own algorithm writes it, made where MXNet may be."""
    folder = tmp_path_factory.mktemp("bare")
    program = f"""
import sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, {str(SAGEMAKER)!r})
import pathlib, sagemaker_artifact
sagemaker_artifact.write(pathlib.Path({str(folder)!r}))
"""
    assert run("-c", program).returncode == 0
    return folder


def test_an_artifact_is_converted_whole(bare: Path, tmp_path: Path) -> None:
    """All files in one model.tar.gz, names in order; what stood there is replaced at the end."""
    command = ("-m", "scripts.cli", "convert", str(bare), "--out", str(tmp_path), "--json")
    result = run(*command, "--classes", "books, car")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["classes"] == ["books", "car"]
    with tarfile.open(tmp_path / "model.tar.gz") as archive:
        assert sorted(archive.getnames()) == [
            "image-classification-0007.params",
            "image-classification-symbol.json",
            "model-card.json",
            "model-shapes.json",
            "model.onnx",
        ]
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "model.tar.gz"}
    former = (tmp_path / "model.tar.gz").read_bytes()
    result = run(*command, "--classes", "books")
    assert (result.returncode, result.stdout) == (1, "")
    assert "ERROR 1 class names (books): the network has 2 classes" in result.stderr
    assert (tmp_path / "model.tar.gz").read_bytes() == former


def test_a_bare_artifact_is_not_deployed(bare: Path) -> None:
    """That is told before anything is uploaded, with the command that helps."""
    result = run("-m", "scripts.cli", "deploy", str(bare), "--plan")
    assert result.returncode == 1
    assert "holds no model.onnx" in result.stderr
    assert "HINT  `snapshelf convert MODEL" in result.stderr
