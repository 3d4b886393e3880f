"""Chalice's bundle: the same bytes for the same project, and nothing downloaded."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zipfile
from typing import TYPE_CHECKING

import pytest

from contracts import DeployError
from infra.deploy import bundle
from infra.deploy.bundle import build_bundle

if TYPE_CHECKING:
    from pathlib import Path

APP = """
import os
from chalice import Chalice, CORSConfig

app = Chalice(app_name="small")
app.api.cors = CORSConfig(allow_origin=os.environ["ALLOWED_ORIGIN"])


@app.route("/")
def index():
    return {}
"""


def make_project(folder: Path) -> Path:
    (folder / ".chalice").mkdir(parents=True)
    config = {"version": "2.0", "app_name": "small", "stages": {"api": {}}}
    (folder / ".chalice" / "config.json").write_text(json.dumps(config))
    (folder / "app.py").write_text(APP)
    (folder / "requirements.txt").touch()
    (folder / "chalicelib").mkdir()
    for name in ("__init__", "b", "a"):
        (folder / "chalicelib" / f"{name}.py").touch()
    return folder


def test_bundle_depends_on_content_alone(tmp_path: Path) -> None:
    """Another folder, other dates, other modes and a stray cache give the same bytes."""
    first = build_bundle(
        allowed_origin="*", lambda_dir=make_project(tmp_path / "one"), build_dir=tmp_path / "b1"
    )
    project = make_project(tmp_path / "two")
    (project / "__pycache__").mkdir()
    (project / "__pycache__" / "app.cpython-311.pyc").write_bytes(b"stray")
    (project / "app.py").chmod(0o600)
    os.utime(project / "app.py", (1, 10**9))
    second = build_bundle(allowed_origin="*", lambda_dir=project, build_dir=tmp_path / "b2")
    assert first.package.read_bytes() == second.package.read_bytes()
    assert first.package.parent.name == second.package.parent.name
    with zipfile.ZipFile(first.package) as archive:
        assert archive.namelist() == [
            "__pycache__/app.cpython-311.pyc",
            "app.py",
            "chalice/__init__.py",
            "chalice/__pycache__/__init__.cpython-311.pyc",
            "chalice/__pycache__/app.cpython-311.pyc",
            "chalice/app.py",
            "chalicelib/__init__.py",
            "chalicelib/__pycache__/__init__.cpython-311.pyc",
            "chalicelib/__pycache__/a.cpython-311.pyc",
            "chalicelib/__pycache__/b.cpython-311.pyc",
            "chalicelib/a.py",
            "chalicelib/b.py",
        ]
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o644}
    digest = hashlib.sha256(first.package.read_bytes()).digest()
    assert base64.b64decode(first.code_sha256) == digest


def test_bundle_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second call starts no Chalice; a changed project does."""
    project = make_project(tmp_path / "project")
    built = build_bundle(allowed_origin="*", lambda_dir=project, build_dir=tmp_path / "build")

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(bundle, "_package", refuse)
    again = build_bundle(allowed_origin="*", lambda_dir=project, build_dir=tmp_path / "build")
    assert again == built
    (project / "chalicelib" / "a.py").write_text("changed = True")
    with pytest.raises(AssertionError):
        build_bundle(allowed_origin="*", lambda_dir=project, build_dir=tmp_path / "build")
    assert [path.name for path in (tmp_path / "build").iterdir()] == [built.package.parent.name]


def test_origin_reaches_the_preflight_answers(tmp_path: Path) -> None:
    """The origin is what API Gateway will answer OPTIONS with, whatever the project's config."""
    project = make_project(tmp_path / "project")
    config = json.loads((project / ".chalice" / "config.json").read_text())
    config["environment_variables"] = {"ALLOWED_ORIGIN": "*"}
    (project / ".chalice" / "config.json").write_text(json.dumps(config))
    built = build_bundle(
        allowed_origin="http://page.example", lambda_dir=project, build_dir=tmp_path / "build"
    )
    preflight = built.swagger["paths"]["/"]["options"]["x-amazon-apigateway-integration"]
    headers = preflight["responses"]["default"]["responseParameters"]
    assert headers["method.response.header.Access-Control-Allow-Origin"] == "'http://page.example'"


def test_project_that_does_not_load_is_a_deploy_error(tmp_path: Path) -> None:
    """The cause is the last line of Chalice's own words, and nothing is kept of the attempt."""
    project = make_project(tmp_path / "project")
    (project / "app.py").write_text("import nothing_of_that_name")
    with pytest.raises(DeployError, match=r"chalice package failed: .*nothing_of_that_name"):
        build_bundle(allowed_origin="*", lambda_dir=project, build_dir=tmp_path / "build")
    assert list((tmp_path / "build").iterdir()) == []


def test_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    """The error names the folder and the file that it lacks."""
    with pytest.raises(DeployError, match=r"no Chalice project: it has no \.chalice/config\.json"):
        build_bundle(allowed_origin="*", lambda_dir=tmp_path, build_dir=tmp_path / "build")
