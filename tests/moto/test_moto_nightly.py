"""The nightly job's plan against a mocked AWS account."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import pytest

from contracts import DeployError
from infra.deploy.executor import Action, apply, destroy
from infra.deploy.nightly import (
    NightlyOptions,
    build_nightly_bundle,
    compare_nightly,
    schedule_nightly,
)
from infra.deploy.plan import build_plan

if TYPE_CHECKING:
    from pathlib import Path

    from infra.deploy.options import DeployOptions
    from infra.deploy.scope import Scope

NIGHTLY = NightlyOptions(
    "cron(0 19 * * ? *)", ("returns", "new/"), ("returns", "sorted/"), "Europe/Berlin"
)


def ignore(label: str, outcome: str) -> None:
    """A progress callback for tests that are not about it."""


@pytest.fixture
def standing(scope: Scope, options: DeployOptions) -> Scope:
    """A deployment with its nightly job."""
    apply(build_plan(scope, options), ignore)
    schedule_nightly(scope, NIGHTLY, ignore)
    return scope


def test_a_schedule_starts_the_function_with_what_it_needs_to_know(standing: Scope) -> None:
    """In its time zone, at no other than the minute said, under a role of its own."""
    schedule = standing.client("scheduler").get_schedule(Name="shelf-nightly")
    assert schedule["ScheduleExpression"] == "cron(0 19 * * ? *)"
    assert schedule["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    event = json.loads(schedule["Target"]["Input"])
    assert (event["photos"], event["out"]) == ("s3://returns/new/", "s3://returns/sorted/")
    assert event["endpoint"] == "shelf"
    assert schedule["Target"]["RoleArn"].endswith("role/shelf-eu-central-1-schedule")


def test_a_second_time_changes_nothing(standing: Scope) -> None:
    """As every plan."""
    assert {step.action for step in compare_nightly(standing, NIGHTLY)} == {Action.KEEP}


def test_another_time_changes_the_schedule_alone(standing: Scope) -> None:
    """And the difference is told."""
    later = NightlyOptions("cron(0 2 * * ? *)", NIGHTLY.photos, NIGHTLY.out, NIGHTLY.timezone)
    steps = schedule_nightly(standing, later, ignore)
    (changed,) = [step for step in steps if step.action is not Action.KEEP]
    assert changed.label == "schedule shelf-nightly"
    assert changed.differences == ("expression (cron(0 19 * * ? *), wanted cron(0 2 * * ? *))",)


def test_each_role_may_do_its_part_and_no_more(standing: Scope) -> None:
    """The schedule starts one function; the model's role reads photos and writes answers."""
    iam = standing.client("iam")

    def policy(role: str, name: str) -> list[dict[str, object]]:
        answer = iam.get_role_policy(RoleName=f"shelf-eu-central-1-{role}", PolicyName=name)
        statements: list[dict[str, object]] = answer["PolicyDocument"]["Statement"]
        return statements

    (starting,) = policy("schedule", "least-privilege")
    assert starting["Action"] == ["lambda:InvokeFunction"]
    assert str(starting["Resource"]).endswith(":function:shelf-nightly")
    reads = [s for s in policy("hosting", "nightly") if "s3:GetObject" in s["Action"]]  # type: ignore[operator]
    assert reads[0]["Resource"] == ["arn:aws:s3:::returns/new/*", "arn:aws:s3:::returns/sorted/*"]
    begun = [s for s in policy("nightly", "least-privilege") if "Transform" in str(s["Action"])]
    assert str(begun[0]["Resource"]).endswith(":transform-job/shelf-nightly-*")


def test_destroying_the_deployment_takes_the_nightly_job_along(standing: Scope) -> None:
    """Every part of it."""
    gone = destroy(standing, ignore)
    assert {"schedule shelf-nightly", "function shelf-nightly"} <= set(gone)
    assert standing.client("scheduler").list_schedules()["Schedules"] == []
    assert standing.client("iam").list_roles()["Roles"] == []


def test_a_schedule_of_that_name_that_is_anothers_is_left_alone(
    scope: Scope, options: DeployOptions
) -> None:
    """It bears no mark of this deployment's."""
    apply(build_plan(scope, options), ignore)
    scope.client("scheduler").create_schedule(
        Name="shelf-nightly",
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": "arn:aws:lambda:eu-central-1:1:function:x",
            "RoleArn": "arn:aws:iam::1:role/x",
        },
    )
    with pytest.raises(DeployError, match="is not this deployment's"):
        schedule_nightly(scope, NIGHTLY, ignore)


def test_a_nightly_job_without_an_endpoint_is_refused(scope: Scope) -> None:
    """With the mend, before anything is made."""
    with pytest.raises(DeployError, match="has no endpoint") as caught:
        schedule_nightly(scope, NIGHTLY, ignore)
    assert "without --lambda-only" in caught.value.hint
    assert scope.client("iam").list_roles()["Roles"] == []


def test_the_functions_zip_holds_its_program_alone(tmp_path: Path) -> None:
    """The modules that it imports, no library, and the same bytes for the same files."""
    package = build_nightly_bundle(tmp_path)
    first = package.read_bytes()
    with zipfile.ZipFile(package) as archive:
        names = set(archive.namelist())
    assert {"batch/nightly.py", "batch/table.py", "contracts.py"} <= names
    assert {name.partition("/")[0] for name in names} == {"batch", "contracts.py"}
    assert not {"batch/sending.py", "batch/report.py"} & names
    package.unlink()
    package.parent.rmdir()
    assert build_nightly_bundle(tmp_path).read_bytes() == first
