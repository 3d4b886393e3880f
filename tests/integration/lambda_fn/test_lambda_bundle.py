"""The bundle that Chalice builds stands alone in AWS's Python runtime."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from lambda_events import LAMBDA_FN, Reply, gateway_event

ROOT = LAMBDA_FN.parent
LAMBDA_PYTHON = Path(sys.prefix, "lambda-runtime/bin/python")
CHALICE = Path(sys.executable).with_name("chalice")
ALLOWED = {"botocore", "chalice", "chalicelib"} | {
    "mypy_boto3_s3",  # types, for checkers alone
    "mypy_boto3_sagemaker_runtime",
}


OF_ANY_MODEL = {
    "/classify": ["options", "post"],
    "/process_batch": ["options", "post"],
    "/predict": ["options", "post"],
    "/feedback": ["options", "post"],
    "/categories": ["get", "options"],
    "/health": ["get", "options"],
}
PATHS = {
    "/": ["get", "options", "post"],
    "/models/{name}": ["options", "post"],
    "/models": ["get", "options"],
    "/openapi.json": ["get", "options"],
    "/docs": ["get", "options"],
    **OF_ANY_MODEL,
    **{f"/models/{{name}}{path}": methods for path, methods in OF_ANY_MODEL.items()},
}


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
        # As the deployer runs it: Chalice imports app.py, and would pack the bytecode of that.
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1", "PYTHONDONTWRITEBYTECODE": "1"},
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
    """Neither the project's other rooms, nor Pillow, nor NumPy; nor boto3, which takes its time."""
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


class RuntimeApi(BaseHTTPRequestHandler):
    """Lambda's Runtime API for one invocation (developer guide, *Runtime API*)."""

    def do_GET(self):
        """Hand out the event once; then leave the runtime waiting, as Lambda does."""
        if self.server.handed_out:
            self.server.answered.wait(30)
            return
        self.server.handed_out = True
        body = json.dumps(self.server.event).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")  # without, AWS's client crashes
        self.send_header("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + 30) * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:0:f:x")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        """Take the answer, or the error, of the invocation."""
        self.server.answer = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.answered.set()

    def log_message(self, *_):
        """Quiet."""


def run_in_lambda(task, event):
    """One invocation by AWS's own runtime, `task` in its path: the answer, and what was logged."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), RuntimeApi)
    server.event, server.handed_out, server.answered = event, False, threading.Event()
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    process = subprocess.Popen(
        [LAMBDA_PYTHON, "-B", "-m", "awslambdaric", "app.app"],
        cwd=task,
        env={
            "PATH": os.defpath,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": "snapshelf-api",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "ENDPOINT_NAME": "shelf",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        server.answered.wait(30)
    finally:
        process.kill()
        output, _ = process.communicate()
        server.shutdown()
        server.server_close()
        thread.join()
    assert server.answered.is_set(), output
    return server.answer, output


@pytest.fixture(scope="module")
def task(bundle, tmp_path_factory):
    """The folder that Lambda makes of the bundle."""
    if not LAMBDA_PYTHON.exists():
        pytest.skip("scripts/install has not made .venv/lambda-runtime")
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(bundle / "deployment.zip") as archive:
        archive.extractall(folder)
    return folder


def modules_at_start(task, **environment):
    """What the function has imported before its first event."""
    program = "import app, json, sys; print(json.dumps([*sys.modules]))"
    command = [LAMBDA_PYTHON, "-B", "-c", program]
    ended = subprocess.run(
        command, cwd=task, env=environment, capture_output=True, text=True, check=True
    )
    return set(json.loads(ended.stdout))


IN_LAMBDA = {
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}


def test_the_endpoints_client_is_opened_while_the_function_starts(task):
    """With a whole processor, and before anyone waits: by botocore, without all of boto3."""
    found = modules_at_start(task, **IN_LAMBDA, ENDPOINT_NAME="shelf")
    assert "botocore.session" in found
    assert not found & {"boto3", "s3transfer", "email.policy"}


def test_a_function_that_holds_the_model_starts_without_a_client(task, tmp_path):
    """Clients of AWS, and urllib3 below them, are no part of its cold start."""
    (tmp_path / "own_program.py").write_text("def open_model(folder, threads): return None\n")
    found = modules_at_start(
        task,
        **IN_LAMBDA,
        MODEL_PROGRAM="own_program",
        MODEL_FOLDER="model",
        PYTHONPATH=str(tmp_path),
    )
    assert "own_program" in found
    assert not found & {"boto3", "botocore.session", "botocore.config", "urllib3.poolmanager"}


def test_the_bundle_answers_under_lambdas_own_runtime(task):
    """Unpacked and alone, it answers a photo that is none, and logs one line of JSON about it."""
    event = gateway_event(
        "POST", "/classify", body=b"\0" * 9, headers={"Content-Type": "image/png"}
    )

    answer, output = run_in_lambda(task, event)

    reply = Reply(answer)
    assert (reply.status, reply.json["code"]) == (400, "unreadable_photo")
    (line,) = [line for line in output.splitlines() if '"answered"' in line]
    # The runtime client's own complaint, that its stand-in API has ended, may follow on the line.
    fields, _ = json.JSONDecoder().raw_decode(line)
    assert fields["request_id"] == reply.json["request_id"]
    assert (fields["status"], fields["code"], fields["bytes"]) == (400, "unreadable_photo", 9)


def test_the_gateways_document_has_binary_types_and_preflights(bundle):
    """What `chalice deploy` imports: WebP and forms as binary, OPTIONS on each path."""
    resources = json.loads((bundle / "sam.json").read_text())["Resources"]
    document = resources["RestAPI"]["Properties"]["DefinitionBody"]
    assert {"image/webp", "multipart/form-data"} <= set(
        document["x-amazon-apigateway-binary-media-types"]
    )
    assert {path: sorted(methods) for path, methods in document["paths"].items()} == PATHS


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
