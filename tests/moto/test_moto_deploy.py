"""A plan carried out against a mocked AWS account."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.sagemaker.models import FakeEndpoint, sagemaker_backends

from contracts import DeployError
from infra.deploy import endpoints, roles
from infra.deploy.deployment import deploy, describe_deployment
from infra.deploy.executor import TRAINING_LOGS, Action, apply, compare, destroy
from infra.deploy.functions import FunctionService
from infra.deploy.gateway import find_api
from infra.deploy.plan import build_plan, training_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.deploy.options import DeployOptions
    from infra.deploy.scope import Scope
    from infra.targets import Target

READING = ("Describe", "Get", "Head", "List")


def ignore(label: str, outcome: str) -> None:
    """A progress callback for tests that are not about it."""


@pytest.fixture
def standing(scope: Scope, options: DeployOptions) -> Scope:
    """A deployment that stands."""
    apply(build_plan(scope, options), ignore)
    return scope


@pytest.fixture
def operations(target: Target) -> Iterator[list[str]]:
    """The names of the AWS operations that are called from here on."""
    called: list[str] = []

    def note(model: Any, **_: Any) -> None:
        called.append(model.name)

    services = ("s3", "iam", "sagemaker", "lambda", "apigateway", "logs")
    for service in services:
        target.client(service).meta.events.register("before-call", note)
    yield called
    for service in services:
        target.client(service).meta.events.unregister("before-call", note)


def everything_in(scope: Scope) -> list[str]:
    """Names of all that deployments make, whoever made it."""
    sagemaker = scope.client("sagemaker")
    return [
        *(bucket["Name"] for bucket in scope.client("s3").list_buckets()["Buckets"]),
        *(role["RoleName"] for role in scope.client("iam").list_roles()["Roles"]),
        *(f["FunctionName"] for f in scope.client("lambda").list_functions()["Functions"]),
        *(api["name"] for api in scope.client("apigateway").get_rest_apis()["items"]),
        *(key["name"] for key in scope.client("apigateway").get_api_keys()["items"]),
        *(plan["name"] for plan in scope.client("apigateway").get_usage_plans()["items"]),
        *(g["logGroupName"] for g in scope.client("logs").describe_log_groups()["logGroups"]),
        *(model["ModelName"] for model in sagemaker.list_models()["Models"]),
        *(c["EndpointConfigName"] for c in sagemaker.list_endpoint_configs()["EndpointConfigs"]),
        *(endpoint["EndpointName"] for endpoint in sagemaker.list_endpoints()["Endpoints"]),
    ]


def test_planning_makes_nothing(scope: Scope, options: DeployOptions) -> None:
    """Comparing with an empty account finds everything to make, and makes none of it."""
    steps = compare(build_plan(scope, options))
    assert {step.action for step in steps} == {Action.MAKE}
    assert len(steps) == 14
    assert everything_in(scope) == []


def test_applying_twice_only_reads(
    standing: Scope, options: DeployOptions, operations: list[str]
) -> None:
    """A second run finds everything unchanged and calls no operation that writes."""
    steps = apply(build_plan(standing, options), ignore)
    assert {step.action for step in steps} == {Action.KEEP}
    assert operations
    assert [name for name in operations if not name.startswith(READING)] == []


def test_function_runs_chalices_bundle_beside_the_endpoint(standing: Scope) -> None:
    """The function is told the endpoint's name and the page's origin."""
    found = standing.client("lambda").get_function(FunctionName="shelf-api")["Configuration"]
    assert (found["Runtime"], found["Handler"]) == ("python3.11", "app.app")
    assert (found["Timeout"], found["MemorySize"]) == (30, 256)
    assert found["Environment"]["Variables"] == {
        "ENDPOINT_NAME": "shelf",
        "ALLOWED_ORIGIN": "http://shelf-web-123456789012-eu-central-1"
        ".s3-website.eu-central-1.amazonaws.com",
    }


def test_functions_role_may_ask_one_endpoint_and_write_one_log(standing: Scope) -> None:
    """Nothing else is allowed to whoever takes the function over."""
    iam = standing.client("iam")
    (name,) = iam.list_role_policies(RoleName=standing.lambda_role)["PolicyNames"]
    policy = iam.get_role_policy(RoleName=standing.lambda_role, PolicyName=name)["PolicyDocument"]
    assert [(s["Action"], s["Resource"]) for s in policy["Statement"]] == [
        (
            ["sagemaker:InvokeEndpoint"],
            "arn:aws:sagemaker:eu-central-1:123456789012:endpoint/shelf",
        ),
        (
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/shelf-api:*",
        ),
    ]


def test_api_invokes_the_function_and_answers_preflight(standing: Scope) -> None:
    """The deployed stage has Chalice's routes, and the function lets this API in."""
    gateway = standing.client("apigateway")
    api_id = find_api(standing, "shelf")
    resources = gateway.get_resources(restApiId=api_id)["items"]
    (route,) = [each for each in resources if each["path"] == "/classify"]
    integration = gateway.get_integration(
        restApiId=api_id, resourceId=route["id"], httpMethod="POST"
    )
    assert integration["uri"].endswith(f"functions/{standing.function_arn}/invocations")
    assert set(route["resourceMethods"]) == {"POST", "OPTIONS"}
    assert gateway.get_stage(restApiId=api_id, stageName="api")["deploymentId"]
    policy = json.loads(standing.client("lambda").get_policy(FunctionName="shelf-api")["Policy"])
    (statement,) = policy["Statement"]
    assert statement["Condition"]["ArnLike"]["AWS:SourceArn"] == (
        f"arn:aws:execute-api:eu-central-1:123456789012:{api_id}/*"
    )


def test_page_is_public_and_the_artifacts_are_not(standing: Scope) -> None:
    """Everyone may read the page's objects, which is all that everyone may."""
    s3 = standing.client("s3")
    policy = json.loads(s3.get_bucket_policy(Bucket=standing.web_bucket)["Policy"])
    assert [s["Action"] for s in policy["Statement"]] == ["s3:GetObject"]
    block = s3.get_public_access_block(Bucket=standing.artifact_bucket)
    assert set(block["PublicAccessBlockConfiguration"].values()) == {True}
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket=standing.artifact_bucket)


def test_page_names_the_api_and_is_asked_for_anew(standing: Scope) -> None:
    """config.json holds the API's address, and no browser keeps it."""
    found = standing.client("s3").get_object(Bucket=standing.web_bucket, Key="config.json")
    api_id = find_api(standing, "shelf")
    assert json.loads(found["Body"].read()) == {
        "apiUrl": f"https://{api_id}.execute-api.eu-central-1.amazonaws.com/api"
    }
    assert (found["ContentType"], found["CacheControl"]) == ("application/json", "no-cache")


def test_changed_page_changes_the_page_alone(standing: Scope, options: DeployOptions) -> None:
    """One file is uploaded, one that is gone is deleted, and config.json stays."""
    (options.web_dir / "index.html").write_text("<!doctype html><title>New</title>")
    (options.web_dir / "vendor" / "jquery.min.js").unlink()
    steps = [s for s in apply(build_plan(standing, options), ignore) if s.action is not Action.KEEP]
    assert [(step.label, step.differences) for step in steps] == [
        ("files of page", ("index.html", "vendor/jquery.min.js (removed)"))
    ]
    listed = standing.client("s3").list_objects_v2(Bucket=standing.web_bucket)["Contents"]
    assert [entry["Key"] for entry in listed] == ["config.json", "index.html"]


def test_new_artifact_comes_into_service(standing: Scope, options: DeployOptions) -> None:
    """The endpoint is updated to a new configuration; nothing of the API is touched."""
    before = describe_deployment("shelf", standing.target)
    options.artifact.write_bytes(b"another artifact")
    steps = apply(build_plan(standing, options), ignore)
    actions = {step.label.split(" shelf")[0]: step.action for step in steps}
    assert actions["endpoint"] is Action.CHANGE
    assert actions["function"] is actions["REST API"] is Action.KEEP
    after = describe_deployment("shelf", standing.target)
    assert after.artifact != before.artifact
    assert after.api_url == before.api_url


def test_changed_instances_are_a_new_configuration(standing: Scope, options: DeployOptions) -> None:
    """SageMaker changes no configuration, so another instance type is another name."""
    larger = dataclasses.replace(options, instance_type="ml.c5.xlarge")
    apply(build_plan(standing, larger), ignore)
    sagemaker = standing.client("sagemaker")
    config = sagemaker.describe_endpoint(EndpointName="shelf")["EndpointConfigName"]
    described = sagemaker.describe_endpoint_config(EndpointConfigName=config)
    assert described["ProductionVariants"][0]["InstanceType"] == "ml.c5.xlarge"


def test_drift_is_found_and_mended(standing: Scope, options: DeployOptions) -> None:
    """What someone changed by hand is named in the plan and put right."""
    standing.client("lambda").update_function_configuration(FunctionName="shelf-api", Timeout=3)
    standing.client("s3").delete_public_access_block(Bucket=standing.artifact_bucket)
    plan = build_plan(standing, options)
    drifted = {step.label: step.differences for step in compare(plan) if step.differences}
    assert drifted == {
        f"bucket {standing.artifact_bucket}": ("public access",),
        "function shelf-api": ("timeout (3, wanted 30)",),
    }
    apply(plan, ignore)
    assert {step.action for step in compare(plan)} == {Action.KEEP}


def test_failure_half_way_says_what_stands_and_goes_on(
    scope: Scope, options: DeployOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the step and what stands before it; the next run makes the rest."""

    def refuse(*_: object) -> None:
        answer = {"Error": {"Code": "AccessDenied", "Message": "not you"}}
        raise ClientError({**answer, "ResponseMetadata": {"HTTPStatusCode": 403}}, "CreateFunction")

    plan = build_plan(scope, options)
    with monkeypatch.context() as patch:
        patch.setattr(FunctionService, "apply", refuse)
        with pytest.raises(DeployError, match=r"^function shelf-api: .*not you") as raised:
            apply(plan, ignore)
    assert "endpoint shelf," in raised.value.message
    assert "REST API" not in raised.value.message
    assert "goes on" in raised.value.hint
    steps = apply(plan, ignore)
    assert [s.action for s in steps] == [Action.KEEP] * 8 + [Action.MAKE] * 6


def test_api_that_was_left_without_its_stage_is_finished(
    standing: Scope, options: DeployOptions
) -> None:
    """A run that ended between the import and the deployment is seen, and nothing is made twice."""
    gateway = standing.client("apigateway")
    api_id = find_api(standing, "shelf")
    gateway.delete_stage(restApiId=api_id, stageName="api")
    plan = build_plan(standing, options)
    assert {s.label for s in compare(plan) if s.action is Action.CHANGE} == {"REST API shelf"}
    apply(plan, ignore)
    assert [api["id"] for api in gateway.get_rest_apis()["items"]] == [api_id]
    assert gateway.get_stage(restApiId=api_id, stageName="api")["deploymentId"]


def test_failed_endpoint_is_made_anew(standing: Scope, options: DeployOptions) -> None:
    """SageMaker can neither update nor repair a failed endpoint."""
    sagemaker = standing.client("sagemaker")
    endpoint = sagemaker_backends[standing.account_id][standing.target.region].endpoints["shelf"]
    endpoint.endpoint_status = "Failed"
    plan = build_plan(standing, options)
    (step,) = [step for step in compare(plan) if step.action is Action.CHANGE]
    assert (step.label, step.differences) == ("endpoint shelf", ("status Failed",))
    apply(plan, ignore)
    assert sagemaker.describe_endpoint(EndpointName="shelf")["EndpointStatus"] == "InService"


def test_endpoint_under_way_is_waited_for(
    standing: Scope, options: DeployOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run beside another, or after one that was interrupted, makes nothing and changes nothing."""
    monkeypatch.setitem(endpoints._POLL_SECONDS, "aws", 0)
    endpoint = sagemaker_backends[standing.account_id][standing.target.region].endpoints["shelf"]
    endpoint.endpoint_status = "Creating"
    told: list[tuple[str, str]] = []

    def serve(label: str, outcome: str) -> None:
        told.append((label, outcome))
        if outcome.startswith("Creating"):
            endpoint.endpoint_status = "InService"

    plan = build_plan(standing, options)
    (waiting,) = [step for step in compare(plan) if step.action is not Action.KEEP]
    assert (waiting.action, waiting.differences) == (Action.WAIT, ("status Creating",))
    assert {step.action for step in apply(plan, serve)} == {Action.KEEP}
    assert told[5:7] == [("endpoint shelf", "Creating, 0 s"), ("endpoint shelf", "unchanged")]


def test_endpoint_that_does_not_come_up_tells_the_reason(
    scope: Scope, options: DeployOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FailureReason is in the message, and the container's log group in the hint."""
    make = FakeEndpoint.__init__

    def fail(endpoint: FakeEndpoint, *args: Any, **kwargs: Any) -> None:
        make(endpoint, *args, **kwargs)
        endpoint.endpoint_status, endpoint.failure_reason = "Failed", "no ping"

    monkeypatch.setattr(FakeEndpoint, "__init__", fail)
    with pytest.raises(DeployError, match=r"endpoint shelf is Failed.*no ping") as raised:
        apply(build_plan(scope, options), ignore)
    assert "/aws/sagemaker/Endpoints/shelf" in raised.value.hint


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ("lambda.CreateFunction", "The role defined for the function cannot be assumed by Lambda."),
        ("sagemaker.CreateModel", "Could not assume role arn:aws:iam::1:role/shelf."),
    ],
)
def test_role_that_is_too_new_is_waited_for(
    scope: Scope,
    options: DeployOptions,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    message: str,
) -> None:
    """AWS refuses a role for some seconds after it was made; other refusals are errors."""
    monkeypatch.setattr(roles, "_POLL_SECONDS", 0)
    refusals = [message]

    def refuse(**_: Any) -> tuple[SimpleNamespace, dict[str, Any]] | None:
        if not refusals:
            return None
        answer = {"Error": {"Code": "ValidationException", "Message": refusals.pop()}}
        return SimpleNamespace(status_code=400), answer

    service = operation.partition(".")[0]
    events = scope.client(service).meta.events
    events.register(f"before-call.{operation}", refuse)
    try:
        told: list[str] = []
        apply(build_plan(scope, options), lambda _, outcome: told.append(outcome))
        assert told.count("waiting for the role to be known") == 1
        destroy(scope, ignore)
        refusals.append("the zip is damaged")
        with pytest.raises(DeployError, match="the zip is damaged"):
            apply(build_plan(scope, options), ignore)
    finally:
        events.unregister(f"before-call.{operation}", refuse)


def test_destroy_leaves_nothing(standing: Scope) -> None:
    """Everything is gone, the training jobs' role and log lines too; a second time is no error."""
    apply(training_plan(standing, "snapshelf-training"), ignore)
    logs = standing.client("logs")
    logs.create_log_group(logGroupName=TRAINING_LOGS)
    for stream in ("shelf-train-20260101000000/algo-1-1", "other-train-1/algo-1-1"):
        logs.create_log_stream(logGroupName=TRAINING_LOGS, logStreamName=stream)
    assert destroy(standing, ignore)
    assert everything_in(standing) == [TRAINING_LOGS]
    streams = logs.describe_log_streams(logGroupName=TRAINING_LOGS)["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == ["other-train-1/algo-1-1"]
    assert destroy(standing, ignore) == ()


def test_destroy_spares_another_deployment(standing: Scope, options: DeployOptions) -> None:
    """A deployment whose name begins like this one's stays whole."""
    other = dataclasses.replace(standing, name="shelf-two")
    plan = build_plan(other, options)
    apply(plan, ignore)
    destroy(standing, ignore)
    assert {step.action for step in compare(plan)} == {Action.KEEP}


@pytest.mark.parametrize("kind", ["role", "function"])
def test_foreign_resource_of_that_name_is_refused(
    scope: Scope, options: DeployOptions, kind: str
) -> None:
    """What does not carry the deployment's tag is neither changed nor deleted."""
    iam = scope.client("iam")
    name = scope.lambda_role if kind == "role" else "somebody"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]
    if kind == "function":
        plan = build_plan(scope, options)
        package = next(p.resource.package for p in plan.planned if p.label == "function shelf-api")
        scope.client("lambda").create_function(
            FunctionName="shelf-api",
            Runtime="python3.11",
            Handler="app.app",
            Role=role["Arn"],
            Code={"ZipFile": package.read_bytes()},
        )
    before = everything_in(scope)
    with pytest.raises(DeployError, match="not this deployment's"):
        compare(build_plan(scope, options))
    with pytest.raises(DeployError, match="not this deployment's"):
        destroy(scope, ignore)
    assert everything_in(scope) == before


def test_foreign_bucket_is_refused(scope: Scope, options: DeployOptions) -> None:
    """Someone's objects would become public, and those that are not the page's be deleted."""
    s3 = scope.client("s3")
    location = {"LocationConstraint": "eu-central-1"}
    s3.create_bucket(Bucket=scope.web_bucket, CreateBucketConfiguration=location)
    s3.put_object(Bucket=scope.web_bucket, Key="diary.txt", Body=b"mine")
    with pytest.raises(DeployError, match="not this deployment's"):
        apply(build_plan(scope, options), ignore)
    with pytest.raises(DeployError, match="not this deployment's"):
        destroy(scope, ignore)
    assert s3.get_object(Bucket=scope.web_bucket, Key="diary.txt")["Body"].read() == b"mine"


def test_half_made_bucket_is_finished(scope: Scope, options: DeployOptions) -> None:
    """A run that ended between making a bucket and tagging it left an empty one."""
    location = {"LocationConstraint": "eu-central-1"}
    scope.client("s3").create_bucket(Bucket=scope.web_bucket, CreateBucketConfiguration=location)
    plan = build_plan(scope, options)
    apply(plan, ignore)
    assert {step.action for step in compare(plan)} == {Action.KEEP}


def test_tags_of_others_on_a_bucket_stay(standing: Scope, options: DeployOptions) -> None:
    """A tag for the bill is no drift, and putting something else right does not remove it."""
    s3 = standing.client("s3")
    tags = [*standing.tag_list, {"Key": "cost", "Value": "shop"}]
    s3.put_bucket_tagging(Bucket=standing.web_bucket, Tagging={"TagSet": tags})
    plan = build_plan(standing, options)
    assert {step.action for step in compare(plan)} == {Action.KEEP}
    s3.delete_bucket_website(Bucket=standing.web_bucket)
    apply(plan, ignore)
    assert s3.get_bucket_tagging(Bucket=standing.web_bucket)["TagSet"] == tags


def test_deployment_is_found_again(target: Target, options: DeployOptions) -> None:
    """What deploying returns is what describing finds."""
    told: list[tuple[str, str]] = []
    made = deploy("shelf", target, options, lambda label, outcome: told.append((label, outcome)))
    assert describe_deployment("shelf", target) == made
    assert made.endpoint_status == "InService"
    assert made.page_url.startswith("http://shelf-web-123456789012-eu-central-1.s3-website.")
    assert ("endpoint shelf", "made") in told


def test_missing_deployment_says_how_to_make_it(target: Target) -> None:
    """Describing nothing is an error with the command that mends it."""
    with pytest.raises(DeployError, match="no deployment 'shelf' stands") as raised:
        describe_deployment("shelf", target)
    assert "snapshelf deploy" in raised.value.hint


def test_buckets_are_made_in_their_region(standing: Scope) -> None:
    """S3 makes buckets in us-east-1 unless told otherwise."""
    s3 = boto3.client("s3", region_name="us-east-1")
    location = s3.get_bucket_location(Bucket=standing.artifact_bucket)
    assert location["LocationConstraint"] == "eu-central-1"
