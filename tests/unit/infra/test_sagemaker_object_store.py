"""S3 and CloudWatch Logs as the plane uses them, against moto."""

import boto3
import pytest
from moto import mock_aws

from infra.sagemaker.logs import CloudWatchLogs
from infra.sagemaker.object_store import S3Location, S3ObjectStore, StorageError

PLACE = {"region": "us-east-1", "account": "123456789012"}


@pytest.fixture
def objects():
    """A mocked S3 with one bucket."""
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="shelf")
        yield S3ObjectStore("https://s3.us-east-1.amazonaws.com", **PLACE)


def test_an_object_survives_the_way_to_s3_and_back(objects, tmp_path):
    """Upload, existence, download, deletion."""
    location = S3Location("shelf", "a/b")
    (tmp_path / "in").write_bytes(b"bytes")
    assert not objects.exists(location)
    objects.upload(tmp_path / "in", location)
    assert objects.exists(location)
    assert not objects.exists(S3Location("shelf", "a"))
    objects.download(location, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"bytes"
    objects.delete(location)
    assert not objects.exists(location)


@pytest.mark.parametrize("size", [0, 3, 4, 11])
def test_an_object_is_read_in_pieces(objects, tmp_path, monkeypatch, size):
    """Whole, whatever its length is to that of a piece."""
    monkeypatch.setattr("infra.sagemaker.object_store.CHUNK_BYTES", 4)
    content = bytes(range(size))
    (tmp_path / "in").write_bytes(content)
    objects.upload(tmp_path / "in", S3Location("shelf", "a"))
    pieces = list(objects.read(S3Location("shelf", "a")))
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 4


def test_an_object_that_is_replaced_while_it_is_read_is_an_error(objects, tmp_path, monkeypatch):
    """Half of one and half of another would be neither."""
    monkeypatch.setattr("infra.sagemaker.object_store.CHUNK_BYTES", 4)
    (tmp_path / "in").write_bytes(b"12345678")
    objects.upload(tmp_path / "in", S3Location("shelf", "a"))
    pieces = objects.read(S3Location("shelf", "a"))
    assert next(pieces) == b"1234"
    (tmp_path / "in").write_bytes(b"abcdefgh")
    objects.upload(tmp_path / "in", S3Location("shelf", "a"))
    with pytest.raises(StorageError, match=r"s3://shelf/a: .*PreconditionFailed"):
        next(pieces)


def test_a_download_ends_where_its_caller_has_had_enough(objects, tmp_path):
    """A job that is stopped does not wait for the rest, and nothing half is left."""
    (tmp_path / "in").write_bytes(bytes(20_000_000))
    objects.upload(tmp_path / "in", S3Location("shelf", "a"))

    def enough():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        objects.download(S3Location("shelf", "a"), tmp_path / "out", enough)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_keys_are_all_of_a_prefix_over_several_pages(objects, monkeypatch):
    """S3 gives a thousand at a time, this one three."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    client = boto3.client("s3", region_name="us-east-1")
    for number in range(7):
        client.put_object(Bucket="shelf", Key=f"many/{number:04d}", Body=b"")
    client.put_object(Bucket="shelf", Key="other", Body=b"")
    keys = objects.keys(S3Location("shelf", "many/"))
    assert len(keys) == 7
    assert keys == sorted(keys)


def test_refusals_are_storage_errors_that_name_the_place(objects, tmp_path):
    """Of every method that can be refused."""
    nowhere = S3Location("no-such-bucket", "key")
    (tmp_path / "file").touch()
    for call in (
        lambda: objects.keys(nowhere),
        lambda: objects.download(S3Location("shelf", "key"), tmp_path / "out"),
        lambda: list(objects.read(S3Location("shelf", "key"))),
        lambda: objects.upload(tmp_path / "file", nowhere),
        lambda: objects.delete(nowhere),
    ):
        with pytest.raises(StorageError, match="s3://"):
            call()


def test_s3_that_does_not_answer_is_not_reachable(objects):
    """One that answers is."""
    assert objects.reachable()
    assert not S3ObjectStore("http://127.0.0.1:9", **PLACE).reachable()


@pytest.mark.parametrize(
    ("uri", "bucket", "key"),
    [
        ("s3://b", "b", ""),
        ("s3://b/", "b", ""),
        ("s3://b/k/", "b", "k/"),
        ("s3://b/a b", "b", "a b"),
    ],
)
def test_locations_are_read(uri, bucket, key):
    """With and without a key."""
    assert S3Location.parse(uri) == S3Location(bucket, key)


@pytest.mark.parametrize("uri", ["https://b/k", "s3:///k", "b/k", ""])
def test_other_addresses_are_refused(uri):
    """The error says what was expected."""
    with pytest.raises(StorageError, match="expected s3://bucket/key"):
        S3Location.parse(uri)


@pytest.mark.parametrize(("prefix", "child"), [("", "x/y"), ("p", "p/x/y"), ("p/", "p/x/y")])
def test_a_child_is_under_its_prefix(prefix, child):
    """Whether or not the prefix ends with a slash."""
    assert S3Location("b", prefix).child("x", "y").key == child


def test_log_lines_arrive_in_a_stream_that_is_made_for_them():
    """A second batch goes into the same stream."""
    with mock_aws():
        logs = CloudWatchLogs("https://logs.us-east-1.amazonaws.com", **PLACE)
        assert logs.put("/group", "stream/1", ["one", "two"])
        assert logs.put("/group", "stream/1", ["three"])
        client = boto3.client("logs", region_name="us-east-1")
        events = client.get_log_events(logGroupName="/group", logStreamName="stream/1")["events"]
        assert [event["message"] for event in events] == ["one", "two", "three"]


def test_logs_that_cannot_be_reached_are_offered_again():
    """By the answer False."""
    assert not CloudWatchLogs("http://127.0.0.1:9", **PLACE).put("g", "s", ["line"])
