"""The running API, asked by schemathesis along its own description: `/openapi.json`.

SNAPSHELF_FUZZ_REQUESTS sets how many requests each operation gets at most.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from infra.deploy.deployment import Deployment, deploy
from infra.deploy.executor import destroy
from infra.deploy.options import DeployOptions
from infra.deploy.scope import scope_of
from infra.targets import resolve_target
from testing.small_model import write_small_artifact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.local.launch import CloudInfo

REQUESTS = os.environ.get("SNAPSHELF_FUZZ_REQUESTS", "10")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


def ignore(label: str, outcome: str) -> None:
    """A progress callback for a test that is not about it."""


@pytest.fixture(scope="module")
def deployment(cloud: CloudInfo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A small model behind an API that takes feedback."""
    target = resolve_target("local", port=cloud.port, environ={})
    artifact = write_small_artifact(tmp_path_factory.mktemp("colours"))
    yield deploy("fuzzed", target, DeployOptions(artifact, feedback=True), ignore)
    destroy(scope_of("fuzzed", target), ignore)


def test_no_drawn_request_meets_a_fault_of_the_apis_own(
    deployment: Deployment, tmp_path: Path
) -> None:
    """Never a 500, nothing that the description does not tell; the next request is answered."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            f"{deployment.api_url}/openapi.json",
            *(
                "--url",
                deployment.api_url,
                "--checks",
                ",".join(CHECKS),
                "--max-examples",
                REQUESTS,
                "--seed",
                "1",
            ),
            *("--phases", "coverage,fuzzing", "--request-timeout", "60", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert httpx.get(f"{deployment.api_url}/health", timeout=30).json()["status"] == "ok"
