"""What goes, and what stays for a rollback, as models follow each other."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

import pytest

from infra.deploy import model_bundle
from infra.deploy.deployment import deploy
from infra.deploy.executor import Action, apply, compare, destroy
from infra.deploy.leftovers import LeftoversService
from infra.deploy.plan import build_plan
from infra.deploy.storage import list_keys
from testing.small_model import write_small_artifact

if TYPE_CHECKING:
    from pathlib import Path

    from infra.deploy.options import DeployOptions
    from infra.deploy.scope import Scope


def ignore(label: str, outcome: str) -> None:
    """A progress callback for tests that are not about it."""


def put(scope: Scope, options: DeployOptions, content: bytes) -> str:
    """Bring an artifact of that content into service; the name of its model."""
    options.artifact.write_bytes(content)
    apply(build_plan(scope, options), ignore)
    return in_service(scope)


def in_service(scope: Scope) -> str:
    endpoint = scope.client("sagemaker").describe_endpoint(EndpointName=scope.endpoint)
    name: str = endpoint["EndpointConfigName"]
    return name


def standing(scope: Scope) -> tuple[set[str], set[str], int]:
    """Models, configurations, and how many artifacts lie in the bucket."""
    sagemaker = scope.client("sagemaker")
    configs = sagemaker.list_endpoint_configs()["EndpointConfigs"]
    return (
        {model["ModelName"] for model in sagemaker.list_models()["Models"]},
        {config["EndpointConfigName"] for config in configs},
        len(list_keys(scope.client("s3"), scope.artifact_bucket, "models/")),
    )


def test_the_generation_before_stays_and_older_ones_go(
    scope: Scope, options: DeployOptions
) -> None:
    """Of three models two are left: the one in service, and the one to go back to."""
    put(scope, options, b"one")
    second, third = put(scope, options, b"two"), put(scope, options, b"three")
    assert standing(scope) == ({second, third}, {second, third}, 2)


def test_the_plan_says_what_will_go(scope: Scope, options: DeployOptions) -> None:
    """Nothing is removed that `--plan` has not named."""
    first = put(scope, options, b"one")
    put(scope, options, b"two")
    options.artifact.write_bytes(b"three")
    removal = compare(build_plan(scope, options))[-1]
    assert removal.action is Action.REMOVE
    assert removal.differences[:2] == (f"endpoint configuration {first}", f"model {first}")
    assert removal.differences[2].startswith("models/")


def test_going_back_makes_nothing_anew(scope: Scope, options: DeployOptions) -> None:
    """The former generation is brought back by switching the endpoint alone."""
    first = put(scope, options, b"one")
    second = put(scope, options, b"two")
    options.artifact.write_bytes(b"one")
    steps = apply(build_plan(scope, options), ignore)
    changed = [step.label for step in steps if step.action is not Action.KEEP]
    assert (changed, in_service(scope)) == (["endpoint shelf"], first)
    assert standing(scope) == ({first, second}, {first, second}, 2)


def test_what_was_in_service_last_is_kept_not_what_was_made_last(
    scope: Scope, options: DeployOptions
) -> None:
    """After one, two, back to one, then three: one is what a rollback wants."""
    first = put(scope, options, b"one")
    put(scope, options, b"two")
    put(scope, options, b"one")
    third = put(scope, options, b"three")
    assert standing(scope)[0] == {first, third}


def test_cleaning_up_that_was_broken_off_goes_on(
    scope: Scope, options: DeployOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The switch has happened by then; the next run removes the rest and touches nothing else."""
    put(scope, options, b"one")
    put(scope, options, b"two")
    with monkeypatch.context() as patch:
        patch.setattr(LeftoversService, "apply", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            put(scope, options, b"three")
    steps = apply(build_plan(scope, options), ignore)
    assert [s.label for s in steps if s.action is not Action.KEEP] == ["leftovers of shelf"]
    assert len(standing(scope)[0]) == 2


def test_models_of_another_deployment_stay(scope: Scope, options: DeployOptions) -> None:
    """Only what bears this deployment's name and twelve digits is taken for a generation of it."""
    other = dataclasses.replace(scope, name="shelf-two")
    theirs = put(other, options, b"one")
    for content in (b"one", b"two", b"three"):
        put(scope, options, content)
    assert theirs in standing(scope)[0]


@pytest.fixture
def lambda_only(
    options: DeployOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> DeployOptions:
    """The same deployment with the model in the function; a file stands for the libraries."""
    libraries = tmp_path / "libraries"
    (libraries / "numpy").mkdir(parents=True)
    (libraries / "numpy" / "__init__.py").touch()
    monkeypatch.setattr(model_bundle, "install_libraries", lambda _: libraries)
    artifact = write_small_artifact(tmp_path / "small")
    return dataclasses.replace(options, artifact=artifact, lambda_only=True)


def test_function_with_the_model_needs_no_endpoint(
    scope: Scope, lambda_only: DeployOptions
) -> None:
    """Nothing of SageMaker's is made, the function may ask none, and a second run changes nothing."""
    made = deploy("shelf", scope.target, lambda_only, ignore)
    assert standing(scope) == (set(), set(), 0)
    assert (made.endpoint_name, made.endpoint_status) == (None, None)
    assert made.artifact == hashlib.sha256(lambda_only.artifact.read_bytes()).hexdigest()[:12]
    policy = scope.client("iam").get_role_policy(
        RoleName=scope.lambda_role, PolicyName="least-privilege"
    )
    assert "sagemaker" not in str(policy["PolicyDocument"])
    assert {s.action for s in compare(build_plan(scope, lambda_only))} == {Action.KEEP}


def test_endpoint_goes_once_the_function_holds_the_model(
    scope: Scope, options: DeployOptions, lambda_only: DeployOptions
) -> None:
    """From one variant to the other and back, nothing of the former is left to be paid for."""
    put(scope, options, b"one")
    apply(build_plan(scope, lambda_only), ignore)
    sagemaker, iam = scope.client("sagemaker"), scope.client("iam")
    assert sagemaker.list_endpoints()["Endpoints"] == []
    assert standing(scope) == (set(), set(), 0)
    assert scope.hosting_role not in {role["RoleName"] for role in iam.list_roles()["Roles"]}
    put(scope, options, b"one")
    assert list_keys(scope.client("s3"), scope.artifact_bucket, "functions/") == []
    destroy(scope, ignore)
    assert scope.client("s3").list_buckets()["Buckets"] == []


def test_destroy_takes_former_versions_of_objects_along(
    scope: Scope, options: DeployOptions
) -> None:
    """A bucket on which someone turned versioning on would never become empty otherwise."""
    put(scope, options, b"one")
    s3 = scope.client("s3")
    enabled = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket=scope.artifact_bucket, VersioningConfiguration=enabled)
    for content in (b"two", b"three", b"four"):
        put(scope, options, content)
    destroy(scope, ignore)
    assert s3.list_buckets()["Buckets"] == []
