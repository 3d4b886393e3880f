"""The model registry on a mocked AWS: versions, approval, promotion, trials and the way back."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from contracts import DeployError
from infra.deploy.executor import apply
from infra.deploy.plan import build_plan
from infra.deploy.roles import POLICY_NAME
from infra.registry.traffic import Traffic
from infra.registry.versions import APPROVED, PENDING, REJECTED, Registry

if TYPE_CHECKING:
    from pathlib import Path

    from infra.deploy.options import DeployOptions
    from infra.deploy.scope import Scope
    from infra.registry.versions import Version

IMAGE = "snapshelf-inference"


def ignore(_label: str, _outcome: str) -> None:
    """What an `OnStep` hears that nobody listens to."""


@pytest.fixture
def registry(scope: Scope) -> Registry:
    return Registry(scope)


@pytest.fixture
def standing(scope: Scope, options: DeployOptions) -> Traffic:
    """The traffic of a deployment that stands."""
    apply(build_plan(scope, options), ignore)
    return Traffic(scope)


def artifact(folder: Path, content: str) -> Path:
    """A file that stands for a model."""
    path = folder / f"{content}.tar.gz"
    path.write_bytes(content.encode())
    return path


def register(registry: Registry, path: Path, **facts: str) -> Version:
    """A version with its facts, and figures of its own."""
    return registry.register(path, image=IMAGE, facts=facts, metrics={"accuracy": 0.5})


def digits(traffic: Traffic) -> list[tuple[str, str, float, bool]]:
    """Who answers, as tuples."""
    return [dataclasses.astuple(share) for share in traffic.shares()]


def test_a_version_keeps_its_facts_and_waits_for_approval(
    registry: Registry, tmp_path: Path
) -> None:
    """What SageMaker would refuse in a fact is written as a hyphen."""
    path = artifact(tmp_path, "first")
    version = registry.register(
        path,
        image=IMAGE,
        facts={"network": "resnet-34", "accuracy": "0.97", "code": "v1 (dirty)", "none": ""},
        metrics={"accuracy": 0.97},
        description="first try",
    )
    assert (version.number, version.status) == (1, PENDING)
    assert version.description == "first try"
    assert version.facts == {
        "network": "resnet-34",
        "accuracy": "0.97",
        "code": "v1 -dirty-",
        "artifact": version.digits,
    }
    s3 = registry.scope.client("s3")
    bucket, key = registry.scope.artifact_bucket, f"registry/{version.digits}/metrics.json"
    assert json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) == {"accuracy": 0.97}
    assert registry.fetch(version, tmp_path).read_bytes() == b"first"


def test_the_same_artifact_is_registered_once(registry: Registry, tmp_path: Path) -> None:
    """Its version is found again, whatever is told of it the second time."""
    first = register(registry, artifact(tmp_path, "first"))
    second = register(registry, artifact(tmp_path, "second"))
    assert register(registry, artifact(tmp_path, "first"), network="other") == first
    assert [version.number for version in registry.versions()] == [second.number, first.number]


def test_approval_and_rejection_are_kept(registry: Registry, tmp_path: Path) -> None:
    """In the registry itself, where other tools of AWS find them."""
    version = register(registry, artifact(tmp_path, "first"))
    registry.decide(version, APPROVED)
    assert registry.find(1).status == APPROVED
    registry.decide(version, REJECTED, "worse on shoes")
    assert registry.find(1).status == REJECTED


def test_an_unknown_version_is_told_with_those_that_there_are(
    registry: Registry, tmp_path: Path
) -> None:
    """So that the next try is right."""
    with pytest.raises(
        DeployError, match=r"version 1 of shelf: not registered \(there are: none\)"
    ):
        registry.find(1)
    register(registry, artifact(tmp_path, "first"))
    with pytest.raises(DeployError, match=r"version 7 of shelf: not registered \(there are: 1\)"):
        registry.find(7)


def test_an_artifact_that_was_changed_in_the_bucket_is_refused(
    registry: Registry, tmp_path: Path
) -> None:
    """What is promoted is what was registered."""
    version = register(registry, artifact(tmp_path, "first"))
    key = f"registry/{version.digits}/model.tar.gz"
    registry.scope.client("s3").put_object(
        Bucket=registry.scope.artifact_bucket, Key=key, Body=b"something else"
    )
    with pytest.raises(DeployError, match="is not what was registered"):
        registry.fetch(version, tmp_path)


def test_a_promoted_version_answers_and_rollback_goes_back(
    registry: Registry, standing: Traffic, tmp_path: Path
) -> None:
    """On the same instances; the way back uploads nothing, and leads forth again."""
    (before,) = standing.shares()
    version = register(registry, artifact(tmp_path, "better"))
    standing.promote(registry.fetch(version, tmp_path), ignore)
    assert digits(standing) == [("AllTraffic", version.digits, 1.0, False)]
    assert standing.previous() == (before,)
    standing.rollback(ignore)
    assert standing.shares() == (before,)
    standing.rollback(ignore)
    assert digits(standing) == [("AllTraffic", version.digits, 1.0, False)]


def test_a_trial_shares_the_requests_and_ends_by_promotion_or_rollback(
    registry: Registry, standing: Traffic, tmp_path: Path
) -> None:
    """After a promotion, rollback leads to what answered before the trial."""
    (champion,) = standing.shares()
    version = register(registry, artifact(tmp_path, "better"))
    path = registry.fetch(version, tmp_path)
    standing.try_out(path, 0.1, ignore, shadow=False)
    assert digits(standing) == [
        ("AllTraffic", champion.digits, pytest.approx(0.9), False),
        ("Challenger", version.digits, pytest.approx(0.1), False),
    ]
    standing.rollback(ignore)
    assert standing.shares() == (champion,)
    standing.try_out(path, 0.1, ignore, shadow=False)
    standing.promote(path, ignore)
    assert digits(standing) == [("AllTraffic", version.digits, 1.0, False)]
    assert standing.previous() == (champion,)


def test_the_champion_is_not_put_on_trial_against_itself(
    standing: Traffic, options: DeployOptions
) -> None:
    """SageMaker would take it, and nobody could tell the two apart."""
    with pytest.raises(DeployError, match="the one that answers already"):
        standing.try_out(options.artifact, 0.5, ignore, shadow=False)


def test_without_a_deployment_nothing_is_promoted_or_rolled_back(
    scope: Scope, tmp_path: Path
) -> None:
    """The error says what to do first."""
    traffic = Traffic(scope)
    assert traffic.shares() == traffic.previous() == ()
    with pytest.raises(DeployError, match="no endpoint shelf stands on aws") as raised:
        traffic.promote(artifact(tmp_path, "first"), ignore)
    assert "snapshelf deploy" in raised.value.hint
    with pytest.raises(DeployError, match="no endpoint shelf stands on aws"):
        traffic.rollback(ignore)


def test_after_the_first_deployment_there_is_nothing_to_go_back_to(standing: Traffic) -> None:
    """Said so, rather than that some name does not exist."""
    with pytest.raises(DeployError, match="there is nothing to go back to"):
        standing.rollback(ignore)


def test_a_deployment_after_a_trial_leaves_no_variant_behind(
    registry: Registry, standing: Traffic, options: DeployOptions, tmp_path: Path
) -> None:
    """Registered artifacts stay: they are not the endpoint's."""
    version = register(registry, artifact(tmp_path, "better"))
    standing.try_out(registry.fetch(version, tmp_path), 0.1, ignore, shadow=False)
    apply(build_plan(standing.scope, options), ignore)
    assert len(standing.shares()) == 1
    assert registry.fetch(registry.find(1), tmp_path).read_bytes() == b"better"


def test_versions_that_are_tried_and_promoted_are_captured_as_before(
    scope: Scope, options: DeployOptions, tmp_path: Path
) -> None:
    """Data capture belongs to the endpoint, not to the version that answers."""
    captured = dataclasses.replace(options, data_capture=25)
    apply(build_plan(scope, captured), ignore)
    traffic, sagemaker = Traffic(scope), scope.client("sagemaker")

    def capture() -> Any:
        name = sagemaker.describe_endpoint(EndpointName=scope.endpoint)["EndpointConfigName"]
        return sagemaker.describe_endpoint_config(EndpointConfigName=name)["DataCaptureConfig"]

    first = capture()
    assert first["InitialSamplingPercentage"] == 25
    assert first["DestinationS3Uri"] == f"s3://{scope.artifact_bucket}/captured"
    traffic.try_out(artifact(tmp_path, "second"), 0.5, ignore, shadow=False)
    assert capture() == first
    traffic.promote(artifact(tmp_path, "second"), ignore)
    assert capture() == first
    statements = hosting_statements(scope)
    written = [s["Resource"] for s in statements if s["Action"] == ["s3:PutObject"]]
    assert written == [f"arn:aws:s3:::{scope.artifact_bucket}/captured/*"]


def test_the_way_back_from_a_trial_in_place_of_a_trial_is_to_neither(
    standing: Traffic, tmp_path: Path
) -> None:
    """What answered alone before both is what `rollback` leads to."""
    before = digits(standing)
    standing.try_out(artifact(tmp_path, "second"), 1.0, ignore, shadow=True)
    standing.try_out(artifact(tmp_path, "third"), 0.2, ignore, shadow=False)
    standing.promote(artifact(tmp_path, "third"), ignore)
    assert [share.digits for share in standing.previous()] == [before[0][1]]
    standing.rollback(ignore)
    assert digits(standing) == before


def test_capture_that_is_no_longer_wanted_ends_with_the_next_deployment(
    scope: Scope, options: DeployOptions
) -> None:
    """Neither the configuration nor the role keeps it."""
    apply(build_plan(scope, dataclasses.replace(options, data_capture=100)), ignore)
    apply(build_plan(scope, options), ignore)
    sagemaker = scope.client("sagemaker")
    name = sagemaker.describe_endpoint(EndpointName=scope.endpoint)["EndpointConfigName"]
    standing = sagemaker.describe_endpoint_config(EndpointConfigName=name)
    assert not standing.get("DataCaptureConfig")
    assert not [s for s in hosting_statements(scope) if s["Action"] == ["s3:PutObject"]]


def hosting_statements(scope: Scope) -> Any:
    """What the endpoint's role may do."""
    iam = scope.client("iam")
    policy = iam.get_role_policy(RoleName=scope.hosting_role, PolicyName=POLICY_NAME)
    return policy["PolicyDocument"]["Statement"]
