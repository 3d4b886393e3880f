"""The bundle that Chalice builds stands alone in AWS's Python runtime."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from lambda_events import LAMBDA_FN

ROOT = LAMBDA_FN.parent
LAMBDA_PYTHON = ROOT / ".venv/lambda-runtime/bin/python"
CHALICE = Path(sys.executable).with_name("chalice")
ALLOWED = {"boto3", "botocore", "chalice", "chalicelib", "mypy_boto3_sagemaker_runtime"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """`chalice package` run on a copy of the project; it needs neither credentials nor network."""
    out = tmp_path_factory.mktemp("bundle")
    project = out / "project"
    built = shutil.ignore_patterns("deployed", "deployments", "__pycache__")
    shutil.copytree(LAMBDA_FN, project, ignore=built)
    subprocess.run(
        [CHALICE, "package", "--stage", "api", out / "sam"],
        cwd=project,
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"},
        check=True,
        capture_output=True,
    )
    return out / "sam"


def test_the_contracts_are_the_projects_own_byte_for_byte():
    """The bundle carries its own copy, which must not drift."""
    assert (LAMBDA_FN / "chalicelib/contracts.py").read_bytes() == (
        ROOT / "contracts.py"
    ).read_bytes()


@pytest.mark.parametrize("path", sorted(LAMBDA_FN.rglob("*.py")), ids=lambda path: path.name)
def test_only_the_runtimes_own_packages_are_imported(path):
    """Neither the project's other rooms, nor Pillow, nor NumPy."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            imported.add((node.module or "").split(".")[0])
    assert imported - set(sys.stdlib_module_names) <= ALLOWED


def test_the_bundle_holds_the_app_and_chalices_router_only(bundle):
    """Nothing of the project's settings, tests or caches is uploaded."""
    with zipfile.ZipFile(bundle / "deployment.zip") as archive:
        names = set(archive.namelist())
    modules = {f"chalicelib/{path.name}" for path in (LAMBDA_FN / "chalicelib").glob("*.py")}
    assert names == {"app.py", "chalice/__init__.py", "chalice/app.py"} | modules
    assert (bundle / "deployment.zip").stat().st_size < 64 * 1024


def test_the_bundle_answers_alone_in_lambdas_python(bundle, tmp_path):
    """Imported from the unpacked zip, in AWS's runtime environment, it answers JSON."""
    if not LAMBDA_PYTHON.exists():
        pytest.skip("scripts/install has not made .venv/lambda-runtime")
    with zipfile.ZipFile(bundle / "deployment.zip") as archive:
        archive.extractall(tmp_path)
    program = (
        "import json, sys, app; event = json.load(sys.stdin); "
        "print(json.dumps([app.app(event, None), sorted(sys.modules)]))"
    )
    event = {
        "requestContext": {"resourcePath": "/classify", "httpMethod": "POST", "requestId": "r"},
        "headers": {"Content-Type": "image/jpeg"},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": "AAAA",
        "isBase64Encoded": True,
    }
    done = subprocess.run(
        [LAMBDA_PYTHON, "-B", "-c", program],
        cwd=tmp_path,
        input=json.dumps(event),
        env={"PATH": os.defpath, "ENDPOINT_NAME": "shelf"},
        capture_output=True,
        text=True,
        check=True,
    )
    response, modules = json.loads(done.stdout)
    assert response["statusCode"] == 400
    assert json.loads(response["body"])["code"] == "unreadable_photo"
    assert not {"PIL", "numpy", "contracts"} & set(modules)


def test_the_gateways_document_has_binary_types_and_preflights(bundle):
    """What `chalice deploy` imports: WebP and forms as binary, OPTIONS on each path."""
    resources = json.loads((bundle / "sam.json").read_text())["Resources"]
    document = resources["RestAPI"]["Properties"]["DefinitionBody"]
    assert {"image/webp", "multipart/form-data"} <= set(
        document["x-amazon-apigateway-binary-media-types"]
    )
    assert {path: sorted(methods) for path, methods in document["paths"].items()} == {
        "/classify": ["options", "post"],
        "/categories": ["get", "options"],
        "/health": ["get", "options"],
    }


def test_the_role_may_ask_one_endpoint_and_write_logs():
    """Least privilege: no action on everything, no resource that is everything."""
    policy = json.loads((LAMBDA_FN / ".chalice/policy.json").read_text())
    actions = set()
    for statement in policy["Statement"]:
        listed = statement["Action"]
        actions |= {listed} if isinstance(listed, str) else set(listed)
        assert statement["Resource"] != "*"
    assert actions == {
        "sagemaker:InvokeEndpoint",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
