"""Deployments on the real local cloud: model in the function, keys, failures, restarts, the end."""

from __future__ import annotations

import dataclasses
import io
import json
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from PIL import Image

from contracts import DeployError
from infra.deploy.deployment import Deployment, deploy, describe_deployment
from infra.deploy.executor import Action, apply, compare, destroy
from infra.deploy.options import DeployOptions
from infra.deploy.plan import build_plan
from infra.deploy.resources import UsageLimits
from infra.deploy.scope import scope_of
from infra.local import launch
from infra.targets import resolve_target
from testing.small_model import write_small_artifact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.local.launch import CloudInfo
    from infra.targets import Target

KEYED = UsageLimits(rate=0.01, burst=2, quota=3, period="MONTH")
ORIGIN = {"Origin": "http://localhost:1"}


def ignore(label: str, outcome: str) -> None:
    """A progress callback for tests that are not about it."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudInfo]:
    """A cloud of these tests' own, which they restart."""
    state = tmp_path_factory.mktemp("deployments")
    yield launch.start(state, port=0, attached=True)
    launch.stop(state)


@pytest.fixture(scope="module")
def target(cloud: CloudInfo) -> Target:
    return resolve_target("local", port=cloud.port, environ={})


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model that tells red, green and blue apart."""
    return write_small_artifact(tmp_path_factory.mktemp("artifact"))


@pytest.fixture(scope="module")
def at_endpoint(target: Target, artifact: Path) -> Deployment:
    """The model behind an endpoint."""
    return deploy("behind", target, DeployOptions(artifact), ignore)


@pytest.fixture(scope="module")
def in_function(target: Target, artifact: Path) -> Deployment:
    """The model in the function."""
    return deploy("within", target, DeployOptions(artifact, lambda_only=True), ignore)


def photo(colour: tuple[int, int, int], kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (400, 300), colour).save(buffer, kind)
    return buffer.getvalue()


def classify(deployment: Deployment, body: bytes, **headers: str) -> httpx.Response:
    return httpx.post(
        f"{deployment.api_url}/classify",
        content=body,
        headers={"Content-Type": "image/jpeg", "Accept": "application/json", **headers},
        timeout=60,
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP"])
def test_function_reads_the_formats_that_the_endpoint_reads(
    at_endpoint: Deployment, in_function: Deployment, kind: str
) -> None:
    """Older libraries, the same photos: every probability within 1e-4."""
    body = photo((30, 200, 60), kind)
    replies = [
        classify(each, body).raise_for_status().json() for each in (at_endpoint, in_function)
    ]
    endpoints, functions = (
        {row["category"]: row["probability"] for row in reply["categories"]} for reply in replies
    )
    assert functions == pytest.approx(endpoints, abs=1e-4)
    assert replies[1]["verdict"] == replies[0]["verdict"] == "green"
    assert set(replies[1]) == set(replies[0])


@pytest.mark.parametrize("size", [(300, 1600), (1600, 300)])
def test_function_scales_as_the_endpoint_does(
    at_endpoint: Deployment, in_function: Deployment, size: tuple[int, int]
) -> None:
    """To the bit, though Pillow's versions differ in which side of a long photo they begin with."""
    pixels = np.random.default_rng(0).integers(0, 256, (size[1] // 5, size[0] // 5, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize(size).save(buffer, "PNG")
    replies = [classify(each, buffer.getvalue()).json() for each in (at_endpoint, in_function)]
    assert replies[0]["categories"]
    assert replies[1]["categories"] == replies[0]["categories"]


@pytest.mark.parametrize("path", ["categories", "health"])
def test_function_tells_of_its_model_as_the_endpoint_does(
    at_endpoint: Deployment, in_function: Deployment, path: str
) -> None:
    """The card is the artifact's, word for word."""
    endpoints, functions = (
        httpx.get(f"{each.api_url}/{path}", timeout=60).json()
        for each in (at_endpoint, in_function)
    )
    assert functions == endpoints


@pytest.mark.parametrize("body", [b"\xff\xd8\xff\xe0" + b"\0" * 200, b"no photo", b""])
def test_function_refuses_what_the_endpoint_refuses(
    at_endpoint: Deployment, in_function: Deployment, body: bytes
) -> None:
    """The same status, code and hint; the message may list the formats that each reads."""
    replies = [classify(each, body) for each in (at_endpoint, in_function)]
    told = [(each.status_code, each.json()["code"], each.json()["hint"]) for each in replies]
    assert told[1] == told[0]
    assert told[0][0] == 400


def test_function_with_the_model_has_no_endpoint(in_function: Deployment, target: Target) -> None:
    """Nothing of SageMaker's bears its name, and a second run has nothing to do."""
    sagemaker = target.client("sagemaker")
    assert in_function.endpoint_name is None
    assert sagemaker.list_endpoints(NameContains="within")["Endpoints"] == []
    assert sagemaker.list_models(NameContains="within")["Models"] == []


def test_deploying_the_function_again_changes_nothing(
    in_function: Deployment, target: Target, artifact: Path
) -> None:
    """The zip is the same to the byte, so that Lambda's digest of it is."""
    plan = build_plan(scope_of("within", target), DeployOptions(artifact, lambda_only=True))
    assert {step.action for step in compare(plan)} == {Action.KEEP}


@pytest.fixture(scope="module")
def keyed(at_endpoint: Deployment, target: Target, artifact: Path) -> Iterator[Deployment]:
    """The deployment behind the endpoint, with a key; open again afterwards."""
    yield deploy("behind", target, DeployOptions(artifact, limits=KEYED), ignore)
    deploy("behind", target, DeployOptions(artifact), ignore)


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "0" * 32}])
def test_without_the_key_the_api_is_forbidden(keyed: Deployment, headers: dict[str, str]) -> None:
    """In API Gateway's words, and readable for the page: CORS headers are on it."""
    reply = classify(keyed, photo((1, 2, 3)), **ORIGIN, **headers)
    assert (reply.status_code, reply.json()) == (403, {"message": "Forbidden"})
    assert reply.headers["access-control-allow-origin"] == "*"


def test_a_preflight_needs_no_key_and_allows_it(keyed: Deployment) -> None:
    """A browser asks whether it may send the header before it sends it."""
    asked = {**ORIGIN, "Access-Control-Request-Method": "POST"}
    reply = httpx.options(f"{keyed.api_url}/classify", headers=asked, timeout=60)
    assert reply.status_code == 200
    allowed = reply.headers["access-control-allow-headers"].lower().split(",")
    assert "x-api-key" in allowed


def test_key_opens_until_its_limits(keyed: Deployment, target: Target, artifact: Path) -> None:
    """Two at once, then 429; with a higher burst on until the quota, then 429 in other words."""
    key = {"x-api-key": str(keyed.api_key), **ORIGIN}
    replies = [classify(keyed, photo((250, 1, 1)), **key) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert replies[-1].json() == {"message": "Too Many Requests"}
    assert replies[-1].headers["access-control-allow-origin"] == "*"
    wider = dataclasses.replace(KEYED, rate=100, burst=100)
    deploy("behind", target, DeployOptions(artifact, limits=wider), ignore)
    replies = [classify(keyed, photo((250, 1, 1)), **key) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert replies[-1].json() == {"message": "Limit Exceeded"}


def test_failure_half_way_says_what_stands_and_the_next_run_goes_on(
    target: Target, artifact: Path, tmp_path: Path
) -> None:
    """A model that cannot be served fails at the endpoint; the right one makes only the rest."""
    damaged = tmp_path / "model.tar.gz"
    damaged.write_bytes(b"no archive")
    scope = scope_of("halfway", target)
    with pytest.raises(DeployError, match=r"^endpoint halfway is Failed") as raised:
        apply(build_plan(scope, DeployOptions(damaged)), ignore)
    assert f"standing: bucket {scope.artifact_bucket}, role " in raised.value.message
    with pytest.raises(DeployError, match="it has no REST API"):
        describe_deployment("halfway", target)
    steps = apply(build_plan(scope, DeployOptions(artifact)), ignore)
    kept = [step.label for step in steps if step.action is Action.KEEP]
    assert kept == [f"bucket {scope.artifact_bucket}", f"role {scope.hosting_role}"]
    assert classify(describe_deployment("halfway", target), photo((9, 9, 250))).is_success


def test_after_a_restart_the_endpoint_is_only_waited_for(
    cloud: CloudInfo, target: Target, artifact: Path, in_function: Deployment
) -> None:
    """Both variants come back by themselves: deploying again changes nothing."""
    for name, lambda_only in (("behind", False), ("within", True)):
        deploy(name, target, DeployOptions(artifact, lambda_only=lambda_only), ignore)
    launch.stop(cloud.state)
    launch.start(cloud.state, port=cloud.port, attached=True)
    for name, lambda_only in (("behind", False), ("within", True)):
        options = DeployOptions(artifact, lambda_only=lambda_only)
        steps = apply(build_plan(scope_of(name, target), options), ignore)
        assert [s.label for s in steps if s.action is not Action.KEEP] == []
        assert classify(describe_deployment(name, target), photo((250, 1, 1))).is_success


def test_switching_and_destroying_leave_nothing(target: Target, artifact: Path) -> None:
    """From endpoint to function, with a key, and then away: no bucket, role, key or log is left."""
    scope = scope_of("passing", target)
    deploy("passing", target, DeployOptions(artifact), ignore)
    options = DeployOptions(artifact, lambda_only=True, limits=KEYED)
    deploy("passing", target, options, ignore)
    assert target.client("sagemaker").list_endpoints(NameContains="passing")["Endpoints"] == []
    destroy(scope, ignore)
    assert "passing" not in json.dumps(everything_at(target), default=str)
    assert destroy(scope, ignore) == ()


def everything_at(target: Target) -> list[Any]:
    """What the cloud lists of everything that deployments make."""
    gateway, sagemaker = target.client("apigateway"), target.client("sagemaker")
    return [
        target.client("s3").list_buckets()["Buckets"],
        target.client("iam").list_roles()["Roles"],
        target.client("lambda").list_functions()["Functions"],
        target.client("logs").describe_log_groups()["logGroups"],
        gateway.get_rest_apis()["items"],
        gateway.get_api_keys()["items"],
        gateway.get_usage_plans()["items"],
        sagemaker.list_models()["Models"],
        sagemaker.list_endpoint_configs()["EndpointConfigs"],
        sagemaker.list_endpoints()["Endpoints"],
    ]
