"""dataset.json: what the records hold, for whoever trains on them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from contracts import DATASET_FILE, SPLITS, DatasetError, SnapshelfError
from photo import Preparation
from recordio_prep.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = 1
CHANNELS = 3
_HINT = "prepare the photos: `snapshelf prepare PHOTOS --out RECORDS`"


@dataclass(frozen=True, slots=True)
class Split:
    """How many photos a split holds, in all and by class (every class is named).

    A photo that `balance` repeats counts each time; a multi-label photo counts for all its classes.
    """

    photos: int
    by_class: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Dataset:
    """The document beside the records; it is written last, so that it stands for all of them.

    Attributes:
        classes: Names in label order.
        preparation: Size and fit of the photos, mean and std over the train split, 0..255.
        splits: By name, in the order of `contracts.SPLITS`; train is always there.
        left_out: How many files were not packed; `left_out.csv` lists them.
        seed: What the split and the order of training photos depend on, with the paths.
        train_ratio: The share that is trained on, 1 where validation photos came apart.
        encoding: "jpeg" or "png" by split.
        quality: JPEG quality, 1 to 100.
        fingerprint: "sha256:..." over the paths, contents, labels and settings that went in.
        multi_label: Whether a record has a 0 or 1 for each class, in place of a class index.
        tree: Levels of a class, from the top of the category tree down; empty where it is flat.
    """

    classes: tuple[str, ...]
    preparation: Preparation
    splits: Mapping[str, Split]
    left_out: int
    seed: int
    train_ratio: float
    encoding: Mapping[str, str]
    quality: int
    fingerprint: str
    multi_label: bool = False
    tree: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(set(self.classes)) != len(self.classes) or not self.classes:
            raise DatasetError(
                f"classes {list(self.classes)}, expected names, once each", hint=_HINT
            )
        if "train" not in self.splits or not set(self.splits) <= set(SPLITS):
            raise DatasetError(
                f"splits {list(self.splits)}, expected train and some of {', '.join(SPLITS)}",
                hint=_HINT,
            )
        for name, split in self.splits.items():
            if set(split.by_class) != set(self.classes):
                raise DatasetError(f"{name}: by_class does not name every class once", hint=_HINT)
            if not self.multi_label and split.photos != sum(split.by_class.values()):
                raise DatasetError(
                    f"{name}: {split.photos} photos, but {sum(split.by_class.values())} by class",
                    hint=_HINT,
                )

    @classmethod
    def load(cls, records: Path) -> Self:
        """Read `records/dataset.json`.

        Raises:
            DatasetError: it is missing, damaged, or of another format than this version writes.
        """
        path = records / DATASET_FILE
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise DatasetError(f"{path}: {error.strerror}", hint=_HINT) from error
        except SnapshelfError as error:
            raise DatasetError(f"{path}: {error.message}", hint=_HINT) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(f"{path}: damaged ({error!r})", hint=_HINT) from error

    def save(self, records: Path) -> None:
        """Write `records/dataset.json`, all of it or nothing."""
        write_atomically(records / DATASET_FILE, self.text())

    def text(self) -> str:
        """The document as its file holds it."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """The reverse of `to_dict`; raises as damaged JSON does, for `load` to word."""
        if document["format"] != FORMAT or document["channels"] != CHANNELS:
            raise DatasetError(
                f"format {document['format']!r} with {document['channels']!r} channels,"
                f" expected {FORMAT} with {CHANNELS}"
            )
        return cls(
            classes=tuple(document["classes"]),
            preparation=Preparation.from_dict(document),
            splits={
                name: Split(photos=split["photos"], by_class=dict(split["by_class"]))
                for name, split in document["splits"].items()
            },
            left_out=document["left_out"],
            seed=document["seed"],
            train_ratio=document["train_ratio"],
            encoding=dict(document["encoding"]),
            quality=document["quality"],
            fingerprint=document["fingerprint"],
            multi_label=document.get("multi_label", False),
            tree={name: tuple(levels) for name, levels in document.get("tree", {}).items()},
        )

    def to_dict(self) -> dict[str, Any]:
        """The document as JSON holds it."""
        preparation = self.preparation.to_dict()
        return {
            "format": FORMAT,
            "classes": list(self.classes),
            "size": preparation["size"],
            "fit": preparation["fit"],
            "channels": CHANNELS,
            "statistics": preparation["statistics"],
            "splits": {
                name: {"photos": split.photos, "by_class": dict(split.by_class)}
                for name, split in self.splits.items()
            },
            "left_out": self.left_out,
            "seed": self.seed,
            "train_ratio": self.train_ratio,
            "encoding": dict(self.encoding),
            "quality": self.quality,
            "fingerprint": self.fingerprint,
            "multi_label": self.multi_label,
            "tree": {name: list(levels) for name, levels in self.tree.items()},
        }
