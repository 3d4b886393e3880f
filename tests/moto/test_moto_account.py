"""The mocked account that any user's tests may import: it answers from the real model."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError
from PIL import Image

from infra.deploy.executor import Action, compare
from infra.deploy.options import DeployOptions
from infra.deploy.plan import model_plan
from testing.account import put_model_into_service

if TYPE_CHECKING:
    from pathlib import Path

    from infra.deploy.scope import Scope
    from infra.targets import Target

DESCRIBE = {"CustomAttributes": "method=describe"}


def photo(colour: tuple[int, int, int]) -> bytes:
    """A photo of one colour, PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(buffer, "PNG")
    return buffer.getvalue()


def invoke(name: str, body: bytes, content_type: str = "image/png", **members: str) -> dict:
    """InvokeEndpoint by a client of the test's own, as code under test would make one."""
    runtime = boto3.client("sagemaker-runtime", region_name="us-east-1")
    return runtime.invoke_endpoint(
        EndpointName=name, Body=body, ContentType=content_type, **members
    )


def test_the_endpoint_answers_from_the_model_itself(snapshelf: Scope) -> None:
    """Another photo is another answer, which no canned body could give."""
    for index, colour in enumerate([(250, 10, 10), (10, 250, 10), (10, 10, 250)]):
        answer = invoke(snapshelf.endpoint, photo(colour))
        probabilities = json.loads(answer["Body"].read())
        assert probabilities.index(max(probabilities)) == index
        assert answer["InvokedProductionVariant"] == "AllTraffic"


def test_the_accept_header_reaches_the_model(snapshelf: Scope) -> None:
    """Verbose JSON names the category."""
    answer = invoke(snapshelf.endpoint, photo((250, 10, 10)), Accept="application/json;verbose")
    assert json.loads(answer["Body"].read())["predicted_label"] == "red"


def test_the_model_card_is_told(snapshelf: Scope) -> None:
    """CustomAttributes go through."""
    answer = invoke(snapshelf.endpoint, b"{}", "application/json", **DESCRIBE)
    assert json.loads(answer["Body"].read())["classes"] == ["red", "green", "blue"]


def test_a_damaged_photo_is_a_model_error(snapshelf: Scope) -> None:
    """The container's own status and words stand in botocore's members of ModelError."""
    with pytest.raises(ClientError, match="ModelError") as raised:
        invoke(snapshelf.endpoint, b"no photo")
    assert raised.value.response["OriginalStatusCode"] == 400
    assert json.loads(raised.value.response["OriginalMessage"])["code"] == "unreadable_photo"


def test_an_endpoint_that_is_not_there_is_refused(snapshelf: Scope) -> None:
    """SageMaker's code for it is ValidationError."""
    with pytest.raises(ClientError, match=r"ValidationError.*Endpoint nobody not found"):
        invoke("nobody", photo((1, 2, 3)))


def test_the_account_is_the_one_that_deploying_makes(
    snapshelf: Scope, snapshelf_artifact: Path
) -> None:
    """Buckets, artifact, role, model, configuration and endpoint leave nothing to make or change."""
    steps = compare(model_plan(snapshelf, DeployOptions(snapshelf_artifact)))
    assert {step.action for step in steps} == {Action.KEEP}
    buckets = {bucket["Name"] for bucket in snapshelf.client("s3").list_buckets()["Buckets"]}
    assert buckets == {snapshelf.artifact_bucket, snapshelf.web_bucket}


def test_each_test_has_an_account_of_its_own(snapshelf_account: Target) -> None:
    """Nothing of another test's stands in it, and a model goes into service under any name."""
    assert snapshelf_account.client("s3").list_buckets()["Buckets"] == []


def test_another_models_endpoint_stands_beside(
    snapshelf: Scope, snapshelf_account: Target, snapshelf_artifact: Path
) -> None:
    """Any number of deployments, each by its name."""
    other = put_model_into_service(snapshelf_account, snapshelf_artifact, "second")
    for scope in (snapshelf, other):
        assert invoke(scope.endpoint, photo((250, 10, 10)))["ContentType"] == "application/json"


def test_an_image_of_someone_else_is_left_to_moto(
    snapshelf: Scope, snapshelf_account: Target
) -> None:
    """What is not ours is not run here; moto's canned answer says so by its look."""
    sagemaker = snapshelf_account.client("sagemaker")
    image = {"Image": "xgboost:1", "ModelDataUrl": "s3://bucket/model.tar.gz"}
    sagemaker.create_model(
        ModelName="theirs", PrimaryContainer=image, ExecutionRoleArn=snapshelf.hosting_role_arn
    )
    variant = {
        "VariantName": "one",
        "ModelName": "theirs",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="theirs", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="theirs", EndpointConfigName="theirs")
    assert invoke("theirs", photo((1, 2, 3)))["Body"].read() == b"body"
