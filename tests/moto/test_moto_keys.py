"""An API that asks for a key, against a mocked AWS account."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from contracts import DeployError
from infra.deploy.deployment import describe_deployment
from infra.deploy.executor import Action, apply, compare, destroy
from infra.deploy.gateway import find_api
from infra.deploy.plan import build_plan
from infra.deploy.resources import UsageLimits

if TYPE_CHECKING:
    from infra.deploy.executor import Step
    from infra.deploy.options import DeployOptions
    from infra.deploy.scope import Scope

LIMITS = UsageLimits(rate=5, burst=7, quota=100, period="WEEK")


def ignore(label: str, outcome: str) -> None:
    """A progress callback for tests that are not about it."""


@pytest.fixture
def keyed(options: DeployOptions) -> DeployOptions:
    """The small deployment, with a key."""
    return dataclasses.replace(options, limits=LIMITS)


@pytest.fixture
def standing(scope: Scope, keyed: DeployOptions) -> Scope:
    """A deployment with a key that stands."""
    apply(build_plan(scope, keyed), ignore)
    return scope


def changed(steps: tuple[Step, ...]) -> list[str]:
    return [step.label for step in steps if step.action is not Action.KEEP]


def plans(scope: Scope) -> list[dict[str, Any]]:
    return scope.client("apigateway").get_usage_plans()["items"]


def test_plan_limits_the_stage_and_holds_the_key(standing: Scope) -> None:
    """Rate, burst and quota are as they were asked for."""
    (plan,) = plans(standing)
    assert plan["apiStages"] == [{"apiId": find_api(standing, "shelf"), "stage": "api"}]
    assert plan["throttle"] == {"rateLimit": 5.0, "burstLimit": 7}
    assert (plan["quota"]["limit"], plan["quota"]["period"]) == (100, "WEEK")
    keys = standing.client("apigateway").get_usage_plan_keys(usagePlanId=plan["id"])["items"]
    assert [key["name"] for key in keys] == ["shelf"]


def test_key_is_told_and_the_page_asks_for_it(standing: Scope) -> None:
    """Whoever may read the deployment learns the key; the page, which everyone reads, does not."""
    key = describe_deployment("shelf", standing.target).api_key
    assert key
    config = standing.client("s3").get_object(Bucket=standing.web_bucket, Key="config.json")
    text = config["Body"].read().decode()
    assert json.loads(text)["apiKey"] == "ask"
    assert key not in text


def test_applying_twice_changes_nothing(standing: Scope, keyed: DeployOptions) -> None:
    """Key and plan are found by name and tag."""
    assert changed(apply(build_plan(standing, keyed), ignore)) == []
    assert len(plans(standing)) == 1


def test_other_limits_keep_the_key(standing: Scope, keyed: DeployOptions) -> None:
    """Clients go on with the key that they have."""
    before = describe_deployment("shelf", standing.target).api_key
    other = dataclasses.replace(keyed, limits=dataclasses.replace(LIMITS, rate=9, quota=None))
    (step,) = [s for s in compare(build_plan(standing, other)) if s.action is Action.CHANGE]
    assert step.differences == ("rate (5.0, wanted 9.0)", "quota (100 a week, wanted none)")
    apply(build_plan(standing, other), ignore)
    assert changed(compare(build_plan(standing, other))) == []
    assert describe_deployment("shelf", standing.target).api_key == before


def test_run_that_broke_off_between_key_and_plan_is_finished(
    standing: Scope, keyed: DeployOptions
) -> None:
    """The key stays the same, and is put into the plan that is made for it."""
    gateway = standing.client("apigateway")
    before = describe_deployment("shelf", standing.target).api_key
    gateway.delete_usage_plan(usagePlanId=plans(standing)[0]["id"])
    plan = build_plan(standing, keyed)
    assert [s.differences for s in compare(plan) if s.differences] == [("usage plan (missing)",)]
    apply(plan, ignore)
    assert changed(compare(plan)) == []
    assert describe_deployment("shelf", standing.target).api_key == before


def test_open_api_needs_no_key_any_more(standing: Scope, options: DeployOptions) -> None:
    """Deployed again without the option, routes and page are open and key and plan are gone."""
    steps = apply(build_plan(standing, options), ignore)
    page = f"page configuration {standing.web_bucket}"
    assert changed(steps) == ["REST API shelf", page, "leftovers of shelf"]
    assert plans(standing) == []
    assert describe_deployment("shelf", standing.target).api_key is None


def test_key_of_another_is_left_alone(standing: Scope) -> None:
    """Names are not unique at API Gateway: only what bears the tag is deleted."""
    gateway = standing.client("apigateway")
    theirs = gateway.create_api_key(name="shelf")["id"]
    destroy(standing, ignore)
    assert [key["id"] for key in gateway.get_api_keys()["items"]] == [theirs]
    assert plans(standing) == []


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"rate": 0}, "rate 0: expected a number above 0"),
        ({"burst": 0}, "burst 0: expected 1 or more"),
        ({"quota": 0}, "quota 0: expected 1 or more"),
        ({"period": "YEAR"}, "period 'YEAR': expected DAY or WEEK or MONTH"),
    ],
)
def test_limits_that_let_nothing_through_are_refused(limits: dict[str, Any], told: str) -> None:
    """A plan that refuses every request is a slip, and is told before anything is made."""
    with pytest.raises(DeployError, match=told):
        UsageLimits(**limits)
