"""The zip of a function that holds the model: Chalice's bundle, our answering half, libraries.

Everything in it is copied from where it stands: `hosting` and `photo` as the inference image runs
them, the libraries as locked in `infra/function_libraries.lock`, the model out of its artifact.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.metadata
import json
import logging
import modulefinder
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contracts import (
    DEFAULT_RUNTIME,
    INT8_ONNX_FILE,
    MODEL_CARD_FILE,
    ONNX_FILE,
    RUNTIME_FILES,
    DeployError,
)
from infra.deploy.bundle import write_entry
from infra.deploy.bytecode import compile_module
from infra.deploy.options import LARGEST_MEMORY_MB
from infra.images import FUNCTION_PROGRAM, PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

LIBRARIES = PROJECT_ROOT / "infra" / "function_libraries.lock"
MODEL_FOLDER = "model"
"""The folder of the bundle in which the model lies."""

UNPACKED_BYTES = 262_144_000
"""Lambda developer guide, *Lambda quotas*: 250 MB unpacked, layers included."""

_PLATFORM = "x86_64-manylinux2014"
"""Lambda's Python 3.11 runs on Amazon Linux 2, whose glibc 2.26 takes these wheels and no newer."""

_LIBRARY = "onnxruntime-"
_NETWORKS = (ONNX_FILE, INT8_ONNX_FILE)
_LEFT_OUT = frozenset({"tests", "bin"})
_UNUSED = {
    "numpy": ("distutils", "f2py"),
    "onnxruntime": ("backend", "datasets", "quantization", "tools", "transformers"),
}
"""Folders of libraries that no function runs: they make, change and try networks, or compile."""
_INSTALL_SECONDS = 600
_LEVEL = 1  # weights hardly compress: three times as fast as zlib's own, and 3 % more
_MEGABYTE = 1_000_000
_FULL_PROCESSOR_MB = 1769
"""Lambda developer guide, *Configuring memory*: a function with as much has one whole processor."""

_BASE_MB, _MODEL_FACTOR, _PHOTO_MB = 100, 4, 100
"""The interpreter with its libraries, times the ONNX file's size, and a phone's photo.

Measured as the largest resident size: 78 MB without a model of any size, 406 MB once ResNet-34's
85 MB are loaded, 130 MB with EfficientNet-Lite0's 14 MB; a JPEG of 12 megapixels takes 49 MB more.
"""


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """A built zip, and the memory that its function needs at least, in MB."""

    package: Path
    needs_mb: int

    @property
    def sha256(self) -> str:
        """The zip's, in hex."""
        with self.package.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    @property
    def code_sha256(self) -> str:
        """The zip's in base64, as Lambda's CodeSha256."""
        return base64.b64encode(bytes.fromhex(self.sha256)).decode()

    def memory(self, wanted: int | None) -> int:
        """The function's memory in MB: as wanted, or one whole processor's, or what it needs.

        Raises:
            DeployError: `wanted` is less than it needs, or it needs more than Lambda has.
        """
        needs = f"the model and a photo need some {self.needs_mb:,} MB"
        if self.needs_mb > LARGEST_MEMORY_MB:
            raise DeployError(
                f"{needs} in the function, expected {LARGEST_MEMORY_MB:,} at most",
                hint="deploy it to an endpoint: leave --lambda-only out",
            )
        if wanted is not None and wanted < self.needs_mb:
            raise DeployError(
                f"memory {wanted} MB: {needs} in the function",
                hint=f"--memory {self.needs_mb}, or leave it out",
            )
        return wanted or max(_FULL_PROCESSOR_MB, self.needs_mb)


def build_model_bundle(chalice_zip: Path, artifact: Path, build_dir: Path) -> ModelBundle:
    """The zip, built once for the same contents.

    Args:
        chalice_zip: the API's own bundle.
        artifact: the model.tar.gz.
        build_dir: where zips and libraries are kept.

    Raises:
        DeployError: the artifact holds no ONNX model, a library cannot be had, or the whole is too
            large for Lambda.
    """
    modules = find_modules(FUNCTION_PROGRAM)
    folder = build_dir / f"function-{_digest(chalice_zip, artifact, LIBRARIES, *modules.values())}"
    with tempfile.TemporaryDirectory() as scratch:
        model = _extract(artifact, Path(scratch))
        network = sum(path.stat().st_size for name, path in model.items() if name in _NETWORKS)
        needs = _BASE_MB + _PHOTO_MB + network * _MODEL_FACTOR / _MEGABYTE
        if not folder.is_dir():
            libraries = _files(install_libraries(build_dir))
            parts = {
                "libraries": libraries,
                "program": modules | _compile(modules, Path(scratch, "bytecode")),
                "model": {f"{MODEL_FOLDER}/{name}": path for name, path in model.items()},
            }
            check_size(chalice_zip, parts)
            _pack(chalice_zip, parts, folder)
    return ModelBundle(folder / "deployment.zip", round(needs))


def find_modules(name: str) -> dict[str, Path]:
    """The project's own files that a module needs, by their path in the project; none is run."""
    finder = modulefinder.ModuleFinder([str(PROJECT_ROOT)])
    finder.import_hook(name, fromlist=["*"])
    found = (getattr(module, "__file__", None) for module in finder.modules.values())
    files = sorted(Path(name) for name in found if name)
    return {path.relative_to(PROJECT_ROOT).as_posix(): path for path in files}


def install_libraries(build_dir: Path) -> Path:
    """The folder with the libraries of the lock and their bytecode, for Lambda; made once.

    Raises:
        DeployError: they cannot be downloaded.
    """
    folder = build_dir / f"libraries-{_digest(LIBRARIES)}-{sys.implementation.cache_tag}"
    if folder.is_dir():
        return folder
    build_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build_dir, prefix="libraries-") as scratch:
        out = Path(scratch, "out")
        ended = subprocess.run(
            [
                *(str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet"),
                *("--target", str(out), "--no-deps", "--require-hashes", "-r", str(LIBRARIES)),
                *("--python", sys.executable, "--python-version", "3.11"),
                *("--python-platform", _PLATFORM, "--only-binary", ":all:"),
            ],
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
        if ended.returncode:
            reason = (ended.stderr.strip().splitlines() or ["no output"])[0]
            raise DeployError(
                f"the function's libraries cannot be had: {reason}",
                hint="check the connection to the package registry, then run the command again",
            )
        _compile(_files(out), out)
        with contextlib.suppress(OSError):  # another run was first
            out.rename(folder)
    return folder


def check_size(chalice_zip: Path, parts: dict[str, dict[str, Path]]) -> None:
    """Refuse what Lambda would refuse, before anything is uploaded.

    Raises:
        DeployError: more than 250 MB unpacked; the message has the size of each part.
    """
    with zipfile.ZipFile(chalice_zip) as archive:
        sizes = {"API": sum(entry.file_size for entry in archive.infolist())}
    sizes |= {name: sum(p.stat().st_size for p in part.values()) for name, part in parts.items()}
    total = sum(sizes.values())
    if total > UNPACKED_BYTES:
        told = ", ".join(f"{name} {size / _MEGABYTE:.1f} MB" for name, size in sizes.items())
        raise DeployError(
            f"the function would have {total / _MEGABYTE:.1f} MB unpacked ({told}), "
            f"expected {UNPACKED_BYTES / _MEGABYTE:.1f} MB at most",
            hint="train a smaller network, or deploy to an endpoint: leave --lambda-only out",
        )


def _pack(chalice_zip: Path, parts: dict[str, dict[str, Path]], folder: Path) -> None:
    files = {name: path for part in parts.values() for name, path in part.items()}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="function-") as scratch:
        out = Path(scratch, "out")
        out.mkdir()
        with (
            zipfile.ZipFile(chalice_zip) as old,
            zipfile.ZipFile(out / "deployment.zip", "w", zipfile.ZIP_DEFLATED) as new,
        ):
            for name in sorted({*old.namelist(), *files}):
                data = files[name].read_bytes() if name in files else old.read(name)
                write_entry(new, name, data, _LEVEL)
        with contextlib.suppress(OSError):  # another run built the same, and was first
            out.rename(folder)
    logger.info("bundled the model with its function")


def _extract(artifact: Path, scratch: Path) -> dict[str, Path]:
    """What hosting will read, the card and one network; nothing else of the archive is written."""
    found = {}
    try:
        with tarfile.open(artifact, "r:gz") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                stream = archive.extractfile(member) if member.isfile() else None
                if name in (*_NETWORKS, MODEL_CARD_FILE) and stream is not None:
                    found[name] = scratch / name
                    with found[name].open("wb") as out:
                        shutil.copyfileobj(stream, out)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DeployError(f"{artifact}: no model.tar.gz: {error}", hint=_TRAIN) from error
    if missing := {ONNX_FILE, MODEL_CARD_FILE} - set(found):
        raise DeployError(f"{artifact} holds no {' and no '.join(sorted(missing))}", hint=_TRAIN)
    wanted = _network_file(found[MODEL_CARD_FILE])
    if wanted not in found:
        raise DeployError(f"{artifact} holds no {wanted}, which its card wants", hint=_OPTIMISE)
    return {name: found[name] for name in (wanted, MODEL_CARD_FILE)}


def _network_file(card: Path) -> str:
    """The one that hosting will take by the card where ONNX Runtime is all there is."""
    try:
        order = json.loads(card.read_text()).get("runtimes", {}).get("order", [])
        names = [name for name in order if name.startswith(_LIBRARY)]
        return RUNTIME_FILES[names[0] if names else DEFAULT_RUNTIME]
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise DeployError(f"{card.name}: {error!r}, expected a model card", hint=_TRAIN) from error


_TRAIN = "deploy what `snapshelf train` wrote, or `snapshelf convert` made of SageMaker's own"
_OPTIMISE = "run `snapshelf optimise` again"


def _compile(files: dict[str, Path], out: Path) -> dict[str, Path]:
    """The bytecode of modules, written below a folder, by its path from the zip's root."""
    made = {}
    for name, path in files.items():
        if path.suffix == ".py":
            cached, code = compile_module(name, path.read_bytes())
            made[cached] = out / cached
            made[cached].parent.mkdir(parents=True, exist_ok=True)
            made[cached].write_bytes(code)
    return made


def _files(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in _walk(folder)}


def _walk(folder: Path) -> Iterator[Path]:
    """Files but for stubs, tests and programs, which no function runs."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in (*_LEFT_OUT, *_UNUSED.get(folder.name, ())):
                yield from _walk(path)
        elif path.suffix != ".pyi":
            yield path


def _digest(*files: Path) -> str:
    digest = hashlib.sha256(importlib.metadata.version("snapshelf").encode())
    for path in files:
        digest.update(f"\0{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]
