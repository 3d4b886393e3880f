"""The zip of a function that holds the model: what is in it, how large it may be, what it needs."""

from __future__ import annotations

import json
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from contracts import DeployError
from infra.deploy import model_bundle
from infra.deploy.bytecode import compile_module
from infra.deploy.model_bundle import (
    LIBRARIES,
    ModelBundle,
    build_model_bundle,
    check_size,
    find_modules,
)
from infra.images import FUNCTION_PROGRAM


@pytest.fixture
def chalice_zip(tmp_path: Path) -> Path:
    """The API's own bundle."""
    path = tmp_path / "api.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("app.py", "app = None")
    return path


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """An artifact with files of MXNet's beside the two that hosting reads."""
    return pack(tmp_path, ("model.onnx", "model-card.json", "image-classification-0000.params"))


def pack(folder: Path, names: tuple[str, ...], card: str = "{}") -> Path:
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        for name in names:
            (folder / name).write_text(card if name == "model-card.json" else name)
            archive.add(folder / name, arcname=f"./{name}")
    return folder / "model.tar.gz"


@pytest.fixture
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of the downloaded libraries."""
    folder = tmp_path / "libraries"
    kept = ("numpy/__init__.py", "numpy/tools/__init__.py")
    unused = ("numpy/core.pyi", "numpy/tests/test_all.py", "bin/f2py", "onnxruntime/tools/a.py")
    for name in (*kept, *unused):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    monkeypatch.setattr(model_bundle, "install_libraries", lambda _: folder)
    return folder


def test_the_zip_holds_api_program_libraries_and_model(
    chalice_zip: Path, artifact: Path, libraries: Path, tmp_path: Path
) -> None:
    """Neither the artifact's other files, nor the libraries' tests, stubs, programs and tools."""
    built = build_model_bundle(chalice_zip, artifact, tmp_path / "build")
    with zipfile.ZipFile(built.package) as archive:
        names = set(archive.namelist())
    modules = find_modules(FUNCTION_PROGRAM)
    assert names == {
        "app.py",
        "numpy/__init__.py",
        "numpy/tools/__init__.py",
        "model/model.onnx",
        "model/model-card.json",
        *modules,
        *(compile_module(name, b"")[0] for name in modules),
    }


@pytest.mark.parametrize(
    ("order", "network"),
    [
        (["openvino-int8", "onnxruntime-int8", "onnxruntime-fp32"], "model-int8.onnx"),
        (["openvino-int8", "onnxruntime-fp32", "onnxruntime-int8"], "model.onnx"),
        (["openvino-fp32"], "model.onnx"),
    ],
)
def test_the_zip_holds_the_one_network_that_will_answer(
    chalice_zip: Path, libraries: Path, tmp_path: Path, order: list[str], network: str
) -> None:
    """The card's first that ONNX Runtime computes: a function has no other library."""
    names = ("model.onnx", "model-int8.onnx", "model-card.json")
    artifact = pack(tmp_path, names, json.dumps({"runtimes": {"order": order}}))
    built = build_model_bundle(chalice_zip, artifact, tmp_path / "build")
    with zipfile.ZipFile(built.package) as archive:
        found = {name for name in archive.namelist() if name.endswith(".onnx")}
    assert found == {f"model/{network}"}


@pytest.mark.parametrize("card", ["{", "[]", '{"runtimes": {"order": ["onnxruntime-int2"]}}'])
def test_a_damaged_card_is_refused(
    chalice_zip: Path, libraries: Path, tmp_path: Path, card: str
) -> None:
    """Before anything is uploaded, and before a function fails to start with it."""
    artifact = pack(tmp_path, ("model.onnx", "model-card.json"), card)
    with pytest.raises(DeployError, match=r"model-card\.json: .*expected a model card"):
        build_model_bundle(chalice_zip, artifact, tmp_path / "build")


def test_a_network_that_the_card_wants_must_be_there(
    chalice_zip: Path, libraries: Path, tmp_path: Path
) -> None:
    """With the command that makes it."""
    card = json.dumps({"runtimes": {"order": ["onnxruntime-int8"]}})
    artifact = pack(tmp_path, ("model.onnx", "model-card.json"), card)
    with pytest.raises(DeployError, match=r"holds no model-int8\.onnx") as caught:
        build_model_bundle(chalice_zip, artifact, tmp_path / "build")
    assert "snapshelf optimise" in caught.value.hint


def test_the_same_contents_give_the_same_bytes(
    chalice_zip: Path, artifact: Path, libraries: Path, tmp_path: Path
) -> None:
    """Lambda tells by its digest whether a function has changed."""
    first = build_model_bundle(chalice_zip, artifact, tmp_path / "one")
    second = build_model_bundle(chalice_zip, artifact, tmp_path / "two")
    assert first.package.read_bytes() == second.package.read_bytes()
    assert first.code_sha256 == second.code_sha256


@pytest.mark.parametrize("kept", ["model.onnx", "model-card.json"])
def test_artifact_without_the_model_is_refused(
    chalice_zip: Path, libraries: Path, tmp_path: Path, kept: str
) -> None:
    """Before anything is uploaded, and with the file that lacks."""
    lacks = "model-card.json" if kept == "model.onnx" else "model.onnx"
    with pytest.raises(DeployError, match=f"holds no {lacks}"):
        build_model_bundle(chalice_zip, pack(tmp_path, (kept,)), tmp_path / "build")


def test_file_that_is_no_archive_is_refused(
    chalice_zip: Path, libraries: Path, tmp_path: Path
) -> None:
    """A damaged artifact is an error of the deployment, not a traceback."""
    (tmp_path / "model.tar.gz").write_bytes(b"no archive")
    with pytest.raises(DeployError, match=r"no model\.tar\.gz"):
        build_model_bundle(chalice_zip, tmp_path / "model.tar.gz", tmp_path / "build")


def test_more_than_lambda_unpacks_is_refused(chalice_zip: Path, tmp_path: Path) -> None:
    """The message says how large each part is, so that one sees what to make smaller."""
    large = tmp_path / "model.onnx"
    with large.open("wb") as stream:
        stream.truncate(262_144_000)
    with pytest.raises(DeployError, match=r"model 262\.1 MB\).*expected 262\.1 MB at most"):
        check_size(chalice_zip, {"model": {"model/model.onnx": large}})


def test_memory_is_what_the_model_needs_at_least() -> None:
    """A small model gets one whole processor, a large one what it takes to load it."""
    package = Path("deployment.zip")
    assert ModelBundle(package, 300).memory(None) == 1769
    assert ModelBundle(package, 2500).memory(None) == 2500
    assert ModelBundle(package, 300).memory(512) == 512
    with pytest.raises(DeployError, match="memory 256 MB: the model and a photo need some 300 MB"):
        ModelBundle(package, 300).memory(256)
    with pytest.raises(DeployError, match="expected 10,240 at most"):
        ModelBundle(package, 20_000).memory(None)


def test_locked_libraries_are_those_that_the_program_imports() -> None:
    """Nothing is carried that no one asks for; versions are exact, with hashes."""
    locked = re.findall(r"^([a-z-]+)==\S+ \\\n +--hash=", LIBRARIES.read_text(), re.MULTILINE)
    assert sorted(locked) == ["numpy", "onnxruntime", "pillow"]
