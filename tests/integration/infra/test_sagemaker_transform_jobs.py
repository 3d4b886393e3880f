"""Batch transform as a client sees it: from CreateTransformJob to the .out objects in S3."""

import asyncio
import gzip
import json
import struct

import pytest
from sagemaker_memory import MemoryLogs, MemoryObjects
from sagemaker_plane import AwsError, running_plane
from sagemaker_transform import (
    batch_image,
    ended,
    make_batch_model,
    outputs,
    transform,
    transform_request,
)

from infra.sagemaker.recordio import wrapped

pytestmark = pytest.mark.anyio

GROUP = "/aws/sagemaker/TransformJobs"


@pytest.fixture
def anyio_backend():
    """The plane stands on asyncio."""
    return "asyncio"


@pytest.fixture
async def client(tmp_path):
    """A plane that knows the tiny image, and its client."""
    async with running_plane(tmp_path, images=[batch_image(tmp_path)]) as one:
        yield one


async def refused(client, **request):
    """The words in which CreateTransformJob is refused."""
    with pytest.raises(AwsError) as error:
        await client.call("CreateTransformJob", **transform_request(**request))
    return error.value.message


async def test_every_object_of_a_prefix_gets_an_output_of_its_name(client):
    """`<relative key>.out`, from a container with the model, the job's types and its variables."""
    job, stored = await transform(
        client,
        {"a.jpg": b"one", "deep/b.jpg": b"two", "folder/": b"", "c": b"tell"},
        {"COLOUR": "red", "SHAPE": "round"},
        Environment={"COLOUR": "blue"},
        MaxPayloadInMB=3,
        BatchStrategy="SingleRecord",
        given={"ContentType": "image/jpeg"},
        stored={"Accept": "application/jsonlines"},
    )
    assert job["TransformJobStatus"] == "Completed", job
    assert job["CreationTime"] <= job["TransformStartTime"] <= job["TransformEndTime"]
    told = json.loads(stored.pop("c.out"))
    assert stored == {"a.jpg.out": b"<one>", "deep/b.jpg.out": b"<two>"}
    assert told["model"] == "first"
    assert told["headers"]["content-type"] == "image/jpeg"
    assert told["headers"]["accept"] == "application/jsonlines"
    expected = {
        "COLOUR": "blue",
        "SHAPE": "round",
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "3",
        "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD",
    }
    assert told["environment"].items() >= expected.items()
    assert "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS" not in told["environment"]


async def test_the_objects_of_a_manifest_are_transformed_and_others_are_not(client):
    """Their outputs are named by what stands behind the manifest's prefix."""
    manifest = [{"prefix": "s3://shelf/in/"}, "x/a.txt", "b.txt"]
    job, stored = await transform(
        client,
        {"list": json.dumps(manifest).encode(), "x/a.txt": b"a", "b.txt": b"b", "c.txt": b"c"},
        uri="s3://shelf/in/list",
        data_type="ManifestFile",
    )
    assert job["TransformJobStatus"] == "Completed", job
    assert stored == {"x/a.txt.out": b"<a>", "b.txt.out": b"<b>"}


async def test_lines_are_sent_in_mini_batches_and_answered_in_order(client):
    """As many lines as MaxPayloadInMB holds, several payloads at once, one output."""
    lines = [b"%07d" % number * 30_000 for number in range(12)]  # 210 kB each, four in a megabyte
    job, stored = await transform(
        client,
        {"a.csv": b"\n".join(lines) + b"\n"},
        MaxPayloadInMB=1,
        MaxConcurrentTransforms=3,
        given={"SplitType": "Line"},
        stored={"AssembleWith": "Line"},
    )
    assert job["TransformJobStatus"] == "Completed", job
    payloads = [b"<%b>\n" % b"\n".join(lines[at : at + 4]) for at in (0, 4, 8)]
    assert stored == {"a.csv.out": b"".join(payloads)}


async def test_single_lines_of_a_compressed_object(client):
    """Decompressed on the way, a request for each line, answers without ends where none are asked."""
    job, stored = await transform(
        client,
        {"a.gz": gzip.compress(b"one\n\ntwo\nthree")},
        BatchStrategy="SingleRecord",
        given={"SplitType": "Line", "CompressionType": "Gzip"},
    )
    assert job["TransformJobStatus"] == "Completed", job
    assert stored == {"a.gz.out": b"<one><two><three>"}


async def test_records_of_recordio_are_sent_without_their_framing_one_by_one(client):
    """The magic word inside a payload, which framing takes out, is put back."""
    payloads = [b"one", struct.pack("<I", 0xCED7230A) + b"two!", b"three"]
    job, stored = await transform(
        client,
        {"a.rec": b"".join(map(wrapped, payloads))},
        BatchStrategy="SingleRecord",
        given={"SplitType": "RecordIO"},
    )
    assert job["TransformJobStatus"] == "Completed", job
    assert stored == {"a.rec.out": b"".join(b"<%b>" % payload for payload in payloads)}


async def test_several_records_of_recordio_keep_their_framing(client):
    """As AWS sends them."""
    content = wrapped(b"one") + wrapped(b"three")
    _, stored = await transform(client, {"a.rec": content}, given={"SplitType": "RecordIO"})
    assert stored == {"a.rec.out": b"<%b>" % content}


async def test_a_payload_without_limit_is_streamed_in_chunks(client):
    """MaxPayloadInMB 0: HTTP's chunked encoding, and no length in the request."""
    content = bytes(range(256)) * 400
    _, stored = await transform(client, {"a": content, "b": b"tell"}, MaxPayloadInMB=0)
    told = json.loads(stored.pop("b.out"))
    assert told["headers"]["transfer-encoding"] == "chunked"
    assert stored == {"a.out": b"<%b>" % content}


async def test_a_container_says_how_much_it_takes_at_once(client):
    """GET /execution-parameters counts where the request is silent; the log says what holds."""
    parameters = {
        "MaxConcurrentTransforms": 3,
        "MaxPayloadInMB": 1,
        "BatchStrategy": "SINGLE_RECORD",
    }
    objects = {f"{number}": b"slow 0.2" for number in range(6)}
    _, stored = await transform(
        client, {**objects, "z": b"tell"}, {"PARAMETERS": json.dumps(parameters)}
    )
    assert json.loads(stored["z.out"])["most"] == 3
    words = "MaxConcurrentTransforms=3, MaxPayloadInMB=1, BatchStrategy=SINGLE_RECORD"
    assert any(line.endswith(f":[sagemaker logs]: {words}") for line in client.logs.of(GROUP))


async def test_the_request_counts_more_than_the_container(client):
    """And one request at a time is the default."""
    await transform(
        client,
        {"a": b"a"},
        {"PARAMETERS": '{"MaxPayloadInMB": 1, "MaxConcurrentTransforms": 9}'},
        MaxConcurrentTransforms=1,
        MaxPayloadInMB=5,
    )
    words = "MaxConcurrentTransforms=1, MaxPayloadInMB=5, BatchStrategy=MULTI_RECORD"
    assert any(line.endswith(words) for line in client.logs.of(GROUP))


class ReadAhead(MemoryObjects):
    """S3 in memory that knows how many objects have been read whose output is not stored yet."""

    def __init__(self):
        super().__init__()
        self.open = self.most = 0

    def read(self, location):
        self.open += 1
        self.most = max(self.most, self.open)
        yield from super().read(location)

    def upload(self, path, location):
        super().upload(path, location)
        self.open -= 1


async def test_no_more_objects_are_held_than_are_asked_at_once(tmp_path):
    """Of fifty: memory does not grow with their number."""
    objects = ReadAhead()
    images = [batch_image(tmp_path)]
    async with running_plane(tmp_path, objects=objects, images=images) as client:
        given = {f"{number:02d}": b"x" for number in range(50)}
        job, stored = await transform(client, given, MaxConcurrentTransforms=3)
    assert job["TransformJobStatus"] == "Completed", job
    assert len(stored) == 50
    assert objects.most == 3


async def test_two_instances_share_the_objects(client):
    """Each is a process with log streams of its own; every object is transformed once."""
    job, stored = await transform(
        client,
        {f"{number}": b"slow 0.1" for number in range(8)},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 2},
    )
    assert job["TransformJobStatus"] == "Completed", job
    assert len(stored) == 8
    streams = {stream: lines for (_, stream), lines in client.logs.lines.items()}
    asked = {stream: lines.count("asked") for stream, lines in streams.items()}
    counts = [count for stream, count in asked.items() if not stream.endswith("/data-log")]
    assert len(counts) == 2
    assert sum(counts) == 8
    assert min(counts) > 0
    assert sum(stream.endswith("/data-log") for stream in streams) == 2


async def test_one_failing_object_fails_the_job_and_the_others_stand(client):
    """AWS's words in reason and log; 4xx is not asked again, 5xx and no answer are."""
    job, stored = await transform(
        client,
        {"a": b"good", "b": b"bad", "c": b"flaky", "d": b"fine", "e": b"x" * 2_000_000},
        MaxPayloadInMB=1,
    )
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        "ClientError: See job logs for more information. shelf/in/b: ClientError: 400 (not a photo)"
        " (2 of 5 objects failed)"
    )
    assert stored == {"a.out": b"<good>", "c.out": b"in the end", "d.out": b"<fine>"}
    lines = [line.partition(":[sagemaker logs]: ")[2] for line in client.logs.of(GROUP)]
    log = "\n".join(line for line in lines if line.startswith("shelf/in/b"))
    assert log == "\n".join(
        f"shelf/in/b: {text}" for text in ("ClientError: 400", "", "Message:", "not a photo")
    )
    assert any("shelf/in/e: Too much data for max payload size" in line for line in lines)


async def test_an_algorithm_that_keeps_failing_is_named_as_the_cause(client):
    """Its status, or that it gave no answer within InvocationsTimeoutInSeconds."""
    job, stored = await transform(
        client,
        {"a": b"break", "b": b"slow 5"},
        ModelClientConfig={"InvocationsMaxRetries": 0, "InvocationsTimeoutInSeconds": 1},
    )
    assert job["FailureReason"].startswith(
        "AlgorithmError: See job logs for more information. shelf/in/a: Bad HTTP status received "
        "from algorithm: 500 (out of order)"
    )
    assert stored == {}
    log = "\n".join(client.logs.of(GROUP))
    assert "shelf/in/b: Unable to get response from algorithm" in log


async def test_no_object_is_stored_in_part(client):
    """Of one whose second payload fails there is no output at all."""
    job, stored = await transform(
        client,
        {"a.csv": b"good\nbad\ngood"},
        BatchStrategy="SingleRecord",
        given={"SplitType": "Line"},
    )
    assert job["TransformJobStatus"] == "Failed"
    assert stored == {}


@pytest.mark.parametrize(
    ("objects", "environment", "words"),
    [
        (
            {"a": b"die"},
            {},
            "AlgorithmError: the container ended with exit code 9; the end of its log:\nthe last words",
        ),
        ({"a": b"a"}, {"DO": "exit"}, "exit code 2; the end of its log:\nno licence found"),
        ({}, {}, 'ClientError: No S3 objects found under S3 URL "s3://shelf/in"'),
        ({"a": b"a"}, {"PARAMETERS": '{"MaxPayloadInMB": "6"}'}, "expected whole numbers"),
        ({"a": b"a"}, {"PARAMETERS": '{"MaxPayloadInMB": 101}'}, "their product cannot exceed 100"),
    ],
)
async def test_what_ends_a_whole_job_is_its_reason(client, objects, environment, words):
    """A container that is gone, or that asks for what cannot be; a prefix without objects."""
    job, _ = await transform(client, objects, environment)
    assert job["TransformJobStatus"] == "Failed"
    assert words in job["FailureReason"]


async def test_a_container_that_holds_more_than_its_instance_has_ends_the_job(client, monkeypatch):
    """In the words of AWS; what was stored before stays."""
    limit = "infra.sagemaker.transform_instance.memory_limit"
    monkeypatch.setattr(limit, lambda instance_type: {"ml.m5.large": 100 * 1024**2}[instance_type])
    job, stored = await transform(client, {"a": b"a", "b": b"eat"})
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Please use an instance type with more")
    assert stored == {"a.out": b"<a>"}


async def test_a_stopped_job_keeps_what_it_has_stored(client, tmp_path):
    """Stopping, then Stopped; its folder is gone, and a second stop is refused."""
    for name, content in {"a": b"a", "b": b"slow 60"}.items():
        client.objects.content[f"s3://shelf/in/{name}"] = content
    await make_batch_model(client)
    await client.call("CreateTransformJob", **transform_request())
    await client.until(lambda: _stored(client, "a.out"))
    await client.call("StopTransformJob", TransformJobName="job")
    job = await ended(client)
    assert job["TransformJobStatus"] == "Stopped"
    assert "FailureReason" not in job
    assert outputs(client) == {"a.out": b"<a>"}
    with pytest.raises(AwsError, match="the transform job is in status Stopped"):
        await client.call("StopTransformJob", TransformJobName="job")
    await client.until(lambda: _gone(tmp_path / "state/work/transform-job/job"))


async def _stored(client, name):
    return name in outputs(client)


async def _gone(path):
    return not path.exists()


async def test_a_job_goes_on_where_a_restart_interrupted_it(tmp_path):
    """Outputs that stand are not made again, even under a manifest; the log says how many."""
    objects, logs, images = MemoryObjects(), MemoryLogs(), [batch_image(tmp_path)]
    async with running_plane(tmp_path, objects=objects, logs=logs, images=images) as client:
        for name in ("a", "b"):
            objects.content[f"s3://shelf/in/{name}"] = b"first"
        objects.content["s3://shelf/in/c"] = b"slow 60"
        await make_batch_model(client)
        await client.call("CreateTransformJob", **transform_request())
        await client.until(lambda: _stored(client, "b.out"))
        await asyncio.sleep(0.1)
    for name in ("a", "b", "c"):
        objects.content[f"s3://shelf/in/{name}"] = b"second"
    ledger = tmp_path / "state/work/transform-job/job/done"
    ledger.write_text(ledger.read_text() + '"s3://shelf/ou')  # a line that a kill cut off
    async with running_plane(tmp_path, objects=objects, logs=logs, images=images) as client:
        job = await ended(client)
        assert job["TransformJobStatus"] == "Completed", job
        assert outputs(client) == {"a.out": b"<first>", "b.out": b"<first>", "c.out": b"<second>"}
        await client.logged(GROUP, "The local cloud was restarted: 2 outputs of 3 stand.")


async def test_a_job_that_was_stopping_at_a_restart_is_stopped(tmp_path):
    """It does not go on."""
    objects, images = MemoryObjects(), [batch_image(tmp_path)]
    objects.content["s3://shelf/in/a"] = b"slow 60"
    async with running_plane(tmp_path, objects=objects, images=images) as client:
        await make_batch_model(client)
        await client.call("CreateTransformJob", **transform_request())
    document = tmp_path / "state/transform-job/job.json"
    document.write_text(document.read_text().replace('"InProgress"', '"Stopping"'))
    async with running_plane(tmp_path, objects=objects, images=images) as client:
        assert (await ended(client))["TransformJobStatus"] == "Stopped"


async def test_answers_are_joined_with_their_lines_and_filtered(client):
    """JSON lines: a column is kept from the model, and stands beside its answer in the output."""
    job, stored = await transform(
        client,
        {"a.jsonl": b'{"id": 1, "text": "ab"}\n{"id": 2, "text": "abc"}\n'},
        {"DO": "count"},
        given={"ContentType": "application/jsonlines", "SplitType": "Line"},
        stored={"Accept": "application/jsonlines", "AssembleWith": "Line"},
        DataProcessing={
            "InputFilter": "$.text",
            "JoinSource": "Input",
            "OutputFilter": "$['id','SageMakerOutput']",
        },
    )
    assert job["TransformJobStatus"] == "Completed", job
    assert stored["a.jsonl.out"].decode().splitlines() == [
        '{"id":1,"SageMakerOutput":{"length":4}}',  # with its quotes
        '{"id":2,"SageMakerOutput":{"length":5}}',
    ]


async def test_rows_of_csv_are_joined_with_their_answers(client):
    """Even of a file that is not split; the first column is kept from the model."""
    job, stored = await transform(
        client,
        {"a.csv": b'"x, y",1,2\nz,3,4\n'},
        {"DO": "sum"},
        given={"ContentType": "text/csv"},
        stored={"Accept": "text/csv", "AssembleWith": "Line"},
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-2]"},
    )
    assert job["TransformJobStatus"] == "Completed", job
    assert stored == {"a.csv.out": b'"x, y",3.0\nz,7.0\n'}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ModelName": "nobody"}, "Could not find model"),
        ({"data_type": "AugmentedManifestFile"}, "cannot be used in batch transform"),
        ({"uri": "https://a/b"}, "expected s3://bucket/key"),
        ({"given": {"SplitType": "TFRecord"}}, "SplitType TFRecord is not supported"),
        ({"MaxPayloadInMB": 101}, "cannot exceed 100 MB"),
        ({"MaxConcurrentTransforms": 17}, "MaxPayloadInMB 6 with MaxConcurrentTransforms 17"),
        (
            {"DataCaptureConfig": {"DestinationS3Uri": "s3://a/b"}},
            "DataCaptureConfig of a transform job is not",
        ),
        (
            {"TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 9}},
            "is 8 Instances",
        ),
        ({"DataProcessing": {"InputFilter": "$["}}, "Invalid JSONPath '$['"),
        (
            {"DataProcessing": {"JoinSource": "Input"}, "given": {"ContentType": "image/png"}},
            "DataProcessing with ContentType 'image/png': expected one of text/csv",
        ),
        (
            {
                "DataProcessing": {"JoinSource": "Input"},
                "given": {"ContentType": "text/csv"},
                "stored": {"Accept": "application/json"},
            },
            "expected CSV for both, or JSON for both",
        ),
        (
            {
                "MaxPayloadInMB": 0,
                "DataProcessing": {"InputFilter": "$.a"},
                "given": {"ContentType": "application/json"},
            },
            "expected 1 to 100",
        ),
    ],
)
async def test_a_job_that_could_not_run_is_refused_by_name(client, changes, words):
    """When it is made; nothing of it is kept."""
    await make_batch_model(client)
    assert words in await refused(client, **changes)
    assert (await client.call("ListTransformJobs"))["TransformJobSummaries"] == []


async def test_a_name_is_taken_once_and_a_job_outlives_its_model(client):
    """ResourceInUse; the model may be deleted while the job runs."""
    client.objects.content["s3://shelf/in/a"] = b"slow 0.5"
    await make_batch_model(client)
    await client.call("CreateTransformJob", **transform_request())
    assert "a transform job with this name already exists" in await refused(client)
    await client.call("DeleteModel", ModelName="batch")
    assert (await ended(client))["TransformJobStatus"] == "Completed"
    with pytest.raises(AwsError, match="Could not find requested job with name: nobody"):
        await client.call("DescribeTransformJob", TransformJobName="nobody")
