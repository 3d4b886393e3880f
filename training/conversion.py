"""SageMaker's own artifact, which hosting cannot load, gets an ONNX model and a model card."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts import (
    DEFAULT_THRESHOLD,
    MODEL_CARD_FILE,
    ONNX_FILE,
    PHOTO_FIT,
    PHOTO_FITS,
    SHAPES_FILE,
    TrainingError,
)
from evaluation.trust import Trust
from photo import Preparation
from training.artifact import Trained, write_served
from training.hyperparameters import COLOURS, Hyperparameters
from training.networks import PHOTO_CHANNELS, parameters
from training.pretrained import load, symbol_classes
from training.pretrained.artifact_file import RAW_MEAN, RAW_STD
from training.start import MODEL_CHANNEL, make_start

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from training.environment import Environment

_STATISTICS = "three numbers, red, green and blue, as in 123.68,116.779,103.939"


@dataclass(frozen=True, slots=True)
class Told:
    """What the artifact itself does not tell, from the strings of hyperparameters.json.

    Attributes:
        classes: names in output order, of `classes`, a JSON list; empty: 0, 1, and so on.
        fit: how photos are made square. "squash" is what the built-in algorithm serves.
        mean: of red, green and blue, 0..255, that is taken from photos; 0, as RAW_MEAN tells.
        std: that they are divided by; 1.
    """

    classes: tuple[str, ...] = ()
    fit: str = PHOTO_FIT
    mean: tuple[float, ...] = RAW_MEAN
    std: tuple[float, ...] = RAW_STD

    @classmethod
    def parse(cls, strings: Mapping[str, str]) -> Told:
        """Check and type them.

        Raises:
            TrainingError: a name is unknown, or a value is none that is expected.
        """
        known = {"classes": _names, "fit": _fit, "mean": _mean, "std": _std}
        unknown = sorted(strings.keys() - known.keys())
        if unknown:
            raise TrainingError(
                f"unknown setting {unknown[0]!r}: expected some of {', '.join(known)}"
            )
        values: dict[str, Any] = {name: known[name](text) for name, text in strings.items()}
        return cls(**values)


def convert(environment: Environment) -> dict[str, Any]:
    """Copy the files of the channel `model` to the model folder, and add what hosting reads.

    Args:
        environment: whose channel `model` holds the files of a model.tar.gz, unpacked.

    Returns:
        The model card; its metrics are empty, since nobody has measured this model here.

    Raises:
        TrainingError: the channel holds no artifact of one network of RGB or grey photos, the names
            are not as many as its classes, or hosting can load it already.
    """
    told = Told.parse(environment.hyperparameters())
    folder = environment.channel_dir(MODEL_CHANNEL)
    if folder is None:
        raise TrainingError(f"no channel {MODEL_CHANNEL}: expected an artifact's files in it")
    if (folder / ONNX_FILE).exists() and (folder / MODEL_CARD_FILE).exists():
        raise TrainingError(f"the artifact has {ONNX_FILE} and {MODEL_CARD_FILE} already")
    origin = load(str(folder))
    count, multi_label = symbol_classes(origin)
    names = told.classes or tuple(map(str, range(count)))
    if len(names) != count:
        raise TrainingError(
            f"{len(names)} class names ({', '.join(names)}): the network has {count} classes"
        )
    channels, size = _shape(folder / SHAPES_FILE)
    settings = Hyperparameters(image_shape=(channels, size, size), multi_label=multi_label)
    start = make_start(settings, count, environment)
    if channels != start.network.channels:
        raise TrainingError(
            f"{SHAPES_FILE} tells {channels} channels: expected {start.network.channels}, as the "
            "network takes"
        )
    trained = Trained(
        start.network,
        start.name,
        parameters(start.network),
        0,
        names,
        settings,
        Preparation(size, told.fit, _three(told.mean), _three(told.std)),
        Trust(default=DEFAULT_THRESHOLD, fitted=False),
        {},
    )
    shutil.copytree(folder, environment.model_dir, dirs_exist_ok=True)
    return write_served(environment.model_dir, trained)


def _shape(path: Path) -> tuple[int, int]:
    """Channels and side of the pictures that model-shapes.json tells."""
    expected = 'expected [{"name": "data", "shape": [N, 3 or 1, H, W]}], H and W alike'
    try:
        (entry,) = json.loads(path.read_text())
        _, channels, height, width = map(int, entry["shape"])
    except FileNotFoundError as error:
        raise TrainingError(f"{path.name} is missing from the artifact; {expected}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path.name}: {error!r}; {expected}") from error
    if channels not in COLOURS or height != width:
        raise TrainingError(f"{path.name}: shape {entry['shape']}; {expected}")
    return channels, height


def _names(text: str) -> tuple[str, ...]:
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise TrainingError(f"classes={text!r}: expected a JSON list of names")
    if len(set(names)) != len(names):
        raise TrainingError(f"classes={text!r}: expected names that differ")
    return tuple(names)


def _fit(text: str) -> str:
    if text not in PHOTO_FITS:
        raise TrainingError(f"fit={text!r}: expected {' or '.join(PHOTO_FITS)}")
    return text


def _mean(text: str) -> tuple[float, ...]:
    return _colours("mean", text, lowest=0.0)


def _std(text: str) -> tuple[float, ...]:
    return _colours("std", text, lowest=1e-6)


def _colours(name: str, text: str, *, lowest: float) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != PHOTO_CHANNELS or not all(lowest <= value <= _WHITE for value in values):
        raise TrainingError(f"{name}={text!r}: expected {_STATISTICS}, {lowest:g} to {_WHITE}")
    return values


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue


_WHITE = 255
