"""dataset.json: what is saved is loaded, and what is damaged is told."""

import json
from dataclasses import replace

import pytest

from contracts import DATASET_FILE, DatasetError
from photo import Preparation
from recordio_prep import Dataset, Split

DATASET = Dataset(
    classes=("cat", "dog"),
    preparation=Preparation(112, "squash", (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)),
    splits={
        "train": Split(photos=3, by_class={"cat": 1, "dog": 2}),
        "validation": Split(photos=1, by_class={"cat": 1, "dog": 0}),
    },
    left_out=1,
    seed=0,
    train_ratio=0.7,
    encoding={"train": "jpeg", "validation": "png"},
    quality=95,
    fingerprint="sha256:00",
)


def test_what_is_saved_is_loaded(tmp_path):
    """The document says all, and nothing else is left in the folder."""
    DATASET.save(tmp_path)
    assert Dataset.load(tmp_path) == DATASET
    assert [path.name for path in tmp_path.iterdir()] == [DATASET_FILE]


def test_the_document_has_the_agreed_keys(tmp_path):
    """Training reads these names."""
    DATASET.save(tmp_path)
    document = json.loads((tmp_path / DATASET_FILE).read_text())
    assert document["format"] == 1
    assert document["channels"] == 3
    assert document["classes"] == ["cat", "dog"]
    assert (document["size"], document["fit"]) == (112, "squash")
    assert document["statistics"] == {"mean": [1.0, 2.0, 3.0], "std": [4.0, 5.0, 6.0]}
    assert document["splits"]["train"] == {"photos": 3, "by_class": {"cat": 1, "dog": 2}}


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 2},
        {"channels": 1},
        {"classes": []},
        {"classes": ["cat", "cat"]},
        {"classes": None},
        {"size": 0},
        {"statistics": {}},
        {"splits": {}},
        {"splits": {"train": {"photos": 1}}},
        {"splits": {"train": {"photos": 9, "by_class": {"cat": 1, "dog": 2}}}},
        {"splits": {"train": {"photos": 1, "by_class": {"cat": 1}}}},
    ],
)
def test_a_damaged_document_is_told_with_its_path(tmp_path, damage):
    """Every wrong value is a DatasetError that names the file."""
    (tmp_path / DATASET_FILE).write_text(json.dumps(DATASET.to_dict() | damage))
    with pytest.raises(DatasetError, match=DATASET_FILE) as error:
        Dataset.load(tmp_path)
    assert "snapshelf prepare" in error.value.hint


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "{}"])
def test_a_document_of_another_kind_is_told(tmp_path, text):
    """So is a file that is no such document at all."""
    (tmp_path / DATASET_FILE).write_text(text)
    with pytest.raises(DatasetError, match=DATASET_FILE):
        Dataset.load(tmp_path)


def test_a_missing_document_is_told(tmp_path):
    """Without it, the records are not complete."""
    with pytest.raises(DatasetError, match="No such file"):
        Dataset.load(tmp_path)


def test_an_unknown_split_is_refused():
    """Channels have three names."""
    with pytest.raises(DatasetError, match="splits"):
        replace(DATASET, splits={**DATASET.splits, "holdout": DATASET.splits["train"]})
