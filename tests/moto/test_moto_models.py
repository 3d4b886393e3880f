"""Several models in one deployment, each behind an endpoint of its own."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from contracts import DeployError
from infra.deploy.executor import Action, apply, compare, destroy
from infra.deploy.plan import build_plan
from infra.deploy.templates.packaging import write_package

if TYPE_CHECKING:
    from pathlib import Path

    from infra.deploy.options import DeployOptions
    from infra.deploy.scope import Scope


def ignore(label: str, outcome: str) -> None:
    """A progress callback for tests that are not about it."""


@pytest.fixture
def two(options: DeployOptions, tmp_path: Path) -> DeployOptions:
    """A second model `refund` beside the default one."""
    artifact = tmp_path / "refund.tar.gz"
    artifact.write_bytes(b"another artifact")
    return dataclasses.replace(options, models=(("refund", artifact),))


@pytest.fixture
def standing(scope: Scope, two: DeployOptions) -> Scope:
    apply(build_plan(scope, two), ignore)
    return scope


def endpoints(scope: Scope) -> list[str]:
    found = scope.client("sagemaker").list_endpoints()["Endpoints"]
    return sorted(each["EndpointName"] for each in found)


def artifacts(scope: Scope) -> list[str]:
    found = scope.client("s3").list_objects_v2(Bucket=scope.artifact_bucket, Prefix="models/")
    return [each["Key"] for each in found.get("Contents", [])]


def function_of(scope: Scope) -> dict[str, Any]:
    found: dict[str, Any] = scope.client("lambda").get_function_configuration(
        FunctionName=scope.function
    )
    return found


def test_each_model_has_an_endpoint_that_the_function_knows(
    standing: Scope, two: DeployOptions
) -> None:
    """And a second run has nothing to do."""
    assert endpoints(standing) == ["shelf", "shelf-refund"]
    variables = function_of(standing)["Environment"]["Variables"]
    assert json.loads(variables["MODELS"]) == {"refund": "shelf-refund"}
    assert len(artifacts(standing)) == 2
    assert {step.action for step in compare(build_plan(standing, two))} == {Action.KEEP}


def test_one_artifact_may_be_two_models(scope: Scope, options: DeployOptions) -> None:
    """For two clients, say, that are to be measured apart."""
    twice = dataclasses.replace(options, models=(("again", options.artifact),))
    apply(build_plan(scope, twice), ignore)
    assert endpoints(scope) == ["shelf", "shelf-again"]
    assert len(artifacts(scope)) == 1


def test_a_model_that_is_wanted_no_more_goes(standing: Scope, options: DeployOptions) -> None:
    """Its endpoint costs by the hour; its artifact goes too, and the default model stays."""
    steps = apply(build_plan(standing, options), ignore)
    (removed,) = [step for step in steps if step.action is Action.REMOVE]
    assert "endpoint shelf-refund" in removed.differences
    assert endpoints(standing) == ["shelf"]
    assert len(artifacts(standing)) == 1


def test_another_deployment_of_a_like_name_is_left_alone(
    standing: Scope, options: DeployOptions
) -> None:
    """`shelf-two` is no model of `shelf`, whatever its name looks like."""
    other = dataclasses.replace(standing, name="shelf-two")
    apply(build_plan(other, options), ignore)
    apply(build_plan(standing, options), ignore)
    assert endpoints(standing) == ["shelf", "shelf-two"]
    destroy(standing, ignore)
    assert endpoints(standing) == ["shelf-two"]


def test_destroying_takes_every_models_endpoint(standing: Scope) -> None:
    """A second time there is nothing."""
    destroy(standing, ignore)
    assert endpoints(standing) == []
    assert destroy(standing, ignore) == ()


def test_templates_hold_one_model(two: DeployOptions, tmp_path: Path) -> None:
    """The error says so before anything is written."""
    with pytest.raises(DeployError, match="templates hold one"):
        write_package("shelf", "eu-central-1", two, "terraform", tmp_path / "out")
    assert not (tmp_path / "out").exists()
