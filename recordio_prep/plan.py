"""Which photo goes into which split, with which label, in which order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from recordio_prep.folders import PhotoFolder, read_photo_folder
from recordio_prep.split import shuffled, stratified

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from recordio_prep.folders import LeftOut, Photo
    from recordio_prep.settings import Settings


@dataclass(frozen=True, slots=True)
class Source:
    """The folders that photos come from.

    Attributes:
        photos: Divided into train and validation; trained on as a whole if `validation` is given.
        validation: Packed as a whole as the validation split.
        test: Packed as a whole as the test split.
    """

    photos: PhotoFolder
    validation: PhotoFolder | None
    test: PhotoFolder | None

    @classmethod
    def read(cls, photos: Path, *, validation: Path | None, test: Path | None) -> Source:
        """List all folders.

        Raises:
            DatasetError: as `recordio_prep.folders.read_photo_folder`.
        """
        main = read_photo_folder(photos)
        classes = main.categories
        return cls(
            photos=main,
            validation=read_photo_folder(validation, known=classes) if validation else None,
            test=read_photo_folder(test, known=classes) if test else None,
        )

    def folders(self) -> list[PhotoFolder]:
        """The folders that were given."""
        given = (self.photos, self.validation, self.test)
        return [folder for folder in given if folder is not None]

    def left_out(self) -> list[LeftOut]:
        """What the folders hold besides photos, with paths as `listed_path` gives them."""
        return [
            replace(entry, path=self.listed_path(folder.root, entry.path))
            for folder in self.folders()
            for entry in folder.left_out
        ]

    def listed_path(self, root: Path, path: str) -> str:
        """How a left-out file is listed: by its path alone, if it is not from another folder."""
        return path if root == self.photos.root else f"{root}/{path}"


@dataclass(frozen=True, slots=True)
class Item:
    """A photo with its place in the records.

    Attributes:
        root: The folder that `photo.path` is relative to.
        label: The class index.
        index: Its number within the split, by path.
    """

    photo: Photo
    root: Path
    split: str
    label: int
    index: int

    @property
    def file(self) -> Path:
        return self.root / self.photo.path


def plan_items(
    source: Source, settings: Settings, *, without: Collection[Path] = ()
) -> dict[str, list[Item]]:
    """The items of each split in the order of its records: train shuffled, the others by path.

    Args:
        source: The folders.
        settings: Seed and ratio.
        without: Files that turned out unreadable: the plan is as if they were not there.
    """

    def readable(folder: PhotoFolder) -> list[Photo]:
        return [photo for photo in folder.photos if folder.root / photo.path not in without]

    main = readable(source.photos)
    splits: dict[str, tuple[PhotoFolder, list[Photo]]] = {}
    if source.validation is None:
        train, held_back = stratified(main, train_ratio=settings.train_ratio, seed=settings.seed)
        splits["train"] = source.photos, train
        splits["validation"] = source.photos, held_back
    else:
        splits["train"] = source.photos, main
        splits["validation"] = source.validation, readable(source.validation)
    if source.test is not None:
        splits["test"] = source.test, readable(source.test)
    labels = {name: label for label, name in enumerate(source.photos.categories)}
    return {
        split: _items(split, folder.root, photos, labels, settings)
        for split, (folder, photos) in splits.items()
        if photos
    }


def _items(
    split: str, root: Path, photos: Iterable[Photo], labels: Mapping[str, int], settings: Settings
) -> list[Item]:
    items = {
        photo: Item(photo, root, split, labels[photo.category], index)
        for index, photo in enumerate(photos)
    }
    ordered = shuffled(items, seed=settings.seed) if split == "train" else items
    return [items[photo] for photo in ordered]
