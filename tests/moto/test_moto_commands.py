"""`snapshelf deploy` and `destroy` against a mocked AWS account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from infra.deploy.scope import scope_of
from infra.targets import Target
from scripts import model_options
from scripts.commands.deploy import deploy_command, destroy_command

if TYPE_CHECKING:
    from infra.deploy.options import DeployOptions

WHERE = ["--name", "shelf", "--target", "aws", "--region", "eu-central-1"]


@pytest.fixture
def model(options: DeployOptions, monkeypatch: pytest.MonkeyPatch) -> str:
    """An artifact, for a command that otherwise deploys the small project and page."""
    monkeypatch.setattr(model_options, "DeployOptions", lambda _, **__: options)
    return str(options.artifact)


def test_plan_is_printed_and_nothing_made(model: str) -> None:
    """A line for each resource, and how many there are of each kind of step."""
    result = CliRunner().invoke(deploy_command, [model, *WHERE, "--plan"])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == [
        "+", "bucket", "shelf-artifacts-123456789012-eu-central-1", "make:", "there", "is", "none"
    ]  # fmt: skip
    assert lines[-1] == "14 to make, 0 to change, 0 unchanged"
    scope = scope_of("shelf", Target("aws", "eu-central-1"))
    assert scope.client("s3").list_buckets()["Buckets"] == []


def test_results_on_stdout_and_progress_on_stderr(model: str) -> None:
    """Programs read the deployment as one JSON object; people see every step."""
    result = CliRunner().invoke(deploy_command, [model, *WHERE, "--json"])
    document = json.loads(result.stdout)
    assert document["endpoint_status"] == "InService"
    assert document["api_url"].endswith(".execute-api.eu-central-1.amazonaws.com/api")
    assert any(line.split() == ["endpoint", "shelf", "made"] for line in result.stderr.splitlines())
    again = CliRunner().invoke(deploy_command, [model, *WHERE, "--plan", "--json"])
    assert {step["action"] for step in json.loads(again.stdout)["steps"]} == {"unchanged"}


def test_destroy_asks_first(model: str) -> None:
    """Anything but yes leaves all as it is."""
    CliRunner().invoke(deploy_command, [model, *WHERE])
    scope = scope_of("shelf", Target("aws", "eu-central-1"))
    refused = CliRunner().invoke(destroy_command, WHERE, input="n\n")
    assert refused.exit_code == 1
    assert len(scope.client("s3").list_buckets()["Buckets"]) == 2
    result = CliRunner().invoke(destroy_command, [*WHERE, "--yes", "--json"])
    assert "endpoint shelf" in json.loads(result.stdout)["deleted"]
    assert scope.client("s3").list_buckets()["Buckets"] == []


def test_wrong_usage_is_exit_code_2() -> None:
    """A target that does not exist is told from a target that is down."""
    result = CliRunner().invoke(destroy_command, ["--target", "azure"])
    assert result.exit_code == 2
