"""The nightly function's starts: each goes on where the one before was ended."""

import csv
import io
import itertools
import json
import re
from datetime import timedelta
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.s3.models import s3_backends

from batch import nightly
from batch.errors import BatchError
from batch.night import Night, read_answer
from batch.order import Order
from contracts import ANY_IMAGE, JSON_VERBOSE

BUCKET = "returns"
EVENT = {"photos": f"s3://{BUCKET}/new/", "out": f"s3://{BUCKET}/sorted/", "endpoint": "shelf"}
ANSWER = {"probabilities": [0.1, 0.9], "labels": ["books", "mobile"], "threshold": 0.5}


class SageMaker:
    """In SageMaker's place: jobs end as they are told to, once they were looked at `looks` times."""

    def __init__(self, s3, ends=("Completed",), looks=1, unanswered=()):
        self.s3, self.ends, self.looks = s3, list(ends), looks
        self.unanswered, self.jobs, self.requests = set(unanswered), {}, []
        self.reason = "ClientError: returns/new/b.png: no photo"
        self.weights = {"tried": 1.0, "model": 9.0}

    def describe_endpoint(self, EndpointName):  # noqa: N803 (as boto3 has it)
        weights = [
            {"VariantName": name, "CurrentWeight": weight} for name, weight in self.weights.items()
        ]
        return {"EndpointConfigName": f"{EndpointName}-config", "ProductionVariants": weights}

    def describe_endpoint_config(self, EndpointConfigName):  # noqa: N803
        return {
            "ProductionVariants": [
                {"VariantName": name, "ModelName": f"{name} of {EndpointConfigName}"}
                for name in self.weights
            ]
        }

    def create_transform_job(self, **request):
        name = request["TransformJobName"]
        if name in self.jobs:
            raise refusal("ResourceInUse")
        self.requests.append(request)
        self.jobs[name] = [self.ends.pop(0), self.looks, request]

    def describe_transform_job(self, TransformJobName):  # noqa: N803
        if TransformJobName not in self.jobs:
            raise refusal("ValidationException", "Could not find requested job with name: x")
        end, looks, request = self.jobs[TransformJobName]
        self.jobs[TransformJobName][1] = looks - 1
        if looks > 0:
            return {"TransformJobName": TransformJobName, "TransformJobStatus": "InProgress"}
        self.answer(request, end)
        reason = {"FailureReason": self.reason} if end == "Failed" else {}
        return {"TransformJobName": TransformJobName, "TransformJobStatus": end, **reason}

    def answer(self, request, end):
        """Write answers, of a stopped job to the first photo alone."""
        for name in self.asked(request)[: 1 if end == "Stopped" else None]:
            if name not in self.unanswered:
                key = f"sorted/answers/{name}.out"
                self.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(ANSWER))

    def asked(self, request):
        """The photos that a job's manifest names."""
        uri = request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        key = uri.removeprefix(f"s3://{BUCKET}/")
        first, *names = json.load(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"])
        assert first == {"prefix": EVENT["photos"]}
        return names


def refusal(code, message="refused"):
    details = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {}}
    return ClientError(details, "Describe")


@pytest.fixture(scope="module")
def client():
    """A client of a mocked S3; making one takes longer than a test."""
    with mock_aws():
        yield boto3.client(
            "s3", "us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
        )


@pytest.fixture
def s3(client, monkeypatch):
    """A bucket with three photos and another file; each start is of a minute of its own."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shelf-nightly")
    monkeypatch.setattr(nightly, "POLL_SECONDS", 0)
    minutes = itertools.count()
    clock = SimpleNamespace(strftime=lambda _: f"2026-11-24T19{next(minutes):02d}Z")
    monkeypatch.setattr(nightly, "datetime", SimpleNamespace(now=lambda _: clock))
    client.create_bucket(Bucket=BUCKET)
    for name in ("a.png", "b.png", "x/c.png", "note.txt"):
        put(client, name)
    yield client
    for item in client.list_objects_v2(Bucket=BUCKET)["Contents"]:
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    client.delete_bucket(Bucket=BUCKET)


def put(s3, name):
    s3.put_object(Bucket=BUCKET, Key=f"new/{name}", Body=name.encode())


def start(monkeypatch, s3, sagemaker, seconds=900):
    clients = {"s3": s3, "sagemaker": sagemaker}
    monkeypatch.setattr(nightly, "boto3", SimpleNamespace(client=clients.__getitem__))
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: seconds * 1000)
    return nightly.handler(EVENT, context)


def stored_objects():
    """What moto keeps of the bucket's objects, by whose times they can be aged."""
    (backend,) = (each for each in s3_backends["123456789012"].values() if BUCKET in each.buckets)
    return backend.buckets[BUCKET].keys.values()


def tables(s3):
    """Rows by table, in order of the nights."""
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="sorted/nights/").get("Contents", [])
    keys = [item["Key"] for item in listed if item["Key"].endswith(".csv")]
    texts = [s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode() for key in keys]
    return [list(csv.DictReader(io.StringIO(text))) for text in texts]


def test_a_night_becomes_a_table(s3, monkeypatch):
    """All photos below the prefix, through a transform of the model that is in service."""
    sagemaker = SageMaker(s3)
    told = start(monkeypatch, s3, sagemaker)
    assert (told["photos"], told["answered"], told["failed"]) == (3, 3, 0)
    assert tables(s3) == [
        [{"filename": name, "prediction": "1"} for name in ("a.png", "b.png", "x/c.png")]
    ]
    (request,) = sagemaker.requests
    assert request["ModelName"] == "model of shelf-config"
    assert request["TransformInput"]["ContentType"] == ANY_IMAGE
    assert request["TransformOutput"] == {
        "Accept": JSON_VERBOSE,
        "S3OutputPath": f"s3://{BUCKET}/sorted/answers",
    }
    assert len(request["TransformJobName"]) <= 63


def test_nothing_new_is_no_night(s3, monkeypatch):
    """Photos that are answered are not asked about again; no job is begun."""
    sagemaker = SageMaker(s3)
    start(monkeypatch, s3, sagemaker)
    assert start(monkeypatch, s3, sagemaker) == {"photos": 0}
    assert len(sagemaker.requests) == len(tables(s3)) == 1


def test_a_start_that_runs_out_of_time_leaves_the_rest_to_the_next(s3, monkeypatch):
    """The transform goes on by itself; the next start begins no other, and writes the table."""
    sagemaker = SageMaker(s3, looks=2)
    with pytest.raises(BatchError, match="is InProgress at the end of the function's time"):
        start(monkeypatch, s3, sagemaker, seconds=1)
    put(s3, "later.png")
    told = start(monkeypatch, s3, sagemaker)
    assert told["photos"] == 3
    assert len(sagemaker.requests) == 1
    assert len(tables(s3)) == 1


def test_a_start_that_is_killed_before_its_transform_is_made_good(s3, monkeypatch):
    """The manifest stands: the next start begins the transform that it is for."""

    class Killed(SageMaker):
        def create_transform_job(self, **_):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(monkeypatch, s3, Killed(s3))
    put(s3, "later.png")
    assert start(monkeypatch, s3, SageMaker(s3))["photos"] == 3


def test_a_start_that_is_killed_while_it_writes_the_table_is_made_good(s3, monkeypatch):
    """The table is whole or not there, and the transform is not run again."""
    sagemaker = SageMaker(s3)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Night, "write_table", killed)
        with pytest.raises(KeyboardInterrupt):
            start(patch, s3, sagemaker)
    assert tables(s3) == []
    assert start(monkeypatch, s3, sagemaker)["answered"] == 3
    assert len(sagemaker.requests) == 1


def test_photos_that_the_transform_refuses_are_rows_with_its_reason(s3, monkeypatch):
    """The job is Failed with answers to the others; such a photo is not asked about again."""
    sagemaker = SageMaker(s3, ends=["Failed"], unanswered=["b.png"])
    event_columns = {**EVENT, "columns": ["error"]}
    monkeypatch.setitem(globals(), "EVENT", event_columns)
    told = start(monkeypatch, s3, sagemaker)
    assert (told["answered"], told["failed"]) == (2, 1)
    errors = {row["filename"]: row["error"] for row in tables(s3)[0]}
    assert errors["a.png"] == errors["x/c.png"] == ""
    assert errors["b.png"].endswith("-1: ClientError: returns/new/b.png: no photo")
    assert start(monkeypatch, s3, sagemaker) == {"photos": 0}
    s3.delete_object(Bucket=BUCKET, Key="sorted/answers/b.png.failed")
    sagemaker.ends, sagemaker.unanswered = ["Completed"], set()
    assert start(monkeypatch, s3, sagemaker)["photos"] == 1


def test_a_failed_photo_bears_no_other_photos_reason(s3, monkeypatch):
    """A transform tells why its first photo failed: of the others, that its log has the reason."""
    put(s3, "ab.png")
    unanswered = ["ab.png", "b.png", "x/c.png"]
    sagemaker = SageMaker(s3, ends=["Failed"], unanswered=unanswered)
    monkeypatch.setitem(globals(), "EVENT", {**EVENT, "columns": ["error"]})
    start(monkeypatch, s3, sagemaker)
    errors = {row["filename"]: row["error"] for row in tables(s3)[0]}
    assert errors["b.png"].endswith("-1: ClientError: returns/new/b.png: no photo")
    assert errors["ab.png"] == errors["x/c.png"]
    assert "b.png" not in errors["ab.png"]
    assert re.search(r"shelf-nightly-.*-1 has no answer .* log", errors["ab.png"])
    mark = s3.get_object(Bucket=BUCKET, Key="sorted/answers/ab.png.failed")["Body"].read()
    assert mark.decode() == errors["ab.png"]


def test_a_reason_that_names_no_photo_is_every_failed_photos(s3, monkeypatch):
    """As AWS words it where many failed: it is true of each."""
    sagemaker = SageMaker(s3, ends=["Failed"], unanswered=["a.png", "b.png"])
    sagemaker.reason = "ClientError: See job logs for more information"
    monkeypatch.setitem(globals(), "EVENT", {**EVENT, "columns": ["error"]})
    start(monkeypatch, s3, sagemaker)
    errors = {row["filename"]: row["error"] for row in tables(s3)[0]}
    assert errors["a.png"] == errors["b.png"]
    assert errors["a.png"].endswith("See job logs for more information")


def test_a_stopped_transform_is_followed_by_one_about_what_is_left(s3, monkeypatch):
    """What it had answered is not asked about twice."""
    sagemaker = SageMaker(s3, ends=["Stopped", "Completed"])
    assert start(monkeypatch, s3, sagemaker)["answered"] == 3
    first, second = sagemaker.requests
    assert sagemaker.asked(first) == ["a.png", "b.png", "x/c.png"]
    assert sagemaker.asked(second) == ["b.png", "x/c.png"]


def test_a_transform_that_fails_at_everything_is_given_up_with_its_reason(s3, monkeypatch):
    """After five; no photo is blamed for it, and none is marked."""
    sagemaker = SageMaker(s3, ends=["Failed"] * 9, unanswered=["a.png", "b.png", "x/c.png"])
    with pytest.raises(BatchError, match=r"5\. transform .* no photo"):
        start(monkeypatch, s3, sagemaker)
    assert len(sagemaker.requests) == 5
    assert tables(s3) == []


def test_two_starts_at_once_are_one_night(s3, monkeypatch):
    """The second finds the manifest that the first wrote, and the job that it began."""
    sagemaker = SageMaker(s3)
    place = Order.parse(EVENT).out
    one, other = (Night(s3, place, "2026-11-24T1900Z") for _ in range(2))
    photos = Order.parse(EVENT).photos
    one.begin(photos, ["a.png"])
    other.begin(photos, ["a.png", "b.png"])
    assert start(monkeypatch, s3, sagemaker)["photos"] == 1


def test_two_nights_of_one_minute_are_two(s3, monkeypatch):
    """A table that stands is never written again for other photos."""
    sagemaker = SageMaker(s3, ends=["Completed", "Completed"])
    clock = SimpleNamespace(strftime=lambda _: "2026-11-24T1900Z")
    monkeypatch.setattr(nightly, "datetime", SimpleNamespace(now=lambda _: clock))
    start(monkeypatch, s3, sagemaker)
    put(s3, "later.png")
    assert start(monkeypatch, s3, sagemaker)["photos"] == 1
    assert [[row["filename"] for row in rows] for rows in tables(s3)] == [
        ["later.png"],
        ["a.png", "b.png", "x/c.png"],
    ]
    assert start(monkeypatch, s3, sagemaker) == {"photos": 0}


def test_a_photo_that_was_replaced_is_asked_about_again(s3, monkeypatch):
    """It is younger than its answer."""
    sagemaker = SageMaker(s3, ends=["Completed", "Completed"])
    start(monkeypatch, s3, sagemaker)
    (stored,) = [each for each in stored_objects() if each.name == "new/a.png"]
    stored.last_modified += timedelta(days=1)
    assert start(monkeypatch, s3, sagemaker)["photos"] == 1


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [({}, "mobile"), ({"threshold": 0.95}, "none"), ({"verdict": "none"}, "none")],
)
def test_an_answer_is_read_as_the_api_reads_it(changes, verdict):
    """The artifact's own verdict, or what the threshold says where it has none."""
    found = read_answer({**ANSWER, **changes})
    assert (found.prediction, found.label, found.confidence) == (1, "mobile", 0.9)
    assert found.verdict == verdict


@pytest.mark.parametrize("member", ["photos", "out", "endpoint"])
def test_an_event_that_lacks_a_member_is_refused(member):
    """With the member's name."""
    event = {name: value for name, value in EVENT.items() if name != member}
    with pytest.raises(BatchError, match=f"no member '{member}'"):
        Order.parse(event)
