"""Checkpoints: whole or not at all, the one before where the last is torn, nothing unpickled."""

import errno
import pickle

import numpy as np
import pytest

from contracts import TrainingError
from training.checkpoint import Checkpoint, discard, latest, save


def at(epoch, batch=0):
    """A checkpoint that knows its place."""
    arrays = {"weights/a_weight": np.full((2, 3), epoch, np.float32), "memory/0/-": np.ones(1)}
    return Checkpoint("job", epoch, batch, {"loss": 0.1 + 0.2}, arrays)


def test_what_was_saved_comes_back_to_the_bit(tmp_path):
    """Floats, shapes and types."""
    save(tmp_path, at(3, 17))
    found = latest(tmp_path)
    assert (found.identity, found.epoch, found.batch) == ("job", 3, 17)
    assert found.state == {"loss": 0.1 + 0.2}
    assert found.arrays["weights/a_weight"].dtype == np.float32
    np.testing.assert_array_equal(found.arrays["weights/a_weight"], np.full((2, 3), 3))


def test_the_last_two_are_kept(tmp_path):
    """By their place, not by the file's time."""
    for epoch, batch in ((0, 99), (1, 0), (1, 5), (10, 0)):
        save(tmp_path, at(epoch, batch))
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "checkpoint-00001-0000005.npz",
        "checkpoint-00010-0000000.npz",
    ]
    assert latest(tmp_path).epoch == 10


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_torn_one_is_told_and_the_one_before_it_taken(tmp_path, caplog, share):
    """A machine may die while a copy of it is made."""
    save(tmp_path, at(1))
    torn = save(tmp_path, at(2))
    torn.write_bytes(torn.read_bytes()[: int(torn.stat().st_size * share)])
    assert latest(tmp_path).epoch == 1
    assert torn.name in caplog.text


def test_a_changed_byte_is_found(tmp_path):
    """Each array has its checksum."""
    path = save(tmp_path, at(1))
    data = bytearray(path.read_bytes())
    data[data.index(np.float32(1).tobytes() * 6)] ^= 1
    path.write_bytes(data)
    assert latest(tmp_path) is None


def test_a_full_disk_is_told_and_the_last_checkpoint_stays(tmp_path, monkeypatch):
    """With what to do about it."""
    save(tmp_path, at(1))

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numpy.savez", full)
    with pytest.raises(TrainingError, match="No space left on device") as caught:
        save(tmp_path, at(2))
    assert "goes on from the last checkpoint" in caught.value.hint
    assert latest(tmp_path).epoch == 1


def test_a_pickle_is_not_read(tmp_path):
    """Whoever may write to the bucket must not run programs here."""

    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    np.savez(
        tmp_path / "checkpoint-00001-0000000.npz", **{"state.json": np.array([Bomb()], object)}
    )
    (tmp_path / "checkpoint-00002-0000000.npz").write_bytes(pickle.dumps(Bomb()))
    assert latest(tmp_path) is None
    assert not (tmp_path / "ran").exists()


def test_nothing_is_found_where_nothing_was_saved_or_all_was_discarded(tmp_path):
    """Other files stay."""
    assert latest(tmp_path / "missing") is None
    save(tmp_path, at(1))
    (tmp_path / "image-classification-0001.params").touch()
    discard(tmp_path)
    assert latest(tmp_path) is None
    assert (tmp_path / "image-classification-0001.params").exists()
