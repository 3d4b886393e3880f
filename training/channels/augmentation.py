"""What may happen to a photo before the network sees it in training: ranges and chances."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from contracts import TrainingError

_CHANCES = ("grey", "blur", "degrade", "random_erasing")
_LIMITS = {
    "max_aspect": 4.0,
    "padding": 64,
    "rotate": 180.0,
    "shear": 1.0,
    "hue": 90.0,
    "hsl_saturation": 255.0,
    "lightness": 255.0,
    "brightness": 1.0,
    "contrast": 1.0,
    "saturation": 1.0,
}


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Ranges that each photo of an epoch draws from; the defaults change nothing.

    Attributes:
        min_area: The smallest crop's share of the picture, above 0 to 1; the largest is all of it.
        max_aspect: How far a crop's proportions go: 1 / (1 + x) to 1 + x, 0 to 4.
        padding: Pixels by which a crop may reach beyond each side of the picture, where it finds
            the picture's reflection, 0 to 64. A crop of the whole area is then moved by whole
            pixels, and stays as sharp as it was.
        mirror: Whether every other photo is mirrored.
        rotate: Degrees to either side, 0 to 180.
        shear: Pixels sideways for a pixel of height, to either side, 0 to 1.
        hue: Added in OpenCV's 8-bit HLS, where a step is 2 degrees, to either side, 0 to 90.
        hsl_saturation: Likewise, 0 to 255.
        lightness: Likewise, 0 to 255.
        brightness: A factor of 1 - x to 1 + x, 0 to 1.
        contrast: Likewise, about the mean grey.
        saturation: Likewise, about each pixel's grey.
        grey: Chance that the colours are taken away, 0 to 1.
        blur: Chance of a blur, with a radius of up to 1.5 % of the side.
        degrade: Chance of a JPEG's losses at quality 20 to 90.
        random_erasing: Chance that a rectangle of 2 to 33 % is painted over with the mean colour
            (Zhong et al., *Random Erasing Data Augmentation*, 2017).

    Raises:
        TrainingError: a value outside its range.
    """

    min_area: float = 1.0
    max_aspect: float = 0.0
    padding: int = 0
    mirror: bool = False
    rotate: float = 0.0
    shear: float = 0.0
    hue: float = 0.0
    hsl_saturation: float = 0.0
    lightness: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    grey: float = 0.0
    blur: float = 0.0
    degrade: float = 0.0
    random_erasing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.min_area <= 1:
            raise TrainingError(f"augmentation min_area={self.min_area}, expected above 0 to 1")
        for name, limit in (_LIMITS | dict.fromkeys(_CHANCES, 1.0)).items():
            value = getattr(self, name)
            if not 0 <= value <= limit:
                raise TrainingError(f"augmentation {name}={value}, expected 0 to {limit:g}")

    @classmethod
    def of(cls, name: str) -> Augmentation:
        """One of the built-in algorithm's `augmentation_type`.

        Raises:
            TrainingError: no such type.
        """
        if name not in AUGMENTATIONS:
            raise TrainingError(f"augmentation_type={name!r}, expected {', '.join(AUGMENTATIONS)}")
        return AUGMENTATIONS[name]

    def with_more(self, **ranges: float | None) -> Augmentation:
        """With other ranges where they are not None."""
        given: dict[str, Any] = {n: value for n, value in ranges.items() if value is not None}
        return replace(self, **given)

    @property
    def changes_nothing(self) -> bool:
        """Whether a photo comes out as it went in."""
        return all(getattr(self, field.name) == field.default for field in fields(self))


AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation(),
    "crop": Augmentation(min_area=0.5, max_aspect=0.25, mirror=True),
    "crop_color": Augmentation(
        min_area=0.5, max_aspect=0.25, mirror=True, hue=36, hsl_saturation=50, lightness=50
    ),
    "crop_color_transform": Augmentation(
        min_area=0.5,
        max_aspect=0.25,
        mirror=True,
        hue=36,
        hsl_saturation=50,
        lightness=50,
        rotate=10,
        shear=0.1,
    ),
}
"""Ranges of SageMaker's `augmentation_type` (developer guide, *Image Classification
Hyperparameters*); its aspect ratio of 0.25 is in the crop already."""
