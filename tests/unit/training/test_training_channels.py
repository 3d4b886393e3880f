"""Channels: every photo once, in the very pixels that the endpoint sees, or the reason why not."""

import json

import numpy as np
import pytest

from contracts import ArtifactError, TrainingError
from photo import Preparation
from recordio_prep import read_records
from training.channels import AUGMENTATIONS, Augmentation, Channel, read_dataset


def pixels(batches):
    """The real photos of all batches (photos, 3, H, W)."""
    return np.concatenate([batch.data.asnumpy()[: batch.photos] for batch in batches])


def labels(batches):
    return [int(label) for batch in batches for label in batch.labels.asnumpy()[: batch.photos]]


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("counts", [(5, 2), (4, 4), (5, 8), (1, 1), (1, 32), (3, 32)])
def test_every_photo_comes_once_as_the_endpoint_prepares_it(pack, draw, preparation, index, counts):
    """For any number of photos, the pixels are those of `Preparation.array`, in order."""
    photos, batch_size = counts
    drawn = [draw(seed) for seed in range(photos)]
    channel = Channel.open("validation", pack(drawn, labels=list(range(photos)), index=index))
    assert channel.photos == photos
    batches = list(channel.batches(28, preparation, batch_size))
    assert labels(batches) == list(range(photos))
    expected = np.stack([preparation.array(photo) for photo in drawn])
    np.testing.assert_allclose(pixels(batches), expected, atol=1e-5)


def test_prepared_records_are_what_the_endpoint_sees(records):
    """What `snapshelf prepare` wrote reads back with its own statistics, photo by photo."""
    classes, preparation = read_dataset(records, 28)
    folder = records.parent / "validation-channel"
    folder.mkdir(exist_ok=True)
    for name in ("validation.rec", "validation.idx"):
        (folder / name).write_bytes((records / name).read_bytes())
    packed = list(read_records(folder / "validation.rec"))
    batches = list(Channel.open("validation", folder).batches(28, preparation, 3))
    expected = np.stack([preparation.array(photo) for _, photo in packed])
    assert classes == ("dark", "light")
    assert labels(batches) == [int(header.labels[0]) for header, _ in packed]
    np.testing.assert_allclose(pixels(batches), expected, atol=1e-5)


@pytest.mark.parametrize("index", [True, False])
def test_an_epoch_sees_every_photo_in_an_order_of_its_own(pack, draw, preparation, index):
    """Shuffled by the seed: the same photos, another order; the same seed, the same order."""
    drawn = [draw(seed) for seed in range(12)]
    channel = Channel.open("train", pack(drawn, labels=list(range(12)), index=index))

    def epoch(seed):
        return labels(
            channel.epoch(28, preparation, 4, augmentation=Augmentation.of("none"), seed=seed)
        )

    orders = [epoch(seed) for seed in (1, 1, 2)]
    assert all(sorted(order) == list(range(12)) for order in orders)
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


def test_a_last_batch_is_filled_up(pack, draw, preparation):
    """Training batches are all full: 5 photos are three batches of 2."""
    channel = Channel.open("train", pack([draw(seed) for seed in range(5)], labels=list(range(5))))
    batches = list(channel.epoch(28, preparation, 2, augmentation=Augmentation.of("none"), seed=1))
    assert [batch.data.shape for batch in batches] == [(2, 3, 28, 28)] * 3
    assert [batch.photos for batch in batches] == [2, 2, 1]
    assert sorted(labels(batches)) == list(range(5))


@pytest.mark.parametrize("name", sorted(set(AUGMENTATIONS) - {"none"}))
def test_augmentation_changes_the_pixels_and_not_the_shape(pack, draw, preparation, name):
    """Each augmentation gives another picture of the same size, the same for the same seed."""
    channel = Channel.open("train", pack([draw(0), draw(1)]))

    def epoch(augmentation, seed):
        return pixels(
            channel.epoch(28, preparation, 2, augmentation=Augmentation.of(augmentation), seed=seed)
        )

    plain, changed = epoch("none", 1), epoch(name, 1)
    assert changed.shape == plain.shape
    assert np.abs(changed - plain).max() > 0.1
    np.testing.assert_array_equal(changed, epoch(name, 1))


def test_smaller_pictures_are_made_of_the_records(pack, draw, preparation):
    """Records of 56 pixels train at 28: each pixel is the mean of the four that it covers."""
    photo = draw(0, size=(56, 56))
    channel = Channel.open("train", pack([photo]))
    of_records = Preparation(56, "squash", preparation.mean, preparation.std)
    found = pixels(channel.batches(28, of_records, 1))[0]
    large = of_records.array(photo)
    means = large.reshape(3, 28, 2, 28, 2).mean(axis=(2, 4))
    # A pixel is a whole number of 256 before it is normalised.
    np.testing.assert_allclose(found, means, atol=0.51 / 50)


def damage(folder, content):
    (folder / "a.rec").write_bytes(content)


@pytest.mark.parametrize("index", [True, False])
def test_records_that_end_early_are_damaged(pack, draw, index):
    """A file that was cut is found out while it is opened: MXNet's iterator would abort."""
    folder = pack([draw(seed) for seed in range(3)], index=index)
    damage(folder, (folder / "a.rec").read_bytes()[:-1000])
    with pytest.raises(
        TrainingError, match=r"channel train: a\.rec: the file is damaged"
    ) as caught:
        Channel.open("train", folder)
    assert "snapshelf prepare" in caught.value.hint


def test_a_file_that_is_no_recordio_is_damaged(pack):
    """Bytes without the magic word are not records."""
    folder = pack([], index=False)
    damage(folder, b"these are the bytes of some other file")
    with pytest.raises(TrainingError, match="the file is damaged"):
        Channel.open("train", folder)


@pytest.mark.parametrize("index", [True, False])
def test_no_photos_are_told(pack, index):
    """An empty .rec is no channel."""
    with pytest.raises(TrainingError, match=r"a\.rec: holds no photos"):
        Channel.open("validation", pack([], index=index))


@pytest.mark.parametrize("names", [[], ["b.rec", "c.rec"]])
def test_a_channel_holds_one_rec_file(tmp_path, names):
    """None, or one too many, is told by their number."""
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(TrainingError, match=f"holds {len(names)} .rec files, expected one"):
        Channel.open("train", tmp_path)


@pytest.mark.parametrize("photo", [b"", b"no photo at all", b"GIF89a"])
def test_a_record_that_is_no_photo_is_told(pack, draw, photo):
    """MXNet's iterator would end the process with a division by zero."""
    with pytest.raises(TrainingError, match="photo 1 is neither JPEG nor PNG"):
        Channel.open("train", pack([draw(0), photo, draw(2)]))


def test_an_index_of_other_records_is_told(pack, draw):
    """An .idx beside the .rec that lists another number of photos belongs to another file."""
    folder = pack([draw(seed) for seed in range(3)])
    (folder / "a.idx").write_text("0\t0\n")
    with pytest.raises(TrainingError, match=r"holds 3 photos, a\.idx lists 1"):
        Channel.open("train", folder)


@pytest.mark.parametrize("label", [-1, 0.5])
def test_a_label_that_is_no_class_is_told(pack, draw, label):
    """Classes are 0, 1, 2, and so on."""
    with pytest.raises(TrainingError, match=f"photo 1 has label {float(label)}"):
        Channel.open("train", pack([draw(0), draw(1)], labels=[0, label]))


def test_the_highest_label_is_known(pack, draw):
    """So that the job can hold it to its number of classes."""
    folder = pack([draw(seed) for seed in range(3)], labels=[0, 6, 2])
    assert Channel.open("train", folder).highest_label == 6


def test_records_without_dataset_json_have_imagenets_statistics(tmp_path):
    """As SageMaker's built-in algorithm: no names, and the picture's side from the job."""
    classes, preparation = read_dataset(tmp_path, 112)
    assert classes == ()
    assert preparation.size == 112
    assert preparation.mean == (123.68, 116.779, 103.939)


def test_records_of_another_size_are_told(records):
    """An image_shape that the records do not have is an error that says which they have."""
    with pytest.raises(TrainingError, match=r"asks for 112 pixels.* 28") as caught:
        read_dataset(records, 112)
    assert "image_shape=3,28,28" in caught.value.hint


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"classes": 3}'])
def test_a_damaged_dataset_json_is_told(tmp_path, text):
    """It is named, not a traceback."""
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(TrainingError, match=r"dataset\.json"):
        read_dataset(tmp_path, 28)


def test_a_dataset_json_without_its_preparation_is_told(tmp_path):
    """Classes alone do not say how a photo was prepared."""
    (tmp_path / "dataset.json").write_text(json.dumps({"classes": ["a", "b"]}))
    with pytest.raises(ArtifactError, match="photo preparation"):
        read_dataset(tmp_path, 28)
