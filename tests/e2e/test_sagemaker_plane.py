"""The SageMaker plane by itself beside another cloud's S3, driven by boto3 with its waiters."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import tarfile
import textwrap
import time
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from contracts import ARTIFACT_FILE

ROOT = Path(__file__).parents[2]
ROLE = "arn:aws:iam::000000000000:role/SageMaker"
SOON = {"Delay": 1, "MaxAttempts": 60}
BUCKET = "plane-shelf"

PROGRAM = """
import http.server, json, os, pathlib, sys, time
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))

def train():
    settings = json.loads((base / "input/config/hyperparameters.json").read_text())
    (record,) = (base / "input/data/train").iterdir()
    (base / "model/weights").write_bytes(record.read_bytes())
    print("Epoch[0] Validation-accuracy=0.9", flush=True)
    resources = json.loads((base / "input/config/resourceconfig.json").read_text())
    if len(resources["hosts"]) > 1:
        print(json.dumps(resources), flush=True)
        (base / "model" / resources["current_host"]).write_text("here")
    time.sleep(float(settings.get("seconds", 0)))

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    def log_message(self, *args): pass
    def do_GET(self): self.answer(200, b"")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"bad":
            return self.answer(400, b"not a photo")
        if body == b"who":
            time.sleep(0.05)
            return self.answer(200, str(os.getpid()).encode())
        self.answer(200, (base / "model/weights").read_bytes())
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

if sys.argv[1] == "train":
    train()
else:
    address = "127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])
    http.server.ThreadingHTTPServer(address, Handler).serve_forever()
"""


class RunningPlane:
    """`python -m infra.sagemaker` on a port of the system's choosing."""

    def __init__(self, folder, aws_endpoint_url, program=PROGRAM):
        self.folder, self._aws = folder, aws_endpoint_url
        self._program = folder / "program.py"
        self._program.write_text(textwrap.dedent(program))
        self.start()

    def start(self):
        """Start it, and make clients of it."""
        command = [sys.executable, "-m", "infra.sagemaker", "--port", "0", "--state"]
        command += [str(self.folder / "state"), "--aws-endpoint-url", self._aws]
        command += ["--image", f"tiny={sys.executable} {self._program}"]
        log = self.folder / "plane.log"
        log.write_text("")
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
        url = self._wait(lambda: re.search(r"http://127\.0\.0\.1:\d+", log.read_text()))[0]
        self.sagemaker, self.runtime, self.autoscaling = (
            boto3.client(
                service,
                endpoint_url=url,
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(retries={"total_max_attempts": 1}),
            )
            for service in ("sagemaker", "sagemaker-runtime", "application-autoscaling")
        )

    def end(self, number):
        """Send a signal; the pids of the containers that it had."""
        pids = self.containers()
        self.process.send_signal(number)
        self.process.wait(20)
        return pids

    def containers(self):
        """Pids of all processes of our program."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if str(self._program).encode() in command and b"infra.sagemaker" not in command:
                    found.append(int(entry.name))
        return found

    def _wait(self, check):
        deadline = time.monotonic() + 30
        while not (found := check()):
            assert time.monotonic() < deadline, (self.folder / "plane.log").read_text()
            time.sleep(0.05)
        return found


@pytest.fixture
def plane(cloud, aws, tmp_path):
    """A plane of its own beside the session's cloud, and a bucket with a record in it."""
    aws("s3").create_bucket(Bucket=BUCKET)
    aws("s3").put_object(Bucket=BUCKET, Key="data/train/photos.rec", Body=b"weights")
    running = RunningPlane(tmp_path, cloud.endpoint_url)
    yield running
    if running.process.poll() is None:
        running.end(signal.SIGTERM)


def train(plane, name, *, hosts=1, **hyperparameters):
    """Start a training job."""
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/data/train"}
    plane.sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=ROLE,
        AlgorithmSpecification={
            "TrainingImage": "tiny:1",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "accuracy", "Regex": r"accuracy=([\d.]+)"}],
        },
        HyperParameters=hyperparameters,
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/output/"},
        ResourceConfig={
            "InstanceType": "ml.m5.large",
            "InstanceCount": hosts,
            "VolumeSizeInGB": 1,
        },
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )


def serve(plane, name, artifact):
    """Make model, configuration and endpoint of one name; wait until it is in service."""
    plane.sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={"Image": "tiny:1", "ModelDataUrl": artifact},
        ExecutionRoleArn=ROLE,
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }
    plane.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    plane.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    plane.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig=SOON)


def test_from_training_to_an_answer_and_back_to_nothing(plane, aws):
    """Train, model, endpoint, invoke, delete: each by boto3, each waited for by its waiter."""
    train(plane, "job")
    waiter = plane.sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName="job", WaiterConfig=SOON)
    job = plane.sagemaker.describe_training_job(TrainingJobName="job")
    assert job["TrainingJobStatus"] == "Completed", job
    assert job["FinalMetricDataList"][0]["Value"] == 0.9
    artifact = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert artifact == f"s3://{BUCKET}/output/job/output/{ARTIFACT_FILE}"

    serve(plane, "shelf", artifact)
    answer = plane.runtime.invoke_endpoint(
        EndpointName="shelf", Body=b"photo", ContentType="image/jpeg"
    )
    assert answer["Body"].read() == b"weights"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    with pytest.raises(plane.runtime.exceptions.ModelError) as error:
        plane.runtime.invoke_endpoint(EndpointName="shelf", Body=b"bad")
    assert error.value.response["OriginalStatusCode"] == 400
    assert error.value.response["OriginalMessage"] == "not a photo"
    with pytest.raises(ClientError, match="Endpoint nobody of account 000000000000 not found"):
        plane.runtime.invoke_endpoint(EndpointName="nobody", Body=b"")

    plane.sagemaker.delete_endpoint(EndpointName="shelf")
    waiter = plane.sagemaker.get_waiter("endpoint_deleted")
    waiter.wait(EndpointName="shelf", WaiterConfig=SOON)
    assert plane.containers() == []
    streams = aws("logs").describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs")
    (name,) = [one["logStreamName"] for one in streams["logStreams"]]
    events = aws("logs").get_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=name
    )
    assert [one["message"] for one in events["events"]] == ["Epoch[0] Validation-accuracy=0.9"]


def test_two_hosts_print_who_they_are(plane, aws):
    """A job of InstanceCount 2: two log streams, one artifact of what both wrote."""
    train(plane, "pair", hosts=2)
    waiter = plane.sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName="pair", WaiterConfig=SOON)
    job = plane.sagemaker.describe_training_job(TrainingJobName="pair")
    assert job["TrainingJobStatus"] == "Completed", job
    group = "/aws/sagemaker/TrainingJobs"
    streams = aws("logs").describe_log_streams(
        logGroupName=group, logStreamNamePrefix="pair/algo-"
    )["logStreams"]
    seen = []
    for stream in streams:
        events = aws("logs").get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"]
        )["events"]
        resources = json.loads(events[1]["message"])
        assert stream["logStreamName"].startswith(f"pair/{resources['current_host']}-")
        seen.append((resources["current_host"], resources["hosts"]))
    assert sorted(seen) == [(host, ["algo-1", "algo-2"]) for host in ("algo-1", "algo-2")]
    body = aws("s3").get_object(Bucket=BUCKET, Key=f"output/pair/output/{ARTIFACT_FILE}")["Body"]
    with tarfile.open(fileobj=io.BytesIO(body.read())) as archive:
        assert sorted(archive.getnames()) == ["algo-1", "algo-2", "weights"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_plane_and_all_comes_back(plane, number):
    """Neither a job's nor an endpoint's; after a start, both go on."""
    train(plane, "first")
    waiter = plane.sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName="first", WaiterConfig=SOON)
    serve(plane, "shelf", f"s3://{BUCKET}/output/first/output/{ARTIFACT_FILE}")
    train(plane, "second", seconds="3")
    while len(plane.containers()) < 2:
        time.sleep(0.05)

    before = plane.end(number)
    assert len(before) >= 2
    deadline = time.monotonic() + 5
    while plane.containers() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert plane.containers() == []

    plane.start()
    answer = plane.runtime.invoke_endpoint(EndpointName="shelf", Body=b"photo")
    assert answer["Body"].read() == b"weights"
    waiter = plane.sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName="second", WaiterConfig=SOON)
    job = plane.sagemaker.describe_training_job(TrainingJobName="second")
    assert job["TrainingJobStatus"] == "Completed", job


def make_model(plane, aws, name):
    """A model of the program, with weights of its own."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("weights")
        archive.addfile(member, io.BytesIO())
    aws("s3").put_object(Bucket=BUCKET, Key=f"{name}.tar.gz", Body=buffer.getvalue())
    container = {"Image": "tiny:1", "ModelDataUrl": f"s3://{BUCKET}/{name}.tar.gz"}
    plane.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)


def transform(plane, aws, name, **more):
    """Start a transform of sixty objects that each say who answered; a twentieth second each."""
    for number in range(60):
        aws("s3").put_object(Bucket=BUCKET, Key=f"asked/{number:02d}", Body=b"who")
    make_model(plane, aws, name)
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/asked/"}
    return plane.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=name,
        TransformInput={"DataSource": {"S3DataSource": source}},
        TransformOutput={"S3OutputPath": f"s3://{BUCKET}/answered/{name}"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **more,
    )["TransformJobArn"]


def test_boto3_stops_lists_and_tags_transform_jobs(plane, aws):
    """Its parsers, paginators and the waiter take every answer."""
    arn = transform(plane, aws, "stopped", Tags=[{"Key": "team", "Value": "a"}])
    client = plane.sagemaker
    client.stop_transform_job(TransformJobName="stopped")
    waiter = client.get_waiter("transform_job_completed_or_stopped")
    waiter.wait(TransformJobName="stopped", WaiterConfig=SOON)
    job = client.describe_transform_job(TransformJobName="stopped")
    assert (job["TransformJobStatus"], job["ModelName"]) == ("Stopped", "stopped")
    assert job["TransformEndTime"] >= job["CreationTime"]
    pages = client.get_paginator("list_transform_jobs").paginate(StatusEquals="Stopped")
    listed = [one["TransformJobArn"] for page in pages for one in page["TransformJobSummaries"]]
    assert listed == [arn]
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    waiter = client.get_waiter("transform_job_completed_or_stopped")
    with pytest.raises(WaiterError, match="service error code: ValidationException"):
        waiter.wait(TransformJobName="nobody", WaiterConfig=SOON)


def test_a_transform_goes_on_behind_what_stands_when_the_plane_was_killed(plane, aws):
    """Each output says which container made it: those of the first are not made again."""
    s3 = aws("s3")
    transform(plane, aws, "batch")

    def answers():
        listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="answered/batch/").get("Contents", [])
        keys = [one["Key"] for one in listed]
        return {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}

    deadline = time.monotonic() + 30
    while len(answers()) < 10:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    plane.end(signal.SIGKILL)
    before = answers()
    assert len(before) < 60

    plane.start()
    waiter = plane.sagemaker.get_waiter("transform_job_completed_or_stopped")
    waiter.wait(TransformJobName="batch", WaiterConfig=SOON)
    after = answers()
    assert sorted(after) == [f"answered/batch/{number:02d}.out" for number in range(60)]
    again = [key for key in before if after[key] != before[key]]
    assert len(again) <= 1  # the one whose output stood, but was not yet written down
    streams = aws("logs").describe_log_streams(logGroupName="/aws/sagemaker/TransformJobs")
    names = [one["logStreamName"] for one in streams["logStreams"]]
    assert any(re.fullmatch(r"batch/i-0-\d+/data-log", name) for name in names)
