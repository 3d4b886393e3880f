"""Where objects land in a channel, and checkpoints kept equal to S3."""

from pathlib import PurePosixPath

import pytest
from sagemaker_stand_ins import MemoryObjects

from infra.sagemaker.object_store import S3Location, StorageError
from infra.sagemaker.training_inputs import (
    CheckpointMirror,
    download_channel,
    relative_path,
)


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
    with pytest.raises(StorageError, match="No S3 objects found"):
        download_channel(objects, channel, tmp_path)


def mirror(folder, objects):
    """A mirror of `folder` at s3://shelf/ckpt."""
    folder.mkdir(exist_ok=True)
    return CheckpointMirror(objects, folder, S3Location("shelf", "ckpt"))


def test_checkpoints_are_mirrored_changes_and_deletions_too(tmp_path):
    """S3 has what the folder has, and what did not change is not sent again."""
    objects, folder = MemoryObjects(), tmp_path / "c"
    one = mirror(folder, objects)
    (folder / "deep").mkdir()
    (folder / "deep/1").write_text("one")
    (folder / "2").write_text("two")
    one.store()
    assert objects.content == {"s3://shelf/ckpt/deep/1": b"one", "s3://shelf/ckpt/2": b"two"}
    objects.content["s3://shelf/ckpt/2"] = b"sent before"
    (folder / "deep/1").write_text("changed")
    one.store()
    assert objects.content["s3://shelf/ckpt/deep/1"] == b"changed"
    assert objects.content["s3://shelf/ckpt/2"] == b"sent before"
    (folder / "2").unlink()
    one.store()
    assert "s3://shelf/ckpt/2" not in objects.content


def test_restoring_keeps_what_an_interrupted_run_left(tmp_path):
    """Local files are newer than the mirror's; neighbours of the prefix are not fetched."""
    objects, folder = MemoryObjects(), tmp_path / "c"
    objects.content = {
        "s3://shelf/ckpt/1": b"stored",
        "s3://shelf/ckpt/2": b"stored",
        "s3://shelf/ckpt-other/3": b"stored",
    }
    one = mirror(folder, objects)
    (folder / "1").write_text("local")
    one.restore()
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "1": "local",
        "2": "stored",
    }
