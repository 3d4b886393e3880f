"""Where the three targets' clients go."""

from __future__ import annotations

import os
import socket

import pytest

from contracts import DeployError
from infra.targets import Target, resolve_target


def test_local_clients_go_to_loopback_whatever_the_service() -> None:
    """The local cloud has one port for all services, SageMaker among them."""
    target = resolve_target("local", port=1234, environ={})
    urls = {target.client(s).meta.endpoint_url for s in ("s3", "sagemaker", "sagemaker-runtime")}
    assert urls == {"http://127.0.0.1:1234"}


def test_aws_clients_go_to_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the local targets' addresses is in them."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    target = resolve_target("aws", region="eu-west-3", environ={})
    assert target.client("sagemaker").meta.endpoint_url == (
        "https://api.sagemaker.eu-west-3.amazonaws.com"
    )


def test_localstack_has_sagemaker_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """LocalStack answers for all but SageMaker, which our plane does on its own port."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4444")
    environ = {"AWS_ENDPOINT_URL_SAGEMAKER": "http://127.0.0.1:5555"}
    target = resolve_target("localstack", environ=environ)
    assert target.client("s3").meta.endpoint_url == "http://127.0.0.1:4444"
    assert target.client("sagemaker").meta.endpoint_url == "http://127.0.0.1:5555"
    assert target.client("sagemaker-runtime").meta.endpoint_url == "http://127.0.0.1:5555"


@pytest.mark.parametrize(
    ("environ", "region", "expected"),
    [
        ({}, None, "us-east-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, None, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-2"}, None, "eu-west-2"),
        ({"AWS_REGION": "eu-west-2"}, "eu-west-3", "eu-west-3"),
    ],
)
def test_region_by_option_then_environment(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], region: str | None, expected: str
) -> None:
    """An option beats AWS_REGION, which beats AWS_DEFAULT_REGION."""
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    assert resolve_target("aws", region=region, environ=environ).region == expected


def test_region_of_the_local_cloud_is_its_own() -> None:
    """Settings meant for AWS do not move what is deployed here."""
    target = resolve_target("local", environ={"AWS_REGION": "eu-west-2"})
    assert target.region == "us-east-1"


def test_target_that_is_down_says_how_to_start_it() -> None:
    """A port that nothing listens on is an error with the command that mends it."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        target = resolve_target("local", port=closed.getsockname()[1], environ={})
        with pytest.raises(DeployError, match=r"local .* cannot be reached") as raised:
            target.caller()
    assert "snapshelf up" in raised.value.hint


@pytest.mark.parametrize(("name", "endpoint"), [("aws", "http://127.0.0.1:1"), ("local", None)])
def test_only_aws_has_no_address(name: str, endpoint: str | None) -> None:
    """A local target without an address would reach the real AWS."""
    with pytest.raises(DeployError, match="only AWS goes without"):
        Target(name, endpoint_url=endpoint)  # type: ignore[arg-type]


def test_unknown_target_is_refused() -> None:
    """The error names the three that there are."""
    with pytest.raises(DeployError, match="expected one of local, localstack, aws"):
        Target("azure")  # type: ignore[arg-type]
