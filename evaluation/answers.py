"""A model's answers to photos whose categories are known, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts import TrainingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

_SMALLEST = np.finfo(np.float32).tiny


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a model said of N photos, each of one of K categories, or of several.

    Attributes:
        classes: K names in class order.
        labels: (N,) integers, indices into `classes`; or (N, K) of 0 and 1, a column a category,
            which makes the answers multi-label.
        logits: (N, K) float32, finite and before any temperature.
        names: of the photos, N of them, or None.
        has_energy: whether the logits are the network's own. Those made of probabilities lack the
            sum that the softmax divided out, which is what tells a familiar photo.

    Raises:
        TrainingError: at creation, if the shapes or values are not such.
    """

    classes: tuple[str, ...]
    labels: NDArray[Any]
    logits: NDArray[np.float32]
    names: tuple[str, ...] | None = None
    has_energy: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "labels", np.asarray(self.labels))
        object.__setattr__(self, "logits", np.asarray(self.logits, np.float32))
        if self.names is not None:
            object.__setattr__(self, "names", tuple(self.names))
        _check_classes(self.classes)
        _check_logits(self.logits, len(self.classes))
        _check_labels(self.labels, *self.logits.shape)
        if self.names is not None and len(self.names) != len(self):
            raise TrainingError(f"{len(self.names)} names, expected {len(self)}, one a photo")
        object.__setattr__(self, "labels", self.labels.astype(np.int64))

    @classmethod
    def from_probabilities(
        cls,
        classes: Sequence[str],
        labels: ArrayLike,
        probabilities: ArrayLike,
        *,
        names: Sequence[str] | None = None,
        temperature: float = 1.0,
    ) -> Answers:
        """Of a model that tells probabilities only.

        Args:
            classes: as the attribute.
            labels: as the attribute.
            probabilities: (N, K), 0..1; zeros are taken as float32's smallest number.
            names: as the attribute.
            temperature: what the model has divided its logits by, so that it is undone.
        """
        found = np.asarray(probabilities, np.float32)
        if not np.all((found >= 0) & (found <= 1)):
            raise TrainingError("a probability outside 0..1, expected values from a softmax")
        logs = np.log(np.maximum(found, _SMALLEST))
        if np.ndim(labels) > 1:
            logs -= np.log(np.maximum(1 - found, _SMALLEST))
        fixed = None if names is None else tuple(names)
        return cls(tuple(classes), np.asarray(labels), logs * temperature, fixed, has_energy=False)

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def multi_label(self) -> bool:
        """Whether a photo may be of several categories."""
        return self.labels.ndim > 1

    def select(self, rows: NDArray[Any]) -> Answers:
        """The answers to some of the photos, by index or mask."""
        chosen = np.arange(len(self))[rows]
        names = None if self.names is None else tuple(self.names[row] for row in chosen)
        return Answers(
            self.classes, self.labels[chosen], self.logits[chosen], names, self.has_energy
        )


def _check_classes(classes: tuple[str, ...]) -> None:
    if not classes:
        raise TrainingError("0 categories, expected at least one")
    twice = (
        sorted({name for name in classes if classes.count(name) > 1})
        if (len(set(classes)) < len(classes))
        else []
    )
    if twice:
        raise TrainingError(f"category {twice[0]!r} occurs twice, expected distinct names")


def _check_logits(logits: NDArray[Any], classes: int) -> None:
    if logits.ndim != 2 or logits.shape[1] != classes:  # noqa: PLR2004 (rows and columns)
        raise TrainingError(f"logits of shape {logits.shape}, expected (photos, {classes})")
    if not len(logits):
        raise TrainingError("0 photos were answered, expected at least one")
    rows = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(rows):
        raise TrainingError(
            f"photo {rows[0]} has a logit that is not finite, expected finite numbers",
            hint="the training has diverged; a smaller learning_rate keeps it from that",
        )


def _check_labels(labels: NDArray[Any], photos: int, classes: int) -> None:
    if labels.shape not in ((photos,), (photos, classes)):
        raise TrainingError(
            f"labels of shape {labels.shape}, expected ({photos},) or ({photos}, {classes})"
        )
    if not np.all(labels == np.floor(labels)):
        raise TrainingError("a label is not a whole number")
    highest = 1 if labels.ndim > 1 else classes - 1
    outside = labels[(labels < 0) | (labels > highest)]
    if len(outside):
        raise TrainingError(f"label {int(outside[0])}, expected 0 to {highest}")
