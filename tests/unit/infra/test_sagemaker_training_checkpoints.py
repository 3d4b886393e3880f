"""Checkpoints kept equal to S3, by several hosts too."""

import threading
import time

import pytest
from sagemaker_memory import MemoryObjects

from infra.sagemaker.object_store import S3Location
from infra.sagemaker.training_checkpoints import CheckpointMirror


def mirror(folder, objects):
    """A mirror of `folder` at s3://shelf/ckpt."""
    folder.mkdir(exist_ok=True)
    ledger = folder.with_suffix(".json")
    return CheckpointMirror(objects, folder, S3Location("shelf", "ckpt"), ledger)


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


def test_a_host_does_not_send_back_what_another_has_replaced(tmp_path):
    """Restored files count as stored; after a restart, too, and the newer is then fetched."""
    objects = MemoryObjects()
    objects.content["s3://shelf/ckpt/last"] = b"epoch 1"
    first, second = mirror(tmp_path / "1", objects), mirror(tmp_path / "2", objects)
    first.restore()
    second.restore()
    (tmp_path / "1/last").write_text("epoch 22")
    first.store()
    second.store()
    assert objects.content["s3://shelf/ckpt/last"] == b"epoch 22"
    again = mirror(tmp_path / "2", objects)
    again.store()
    again.restore()
    assert objects.content["s3://shelf/ckpt/last"] == b"epoch 22"
    assert (tmp_path / "2/last").read_text() == "epoch 22"


def test_a_host_deletes_what_it_restored_and_removed_and_nothing_of_others(tmp_path):
    """Each host answers for the files it has had."""
    objects = MemoryObjects()
    objects.content["s3://shelf/ckpt/old"] = b"old"
    first, second = mirror(tmp_path / "1", objects), mirror(tmp_path / "2", objects)
    first.restore()
    second.restore()
    (tmp_path / "1/old").unlink()
    (tmp_path / "2/own").write_text("own")
    second.store()
    first.store()
    second.store()
    assert objects.content == {"s3://shelf/ckpt/own": b"own"}


def test_two_mirrorings_do_not_overlap(tmp_path):
    """The one at the job's end may begin while a regular one is still uploading."""
    running, most = [], []

    class Slow(MemoryObjects):
        def upload(self, path, location):
            running.append(path)
            most.append(len(running))
            time.sleep(0.05)
            running.remove(path)
            super().upload(path, location)

    one = mirror(tmp_path / "c", Slow())
    for name in "ab":
        (tmp_path / "c" / name).write_text(name)
    threads = [threading.Thread(target=one.store) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1]


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 3}', '{"a": ["x", null]}'])
def test_a_damaged_ledger_is_told_and_all_is_mirrored_anew(tmp_path, caplog, text):
    """A loss of power can leave an empty file; it is no reason to fail a job."""
    objects, folder = MemoryObjects(), tmp_path / "c"
    objects.content["s3://shelf/ckpt/stored"] = b"stored"
    (tmp_path / "c.json").write_text(text)
    one = mirror(folder, objects)
    assert "c.json is damaged" in caplog.text
    (folder / "own").write_text("own")
    one.restore()
    one.store()
    assert objects.content.keys() == {"s3://shelf/ckpt/stored", "s3://shelf/ckpt/own"}
    assert mirror(folder, objects)._stored.keys() == {"stored", "own"}
