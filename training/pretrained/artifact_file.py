"""A former artifact, ours or SageMaker's, from its folder or archive: symbol, weights, card."""

from __future__ import annotations

import json
import logging
import re
import tarfile
import zlib
from typing import TYPE_CHECKING, Any, Final

from contracts import MODEL_CARD_FILE, SYMBOL_FILE, TrainingError
from training.pretrained.weights import Pretrained, Statistics
from training.pretrained.weights_file import MAX_FILE_BYTES, read_params

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)

SYMBOL = "symbol"
_SYMBOL_END = "-symbol.json"
_PARAMS = re.compile(r".*-(\d{4,})\.params", re.ASCII)
_MAX_ENTRIES: Final = 1000
_CHANNELS = 3

RAW_MEAN: Final[Statistics] = (0.0, 0.0, 0.0)
RAW_STD: Final[Statistics] = (1.0, 1.0, 1.0)
"""Of SageMaker's own artifacts, which tell none: pixels 0..255 as they are, RGB.

AWS has published neither the algorithm's program nor its statistics. The handler of its container
for compiled Image Classification models (SageMaker Neo, `NeoImageClassificationPredictor`) hands
the resized RGB pixels on without any; and the networks begin with the batch norm `bn_data`, which
learns them.
"""


def is_artifact(folder: Path) -> bool:
    """Whether a folder holds a symbol."""
    return any(folder.glob(f"*{_SYMBOL_END}"))


def read_artifact_folder(folder: Path, source: str) -> Pretrained:
    """The artifact whose files lie in `folder`.

    Raises:
        TrainingError: a file is missing, damaged, or larger than 1 GiB.
    """
    paths = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    files = {}
    for name in _wanted(paths, source):
        if paths[name].stat().st_size > MAX_FILE_BYTES:
            raise TrainingError(f"{source}: {name} is larger than {MAX_FILE_BYTES:,} bytes")
        files[name] = paths[name].read_bytes()
    return _read(files, source)


def read_artifact_archive(path: Path, source: str) -> Pretrained:
    """The artifact in a `model.tar.gz`, of which nothing is unpacked to disk.

    Raises:
        TrainingError: as `read_artifact_folder`, or it is no archive.
    """
    try:
        with tarfile.open(path, "r:gz") as archive:
            members = {}
            total = 0
            for number, member in enumerate(archive):
                total += member.size
                if number == _MAX_ENTRIES or total > MAX_FILE_BYTES:
                    raise TrainingError(
                        f"{source}: more than {_MAX_ENTRIES:,} entries or {MAX_FILE_BYTES:,} bytes"
                    )
                if member.isfile():
                    members[member.name.rpartition("/")[2]] = member
            files = {}
            for name in _wanted(members, source):
                stream = archive.extractfile(members[name])
                files[name] = stream.read() if stream else b""
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise TrainingError(f"{source}: a damaged archive ({error})") from error
    return _read(files, source)


def _wanted(names: Mapping[str, Any], source: str) -> list[str]:
    symbols = sorted(name for name in names if name.endswith(_SYMBOL_END))
    params = sorted((int(m[1]), name) for name in names if (m := _PARAMS.fullmatch(name)))
    if len(symbols) != 1 or not params:
        raise TrainingError(
            f"{source}: {len(symbols)} files *{_SYMBOL_END} and {len(params)} files *-0000.params, "
            "expected one and at least one",
            hint="SageMaker's model.tar.gz holds both",
        )
    if len(params) > 1:
        logger.info("%s has the weights of %d epochs: using %s", source, len(params), params[-1][1])
    return [symbols[0], params[-1][1], *([MODEL_CARD_FILE] if MODEL_CARD_FILE in names else [])]


def _read(files: Mapping[str, bytes], source: str) -> Pretrained:
    symbol, params, *_ = files.values()
    mean, std = (RAW_MEAN, RAW_STD) if SYMBOL_FILE in files else (None, None)
    if MODEL_CARD_FILE in files:
        mean, std = _statistics(files[MODEL_CARD_FILE], source)
    try:
        text = symbol.decode()
    except UnicodeDecodeError as error:
        raise TrainingError(f"{source}: its symbol is no text ({error})") from error
    arrays = read_params(params, source)
    return Pretrained(source, SYMBOL, arrays, mxnet=True, mean=mean, std=std, symbol=text)


def _statistics(card: bytes, source: str) -> tuple[Statistics, Statistics]:
    try:
        statistics = json.loads(card)["photo"]["statistics"]
        mean, std = (tuple(map(float, statistics[name])) for name in ("mean", "std"))
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{source}: {MODEL_CARD_FILE} states no statistics ({error})"
        ) from error
    if len(mean) != _CHANNELS or len(std) != _CHANNELS or min(std) <= 0:
        raise TrainingError(f"{source}: {MODEL_CARD_FILE} states mean {mean} and std {std}")
    return (mean[0], mean[1], mean[2]), (std[0], std[1], std[2])
