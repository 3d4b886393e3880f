"""Selection: what options leave out is listed with its reason, and what they repeat is counted."""

import csv
from collections import Counter

import pytest

from contracts import DatasetError
from recordio_prep import prepare, read_records
from recordio_prep.sources.listing import Listing


@pytest.fixture
def uneven(tmp_path, make_photos):
    """12 cats, 5 dogs, 2 emus."""
    counts = {"cat": 12, "dog": 5, "emu": 2}
    names = [f"{category}/{n:02d}.png" for category, count in counts.items() for n in range(count)]
    return make_photos(tmp_path / "photos", dict.fromkeys(names))


def reasons(records):
    """The rows of left_out.csv by path."""
    with (records / "left_out.csv").open(newline="") as file:
        return {row["path"]: row["reason"] for row in csv.DictReader(file)}


def listed(records, split):
    """The paths of a split's `.lst`, in its order."""
    lines = (records / f"{split}.lst").read_text().splitlines()
    return [line.split("\t")[-1] for line in lines]


def test_a_cap_keeps_so_many_of_a_category(uneven, tmp_path):
    """The rest is listed; which ones stay, only the seed decides."""
    dataset = prepare(uneven, tmp_path / "out", size=8, cap_per_class=4)
    kept = Counter()
    for split in dataset.splits.values():
        kept.update(split.by_class)
    assert kept == {"cat": 4, "dog": 4, "emu": 2}
    assert dataset.left_out == 9
    assert set(reasons(tmp_path / "out").values()) == {"over the cap of 4 photos a category"}
    assert (
        prepare(uneven, tmp_path / "2", size=8, cap_per_class=4).fingerprint == dataset.fingerprint
    )
    other = prepare(uneven, tmp_path / "3", size=8, cap_per_class=4, seed=1)
    assert other.fingerprint != dataset.fingerprint


def test_balance_repeats_training_photos_up_to_the_largest_category(uneven, tmp_path):
    """As evenly as can be, shuffled among the rest, each record with a number of its own."""
    out = tmp_path / "out"
    dataset = prepare(uneven, out, size=8, balance=True)
    plain = prepare(uneven, tmp_path / "plain", size=8)
    assert set(dataset.splits["train"].by_class.values()) == {8}
    assert dataset.splits["validation"] == plain.splits["validation"]
    times = Counter(listed(out, "train"))
    assert set(times) == set(listed(tmp_path / "plain", "train"))
    dogs = [count for path, count in times.items() if path.startswith("dog/")]
    assert max(dogs) - min(dogs) <= 1
    headers = [header for header, _ in read_records(out / "train.rec")]
    assert sorted(header.index for header in headers) == list(range(24))
    labels = [header.labels[0] for header in headers]
    assert labels != sorted(labels)
    assert len(set(labels[:8])) > 1


def test_empty_photos_are_dropped_only_if_asked(uneven, tmp_path, make_photos):
    """A single colour is a photo of nothing, or of snow."""
    make_photos(uneven, {"dog/white.png": "white", "cat/grey.png": (90, 91, 90)})
    out = tmp_path / "out"
    assert prepare(uneven, out, size=8).left_out == 0
    dataset = prepare(uneven, out, size=8, drop_empty=True)
    assert dataset.left_out == 2
    assert reasons(out) == {"cat/grey.png": "a single colour", "dog/white.png": "a single colour"}


def test_a_category_that_options_empty_is_told(uneven, tmp_path, make_photos):
    """A class that nothing trains would still be an answer."""
    make_photos(uneven, {"fox/1.png": "white", "fox/2.png": "black"})
    with pytest.raises(DatasetError, match="no photo is left of fox"):
        prepare(uneven, tmp_path / "out", size=8, drop_empty=True)


@pytest.mark.parametrize("option", ["shard_size", "cap_per_class"])
def test_numbers_below_one_are_refused(uneven, tmp_path, option):
    """The message gives the value."""
    with pytest.raises(DatasetError, match="0, expected at least 1"):
        prepare(uneven, tmp_path / "out", **{option: 0})


def test_of_a_photo_that_several_categories_claim_none_is_kept_in_any_part(
    uneven, tmp_path, make_photos
):
    """Which label is right is not known, in the test folder no more than in the other."""
    test = make_photos(tmp_path / "test", dict.fromkeys(["cat/new.png", "dog/new.png"]))
    (test / "dog" / "same.png").write_bytes((test / "cat" / "new.png").read_bytes())
    (uneven / "emu" / "x.png").write_bytes((uneven / "dog" / "01.png").read_bytes())
    dataset = prepare(uneven, tmp_path / "out", test=test, size=8, drop_duplicates=True)
    where = "the same photo stands in {}: which is right is not known"
    assert reasons(tmp_path / "out") == {
        "dog/01.png": where.format("dog, emu"),
        "emu/x.png": where.format("dog, emu"),
        f"{test}/cat/new.png": where.format("cat, dog"),
        f"{test}/dog/same.png": where.format("cat, dog"),
    }
    assert dataset.splits["test"].photos == 1


def test_photos_of_several_labels_are_divided_by_the_ratio(tmp_path, two_classes):
    """However few share a combination of labels; cap and balance, which go by it, are refused."""
    paths = sorted(path.relative_to(two_classes) for path in two_classes.glob("*/*.png"))
    lines = ["\t".join([str(n), *f"{n + 1:05b}", str(path)]) for n, path in enumerate(paths)]
    (tmp_path / "all.lst").write_text("\n".join(lines) + "\n")
    source = Listing.opened(tmp_path / "all.lst", two_classes, names=tuple("abcde"))
    dataset = prepare(source, tmp_path / "out", size=8)
    assert [split.photos for split in dataset.splits.values()] == [14, 6]
    for option in ({"balance": True}, {"cap_per_class": 3}):
        with pytest.raises(DatasetError, match="photos with several labels"):
            prepare(source, tmp_path / "out", size=8, **option)
