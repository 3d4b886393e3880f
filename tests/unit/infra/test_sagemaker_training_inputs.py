"""Where objects land in a channel, and what of it a host gets."""

from pathlib import PurePosixPath

import pytest
from sagemaker_memory import MemoryObjects

from infra.sagemaker.object_store import StorageError
from infra.sagemaker.training_hosts import Host
from infra.sagemaker.training_inputs import download_channel
from infra.sagemaker.training_sources import ChannelSource, relative_path


@pytest.mark.parametrize(
    ("key", "prefix", "path"),
    [
        ("data/train/a.rec", "data/train/", "a.rec"),
        ("data/train/a.rec", "data/train", "a.rec"),
        ("data/train/deep/a.rec", "data/train", "deep/a.rec"),
        ("data/train.rec", "data/train.rec", "train.rec"),
        ("data/train.rec", "data/tr", "train.rec"),
        ("data/train2/a.rec", "data/train", "train2/a.rec"),
        ("data/a.rec", "", "data/a.rec"),
        ("a.rec", "a", "a.rec"),
    ],
)
def test_an_object_lands_relative_to_its_prefix(key, prefix, path):
    """A folder's prefix falls away whole; any other up to its last slash."""
    assert relative_path(key, prefix) == PurePosixPath(path)


def test_a_key_that_would_leave_the_channel_is_refused():
    """S3 allows `..` in keys."""
    with pytest.raises(StorageError, match="without"):
        relative_path("data/../../x", "data")


def test_an_empty_channel_is_an_error(tmp_path):
    """A training that sees no data must not start; a folder's marker is no data."""
    objects = MemoryObjects()
    objects.content["s3://shelf/data/"] = b""
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://shelf/data/"}
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": source}}
    host = Host("algo-1", 0, "127.1.1.1")
    with pytest.raises(StorageError, match="No S3 objects found"):
        download_channel(
            objects, ChannelSource.parse(channel, "File"), tmp_path, host=host, hosts=1
        )
