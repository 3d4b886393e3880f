"""Files of `torch.save` as NumPy arrays: the zip form of torch 1.6 and later, and the one before.

The forms are those of torch's `serialization.py`. Whatever a file says of itself is compared with
its size before memory is set aside.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from contracts import TrainingError
from training.pretrained.torch_pickle import (
    MAX_PICKLE_BYTES,
    Storage,
    Tensor,
    brief,
    read_pickle,
    state_dict,
)

if TYPE_CHECKING:
    from pathlib import Path

    Arrays = dict[str, np.ndarray[Any, Any]]

MAX_ENTRIES = 20_000
"""Most tensors in a file, ten times those of a B7."""

MAX_SIDE = 1 << 30
"""Of a tensor, an empty one too: NumPy refuses more than it could address."""

ZIP_START: Final = b"PK\x03\x04"
LEGACY_START: Final = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
"""torch's magic number, pickled with protocol 2."""

_LEGACY_VERSION = 1001
_KEY = re.compile(r"[0-9]{1,20}", re.ASCII)
_DAMAGED = (
    *(zipfile.BadZipFile, struct.error, KeyError, EOFError, OSError, OverflowError, ValueError),
    RuntimeError,  # an entry is encrypted, or of another form
)
"""What `zipfile` raises of contents that contradict themselves."""

_AGAIN = "copy or download the file again"


def read_torch(path: Path, source: str) -> tuple[Arrays, list[str]]:
    """The tensors of a state dict or checkpoint by name, and the names of what is no tensor.

    Args:
        path: the file, in either form.
        source: what messages call it.

    Raises:
        TrainingError: it is damaged, holds more than tensors, or contradicts itself.
    """
    with path.open("rb") as stream:
        start = stream.read(len(LEGACY_START))
        stream.seek(0)
        if start == LEGACY_START:
            return _read_legacy(stream, path.stat().st_size, source)
        return _read_zip(stream, path.stat().st_size, source)


def _read_zip(stream: BinaryIO, size: int, source: str) -> tuple[Arrays, list[str]]:
    try:
        with zipfile.ZipFile(stream) as archive:
            prefix = _checked_prefix(archive, size, source)
            document, _ = read_pickle(io.BytesIO(archive.read(f"{prefix}data.pkl")), source)
            tensors, others = state_dict(document, source)
            storages = _stored(archive, prefix, tensors, source)
    except TrainingError:
        raise
    except _DAMAGED as error:
        raise TrainingError(f"{source}: a damaged torch file ({error})", hint=_AGAIN) from error
    return _arrays(tensors, storages, source), others


def _stored(
    archive: zipfile.ZipFile, prefix: str, tensors: dict[str, Tensor], source: str
) -> dict[str, Any]:
    """The numbers of every storage that a tensor is a view of, by its key."""
    storages = {}
    for storage in {tensor.storage.key: tensor.storage for tensor in tensors.values()}.values():
        if not _KEY.fullmatch(storage.key):
            raise TrainingError(f"{source}: storage {storage.key!r:.80} is no number")
        data = archive.read(f"{prefix}data/{storage.key}")
        storages[storage.key] = _numbers(data, storage, source)
    return storages


def _checked_prefix(archive: zipfile.ZipFile, size: int, source: str) -> str:
    """The archive's top folder with its slash, once its entries are found to be as torch's."""
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise TrainingError(f"{source}: {len(entries):,} entries, more than {MAX_ENTRIES:,}")
    names = [entry.filename for entry in entries]
    for entry in entries:
        if entry.filename.startswith("/") or ".." in entry.filename.split("/"):
            raise TrainingError(f"{source}: entry {entry.filename!r:.80} leads out of the archive")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise TrainingError(f"{source}: entry {entry.filename!r:.80} is compressed")
    if sum(entry.file_size for entry in entries) > size:
        raise TrainingError(f"{source}: its entries say more than the file's {size:,} bytes")
    tops = [name.removesuffix("data.pkl") for name in names if name.endswith("data.pkl")]
    if len(tops) != 1 or f"{tops[0]}data.pkl".count("/") > 1:
        raise TrainingError(
            f"{source}: a zip without the one data.pkl of torch, but {', '.join(names[:3])}"
        )
    (prefix,) = tops
    _refuse_other_forms(archive, prefix, names, source)
    return prefix


def _refuse_other_forms(
    archive: zipfile.ZipFile, prefix: str, names: list[str], source: str
) -> None:
    if any(name.startswith(f"{prefix}code/") for name in names):
        raise TrainingError(
            f"{source} is a TorchScript program, not weights alone",
            hint='save its weights, with torch.save(module.state_dict(), "weights.pth")',
        )
    if f"{prefix}byteorder" in names and archive.read(f"{prefix}byteorder") != b"little":
        raise TrainingError(f"{source}: its numbers are big-endian, expected little-endian")
    if archive.getinfo(f"{prefix}data.pkl").file_size > MAX_PICKLE_BYTES:
        raise TrainingError(f"{source}: its pickle is larger than {MAX_PICKLE_BYTES:,} bytes")


def _read_legacy(stream: BinaryIO, size: int, source: str) -> tuple[Arrays, list[str]]:
    """Five pickles (magic, version, machine, document, keys), then each key's count and numbers."""
    head = io.BytesIO(stream.read(MAX_PICKLE_BYTES))
    (_, version, machine, document, keys), (_, _, _, wanted, _) = zip(
        *(read_pickle(head, source) for _ in range(5)), strict=True
    )
    if type(version) is not int or version != _LEGACY_VERSION or not isinstance(machine, dict):
        raise TrainingError(f"{source}: torch's form {brief(version)}, expected {_LEGACY_VERSION}")
    if dict.get(machine, "little_endian") is not True:
        raise TrainingError(f"{source}: its numbers are big-endian, expected little-endian")
    tensors, others = state_dict(document, source)
    named = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not named or len(keys) > MAX_ENTRIES or sorted(wanted) != sorted(keys):
        raise TrainingError(f"{source}: its list of storages is damaged", hint=_AGAIN)
    stream.seek(head.tell())
    storages = {}
    for key in keys:
        storages[key] = _legacy_storage(stream, size, wanted[key], source)
    return _arrays(tensors, storages, source), others


def _legacy_storage(stream: BinaryIO, size: int, storage: Storage, source: str) -> Any:
    count = int.from_bytes(stream.read(8), "little", signed=True)
    wanted = count * _width(storage.dtype)
    if count != storage.length or wanted > size - stream.tell():
        raise TrainingError(
            f"{source}: storage {storage.key} says {count:,} numbers, its tensors "
            f"{storage.length:,}, and {size - stream.tell():,} bytes are left",
            hint=_AGAIN,
        )
    return _numbers(stream.read(wanted), storage, source)


def _numbers(data: bytes, storage: Storage, source: str) -> Any:
    if len(data) != storage.length * _width(storage.dtype):
        raise TrainingError(
            f"{source}: storage {storage.key} has {len(data):,} bytes, expected {storage.length:,} "
            f"numbers of {_width(storage.dtype)}",
            hint=_AGAIN,
        )
    return from_bytes(data, storage.dtype)


def _width(dtype: str) -> int:
    return 2 if dtype == "bf16" else np.dtype(dtype).itemsize


def from_bytes(data: bytes, dtype: str) -> np.ndarray[Any, Any]:
    """The numbers in `data`; bf16, which NumPy does not know, as float32."""
    if dtype != "bf16":
        return np.frombuffer(data, dtype)
    return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")


def _arrays(tensors: dict[str, Tensor], storages: dict[str, Any], source: str) -> Arrays:
    """Each tensor as a view of its storage."""
    arrays = {}
    for name, tensor in tensors.items():
        numbers = storages[tensor.storage.key]
        sides = zip(tensor.shape, tensor.strides, strict=True)
        last = tensor.offset + sum((side - 1) * stride for side, stride in sides)
        elements = math.prod(tensor.shape)
        huge = elements > tensor.storage.length or max(tensor.shape, default=0) > MAX_SIDE
        if huge or (elements and last >= tensor.storage.length):
            raise TrainingError(
                f"{source}: tensor {name} of shape {tensor.shape} at {tensor.offset:,} reaches "
                f"beyond its storage of {tensor.storage.length:,} numbers"
            )
        steps = [stride * numbers.itemsize for stride in tensor.strides]
        view = numbers[tensor.offset :] if elements else numbers[:0]
        arrays[name] = np.lib.stride_tricks.as_strided(view, tensor.shape, steps, writeable=False)
    return arrays
