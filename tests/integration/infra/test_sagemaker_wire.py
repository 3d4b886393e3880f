"""The plane over the wire: every operation walked, every answer held to botocore's models."""

import itertools

import pytest
from botocore.parsers import create_parser
from sagemaker_operations import OFFERED, RUNTIME_OFFERED
from sagemaker_plane import QUICK, ROLE, AwsError, channel, job_request, make_model, running_plane
from sagemaker_programs import SERVE_IMAGE
from service_answers import faults_of
from service_inputs import beyond_constraints, left_out, of_another_type, valid_requests

from infra.images import SERVE, TRAIN, Image
from infra.sagemaker.service_model import load_model, operation_model

NOTHING = Image("nothing", ("true",), frozenset({TRAIN, SERVE}))
"""An image whose processes end at once."""
COMMON_ERRORS = {"ValidationException", "ResourceLimitExceeded", "ResourceInUse"}
"""What any operation may answer, beside what its model names."""
ARN = "arn:aws:sagemaker:us-east-1:000000000000:"
VARIANT = "endpoint/shelf/variant/AllTraffic"
SCALES = {"ResourceId": VARIANT, "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
TARGET = {
    "TargetValue": 100.0,
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
    },
}
NAMED = {
    "ServiceNamespace": "sagemaker",
    **SCALES,
    "ModelName": "model",
    "ModelPackageGroupName": "group",
    "ModelPackageName": "single",
    "ModelPackageArn": "arn:aws:sagemaker:us-east-1:000000000000:model-package/group/1",
    "EndpointName": "shelf",
    "EndpointConfigName": "config",
    "VariantName": "AllTraffic",
    "TrainingJobName": "job",
    "TransformJobName": "transform",
    "PolicyName": "policy",
    "PolicyType": "TargetTrackingScaling",
    "TrainingImage": "nothing",
    "Image": "nothing",
    "ModelDataUrl": "s3://shelf/models/model.tar.gz",
    "S3Uri": "s3://shelf/data/",
    "S3DataType": "S3Prefix",
    "InstanceType": "ml.m5.large",
    "ResourceArn": "arn:aws:sagemaker:us-east-1:000000000000:model/model",
}
"""Values for generated requests: names of what exists, so that they come far."""


FRESHLY_NAMED = {
    "CreateModel": "ModelName",
    "CreateModelPackage": "ModelPackageName",
    "CreateModelPackageGroup": "ModelPackageGroupName",
    "CreateEndpointConfig": "EndpointConfigName",
    "CreateTrainingJob": "TrainingJobName",
    "CreateTransformJob": "TransformJobName",
    "DeleteModel": "ModelName",
    "DeleteModelPackage": "ModelPackageName",
    "DeleteModelPackageGroup": "ModelPackageGroupName",
    "DeleteEndpointConfig": "EndpointConfigName",
    "DeleteEndpoint": "EndpointName",
}
"""Operations for which generated requests name something new, and the member that does."""


class Walk:
    """Calls the plane, and keeps each operation's answers."""

    def __init__(self, client):
        self.client, self.answers = client, {}

    async def __call__(self, operation, **parameters):
        """An answer; the service follows from the operation."""
        scaling = operation in load_model("application-autoscaling").operation_names
        call = self.client.autoscale if scaling else self.client.call
        answer = await call(operation, **parameters)
        self.answers.setdefault(operation, []).append(answer)
        return answer

    async def listed(self, operation, **parameters):
        """A List operation's first page, and the next one if there is one."""
        answer = await self(operation, MaxResults=1, **parameters)
        if "NextToken" in answer:
            await self(operation, MaxResults=1, NextToken=answer["NextToken"], **parameters)


def variant(name, model, **more):
    """A variant of an endpoint's configuration, on one instance."""
    instances = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    return {"VariantName": name, "ModelName": model, **instances, **more}


async def walk_models(walk):
    """Models, their tags, and configurations of each kind."""
    await make_model(walk.client)
    container = {"Image": SERVE_IMAGE, "ModelDataUrl": "s3://shelf/models/model.tar.gz"}
    for name in ("second", "third"):
        tags = [{"Key": "team", "Value": "a"}]
        arguments = {"PrimaryContainer": container, "ExecutionRoleArn": ROLE, "Tags": tags}
        arn = (await walk("CreateModel", ModelName=name, **arguments))["ModelArn"]
    await walk("AddTags", ResourceArn=arn, Tags=[{"Key": "year", "Value": "2026"}])
    await walk("ListTags", ResourceArn=arn)
    await walk("DeleteTags", ResourceArn=arn, TagKeys=["team"])
    await walk("DescribeModel", ModelName="model")
    await walk.listed("ListModels")
    await walk("DeleteModel", ModelName="third")


async def walk_registry(walk):
    """Groups, versions that are approved, and a package in no group."""
    container = {"Image": SERVE_IMAGE, "ModelDataUrl": "s3://shelf/models/model.tar.gz"}
    specification = {
        "Containers": [container],
        "SupportedContentTypes": ["image/jpeg"],
        "SupportedResponseMIMETypes": ["application/json"],
    }
    for name in ("group", "empty"):
        await walk("CreateModelPackageGroup", ModelPackageGroupName=name)
    for named in ("ModelPackageGroupName", "ModelPackageGroupName", "ModelPackageName"):
        name = {named: "group" if named.endswith("GroupName") else "single"}
        answer = await walk("CreateModelPackage", InferenceSpecification=specification, **name)
        await walk("DescribeModelPackage", ModelPackageName=answer["ModelPackageArn"])
    arn = f"{ARN}model-package/group/1"
    await walk("UpdateModelPackage", ModelPackageArn=arn, ModelApprovalStatus="Approved")
    await walk.listed("ListModelPackages", ModelPackageGroupName="group")
    await walk("DeleteModelPackage", ModelPackageName=f"{ARN}model-package/group/2")
    await walk("DescribeModelPackageGroup", ModelPackageGroupName="group")
    await walk.listed("ListModelPackageGroups")
    await walk("DeleteModelPackageGroup", ModelPackageGroupName="empty")


async def walk_endpoints(walk):
    """Endpoints: made, changed, scaled; one is asynchronous."""
    capture = {"EnableCapture": True, "InitialSamplingPercentage": 100}
    capture |= {"DestinationS3Uri": "s3://shelf/seen", "CaptureOptions": [{"CaptureMode": "Input"}]}
    later = {"OutputConfig": {"S3OutputPath": "s3://shelf/later"}}
    for name, more in (
        ("config", {}),
        ("captured", {"DataCaptureConfig": capture}),
        ("asked-later", {"AsyncInferenceConfig": later}),
    ):
        variants = [variant("AllTraffic", "model")]
        await walk(
            "CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=variants, **more
        )
        await walk("DescribeEndpointConfig", EndpointConfigName=name)
    await walk.listed("ListEndpointConfigs")
    for name, config in (("shelf", "captured"), ("later", "asked-later")):
        await walk("CreateEndpoint", EndpointName=name, EndpointConfigName=config)
        await walk("DescribeEndpoint", EndpointName=name)
    assert (await walk.client.endpoint("shelf"))["EndpointStatus"] == "InService"
    assert (await walk.client.endpoint("later"))["EndpointStatus"] == "InService"
    await walk.listed("ListEndpoints")
    await walk("DescribeEndpoint", EndpointName="shelf")
    await walk_scaling(walk)
    desired = [{"VariantName": "AllTraffic", "DesiredWeight": 2.0}]
    changes = {"DesiredWeightsAndCapacities": desired}
    await walk("UpdateEndpointWeightsAndCapacities", EndpointName="shelf", **changes)
    await walk.client.endpoint("shelf")
    await walk("UpdateEndpoint", EndpointName="shelf", EndpointConfigName="config")
    await walk("DescribeEndpoint", EndpointName="shelf")
    await walk.client.endpoint("shelf")
    await walk("DeleteEndpointConfig", EndpointConfigName="captured")


async def walk_scaling(walk):
    """Application Auto Scaling of the endpoint's variant, until it has scaled."""
    await walk("RegisterScalableTarget", MinCapacity=2, MaxCapacity=2, **SCALES)
    policy = {"PolicyName": "policy", "PolicyType": "TargetTrackingScaling"}
    policy["TargetTrackingScalingPolicyConfiguration"] = TARGET
    await walk("PutScalingPolicy", **SCALES, **policy)
    await walk("DescribeScalableTargets")
    await walk("DescribeScalingPolicies")

    async def scaled():
        found = await walk.client.autoscale("DescribeScalingActivities")
        states = [one["StatusCode"] for one in found["ScalingActivities"]]
        return states and states[0] == "Successful"

    await walk.client.until(scaled)
    await walk("DescribeScalingActivities")
    await walk("DeleteScalingPolicy", PolicyName="policy", **SCALES)
    await walk("DeregisterScalableTarget", **SCALES)
    await walk.client.endpoint("shelf")


async def walk_jobs(walk):
    """A training job and a transform job that complete, and one each that is stopped."""
    walk.client.objects.content["s3://shelf/data/a"] = b"photo"
    for name, do in (("job", "data"), ("stopped", "sleep")):
        request = job_request(name, HyperParameters={"do": do})
        definition = {"Name": "accuracy", "Regex": r"accuracy=([\d.]+)"}
        request["AlgorithmSpecification"]["MetricDefinitions"] = [definition]
        await walk(
            "CreateTrainingJob", InputDataConfig=[channel("train", "s3://shelf/data/")], **request
        )
    await walk("StopTrainingJob", TrainingJobName="stopped")
    for name, status in (("job", "Completed"), ("stopped", "Stopped")):
        assert (await walk.client.job(name))["TrainingJobStatus"] == status
        await walk("DescribeTrainingJob", TrainingJobName=name)
    await walk.listed("ListTrainingJobs")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://shelf/data/"}}
    for name in ("transform", "broken-off"):
        await walk(
            "CreateTransformJob",
            TransformJobName=name,
            ModelName="model",
            TransformInput={"DataSource": source},
            TransformOutput={"S3OutputPath": "s3://shelf/answers"},
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        )
    await walk("StopTransformJob", TransformJobName="broken-off")

    async def settled():
        names = ("transform", "broken-off")
        jobs = [await walk("DescribeTransformJob", TransformJobName=name) for name in names]
        states = [one["TransformJobStatus"] for one in jobs]
        return states if not {"InProgress", "Stopping"}.intersection(states) else None

    assert await walk.client.until(settled) == ["Completed", "Stopped"]
    await walk.listed("ListTransformJobs")


async def walk_runtime(walk):
    """Both operations of the runtime, parsed as boto3 parses them."""
    http = walk.client.http
    for operation, path, name in (
        ("InvokeEndpoint", "invocations", "shelf"),
        ("InvokeEndpointAsync", "async-invocations", "later"),
    ):
        answer = await http.post(f"/endpoints/{name}/{path}", content=b"photo")
        walk.answers[operation] = [answer]


@pytest.fixture(scope="module")
async def walk(tmp_path_factory):
    """A plane on which every operation has been called, and the answers."""
    folder = tmp_path_factory.mktemp("walk")
    async with running_plane(folder, timing=QUICK, images=(NOTHING,)) as client:
        walk = Walk(client)
        await walk_models(walk)
        await walk_registry(walk)
        await walk_jobs(walk)
        await walk_endpoints(walk)
        await walk_runtime(walk)
        yield walk


@pytest.mark.anyio
async def test_what_is_offered_is_what_is_tested(walk):
    """The plane has these operations and no others."""
    plane = walk.client.plane.app
    offered = [(service, name) for service, names in plane.offered.items() for name in names]
    assert sorted(offered) == sorted(OFFERED)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("service", "operation"), [one for one in OFFERED if one[1] != "DeleteEndpoint"]
)
async def test_an_answer_has_the_members_that_the_model_says(walk, service, operation):
    """At every depth: none unknown, none missing that is required, each of its type and range."""
    shape = operation_model(operation, service).output_shape
    for answer in walk.answers[operation]:
        assert faults_of(answer, shape) == []


@pytest.mark.anyio
@pytest.mark.parametrize("operation", RUNTIME_OFFERED)
async def test_an_answer_of_the_runtime_is_read_by_botocore(walk, operation):
    """Every member that its model requires is found in status line, headers and body."""
    (answer,) = walk.answers[operation]
    shape = operation_model(operation, "sagemaker-runtime").output_shape
    parser = create_parser(load_model("sagemaker-runtime").metadata["protocol"])
    raw = {"status_code": answer.status_code, "headers": answer.headers, "body": answer.content}
    parsed = parser.parse(raw, shape)
    assert parsed["ResponseMetadata"]["HTTPStatusCode"] == {"InvokeEndpoint": 200}.get(
        operation, 202
    )
    assert not set(shape.required_members) - set(parsed)
    expected = {"InvokeEndpoint": "InvokedProductionVariant"}.get(operation, "OutputLocation")
    assert parsed[expected]


@pytest.mark.anyio
@pytest.mark.parametrize(("service", "operation"), OFFERED)
async def test_no_valid_request_is_answered_by_a_failure(walk, service, operation):
    """Each member that the model has, alone: done, or refused with a code that AWS has."""
    model = operation_model(operation, service)
    codes = COMMON_ERRORS | {shape.name for shape in model.error_shapes}
    member = FRESHLY_NAMED.get(operation)
    for number, request in enumerate(valid_requests(model.input_shape, NAMED)):
        fresh = {member: f"fresh-{number}"} if member else {}
        status, answer = await walk.client.answer(service, operation, request | fresh)
        if status == 200:
            assert faults_of(answer, model.output_shape) == [], request
        else:
            assert status == 400, (request, answer)
            assert answer["__type"] in codes, (request, answer)
            assert answer["message"]


@pytest.mark.anyio
@pytest.mark.parametrize(("service", "operation"), OFFERED)
async def test_a_broken_request_is_refused_over_the_wire(walk, service, operation):
    """A member left out, of another type, or beyond its range: 400 with AWS's code and words."""
    shape = operation_model(operation, service).input_shape
    for faults, code in (
        (left_out(shape, NAMED), "ValidationException"),
        (of_another_type(shape, NAMED), "SerializationException"),
        (beyond_constraints(shape, NAMED), "ValidationException"),
    ):
        for fault in itertools.islice(faults, 3):
            with pytest.raises(AwsError) as refused:
                await walk.client.control(service, operation, fault.request)
            assert (refused.value.status, refused.value.code) == (400, code)
            assert fault.said[0] in refused.value.message


@pytest.mark.anyio
@pytest.mark.parametrize("service", ["sagemaker", "application-autoscaling"])
async def test_an_operation_that_is_not_offered_is_named(walk, service):
    """Each of the model's other operations: UnknownOperationException that says which."""
    others = set(load_model(service).operation_names) - {name for _, name in OFFERED}
    for operation in others:
        with pytest.raises(AwsError, match=f"{operation} is not offered") as refused:
            await walk.client.control(service, operation, {})
        assert (refused.value.status, refused.value.code) == (400, "UnknownOperationException")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b"[]",
        b'"a"',
        b'{"MaxResults": NaN}',
        b'{"MaxResults": 1e999}',
        b"[" * 100_000,
        b"\0",
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(walk, body):
    """Not JSON, JSON that is no object, or what Python's reader breaks at: the client's fault."""
    headers = {"x-amz-target": "SageMaker.ListModels"}
    answer = await walk.client.http.post("/", headers=headers, content=body)
    assert (answer.status_code, answer.json()["__type"]) == (400, "SerializationException")


@pytest.mark.anyio
@pytest.mark.parametrize("operation", RUNTIME_OFFERED)
async def test_a_header_beyond_its_constraint_is_refused(walk, operation):
    """Every member that travels as a header: 400 ValidationError in AWS's words."""
    path = {"InvokeEndpoint": "shelf/invocations"}.get(operation, "later/async-invocations")
    shape = operation_model(operation, "sagemaker-runtime").input_shape
    refused = 0
    for fault in beyond_constraints(shape, {"EndpointName": "shelf", "Body": b""}):
        headers = {
            shape.members[name].serialization["name"]: str(value).encode("latin-1")
            for name, value in fault.request.items()
            if shape.members[name].serialization.get("location") == "header"
        }
        if not headers:
            continue
        answer = await walk.client.http.post(
            f"/endpoints/{path}", headers=headers, content=b"photo"
        )
        assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, "ValidationError")
        assert fault.said[0] in answer.json()["Message"]
        refused += 1
    assert refused > 8


@pytest.mark.anyio
@pytest.mark.parametrize("number", ["--5", "\N{SUPERSCRIPT TWO}", "5.5", "five"])
async def test_a_header_that_is_no_number_is_refused(walk, number):
    """Where the model has an integer: the client's fault, whatever Python makes of it."""
    headers = {"x-amzn-sagemaker-requestttlseconds": number.encode("latin-1")}
    path = "/endpoints/later/async-invocations"
    answer = await walk.client.http.post(path, headers=headers, content=b"photo")
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, "ValidationError")
    assert "can not be converted to an Integer" in answer.json()["Message"]


@pytest.mark.anyio
async def test_the_walk_ends_with_nothing(walk):
    """Both endpoints deleted; an answer of no members at all. The last test of this module."""
    for name in ("shelf", "later"):
        assert await walk("DeleteEndpoint", EndpointName=name) == {}

    async def gone():
        return not (await walk.client.call("ListEndpoints"))["Endpoints"]

    await walk.client.until(gone)
