"""The job's hyperparameters: strings on arrival, checked and typed before anything is loaded.

Names, types, ranges and defaults are those of SageMaker's built-in Image Classification
(developer guide, *Image Classification Hyperparameters*); the last group is our own.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts import DEFAULT_THRESHOLD, TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NUM_LAYERS = (18, 34, 50, 101, 152)
AUGMENTATION_TYPES = ("none", "crop", "crop_color", "crop_color_transform")
MAX_SEED = 2**30
"""Half of what MXNet takes: each epoch adds its number."""

OPTIMIZERS = ("sgd",)
LR_SCHEDULES = ("exponential", "constant")
CHANNELS = 3
SIZES = range(28, 1025)
"""Sides of a picture, in pixels, that the networks take."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """One training job's settings, valid by construction.

    `num_classes` and `num_training_samples` may be left out (0): the records know better.
    `picture_sizes` are (side in pixels, epochs) pairs; `epoch_photos` is how many photos, drawn
    anew each time, make an epoch (0: all of them); `stem_pooling` is the side of the squares of
    pixels that the network averages first.
    """

    num_classes: int = 0
    num_training_samples: int = 0
    num_layers: int = 152
    image_shape: tuple[int, int, int] = (3, 224, 224)
    epochs: int = 30
    mini_batch_size: int = 32
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0001
    augmentation_type: str = "none"
    # Ours:
    lr_schedule: str = "exponential"
    lr_decay: float = 0.05
    picture_sizes: tuple[tuple[int, int], ...] = ()
    epoch_photos: int = 0
    stem_pooling: int = 1
    threshold: float = DEFAULT_THRESHOLD
    seed: int = 0

    def __post_init__(self) -> None:
        self._require("num_classes", self.num_classes >= 0, "an integer above 0")
        self._require("num_training_samples", self.num_training_samples >= 0, "an integer above 0")
        self._require("seed", 0 <= self.seed < MAX_SEED, f"an integer from 0 to below {MAX_SEED}")
        self._require("epoch_photos", self.epoch_photos >= 0, "an integer of 0 or more")
        self._require("num_layers", self.num_layers in NUM_LAYERS, f"one of {NUM_LAYERS}")
        self._require("epochs", self.epochs > 0, "an integer above 0")
        self._require("mini_batch_size", self.mini_batch_size > 0, "an integer above 0")
        for name in ("learning_rate", "momentum", "weight_decay", "lr_decay", "threshold"):
            self._require(name, 0 <= getattr(self, name) <= 1, "a number from 0 to 1")
        for name, known in (
            ("optimizer", OPTIMIZERS),
            ("augmentation_type", AUGMENTATION_TYPES),
            ("lr_schedule", LR_SCHEDULES),
        ):
            self._require(name, getattr(self, name) in known, f"one of {', '.join(known)}")
        self._check_pictures()
        smallest = min(self.sizes)
        self._require(
            "stem_pooling",
            self.stem_pooling > 0 and smallest // self.stem_pooling >= min(SIZES),
            f"1, or as much as leaves {min(SIZES)} of the picture's {smallest} pixels",
        )

    def _check_pictures(self) -> None:
        channels, height, width = self.image_shape
        self._require(
            "image_shape",
            channels == CHANNELS and height == width and height in SIZES,
            f"{CHANNELS},SIZE,SIZE with SIZE from {min(SIZES)} to {max(SIZES)}, as in 3,112,112",
        )
        total = sum(epochs for _, epochs in self.picture_sizes)
        in_range = all(size in SIZES and epochs > 0 for size, epochs in self.picture_sizes)
        self._require(
            "picture_sizes",
            not self.picture_sizes
            or (in_range and total == self.epochs and self.picture_sizes[-1][0] == height),
            f"size:epochs pairs whose epochs add up to epochs={self.epochs} and whose last size "
            f"is the image_shape's {height}, as in 28:4,{height}:2",
        )

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise TrainingError(
                f"hyperparameter {name}={getattr(self, name)!r}: expected {expected}",
                hint=f"`snapshelf train --set {name}=VALUE` changes it",
            )

    @property
    def sizes(self) -> tuple[int, ...]:
        """The picture's side in pixels for each epoch."""
        if not self.picture_sizes:
            return (self.image_shape[1],) * self.epochs
        return tuple(size for size, epochs in self.picture_sizes for _ in range(epochs))

    @classmethod
    def parse(cls, strings: Mapping[str, str]) -> Hyperparameters:
        """Type and check the strings of hyperparameters.json.

        Raises:
            TrainingError: a name is unknown, or a value is outside its type or range.
        """
        fields = {field.name: field for field in dataclasses.fields(cls)}
        unknown = sorted(set(strings) - set(fields))
        if unknown:
            raise TrainingError(
                f"unknown hyperparameter {unknown[0]!r}",
                hint=f"known are {', '.join(sorted(fields))}",
            )
        return cls(**{name: _parse(fields[name], text) for name, text in strings.items()})

    def document(self) -> dict[str, Any]:
        """The settings as JSON can hold them."""
        return dataclasses.asdict(self)


def _parse(field: dataclasses.Field[Any], text: str) -> Any:
    read, expected = READERS[str(field.type)]
    try:
        return read(text.strip())
    except ValueError as error:
        raise TrainingError(
            f"hyperparameter {field.name}={text!r}: expected {expected}",
            hint=f"its default is {field.default!r}",
        ) from error


def _parse_shape(text: str) -> tuple[int, int, int]:
    channels, height, width = (int(part) for part in text.split(","))
    return channels, height, width


def _parse_pairs(text: str) -> tuple[tuple[int, int], ...]:
    pairs = [part.split(":") for part in text.split(",") if part]
    return tuple((int(size), int(epochs)) for size, epochs in pairs)


READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "int": (int, "an integer"),
    "float": (float, "a number"),
    "str": (str, "a text"),
    "tuple[int, int, int]": (_parse_shape, "channels,height,width, as in 3,112,112"),
    "tuple[tuple[int, int], ...]": (_parse_pairs, "size:epochs pairs, as in 28:4,112:2"),
}
"""How each type of field is read, and what to write where it cannot be."""
