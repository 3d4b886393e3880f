"""Where in a photo a network's answer lies, laid over what the network saw."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from hosting.model import LOGITS, PROBABILITIES
from photo import prepare_photo, to_array

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hosting.model import Answer, Model

    Map = NDArray[np.float32]

SMALLEST_SIDE = 224
"""Of the overlay, in pixels: a network's picture of 28 would be shown as a stamp."""

ACTIVATION_MAP = "activation_map"
BY_MAP, BY_OCCLUSION = "activation map", "occlusion"

_COVER = 4
"""A cover is a quarter of the picture wide."""

_PLACES = 7
"""Of the cover along each side, half a cover apart."""

_AT_ONCE = 8
"""Covered pictures in one batch: of 1,024 pixels a side, each takes 13 MB."""

_FAINT, _STRONG = (255, 220, 0), (220, 0, 0)
_OPACITY = 0.65
_SMALLEST = np.finfo(np.float32).tiny


@dataclass(frozen=True, slots=True)
class HeatMap:
    """What speaks for a category in a photo.

    Attributes:
        category: the most probable one.
        method: BY_MAP, what each place added to the category's logit, exactly; or BY_OCCLUSION, how
            much it lost where the place was covered.
        png: the picture that the network saw with the map laid over it.
    """

    category: str
    method: str
    png: bytes


def explain(model: Model, photo: bytes, *, embedding: bool = False) -> Answer:
    """The model's answer to a photo, with its heat map.

    A network that tells no ACTIVATION_MAP (one without pooling before its last layer, or of an
    older artifact) is asked about covered pictures: some fifty answers in place of one.

    Raises:
        PhotoError: the bytes are no photo.
        NoEmbeddingError: as `Model.answers`.
        BrokenModelError: as `Model.answers`.
    """
    prepared = model.preparation
    image = prepare_photo(photo, prepared.size, prepared.fit)
    picture = to_array(image, mean=prepared.mean, std=prepared.std)
    (answer,) = model.answers(picture[np.newaxis], embedding=embedding)
    best = int(np.argmax(answer.probabilities))
    method, heat = _heat(model, picture, best)
    return replace(answer, heatmap=HeatMap(model.classes[best], method, overlay(image, heat)))


def _heat(model: Model, picture: Any, best: int) -> tuple[str, Map]:
    if ACTIVATION_MAP in model.runtime.outputs:
        return BY_MAP, model.outputs(picture[np.newaxis], ACTIVATION_MAP)[ACTIVATION_MAP][0]

    def score(pictures: Any) -> Any:
        found = model.outputs(pictures)
        if LOGITS in found:
            return found[LOGITS][:, best]
        return np.log(np.maximum(found[PROBABILITIES][:, best], _SMALLEST))

    return BY_OCCLUSION, occlude(score, picture)


def occlude(score: Callable[[Any], Any], picture: Any) -> Map:
    """How much less a class scores where the picture is covered, place by place.

    Works with any network (Zeiler and Fergus, "Visualizing and Understanding Convolutional
    Networks", 2014); it takes _PLACES x _PLACES further answers.

    Args:
        score: the class's score of pictures float32 (N, 3, H, W): (N,).
        picture: float32 (3, H, W), normalised, so that 0 is the mean colour of the training photos.

    Returns:
        (H, W): the mean loss of all covers over a place; below 0 where covering helped.
    """
    _, height, width = picture.shape
    boxes = [(top, left) for top in _starts(height) for left in _starts(width)]
    tall, wide = _cover(height), _cover(width)
    whole = float(score(picture[np.newaxis])[0])
    losses, covers = np.zeros((2, height, width), np.float32)
    for first in range(0, len(boxes), _AT_ONCE):
        chunk = boxes[first : first + _AT_ONCE]
        covered = np.repeat(picture[np.newaxis], len(chunk), axis=0)
        for one, (top, left) in zip(covered, chunk, strict=True):
            one[:, top : top + tall, left : left + wide] = 0
        for value, (top, left) in zip(score(covered), chunk, strict=True):
            losses[top : top + tall, left : left + wide] += whole - float(value)
            covers[top : top + tall, left : left + wide] += 1
    return np.asarray(losses / covers, np.float32)


def overlay(image: Image.Image, heat: Map) -> bytes:
    """A PNG of the picture with the map laid over: from yellow to red what speaks for the class.

    Args:
        image: RGB, as the network saw it; shown at SMALLEST_SIDE pixels at least.
        heat: (h, w), any size. 0 and less is clear, the highest value as strong as it gets.
    """
    scale = -(-SMALLEST_SIDE // min(image.size))
    shown = image.resize((image.width * scale, image.height * scale), Image.Resampling.BICUBIC)
    weights = Image.fromarray(_stretched(heat)).resize(shown.size, Image.Resampling.BICUBIC)
    strength = np.asarray(weights).clip(0, 1)[..., np.newaxis]
    colour = (1 - strength) * np.array(_FAINT) + strength * np.array(_STRONG)
    pixels = np.asarray(shown) * (1 - _OPACITY * strength) + colour * (_OPACITY * strength)
    buffer = io.BytesIO()
    Image.fromarray(pixels.round().astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _stretched(heat: Map) -> Map:
    positive = np.maximum(heat, 0).astype(np.float32)
    highest = float(positive.max())
    return positive / np.float32(highest) if highest > 0 else positive


def _cover(side: int) -> int:
    return max(1, side // _COVER)


def _starts(side: int) -> list[int]:
    """Where covers begin, evenly from one end to the other, each place under at least one."""
    return sorted({round(at) for at in np.linspace(0, side - _cover(side), _PLACES)})
