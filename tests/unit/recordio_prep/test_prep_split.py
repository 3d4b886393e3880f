"""The split: exact by category, the same every time, and hardly moved by new photos."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordio_prep.folders import Photo
from recordio_prep.split import shuffled, stratified


def photos(category, count):
    """So many photos of a category."""
    return [Photo(f"{category}/{n}.png", category, 1, 1) for n in range(count)]


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    train_ratio=st.floats(0.01, 0.99),
    seed=st.integers(),
)
def test_the_ratio_holds_within_one_photo_in_every_category(counts, train_ratio, seed):
    """Every photo is on one side, and two photos or more are never all on one."""
    everything = [photo for n, count in enumerate(counts) for photo in photos(f"c{n}", count)]
    train, validation = stratified(everything, train_ratio=train_ratio, seed=seed)
    assert sorted(train + validation, key=repr) == sorted(everything, key=repr)
    by_class = Counter(photo.category for photo in train)
    for n, count in enumerate(counts):
        assert abs(by_class[f"c{n}"] - count * train_ratio) <= 1
        if count > 1:
            assert 0 < by_class[f"c{n}"] < count


def test_seventy_of_a_hundred_are_trained_on():
    """The common case to the photo."""
    train, validation = stratified(photos("a", 100), train_ratio=0.7, seed=0)
    assert (len(train), len(validation)) == (70, 30)


def test_a_single_photo_and_a_ratio_of_one_are_trained_on():
    """What cannot be held back is not."""
    assert stratified(photos("a", 1), train_ratio=0.1, seed=0) == (photos("a", 1), [])
    assert stratified(photos("a", 5), train_ratio=1.0, seed=0)[1] == []


@given(seed=st.integers(), extra=st.integers(0, 99))
def test_one_more_photo_moves_at_most_one_across(seed, extra):
    """What was held back stays unseen as a collection grows."""
    former = set(stratified(photos("a", 50), train_ratio=0.7, seed=seed)[0])
    added = Photo(f"a/new{extra}.png", "a", 1, 1)
    latter = set(stratified([*photos("a", 50), added], train_ratio=0.7, seed=seed)[0])
    assert len(former - latter) <= 1
    assert len(latter - former - {added}) <= 1


def test_the_order_of_listing_does_not_matter():
    """Another machine may list otherwise."""
    listed = photos("b", 9) + photos("a", 9)
    assert stratified(listed, train_ratio=0.5, seed=3) == stratified(
        listed[::-1], train_ratio=0.5, seed=3
    )
    assert shuffled(listed, seed=3) == shuffled(listed[::-1], seed=3)


@pytest.mark.parametrize("function", ["side", "order"])
def test_another_seed_divides_and_shuffles_otherwise(function):
    """The seed decides."""
    listed = photos("a", 50)
    if function == "side":
        one, other = (stratified(listed, train_ratio=0.5, seed=seed)[0] for seed in (0, 1))
    else:
        one, other = (shuffled(listed, seed=seed) for seed in (0, 1))
    assert one != other


def test_a_shuffle_is_known_by_heart():
    """Pinned, so that no change of the code reshuffles everyone's photos unseen."""
    order = [photo.path[2] for photo in shuffled(photos("a", 6), seed=0)]
    assert order == ["4", "3", "5", "1", "2", "0"]
