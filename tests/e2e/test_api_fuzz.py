"""The running API, asked by schemathesis along its own description: `/openapi.json`.

SNAPSHELF_FUZZ_REQUESTS sets how many requests each operation gets at most.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
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
    from collections.abc import Callable, Iterator

    from infra.local.launch import CloudInfo

REQUESTS = os.environ.get("SNAPSHELF_FUZZ_REQUESTS", "10")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)

MOST_GROWTH = 64 * 1024**2
"""Bytes that a process of the cloud may hold more afterwards, but for the log lines that it keeps."""

LOG_BYTES = 8 * 1024
"""Of a request: what the function and Lambda's runtime say of it, as the cloud's CloudWatch holds it."""

HOOKS = Path(__file__).with_name("drawn_requests.py")
GENERATED = re.compile(r"Test cases:\s+([\d,]+) generated")


def ignore(label: str, outcome: str) -> None:
    """A progress callback for a test that is not about it."""


@pytest.fixture(scope="module")
def deployment(cloud: CloudInfo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A small model behind an API that takes feedback."""
    target = resolve_target("local", port=cloud.port, environ={})
    artifact = write_small_artifact(tmp_path_factory.mktemp("colours"))
    yield deploy("fuzzed", target, DeployOptions(artifact, feedback=True), ignore)
    destroy(scope_of("fuzzed", target), ignore)


def resident(leader: int) -> dict[str, int]:
    """Bytes that a process, and each that it started, hold; shared pages count by their share."""
    parents, held = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[entry.name] = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            rollup = (entry / "smaps_rollup").read_text()
        except OSError:  # it has ended meanwhile, or is another user's
            continue
        found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
        held[entry.name] = int(found[1]) * 1024 if found else 0

    def descends(pid: str) -> bool:
        while pid not in ("0", str(leader)):
            pid = parents.get(pid, "0")
        return pid != "0"

    return {pid: size for pid, size in held.items() if descends(pid)}


@pytest.mark.timeout(300 + 3 * int(REQUESTS))
def test_no_drawn_request_meets_a_fault_of_the_apis_own(
    deployment: Deployment,
    cloud: CloudInfo,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Never a 500, nothing that the description does not tell; the next request is answered.

    How many requests were sent, and by how many bytes a process grew most, are properties of the
    test in pytest's JUnit report, and printed.
    """
    before = resident(cloud.pid)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            f"{deployment.api_url}/openapi.json",
            *("--url", deployment.api_url, "--checks", ",".join(CHECKS)),
            *("--max-examples", REQUESTS, "--seed", "1", "--phases", "coverage,fuzzing"),
            *("--request-timeout", "60", "--no-color"),
        ],
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": HOOKS.stem, "PYTHONPATH": str(HOOKS.parent)},
        capture_output=True,
        check=False,
        text=True,
    )
    told = GENERATED.search(done.stdout)
    after = resident(cloud.pid)
    growth = max(after[pid] - before[pid] for pid in after.keys() & before.keys())
    requests = int(told[1].replace(",", "")) if told else 0
    record_property("requests", requests)
    record_property("growth", growth)
    print(f"{requests:,} requests; no process grew by more than {growth:,} bytes")  # noqa: T201
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert requests, done.stdout[-2000:]
    assert growth < MOST_GROWTH + requests * LOG_BYTES
    assert httpx.get(f"{deployment.api_url}/health", timeout=30).json()["status"] == "ok"
