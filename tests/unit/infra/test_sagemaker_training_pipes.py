"""Pipe input mode, manifests and augmented manifests, as a training program reads them."""

import asyncio
import gzip
import json
import subprocess
import sys
from pathlib import PurePosixPath

import pytest
from sagemaker_plane import channel, hosts_request, running_plane

from infra.sagemaker.object_store import S3Location
from infra.sagemaker.training_hosts import Host
from infra.sagemaker.training_pipes import ChannelPipe
from infra.sagemaker.training_sources import ChannelSource, StoredObject

pytestmark = pytest.mark.anyio

OUTPUT = "s3://shelf/output/job/output"


@pytest.fixture
async def client(tmp_path):
    """A plane with three objects, and its client."""
    async with running_plane(tmp_path) as one:
        for name in "abc":
            one.objects.content[f"s3://shelf/data/{name}"] = name.encode() * 5
        yield one


def pipe(uri="s3://shelf/data/", *, source=None, **changes):
    """A channel `train` in Pipe mode."""
    one = channel("train", uri, InputMode="Pipe", **changes)
    one["DataSource"]["S3DataSource"].update(source or {})
    return one


async def epochs(client, one, *, count=1, epochs=1, **settings):
    """What each host read, a list of epochs each."""
    request = hosts_request(
        count=count,
        InputDataConfig=[one],
        HyperParameters={"epochs": str(epochs), **settings},
    )
    await client.call("CreateTrainingJob", **request)
    job = await client.job("job")
    assert job["TrainingJobStatus"] == "Completed", job
    archive = client.objects.tar(f"{OUTPUT}/model.tar.gz")
    told = [json.loads(archive[f"algo-{n + 1}.json"]) for n in range(count)]
    assert all(one["files"] == {} for one in told)
    return [[bytes.fromhex(epoch) for epoch in one["epochs"]] for one in told]


async def test_each_epoch_is_the_channels_objects_one_after_the_other(client):
    """In the order of their keys, as often as the program opens the next pipe."""
    (read,) = await epochs(client, pipe(), epochs=3)
    assert read == [b"aaaaabbbbbccccc"] * 3


async def test_more_than_a_pipe_holds_comes_through_whole(client):
    """A pipe buffers 64 KiB; the feeding waits for the reader."""
    client.objects.content["s3://shelf/data/b"] = big = bytes(range(256)) * 2000
    (read,) = await epochs(client, pipe(), epochs=2)
    assert read == [b"aaaaa" + big + b"ccccc"] * 2


async def test_a_reader_that_closes_early_gets_the_next_epoch_from_its_beginning(client):
    """Breaking off an epoch is the program's right."""
    client.objects.content["s3://shelf/data/b"] = bytes(300_000)
    (read,) = await epochs(client, pipe(), epochs=2, bytes="3")
    assert read == [b"aaa"] * 2


async def test_a_program_that_never_reads_ends_as_it_would(client):
    """The pipe is torn down with the job."""
    (read,) = await asyncio.wait_for(epochs(client, pipe(), epochs=0), 10)
    assert read == []


async def test_shuffling_changes_with_the_epoch_and_follows_the_seed(client):
    """ShuffleConfig: every epoch has all objects, in an order of its own."""
    for name in "defgh":
        client.objects.content[f"s3://shelf/data/{name}"] = name.encode() * 5
    (read,) = await epochs(client, pipe(ShuffleConfig={"Seed": 7}), epochs=3)
    assert {bytes(sorted(epoch)) for epoch in read} == {b"aaaaabbbbbcccccdddddeeeeefffffggggghhhhh"}
    assert len(set(read)) == 3


@pytest.mark.parametrize("seed", [None, 3])
async def test_shares_are_disjoint_and_complete_in_every_epoch(client, seed):
    """ShardedByS3Key, with ShuffleConfig too: then shares change with the epochs."""
    changes = {} if seed is None else {"ShuffleConfig": {"Seed": seed}}
    sharded = pipe(source={"S3DataDistributionType": "ShardedByS3Key"}, **changes)
    first, second = await epochs(client, sharded, count=2, epochs=4)
    for one, other in zip(first, second, strict=True):
        assert sorted([*one, *other]) == sorted(b"aaaaabbbbbccccc")
        assert {len(one), len(other)} == {10, 5}
    assert (len(set(first)) > 1) is (seed is not None)


async def test_gzip_is_undone_on_the_way(client):
    """CompressionType Gzip, also of several members in one object."""
    for name in "abc":
        packed = gzip.compress(name.encode() * 2) + gzip.compress(name.upper().encode())
        client.objects.content[f"s3://shelf/data/{name}"] = packed
    (read,) = await epochs(client, pipe(CompressionType="Gzip"))
    assert read == [b"aaAbbBccC"]


async def test_a_manifest_names_the_objects_and_their_order(client):
    """ManifestFile: a prefix and suffixes, as the API reference describes it."""
    manifest = [{"prefix": "s3://shelf/data/"}, "c", "a"]
    client.objects.content["s3://shelf/lists/one.json"] = json.dumps(manifest).encode()
    one = pipe("s3://shelf/lists/one.json", source={"S3DataType": "ManifestFile"})
    (read,) = await epochs(client, one)
    assert read == [b"cccccaaaaa"]


async def test_a_manifest_in_file_mode_keeps_the_suffixes_as_paths(client):
    """The objects land relative to the manifest's prefix."""
    client.objects.content["s3://shelf/data/deep/d"] = b"d"
    manifest = [{"prefix": "s3://shelf/da"}, "ta/deep/d", "ta/a"]
    client.objects.content["s3://shelf/lists/one.json"] = json.dumps(manifest).encode()
    one = channel("train", "s3://shelf/lists/one.json")
    one["DataSource"]["S3DataSource"]["S3DataType"] = "ManifestFile"
    await client.call("CreateTrainingJob", **hosts_request(count=1, InputDataConfig=[one]))
    await client.job("job")
    told = json.loads(client.objects.tar(f"{OUTPUT}/model.tar.gz")["algo-1.json"])
    assert told["files"] == {"train/ta/deep/d": "d", "train/ta/a": "aaaaa"}


LINES = [
    {"image-ref": "s3://shelf/data/a", "class": "1", "other": 0},
    {"image-ref": "s3://shelf/data/b", "class": 0},
    {"class": [1, 0], "image-ref": "s3://shelf/data/c"},
]


def augmented(client, *lines, **changes):
    """An augmented manifest of these lines as a channel."""
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    client.objects.content["s3://shelf/lists/one.manifest"] = text.encode()
    source = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["image-ref", "class"]}
    return pipe("s3://shelf/lists/one.manifest", source=source, **changes)


READER = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mxnet as mx
reader, records = mx.recordio.MXRecordIO(sys.argv[1], "r"), []
while (record := reader.read()) is not None:
    records.append(bytes(record).hex())
print(json.dumps(records))
"""


def records_of(path):
    """What MXNet's own reader finds in a file, in a process that may warn."""
    done = subprocess.run(
        [sys.executable, "-c", READER, str(path)], check=True, capture_output=True
    )
    return [bytes.fromhex(record) for record in json.loads(done.stdout)]


async def test_an_augmented_manifest_streams_attributes_as_records(client, tmp_path):
    """Objects for their URIs, text for the rest, and MXNet's own reader takes the records."""
    tricky = b"1234" + b"\x0a\x23\xd7\xce" + b"5678" + b"\x0a\x23\xd7\xce" * 2 + b"x"
    client.objects.content["s3://shelf/data/b"] = tricky  # the magic number within
    one = augmented(client, *LINES, "", RecordWrapperType="RecordIO")
    (read,) = await epochs(client, one, epochs=2)
    assert read[0] == read[1]
    path = tmp_path / "stream.rec"
    path.write_bytes(read[0])
    assert records_of(path) == [b"aaaaa", b"1", tricky, b"0", b"ccccc", b"[1, 0]"]


async def test_an_augmented_manifest_without_records_is_plain_bytes(client):
    """RecordWrapperType None: one value after the other."""
    (read,) = await epochs(client, augmented(client, *LINES))
    assert read == [b"aaaaa1bbbbb0ccccc[1, 0]"]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["{"], r"one\.manifest, line 1: Expecting .*; expected a JSON object"),
        (['"text"'], "line 1: expected a JSON object with the attribute 'image-ref'"),
        ([LINES[0], {"image-ref": "s3://shelf/a"}], "line 2: .* attribute 'class'"),
        ([{"image-ref": "here.jpg", "class": 1}], "line 1: here.jpg: expected s3://bucket/key"),
        ([""], "expected lines, found none"),
    ],
)
async def test_a_malformed_augmented_manifest_fails_the_job_before_it_trains(client, lines, reason):
    """A ClientError that names the line."""
    request = hosts_request(count=1, InputDataConfig=[augmented(client, *lines)])
    await client.call("CreateTrainingJob", **request)
    job = await client.job("job")
    assert job["TrainingJobStatus"] == "Failed"
    assert "Training" not in [one["Status"] for one in job["SecondaryStatusTransitions"]]
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(job["FailureReason"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{}", "expected .*prefix"),
        ("[", "expected .*prefix"),
        ('["a", "b"]', "expected .*prefix"),
        ('[{"prefix": "s3://shelf/data/"}, 3]', "3 is no suffix"),
        ('[{"prefix": "s3://shelf/data/"}]', "No S3 objects found"),
        ('[{"prefix": "s3://shelf/data/"}, "../../x"]', "expected a key without"),
    ],
)
async def test_a_malformed_manifest_fails_the_job(client, content, reason):
    """With what is wrong, and the form that was expected."""
    client.objects.content["s3://shelf/lists/one.json"] = content.encode()
    one = pipe("s3://shelf/lists/one.json", source={"S3DataType": "ManifestFile"})
    await client.call("CreateTrainingJob", **hosts_request(count=1, InputDataConfig=[one]))
    job = await client.job("job")
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(job["FailureReason"])


async def test_a_stream_that_breaks_off_fails_the_job_rather_than_ending_the_epoch(client):
    """The program would take half of the photos for all of them."""
    missing = {"image-ref": "s3://shelf/data/missing", "class": 1}
    one = augmented(client, LINES[0], missing)
    request = hosts_request(count=1, InputDataConfig=[one], HyperParameters={"epochs": "1"})
    await client.call("CreateTrainingJob", **request)
    job = await client.job("job")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "ClientError: s3://shelf/data/missing: NoSuchKey"
    assert f"{OUTPUT}/model.tar.gz" not in client.objects.content


async def test_a_stream_that_breaks_off_loses_no_checkpoints(client):
    """What the program stored at SIGTERM reaches S3, as in any job that fails."""
    missing = {"image-ref": "s3://shelf/data/missing", "class": 1}
    one = augmented(client, LINES[0], missing)
    request = hosts_request(
        count=1,
        InputDataConfig=[one],
        HyperParameters={"epochs": "0", "reads": "1", "seconds": "60"},
        CheckpointConfig={"S3Uri": "s3://shelf/ckpt"},
    )
    await client.call("CreateTrainingJob", **request)
    job = await client.job("job")
    assert job["FailureReason"] == "ClientError: s3://shelf/data/missing: NoSuchKey"
    assert client.objects.content["s3://shelf/ckpt/last"] == b"at SIGTERM"


def test_nothing_is_fetched_once_the_job_has_ended(tmp_path):
    """The objects that are left may be all of a large data set."""
    fetched = []

    class Store:
        def read(self, location):
            fetched.append(location.key)
            yield bytes(200_000)

    places = [S3Location("shelf", f"data/{n}") for n in range(50)]
    items = [StoredObject(place, PurePosixPath(place.key)) for place in places]
    source = ChannelSource.parse(pipe(), "Pipe")
    host = Host("algo-1", 0, "127.1.1.1")
    errors = []
    one = ChannelPipe(Store(), source, items, tmp_path, host=host, hosts=1, on_error=errors.append)
    one.open()
    with (tmp_path / "train_0").open("rb") as reader:
        reader.read(1)
        one.close()
    assert (fetched, errors) == (["data/0"], [])


def test_a_share_in_file_mode_is_shuffled_once_and_the_same_for_all():
    """Hosts that are asked one by one agree on who gets what."""
    one = pipe(source={"S3DataDistributionType": "ShardedByS3Key"}, ShuffleConfig={"Seed": 1})
    source = ChannelSource.parse(one, "File")
    shares = [source.share(range(10), epoch=0, host=n, hosts=3) for n in range(3)]
    assert sorted(item for share in shares for item in share) == list(range(10))
    assert shares[0] != [0, 3, 6, 9]
