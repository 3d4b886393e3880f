"""Endpoints of every kind, driven by boto3 beside a real S3, SNS, SQS and CloudWatch."""

from __future__ import annotations

import concurrent.futures
import hashlib
import io
import itertools
import json
import os
import signal
import tarfile
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from test_sagemaker_plane import ROLE, SOON, RunningPlane

BUCKET = "endpoint-shelf"
CLIENTS, REQUESTS = 8, 1000

PROGRAM = """
import hashlib, http.server, json, os, pathlib, time
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
model = (base / "model/model.txt").read_text()

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    def log_message(self, *args): pass
    def do_GET(self): self.answer(b"")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(1 if body == b"slow" else 0.01)
        digest = hashlib.sha256(body).hexdigest()
        self.answer(json.dumps({"model": model, "digest": digest, "pid": os.getpid()}).encode())
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

address = "127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
"""


@pytest.fixture
def plane(cloud, aws, tmp_path):
    """A plane of its own beside the session's cloud."""
    aws("s3").create_bucket(Bucket=BUCKET)
    running = RunningPlane(tmp_path, cloud.endpoint_url, PROGRAM)
    yield running
    if running.process.poll() is None:
        running.end(signal.SIGTERM)


def make_config(plane, aws, name, *, instances=1, variant=None, **config):
    """A model whose one file holds its name, and a configuration of the same name."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo("model.txt")
        member.size = len(name)
        tar.addfile(member, io.BytesIO(name.encode()))
    aws("s3").put_object(Bucket=BUCKET, Key=f"{name}.tar.gz", Body=archive.getvalue())
    container = {"Image": "tiny:1", "ModelDataUrl": f"s3://{BUCKET}/{name}.tar.gz"}
    plane.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    capacity = {"InitialInstanceCount": instances, "InstanceType": "ml.m5.large"}
    described = {"VariantName": "v", "ModelName": name, **(variant or capacity)}
    plane.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[described], **config
    )


def in_service(plane, name="shelf"):
    """Wait until the endpoint is in service."""
    waiter = plane.sagemaker.get_waiter("endpoint_in_service")
    waiter.wait(EndpointName=name, WaiterConfig=SOON)


def make_endpoint(plane, aws, name="shelf", **changes):
    """An endpoint in service, with model and configuration of the same name."""
    make_config(plane, aws, name, **changes)
    plane.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    in_service(plane, name)


def invoke(plane, name, body=b"photo", **request):
    """The answer of an endpoint: what the container told, and the variant."""
    answer = plane.runtime.invoke_endpoint(EndpointName=name, Body=body, **request)
    return {**json.loads(answer["Body"].read()), "variant": answer["InvokedProductionVariant"]}


def until(check, seconds=60):
    """Wait for something true; that."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)
    return found


def test_no_request_is_lost_or_wrong_while_the_endpoint_changes_and_a_process_is_killed(plane, aws):
    """1,000 requests of 8 clients that try once: an update, a SIGKILL, and another count."""
    make_endpoint(plane, aws, instances=2)
    make_config(plane, aws, "second", instances=2)
    numbers, reached = itertools.count(), {at: threading.Event() for at in (150, 400, 700)}

    def work(_client):
        answers = []
        for number in iter(numbers.__next__, None):
            if number >= REQUESTS:
                return answers
            if number in reached:
                reached[number].set()
            body = f"photo {number}".encode()
            told = invoke(plane, "shelf", body)
            assert told["digest"] == hashlib.sha256(body).hexdigest()
            answers.append(told)
        raise AssertionError("unreachable")

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(work, client) for client in range(CLIENTS)]
        reached[150].wait(60)
        victim = invoke(plane, "shelf")["pid"]
        os.kill(victim, signal.SIGKILL)
        reached[400].wait(60)
        plane.sagemaker.update_endpoint(EndpointName="shelf", EndpointConfigName="second")
        in_service(plane)
        reached[700].wait(60)
        plane.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="shelf",
            DesiredWeightsAndCapacities=[{"VariantName": "v", "DesiredInstanceCount": 1}],
        )
        answers = [answer for client in clients for answer in client.result(120)]
    assert len(answers) == REQUESTS
    assert {answer["model"] for answer in answers} == {"shelf", "second"}
    assert victim in {answer["pid"] for answer in answers}
    in_service(plane)


def test_what_was_asked_is_captured_and_counted_when_the_plane_ends(plane, aws):
    """A line for each request in S3, its figures in CloudWatch, both sent by SIGTERM at the latest."""
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{BUCKET}/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
    }
    make_endpoint(plane, aws, "captured", DataCaptureConfig=capture)
    described = plane.sagemaker.describe_endpoint(EndpointName="captured")
    assert described["DataCaptureConfig"]["CaptureStatus"] == "Started"
    for _ in range(5):
        invoke(plane, "captured", b"\xff", ContentType="image/jpeg", InferenceId="42")
    plane.end(signal.SIGTERM)
    listed = aws("s3").list_objects_v2(Bucket=BUCKET, Prefix="captured/captured/v/")["Contents"]
    lines = [
        json.loads(line)
        for one in listed
        for line in aws("s3").get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read().splitlines()
    ]
    assert len(lines) == 5
    assert {line["captureData"]["endpointInput"]["data"] for line in lines} == {"/w=="}
    assert {line["captureData"]["endpointOutput"]["encoding"] for line in lines} == {"JSON"}
    assert {line["eventMetadata"]["inferenceId"] for line in lines} == {"42"}

    moment = datetime.now(UTC)

    def statistics(metric, statistic):
        (point,) = aws("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[
                {"Name": "EndpointName", "Value": "captured"},
                {"Name": "VariantName", "Value": "v"},
            ],
            StartTime=moment - timedelta(hours=1),
            EndTime=moment + timedelta(hours=1),
            Period=7200,
            Statistics=[statistic],
        )["Datapoints"]
        return point[statistic]

    assert statistics("Invocations", "Sum") == 5
    assert statistics("ModelLatency", "Minimum") >= 10_000
    assert statistics("Invocation5XXErrors", "Sum") == 0


def test_an_asynchronous_answer_is_found_in_s3_and_told_to_a_topic(plane, aws):
    """By way of a restart of the plane with SIGKILL, which the queue survives."""
    topic = aws("sns").create_topic(Name="answers")["TopicArn"]
    queue = aws("sqs").create_queue(QueueName="answers")["QueueUrl"]
    queue_arn = aws("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    aws("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=queue_arn["Attributes"]["QueueArn"]
    )
    output = {
        "S3OutputPath": f"s3://{BUCKET}/out",
        "S3FailurePath": f"s3://{BUCKET}/failed",
        "NotificationConfig": {"SuccessTopic": topic},
    }
    client = {"MaxConcurrentInvocationsPerInstance": 1}
    asynchronous = {"OutputConfig": output, "ClientConfig": client}
    make_endpoint(plane, aws, "later", AsyncInferenceConfig=asynchronous)
    aws("s3").put_object(Bucket=BUCKET, Key="in/photo", Body=b"slow")
    accepted = [
        plane.runtime.invoke_endpoint_async(
            EndpointName="later", InputLocation=f"s3://{BUCKET}/in/photo", InferenceId=f"{number}"
        )
        for number in range(3)
    ]
    assert [one["ResponseMetadata"]["HTTPStatusCode"] for one in accepted] == [202] * 3
    assert [one["InferenceId"] for one in accepted] == ["0", "1", "2"]
    plane.end(signal.SIGKILL)
    plane.start()

    told = {}

    def all_told():
        answer = aws("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            content = json.loads(json.loads(message["Body"])["Message"])
            told[content["inferenceId"]] = content
        return len(told) == 3

    until(all_told)
    for one in accepted:
        message = told[one["InferenceId"]]
        assert message["invocationStatus"] == "Completed"
        assert message["responseParameters"]["outputLocation"] == one["OutputLocation"]
        key = one["OutputLocation"].removeprefix(f"s3://{BUCKET}/")
        content = aws("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        assert json.loads(content)["digest"] == hashlib.sha256(b"slow").hexdigest()


def test_a_serverless_endpoint_answers_and_throttles(plane, aws):
    """By boto3's own names."""
    serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
    make_endpoint(plane, aws, "lazy", variant={"ServerlessConfig": serverless})
    answer = invoke(plane, "lazy")
    assert (answer["model"], answer["variant"]) == ("lazy", "v")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        both = [pool.submit(invoke, plane, "lazy", b"slow") for _ in range(2)]
        refusals = [refused for one in both if (refused := one.exception())]
    (refused,) = refusals  # the one that came while the other was under way
    assert refused.response["Error"]["Code"] == "ThrottlingException"


def test_a_variant_scales_by_the_operations_of_application_auto_scaling(plane, aws):
    """Out under load; all of it answered."""
    make_endpoint(plane, aws, "elastic")
    variant = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/elastic/variant/v",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    plane.autoscaling.register_scalable_target(MinCapacity=1, MaxCapacity=2, **variant)
    metric = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
    plane.autoscaling.put_scaling_policy(
        PolicyName="concurrency",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 2,
            "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
        },
        **variant,
    )

    def instances():
        endpoint = plane.sagemaker.describe_endpoint(EndpointName="elastic")
        return endpoint["ProductionVariants"][0]["CurrentInstanceCount"]

    done = threading.Event()

    def work():
        while not done.is_set():
            invoke(plane, "elastic", b"slow")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(work) for _ in range(4)]
        try:
            until(lambda: instances() == 2)
        finally:
            done.set()
        for client in clients:
            client.result()
    described = plane.autoscaling.describe_scaling_activities(ServiceNamespace="sagemaker")
    assert described["ScalingActivities"][0]["Description"].endswith("instance count to 2.")


def test_an_alarm_takes_the_traffic_back_from_a_canary(plane, aws):
    """An alarm of CloudWatch's own."""
    make_endpoint(plane, aws, "steady")
    make_config(plane, aws, "canary")
    aws("cloudwatch").put_metric_alarm(
        AlarmName="errors",
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    canary = {"Type": "CAPACITY_PERCENT", "Value": 10}
    routing = {"Type": "CANARY", "WaitIntervalInSeconds": 3600, "CanarySize": canary}
    plane.sagemaker.update_endpoint(
        EndpointName="steady",
        EndpointConfigName="canary",
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
        },
    )

    def described():
        return plane.sagemaker.describe_endpoint(EndpointName="steady")

    until(lambda: described().get("PendingDeploymentSummary"))
    aws("cloudwatch").set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
    in_service(plane, "steady")
    endpoint = described()
    assert "in ALARM: errors" in endpoint["FailureReason"]
    assert endpoint["EndpointConfigName"] == "steady"
    assert invoke(plane, "steady")["model"] == "steady"


def test_the_cloud_passes_application_auto_scaling_to_its_plane(aws):
    """On the one port, by the signature's scope."""
    answer = aws("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")
    assert answer["ScalableTargets"] == []
