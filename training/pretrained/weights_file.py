"""Any file of weights as NumPy arrays by name, its form told by its first bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts import TrainingError
from training.pretrained.torch_file import LEGACY_START, ZIP_START, from_bytes, read_torch

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

MAX_FILE_BYTES = 1 << 30
"""Of a file of weights: a B7 in float64 has half of it."""

MXNET_START = (0x112).to_bytes(8, "little")
"""MXNet's list of arrays (`src/ndarray/ndarray.cc`, kMXAPINDArrayListMagic)."""

GZIP_START = b"\x1f\x8b"

_SAFETENSORS = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "bf16",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U8": "<u1",
    "BOOL": "?",
}


@dataclass(frozen=True, slots=True)
class Weights:
    """What a file holds.

    Attributes:
        arrays: by name.
        mxnet: whether the names are Gluon's or a symbol's, rather than PyTorch's.
        others: names of what is no array, as a checkpoint's `epoch`.
    """

    arrays: dict[str, np.ndarray[Any, Any]]
    mxnet: bool = False
    others: tuple[str, ...] = ()


def read_weights(path: Path, source: str) -> Weights:
    """The weights in a `.pth`, `.pt`, `.safetensors` or `.params` file, whatever it is called.

    Args:
        path: the file.
        source: what messages call it.

    Raises:
        TrainingError: it is none of these, damaged, larger than 1 GiB, or holds more than tensors.
    """
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise TrainingError(f"{source}: {size:,} bytes, more than {MAX_FILE_BYTES:,}")
    with path.open("rb") as stream:
        start = stream.read(len(LEGACY_START))
    if start.startswith(ZIP_START) or start == LEGACY_START:
        arrays, others = read_torch(path, source)
        return Weights(arrays, others=tuple(others))
    if start.startswith(MXNET_START):
        return Weights(read_params(path.read_bytes(), source), mxnet=True)
    if start[8:9] == b"{":
        return Weights(_read_safetensors(path, source))
    raise TrainingError(
        f"{source} begins with {start[:8]!r}: expected a file of torch.save, safetensors or MXNet",
        hint="a file of torch before 0.1.10 is to be saved again by a newer one",
    )


def _read_safetensors(path: Path, source: str) -> dict[str, np.ndarray[Any, Any]]:
    try:
        import safetensors
    except ImportError as error:
        raise TrainingError(
            f"{source}: the package safetensors is not installed",
            hint='pip install "snapshelf[pretrained]", or pip install safetensors',
        ) from error
    try:
        entries = safetensors.deserialize(path.read_bytes())
    except safetensors.SafetensorError as error:
        raise TrainingError(f"{source}: a damaged safetensors file ({error})") from error
    arrays = {}
    for name, entry in entries:
        if entry["dtype"] not in _SAFETENSORS:
            raise TrainingError(
                f"{source}: tensor {name} of type {entry['dtype']}: expected one of "
                f"{', '.join(_SAFETENSORS)}"
            )
        numbers = from_bytes(bytes(entry["data"]), _SAFETENSORS[entry["dtype"]])
        arrays[name] = numbers.reshape(entry["shape"])
    return arrays


def read_params(data: bytes, source: str) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of an MXNet `.params` file by name, without `arg:` and `aux:` before it.

    Raises:
        TrainingError: it is damaged, or its arrays have no names.
    """
    import mxnet as mx

    try:
        found = mx.nd.load_frombuffer(data)
        if not isinstance(found, dict):
            raise TrainingError(f"{source}: {len(found)} arrays without names")
        arrays = {name: array.asnumpy() for name, array in found.items()}
    except (mx.base.MXNetError, ValueError, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()[-1][:200]
        raise TrainingError(f"{source}: a damaged file of MXNet ({reason})") from error
    return {name.removeprefix("arg:").removeprefix("aux:"): a for name, a in arrays.items()}
