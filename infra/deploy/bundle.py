"""The Lambda's zip and the REST API's Swagger document, as `chalice package` makes them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.metadata
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import Any

from contracts import DeployError
from infra.deploy.bytecode import compile_module

logger = logging.getLogger(__name__)

_ROOT = Path(__file__).parents[2]
LAMBDA_DIR = _ROOT / "lambda_fn"
BUILD_DIR = _ROOT / ".build"

_PACKAGE_TIMEOUT = 600  # seconds; a bundle with requirements downloads them
_CONFIG = Path(".chalice", "config.json")
_LEFT_OUT = ("__pycache__", "*.pyc", "deployments", "deployed")
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_ZIP_MODE = 0o644 << 16  # Lambda runs as another user than the zip's maker


@dataclass(frozen=True, slots=True)
class Bundle:
    """A built bundle: the zip, and the Swagger document with the function's ARN left open."""

    package: Path
    swagger: dict[str, Any]

    @property
    def code_sha256(self) -> str:
        """SHA-256 of the zip in base64, as Lambda's CodeSha256."""
        return base64.b64encode(hashlib.sha256(self.package.read_bytes()).digest()).decode()


def build_bundle(
    *,
    allowed_origin: str,
    lambda_dir: Path = LAMBDA_DIR,
    build_dir: Path = BUILD_DIR,
) -> Bundle:
    """The bundle of a Chalice project, built once for the same content and origin.

    The zip's bytes depend on the project's files alone. Nothing is downloaded while
    `requirements.txt` is empty.

    Args:
        allowed_origin: ALLOWED_ORIGIN as `app.py` is loaded; it enters the answers to preflight
            requests, which API Gateway gives by itself.
        lambda_dir: the Chalice project.
        build_dir: where bundles are kept.

    Raises:
        DeployError: Chalice refuses the project.
    """
    if not (lambda_dir / _CONFIG).is_file():
        raise DeployError(
            f"{lambda_dir} is no Chalice project: it has no {_CONFIG}",
            hint="restore the folder lambda_fn from the repository",
        )
    bundle_dir = build_dir / f"bundle-{_content_hash(lambda_dir, allowed_origin)}"
    if not bundle_dir.is_dir():
        _build(lambda_dir, bundle_dir, allowed_origin)
    swagger = json.loads((bundle_dir / "swagger.json").read_text(encoding="utf-8"))
    return Bundle(bundle_dir / "deployment.zip", swagger)


def _content_hash(lambda_dir: Path, allowed_origin: str) -> str:
    chalice = importlib.metadata.version("chalice")
    digest = hashlib.sha256(f"{chalice}\0{allowed_origin}\0".encode() + MAGIC_NUMBER)
    for path in sorted(p for p in lambda_dir.rglob("*") if p.is_file()):
        relative = path.relative_to(lambda_dir)
        if not any(relative.match(left_out) for left_out in _LEFT_OUT) and not any(
            part in _LEFT_OUT for part in relative.parts
        ):
            digest.update(f"\0{relative}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _build(lambda_dir: Path, bundle_dir: Path, allowed_origin: str) -> None:
    bundle_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=bundle_dir.parent, prefix="bundle-") as scratch:
        project, out = Path(scratch, "project"), Path(scratch, "out")
        shutil.copytree(lambda_dir, project, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        stage = _set_origin(project / _CONFIG, allowed_origin)
        _package(project, out, stage)
        template = json.loads((out / "sam.json").read_text(encoding="utf-8"))
        swagger = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
        built = Path(scratch, "built")
        built.mkdir()
        _normalise(out / "deployment.zip", built / "deployment.zip")
        (built / "swagger.json").write_text(json.dumps(swagger, sort_keys=True), encoding="utf-8")
        with contextlib.suppress(OSError):  # another run built the same, and was first
            built.rename(bundle_dir)
    logger.info("bundled %s", lambda_dir)


def _set_origin(config_file: Path, allowed_origin: str) -> str:
    """Put the origin where Chalice takes `app.py`'s environment from; the project's first stage."""
    config = json.loads(config_file.read_text(encoding="utf-8"))
    config.setdefault("environment_variables", {})["ALLOWED_ORIGIN"] = allowed_origin
    config_file.write_text(json.dumps(config), encoding="utf-8")
    return next(iter(config.get("stages", {})), "dev")


def _package(project: Path, out: Path, stage: str) -> None:
    environment = {
        "PATH": os.defpath,
        "HOME": str(project.parent),  # so that no configuration of the user's enters the bundle
        "AWS_DEFAULT_REGION": "us-east-1",  # only for the template's service names
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
    }
    chalice = [str(Path(sys.executable).with_name("chalice"))]
    ended = subprocess.run(
        [*chalice, "package", "--stage", stage, "--template-format", "json", str(out)],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_PACKAGE_TIMEOUT,
        check=False,
    )
    left_out = "Could not install dependencies" in ended.stdout  # Chalice goes on all the same
    if ended.returncode or left_out or not (out / "sam.json").is_file():
        lines = (ended.stderr.strip() or ended.stdout).strip().splitlines() or ["no output"]
        raise DeployError(
            f"chalice package failed: {lines[-1]}",
            hint="run `chalice package out` in the project's folder to see the whole trace",
        )


def _normalise(source: Path, out: Path) -> None:
    """Add bytecode, sort the entries, give all one date and mode: Chalice has the disk's order."""
    with zipfile.ZipFile(source) as old:
        files = {name: old.read(name) for name in old.namelist()}
    files |= dict(compile_module(*each) for each in files.items() if each[0].endswith(".py"))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(files):
            write_entry(new, name, files[name])


def write_entry(archive: zipfile.ZipFile, name: str, data: bytes, level: int | None = None) -> None:
    """Add a file to a zip whose bytes are to depend on the files alone; `level` as zlib's."""
    entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = _ZIP_MODE
    archive.writestr(entry, data, compresslevel=level)
