"""The order of a plan, its policies, its page and its Swagger document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contracts import DeployError
from infra.deploy.options import DeployOptions, find_artifact
from infra.deploy.page import page_files
from infra.deploy.plan import Plan, Planned, function_environment, image_uri
from infra.deploy.policies import function_policy, hosting_policy, training_policy
from infra.deploy.resources import Bucket, LogGroup
from infra.deploy.scope import Scope
from infra.deploy.swagger import complete_swagger
from infra.images import INFERENCE_IMAGE
from infra.targets import Target

SCOPE = Scope("shelf", Target("aws", "eu-central-1"), "123456789012")
OPTIONS = DeployOptions(Path("model.tar.gz"))
ECR_IMAGE = "210987654321.dkr.ecr.eu-west-1.amazonaws.com/team/serve:2"


def statements_of(policy: str) -> dict[str, Any]:
    return {action: s for s in json.loads(policy)["Statement"] for action in s["Action"]}


def test_plan_refuses_a_resource_before_what_it_needs() -> None:
    """An order that cannot work is found when the plan is made, not half-way through it."""
    bucket, logs = Bucket("b"), LogGroup("l", 30)
    ordered = Planned(bucket), Planned(logs, after=("bucket b",))
    assert Plan(SCOPE, ordered).planned == ordered
    with pytest.raises(ValueError, match=r"log group l comes before \['bucket b'\]"):
        Plan(SCOPE, ordered[::-1])


def test_plan_refuses_a_resource_twice() -> None:
    """Two resources of one label would hide each other in the output."""
    with pytest.raises(ValueError, match="bucket b is planned twice"):
        Plan(SCOPE, (Planned(Bucket("b")), Planned(Bucket("b", website=True))))


def test_image_is_in_the_accounts_registry_on_aws() -> None:
    """Elsewhere its name alone says which program runs."""
    local = Scope("shelf", Target("local", "us-east-1", "http://127.0.0.1:1"), "000000000000")
    assert image_uri(local, INFERENCE_IMAGE) == "snapshelf-inference"
    assert image_uri(SCOPE, INFERENCE_IMAGE) == (
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com/snapshelf-inference:latest"
    )


def test_function_on_localstack_is_told_where_sagemaker_is() -> None:
    """LocalStack gives its Lambdas its own address for every service, and has no SageMaker."""
    plane = "http://127.0.0.1:5555"
    target = Target("localstack", "us-east-1", "http://127.0.0.1:4566", plane)
    environment = dict(function_environment(Scope("shelf", target, "000000000000"), OPTIONS))
    assert environment["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"] == plane
    assert set(function_environment(SCOPE, OPTIONS)) == {
        ("ALLOWED_ORIGIN", SCOPE.allowed_origin),
        ("ENDPOINT_NAME", "shelf"),
    }


def test_artifact_is_found_in_its_folder(tmp_path: Path) -> None:
    """A folder stands for the model.tar.gz in it; without one the error says how to get one."""
    (tmp_path / "model.tar.gz").touch()
    assert find_artifact(tmp_path) == find_artifact(tmp_path / "model.tar.gz")
    with pytest.raises(DeployError, match="no such file") as raised:
        find_artifact(tmp_path / "other.tar.gz")
    assert "snapshelf train" in raised.value.hint


def test_endpoint_has_at_least_one_instance(tmp_path: Path) -> None:
    """Zero instances are refused before anything is asked of AWS."""
    with pytest.raises(DeployError, match="instance count 0: expected 1 or more"):
        DeployOptions(tmp_path, instance_count=0)


def test_function_asks_its_deployments_endpoints_and_keeps_nothing() -> None:
    """No other endpoint of the account, and no bucket."""
    statements = statements_of(function_policy(SCOPE, endpoints=["shelf", "shelf-refund"]))
    arn = "arn:aws:sagemaker:eu-central-1:123456789012:endpoint/"
    assert statements["sagemaker:InvokeEndpoint"]["Resource"] == [
        f"{arn}shelf",
        f"{arn}shelf-refund",
    ]
    assert not any(action.startswith("s3:") for action in statements)


@pytest.mark.parametrize(
    ("switched_on", "folders"),
    [
        ({"feedback": True}, ["feedback"]),
        ({"capture": True}, ["to-label"]),
        ({"feedback": True, "capture": True}, ["feedback", "to-label"]),
    ],
)
def test_function_that_keeps_photos_may_write_those_folders_only(
    switched_on: dict[str, bool], folders: list[str]
) -> None:
    """It may neither read nor delete what people gave."""
    statements = statements_of(function_policy(SCOPE, endpoints=[], **switched_on))
    assert [action for action in statements if action.startswith("s3:")] == ["s3:PutObject"]
    bucket = "arn:aws:s3:::shelf-artifacts-123456789012-eu-central-1"
    assert statements["s3:PutObject"]["Resource"] == [f"{bucket}/{name}/*" for name in folders]


def test_function_is_told_its_models_and_where_photos_are_kept() -> None:
    """The variables that `lambda_fn` reads, and only those that are switched on."""
    options = DeployOptions(
        Path("m"), models=(("refund", Path("r")),), feedback=True, capture_below=0.6
    )
    environment = dict(function_environment(SCOPE, options))
    assert json.loads(environment["MODELS"]) == {"refund": "shelf-refund"}
    assert environment["FEEDBACK_BUCKET"] == environment["CAPTURE_BUCKET"] == SCOPE.artifact_bucket
    assert float(environment["CAPTURE_BELOW"]) == 0.6


@pytest.mark.parametrize(
    "names", [("default",), ("Refund",), ("a",), ("x" * 25,), ("a-",), ("re", "re"), ("a/b",)]
)
def test_models_names_are_short_and_their_own(names: tuple[str, ...]) -> None:
    """They become parts of addresses and of endpoints' names."""
    with pytest.raises(DeployError, match="model name"):
        DeployOptions(Path("m"), models=tuple((name, Path("r")) for name in names))


def test_model_in_the_function_has_none_beside_it() -> None:
    """Further models need endpoints."""
    with pytest.raises(DeployError, match="refund beside a model in the function"):
        DeployOptions(Path("m"), lambda_only=True, models=(("refund", Path("r")),))


@pytest.mark.parametrize("probability", [0, -0.1, 1.1])
def test_photos_are_captured_below_a_probability(probability: float) -> None:
    """0 would keep none, more than 1 is none."""
    with pytest.raises(DeployError, match="capture below"):
        DeployOptions(Path("m"), capture_below=probability)


@pytest.mark.parametrize("percent", [0, 101])
def test_requests_are_captured_in_per_cent(percent: int) -> None:
    """0 would keep none, and more than all there are not."""
    with pytest.raises(DeployError, match=f"data capture of {percent} %: expected 1 to 100"):
        DeployOptions(Path("m"), data_capture=percent)


def test_function_with_the_model_captures_no_requests() -> None:
    """It is the endpoint that does; the error names what can be had in its place."""
    with pytest.raises(DeployError, match="expected an endpoint") as raised:
        DeployOptions(Path("m"), lambda_only=True, data_capture=100)
    assert "--capture-below" in str(raised.value.hint)


def test_endpoint_writes_what_it_captures_and_nothing_else() -> None:
    """One folder more, and only where it is told to."""
    policy = hosting_policy(SCOPE, "snapshelf-inference", capture=True)
    assert statements_of(policy)["s3:PutObject"]["Resource"] == (
        "arn:aws:s3:::shelf-artifacts-123456789012-eu-central-1/captured/*"
    )


def test_endpoint_reads_models_only() -> None:
    """An endpoint's role neither writes nor sees the records."""
    statements = statements_of(hosting_policy(SCOPE, "snapshelf-inference"))
    assert [action for action in statements if action.startswith("s3:")] == ["s3:GetObject"]
    assert statements["s3:GetObject"]["Resource"] == (
        "arn:aws:s3:::shelf-artifacts-123456789012-eu-central-1/models/*"
    )
    assert not any(action.startswith("ecr:") for action in statements)


@pytest.mark.parametrize("policy", [hosting_policy, training_policy])
def test_image_in_ecr_may_be_pulled_and_no_other(policy: Any) -> None:
    """The repository's own account and region stand in the policy."""
    statements = statements_of(policy(SCOPE, ECR_IMAGE))
    assert statements["ecr:BatchGetImage"]["Resource"] == (
        "arn:aws:ecr:eu-west-1:210987654321:repository/team/serve"
    )


def test_page_leaves_its_development_out(tmp_path: Path) -> None:
    """What is uploaded is what a browser asks for; config.json is each deployment's own."""
    kept = ("index.html", "page.js", "vendor/jquery.min.js")
    left = ("package.json", "config.json", "README.md", ".hidden.js", "node_modules/j/j.js")
    for name in (*kept, *left):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    files = {stored.key: stored for stored in page_files(tmp_path)}
    assert tuple(files) == kept
    assert files["index.html"].content_type == "text/html; charset=utf-8"
    assert files["index.html"].cache_control == "no-cache"
    assert files["vendor/jquery.min.js"].cache_control == "public, max-age=86400"


def test_page_file_of_no_known_type_is_refused(tmp_path: Path) -> None:
    """A browser would download it instead of using it."""
    (tmp_path / "index.html").touch()
    (tmp_path / "model.bin").touch()
    with pytest.raises(DeployError, match=r"no content type is known for '\.bin'"):
        page_files(tmp_path)


def test_folder_without_a_page_is_refused(tmp_path: Path) -> None:
    """An empty bucket would be deployed otherwise, and the old page deleted."""
    with pytest.raises(DeployError, match=r"holds no index\.html"):
        page_files(tmp_path)


def test_swagger_names_the_function_and_answers_errors_with_cors() -> None:
    """CloudFormation's placeholders are filled in, mock integrations are left as they are."""
    integrations = {
        "post": {"type": "aws_proxy", "uri": {"Fn::Sub": "${APIHandler.Arn}"}},
        "options": {"type": "mock"},
    }
    methods = {
        name: {"x-amazon-apigateway-integration": integration}
        for name, integration in integrations.items()
    }
    document = {"info": {"title": "app", "version": "1.0"}, "paths": {"/classify": methods}}
    completed = json.loads(complete_swagger(document, SCOPE))
    assert completed["info"] == {"title": "shelf", "version": "1.0"}
    proxy = completed["paths"]["/classify"]["post"]["x-amazon-apigateway-integration"]
    assert proxy["uri"] == (
        "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/"
        "arn:aws:lambda:eu-central-1:123456789012:function:shelf-api/invocations"
    )
    mock = completed["paths"]["/classify"]["options"]["x-amazon-apigateway-integration"]
    assert mock == {"type": "mock"}
    responses = completed["x-amazon-apigateway-gateway-responses"]
    assert {
        kind: each["responseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"]
        for kind, each in responses.items()
    } == dict.fromkeys(("DEFAULT_4XX", "DEFAULT_5XX"), f"'{SCOPE.allowed_origin}'")
    assert document["info"]["title"] == "app"  # the cached bundle's own stays as it was


def test_key_is_asked_of_every_request_but_a_preflight() -> None:
    """Browsers send OPTIONS without the page's headers."""
    proxy = {"x-amazon-apigateway-integration": {"type": "aws_proxy"}}
    mock = {"x-amazon-apigateway-integration": {"type": "mock"}}
    document = {
        "info": {"title": "app"},
        "paths": {"/classify": {"post": proxy, "options": mock}},
        "securityDefinitions": {"other": {"type": "basic"}},
    }
    completed = json.loads(complete_swagger(document, SCOPE, needs_key=True))
    methods = completed["paths"]["/classify"]
    assert methods["post"]["security"] == [{"api_key": []}]
    assert "security" not in methods["options"]
    assert completed["securityDefinitions"] == {
        "other": {"type": "basic"},
        "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
    }
    untouched = json.loads(complete_swagger(document, SCOPE))
    assert "security" not in untouched["paths"]["/classify"]["post"]
