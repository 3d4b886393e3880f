"""An epoch: the caller's order, and the same pixels however a batch is come by."""

import threading

import numpy as np
import pytest

from contracts import TrainingError
from training.channels import Augmentation, Channel
from training.channels.pictures import Pictures

STRONG = Augmentation(
    min_area=0.3,
    max_aspect=0.3,
    mirror=True,
    rotate=20,
    shear=0.1,
    hue=36,
    hsl_saturation=50,
    lightness=50,
    brightness=0.3,
    contrast=0.3,
    saturation=0.3,
    grey=0.2,
    blur=0.3,
    degrade=0.3,
    random_erasing=0.3,
)
PLAIN = Augmentation()


@pytest.fixture
def channel(pack, draw):
    """11 photos, each of its own label."""
    return Channel.open("train", pack([draw(seed) for seed in range(11)], labels=list(range(11))))


@pytest.fixture
def epoch(channel, preparation):
    """A function: the batches of an epoch as (pixels, labels, photos)."""

    def batches(batch_size=4, size=28, augmentation=STRONG, seed=5, **options):
        return [
            (batch.data.asnumpy(), batch.labels.asnumpy(), batch.photos)
            for batch in channel.epoch(
                size, preparation, batch_size, augmentation=augmentation, seed=seed, **options
            )
        ]

    return batches


def labels(batches):
    return [label for _, labels, photos in batches for label in labels[:photos].astype(int)]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for (pixels, labels, photos), (others, other_labels, other_photos) in zip(
        found, expected, strict=True
    ):
        np.testing.assert_array_equal(pixels, others)
        np.testing.assert_array_equal(labels, other_labels)
        assert photos == other_photos


def test_the_order_is_the_callers(epoch):
    """Repeats and omissions too."""
    order = np.array([3, 3, 9, 0, 10, 3, 1])
    assert labels(epoch(order=order)) == order.tolist()


def test_an_order_of_none_is_every_photo_once_shuffled_by_the_seed(epoch):
    """The same for the same seed, another for another."""
    first, again, other = (labels(epoch(seed=seed)) for seed in (1, 1, 2))
    assert sorted(first) == sorted(other) == list(range(11))
    assert first == again != other


def test_the_last_batch_is_filled_from_the_first(epoch):
    """11 photos in batches of 4: the last has 3, and the first of the order again."""
    *_, (pixels, filled, photos) = epoch(order=np.arange(11), augmentation=PLAIN)
    assert (photos, filled.tolist()) == (3, [8, 9, 10, 0])
    assert pixels.shape == (4, 3, 28, 28)


def test_a_batch_larger_than_the_channel_goes_round_as_often_as_it_must(epoch):
    """A batch of 32 from 3 photos."""
    [(pixels, filled, photos)] = epoch(32, order=np.array([4, 5, 6]), augmentation=PLAIN)
    assert photos == 3
    assert filled.tolist() == ([4, 5, 6] * 11)[:32]
    np.testing.assert_array_equal(pixels[0], pixels[30])


@pytest.mark.parametrize("size", [28, 14, 20, 40])
@pytest.mark.parametrize("start", [1, 2, 3])
def test_an_epoch_that_is_entered_in_its_middle_is_the_same(epoch, start, size):
    """To the bit, at any size, with every augmentation: what a resumed job needs."""
    assert_same(epoch(size=size, start_batch=start), epoch(size=size)[start:])


def test_history_does_not_matter(epoch):
    """Neither an epoch before, nor what is in the cache, nor how many threads there are."""
    first = epoch()
    epoch(seed=99, augmentation=PLAIN, order=np.array([1, 2]))
    assert_same(epoch(), first)
    assert_same(epoch(threads=3), first)


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_together_see_what_one_with_the_larger_batch_would(epoch, workers):
    """Step by step, to the bit, and all of them as many batches; the fill included."""
    shares = [epoch(2, part=(rank, workers)) for rank in range(workers)]
    whole = epoch(2 * workers)
    assert {len(share) for share in shares} == {len(whole)}
    for step, (pixels, all_labels, photos) in enumerate(whole):
        parts = [share[step] for share in shares]
        np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), pixels)
        np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), all_labels)
        assert sum(part[2] for part in parts) == photos


def test_seeds_and_places_draw_anew(epoch):
    """A photo that comes twice is augmented twice, and otherwise in the next epoch."""
    order = np.zeros(4, int)
    (pixels, _, _), (next_pixels, _, _) = (*epoch(order=order), *epoch(order=order, seed=6))
    seen = np.concatenate([pixels, next_pixels]).reshape(8, -1)
    assert len(np.unique(seen, axis=0)) == 8


def test_pictures_are_the_endpoints_without_augmentation(channel, preparation, draw, epoch):
    """To the bit what `Preparation.array` makes."""
    (pixels, _, _), *_ = epoch(order=np.array([7, 2, 7, 0]), augmentation=PLAIN)
    expected = [preparation.array(draw(seed)) for seed in (7, 2, 7, 0)]
    np.testing.assert_array_equal(pixels, np.stack(expected))


@pytest.mark.parametrize(
    ("order", "named"), [([0, 11], "0 to 11"), ([-1, 3], "-1 to 3"), ([], "no photos")]
)
def test_an_order_of_photos_that_are_not_there_is_told(epoch, order, named):
    """NumPy would take -1 for the last."""
    with pytest.raises(TrainingError, match=f"an epoch of {named}, expected 0 to 10"):
        epoch(order=np.array(order, int))


@pytest.mark.parametrize("part", [(1, 1), (-1, 2), (0, 0)])
def test_a_part_that_is_none_is_told(epoch, part):
    """A rank counts from 0."""
    with pytest.raises(TrainingError, match=f"worker {part[0]} of {part[1]}"):
        epoch(part=part)


@pytest.mark.parametrize("kept", [0, 5, 100])
def test_the_cache_keeps_within_its_bytes(channel, preparation, draw, kept):
    """With no room, with room for some, and for all: the same pictures, twice."""
    pictures = Pictures(
        "train", channel.files, channel.scan.places, preparation, cache_bytes=kept * 28 * 28 * 3
    )
    assert len(pictures._cache) == min(kept, 11)
    first = [pictures[number].copy() for number in range(11)]
    np.testing.assert_array_equal(first, [pictures[number] for number in range(11)])
    arrays = [preparation.array(draw(number)) for number in range(11)]
    mean, std = (np.array(value, np.float32) for value in (preparation.mean, preparation.std))
    found = (np.stack(first) - mean) / std
    np.testing.assert_allclose(found.transpose(0, 3, 1, 2), arrays, atol=1e-6)


def test_a_picture_that_cannot_be_decoded_is_told(pack, draw, preparation):
    """MXNet's iterator would end the process, without a word of which it was."""
    channel = Channel.open("train", pack([draw(0), draw(1)[:200], draw(2)]))
    with pytest.raises(TrainingError, match="channel train: photo 1: cannot be decoded"):
        list(channel.batches(28, preparation, 2))


def test_threads_end_with_an_epoch_that_is_left(channel, preparation):
    """A loop that stops in mid-epoch leaves none behind."""
    batches = channel.epoch(28, preparation, 2, augmentation=STRONG, seed=1, threads=2)
    next(batches)
    assert any(thread.name.startswith("pictures") for thread in threading.enumerate())
    batches.close()
    assert not any(thread.name.startswith("pictures") for thread in threading.enumerate())


def test_several_labels_are_a_row_a_photo(pack, draw, preparation):
    """0 or 1 for each class: (N, K) of the batch, and of the channel."""
    hot = [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    channel = Channel.open("train", pack([draw(seed) for seed in range(3)], labels=hot))
    assert (channel.label_width, channel.highest_label) == (3, 2)
    assert channel.labels.tolist() == hot
    assert channel.labels.dtype == np.uint8
    [batch] = channel.batches(28, preparation, 4)
    assert batch.labels.asnumpy().tolist() == hot


def test_one_label_is_a_number_a_photo(channel):
    """(N,) int32, for weights and sampling."""
    assert channel.labels.tolist() == list(range(11))
    assert channel.labels.dtype == np.int32
    assert channel.label_width == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([[1, 0], [1, 0, 0]], "photo 1 has 3 labels, others 2"),
        ([[1, 0], [2, 0]], r"photo 1 has 2\.0 among its labels, expected 0 or 1 for each class"),
    ],
)
def test_several_labels_of_another_form_are_told(pack, draw, given, message):
    """Of another number than the first photo's, or other than 0 and 1."""
    with pytest.raises(TrainingError, match=message):
        Channel.open("train", pack([draw(0), draw(1)], labels=given))
