"""Data capture: what is written to S3 of an endpoint's requests and answers."""

import base64
import dataclasses
import json
import re

import pytest
from sagemaker_memory import MemoryObjects
from sagemaker_plane import QUICK, AwsError, make_endpoint, running_plane

from infra.sagemaker import capture

pytestmark = pytest.mark.anyio

BOTH = [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}]
KEY = re.compile(
    r"s3://shelf/captured/shelf/AllTraffic/\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl"
)


def captured(share=100, options=BOTH, **more):
    """The part of an endpoint configuration that asks for data capture."""
    config = {
        "EnableCapture": True,
        "InitialSamplingPercentage": share,
        "DestinationS3Uri": "s3://shelf/captured",
        "CaptureOptions": options,
        **more,
    }
    return {"DataCaptureConfig": config}


def records(objects):
    """Every captured record, and the keys it was found under."""
    found = {key: text for key, text in objects.content.items() if "/captured/" in key}
    return list(found), [json.loads(line) for text in found.values() for line in text.splitlines()]


async def first_record(client):
    """Wait for the first record."""

    async def written():
        return records(client.objects)[1]

    return (await client.until(written))[0]


async def test_a_request_and_its_answer_are_written_as_sagemaker_writes_them(tmp_path):
    """Key, members, encodings: the photo in base64, the answer as JSON."""
    types = {"JsonContentTypes": ["application/json"]}
    async with running_plane(tmp_path) as client:
        await make_endpoint(client, config=captured(CaptureContentTypeHeader=types))
        answer = await client.invoke(
            "shelf",
            b"\xff\xd8photo",
            content_type="image/jpeg",
            x_amzn_sagemaker_inference_id="42",
            x_amzn_sagemaker_custom_attributes="trace=1",
        )
        record = await first_record(client)
        (key,), _ = records(client.objects)
    assert KEY.fullmatch(key)
    event = record.pop("eventMetadata")
    assert record == {
        "captureData": {
            "endpointInput": {
                "observedContentType": "image/jpeg",
                "mode": "INPUT",
                "data": base64.b64encode(b"\xff\xd8photo").decode(),
                "encoding": "BASE64",
            },
            "endpointOutput": {
                "observedContentType": "application/json",
                "mode": "OUTPUT",
                "data": answer.text,
                "encoding": "JSON",
            },
        },
        "eventVersion": "0",
    }
    assert (event["inferenceId"], event["customAttributes"]) == ("42", ["trace=1"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["inferenceTime"])
    assert re.fullmatch(r"[0-9a-f-]{36}", event["eventId"])


async def test_the_sample_has_the_share_that_was_asked_for(tmp_path):
    """Of 100 requests at 30 %."""
    async with running_plane(tmp_path) as client:
        await make_endpoint(client, config=captured(30))
        for _ in range(100):
            await client.invoke("shelf")
    assert 8 < len(records(client.objects)[1]) < 55  # 30 expected; 4 sigma is 19


async def test_what_is_held_is_written_when_the_plane_stops(tmp_path):
    """Long before its time is over, in one file."""
    timing = dataclasses.replace(QUICK, capture_interval=3600)
    async with running_plane(tmp_path, timing=timing) as client:
        await make_endpoint(client, config=captured())
        for body in (b"a", b"b", b"c"):
            await client.invoke("shelf", body)
        assert records(client.objects) == ([], [])
    keys, written = records(client.objects)
    assert (len(keys), len(written)) == (1, 3)


async def test_much_data_is_written_before_its_time_is_over(tmp_path, monkeypatch):
    """A photo larger than a batch."""
    monkeypatch.setattr(capture, "BATCH_BYTES", 1000)
    timing = dataclasses.replace(QUICK, capture_interval=3600)
    async with running_plane(tmp_path, timing=timing) as client:
        await make_endpoint(client, config=captured())
        await client.invoke("shelf", bytes(1000))
        await first_record(client)


async def test_a_failing_s3_fails_no_request_and_nothing_is_lost(tmp_path):
    """What S3 refused is written when it takes it again, in order."""

    class Refusing(MemoryObjects):
        refuses = True

        def upload(self, path, location):
            if self.refuses:
                raise capture.StorageError(f"{location}: SlowDown")
            super().upload(path, location)

    async with running_plane(tmp_path, objects=Refusing()) as client:
        await make_endpoint(client, config=captured(options=[{"CaptureMode": "Input"}]))
        for body in (b"a", b"b"):
            await client.invoke("shelf", body)
        await client.until(lambda: held_back(tmp_path))
        await client.invoke("shelf", b"c")
        client.objects.refuses = False
    data = [one["captureData"]["endpointInput"]["data"] for one in records(client.objects)[1]]
    assert sorted(data) == ["YQ==", "Yg==", "Yw=="]


async def held_back(folder):
    """Whether capture has tried to write: its folder is made by then."""
    return any(folder.glob("state/work/endpoint/*/capture"))


async def test_beyond_its_bound_capture_leaves_out_and_says_how_many(tmp_path, monkeypatch, caplog):
    """Memory is bounded while S3 refuses."""
    monkeypatch.setattr(capture, "HELD_BYTES", 1000)
    async with running_plane(tmp_path) as client:
        await make_endpoint(client, config=captured())
        await client.invoke("shelf", bytes(2000))
    assert records(client.objects) == ([], [])
    assert "capture of shelf: 1 exchanges were left out" in caplog.text


async def test_describe_tells_what_is_captured_and_errors_are_not(tmp_path):
    """DataCaptureConfig of the configuration and of the endpoint; a 4xx answer is no record."""
    async with running_plane(tmp_path) as client:
        endpoint = await make_endpoint(client, config=captured())
        with pytest.raises(AwsError):
            await client.invoke("shelf", b"bad")
    assert endpoint["DataCaptureConfig"] == {
        "EnableCapture": True,
        "CaptureStatus": "Started",
        "CurrentSamplingPercentage": 100,
        "DestinationS3Uri": "s3://shelf/captured",
        "KmsKeyId": "",
    }
    assert records(client.objects) == ([], [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"KmsKeyId": "k"}, "KmsKeyId is not supported"),
        ({"DestinationS3Uri": "https://x/y"}, "DestinationS3Uri: https://x/y: expected s3://"),
    ],
)
async def test_a_capture_that_could_not_be_is_refused(tmp_path, change, words):
    """When the configuration is made."""
    async with running_plane(tmp_path) as client:
        with pytest.raises(AwsError, match=words):
            await make_endpoint(client, config=captured(**change))


async def test_capture_that_is_off_writes_nothing(tmp_path):
    """EnableCapture false, with all else given."""
    async with running_plane(tmp_path) as client:
        endpoint = await make_endpoint(client, config=captured(EnableCapture=False))
        await client.invoke("shelf")
    assert "DataCaptureConfig" not in endpoint
    assert records(client.objects) == ([], [])
