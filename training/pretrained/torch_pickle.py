"""The pickle within a torch file, read without torch and without running anything of it.

A pickle is a program. This one may make dictionaries, lists and numbers, and name tensors; before
it runs, its instructions are looked at, and a name of anything else ends the reading.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import reprlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from contracts import TrainingError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PICKLE_BYTES = 32_000_000
"""Of the pickle alone, without the tensors: 80 times that of a ResNet-152."""

MAX_INSTRUCTIONS = 2_000_000

STORAGES: Final[dict[str, str]] = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bf16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}
"""torch's storage classes, and the numbers in them (NumPy's type strings, and bf16)."""

_BY_STACK = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"}
_SETS = {"EMPTY_SET", "ADDITEMS", "FROZENSET"}
_KEY_TYPES = (str, int, float, bool, bytes, type(None))
_INSTRUCTIONS: Final[dict[int, Any]] = dict(pickle._Unpickler.dispatch)  # noqa: SLF001
_PLAIN_STATE = 'torch.save(model.state_dict(), "weights.pth")'
_MEND = f"save the weights alone, with {_PLAIN_STATE}, or as .safetensors"


class Storage(NamedTuple):
    """Where a tensor's numbers stand.

    Attributes:
        key: the storage's name in the file.
        dtype: of its numbers, one of the values of STORAGES.
        length: how many numbers it has.
    """

    key: str
    dtype: str
    length: int


class Tensor(NamedTuple):
    """A tensor as the pickle describes it: a view of a storage, `offset` and `strides` in numbers.

    Nothing of it has been checked against the storage yet.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_pickle(stream: io.BytesIO, source: str) -> tuple[Any, dict[str, Storage]]:
    """The next pickle of `stream`, its tensors as `Tensor`, and every storage that it names.

    Raises:
        TrainingError: it names anything but tensors, or is damaged.
    """
    start = stream.tell()
    try:
        _inspect(stream, source)
        end = stream.tell()
        stream.seek(start)
        reader = _Reader(io.BytesIO(stream.read(end - start)), source)
        return reader.load(), reader.storages
    except TrainingError:
        raise
    except Exception as error:  # a damaged pickle raises whatever its instructions lead to
        raise TrainingError(
            f"{source}: its pickle is damaged ({type(error).__name__}: {error})",
            hint="copy or download the file again",
        ) from error


def _inspect(stream: io.BytesIO, source: str) -> None:
    """Walk through the instructions without running them."""
    for number, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
        name = instruction.name
        if number == MAX_INSTRUCTIONS:
            raise TrainingError(f"{source}: its pickle has more than {number:,} instructions")
        if name == "GLOBAL":
            module, _, found = str(argument).partition(" ")
            _known(module, found, source)
        elif name in _BY_STACK or name in _SETS:
            raise TrainingError(
                f"{source}: its pickle has the instruction {name}, which weights do not need",
                hint=_MEND,
            )


def brief(value: Any) -> str:
    """A value for a message. The whole `repr` of a few bytes of pickle can fill the memory."""
    shown = reprlib.Repr()
    shown.maxlevel = 2
    return shown.repr(value)[:80]


# The unpickler in Python, for its instructions can be looked into as they are carried out: a key
# may hold one tuple over and over, ((t, t), (t, t)), and its hash would take for ever. Nor does it
# set aside memory for as many remembered values as a pickle says that it has, as the C one does.
class _Reader(pickle._Unpickler):  # noqa: SLF001 - every name that it may find is in `_known`
    dispatch: ClassVar[dict[int, Any]] = dict(_INSTRUCTIONS)
    stack: list[Any]

    def __init__(self, stream: io.BytesIO, source: str) -> None:
        super().__init__(stream)
        self._source = source
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        return _known(module, name, self._source)

    def persistent_load(self, pid: Any) -> Storage:
        """`("storage", class, key, device, count)`, in the legacy form with a view after it."""
        if not (isinstance(pid, tuple) and len(pid) in {5, 6} and pid[0] == "storage"):
            raise TrainingError(f"{self._source}: {brief(pid)} is no torch storage")
        _, kind, key, _, count = pid[:5]
        if not (isinstance(kind, _Kind) and isinstance(key, str) and _is_count(count)):
            raise TrainingError(f"{self._source}: {brief(pid)} is no torch storage")
        if len(pid) == 6 and pid[5] is not None:  # noqa: PLR2004
            raise TrainingError(
                f"{self._source}: storage {key} is a view of another, as torch wrote before 0.4",
                hint=_MEND,
            )
        storage = self.storages.setdefault(key, Storage(key, kind.dtype, count))
        if (storage.dtype, storage.length) != (kind.dtype, count):
            raise TrainingError(
                f"{self._source}: storage {key} is {storage.length:,} numbers of {storage.dtype} "
                f"and {count:,} of {kind.dtype}"
            )
        return storage

    def _check_keys(self, keys: Sequence[Any]) -> None:
        for key in keys:
            if type(key) not in _KEY_TYPES:
                raise TrainingError(
                    f"{self._source}: key {brief(key)} of a dictionary, expected text or a number",
                    hint=_MEND,
                )

    def _load_item(self) -> None:
        self._check_keys(self.stack[-2:-1])
        _INSTRUCTIONS[pickle.SETITEM[0]](self)

    def _load_items(self) -> None:
        self._check_keys(self.stack[::2])
        _INSTRUCTIONS[pickle.SETITEMS[0]](self)

    def _load_dictionary(self) -> None:
        self._check_keys(self.stack[::2])
        _INSTRUCTIONS[pickle.DICT[0]](self)

    dispatch[pickle.SETITEM[0]] = _load_item
    dispatch[pickle.SETITEMS[0]] = _load_items
    dispatch[pickle.DICT[0]] = _load_dictionary


def _known(module: str, name: str, source: str) -> Any:
    """What a name in the pickle stands for."""
    if (module, name) == ("collections", "OrderedDict"):
        return _EmptyDictionary()
    if module == "torch._utils" and name in {"_rebuild_tensor_v2", "_rebuild_tensor"}:
        return _RebuildTensor(source)
    if (module, name) == ("torch._utils", "_rebuild_parameter"):
        return _RebuildParameter(source)
    if module == "torch" and name in STORAGES:
        return _Kind(STORAGES[name])
    raise TrainingError(
        f"{source} names {module}.{name}, which would run when it is loaded: only tensors are read",
        hint=_MEND,
    )


# Tuples rather than functions or dataclasses, as Storage and Tensor too: a pickle could set what
# those hold, after it was checked.
class _Kind(NamedTuple):
    dtype: str


class _EmptyDictionary(NamedTuple):
    """OrderedDict, as torch calls it. Copies of others could fill the memory."""

    def __call__(self) -> OrderedDict[Any, Any]:
        return OrderedDict()


class _RebuildTensor(NamedTuple):
    source: str

    def __call__(self, *arguments: Any) -> Tensor:
        storage, offset, shape, strides, *_ = arguments
        whole = isinstance(storage, Storage) and _is_count(offset)
        if not (whole and _are_counts(shape) and _are_counts(strides)):
            raise TrainingError(f"{self.source}: {brief(arguments)} describes no tensor")
        if len(shape) != len(strides):
            raise TrainingError(f"{self.source}: a tensor of shape {shape} has strides {strides}")
        return Tensor(storage, offset, shape, strides)


class _RebuildParameter(NamedTuple):
    source: str

    def __call__(self, *arguments: Any) -> Tensor:
        if not (arguments and isinstance(arguments[0], Tensor)):
            raise TrainingError(f"{self.source}: {brief(arguments)} describes no parameter")
        return arguments[0]


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 48


def _are_counts(values: Any) -> bool:
    return isinstance(values, tuple) and len(values) <= 8 and all(map(_is_count, values))  # noqa: PLR2004


_WITHIN: Final = ("state_dict_ema", "state_dict", "model_state_dict", "model", "net", "weights")
"""Where training programs keep the weights in a checkpoint (timm, torchvision and others)."""


def state_dict(document: Any, source: str) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors by name, and the names of what else the file holds.

    A checkpoint's weights are looked for under its usual names; `module.`, which DataParallel
    puts before every name, is taken off.

    Raises:
        TrainingError: the file holds no tensor by name.
    """
    plain, others = _plain(document, source), []
    for name in _WITHIN:
        if isinstance(inner := plain.get(name), dict):
            others = [str(key) for key in plain if key != name]
            plain = _plain(inner, source)
            break
    tensors = {}
    for name, value in plain.items():
        if isinstance(name, str) and isinstance(value, Tensor):
            tensors[name] = value
        else:
            others.append(str(name))
    if not tensors:
        raise TrainingError(
            f"{source} holds no tensors by name, but {', '.join(others[:10])[:200] or 'nothing'}",
            hint=_MEND,
        )
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    return tensors, others


def _plain(document: Any, source: str) -> dict[Any, Any]:
    """A dictionary as it is: an OrderedDict's pickle may have hidden its methods."""
    if not isinstance(document, dict):
        raise TrainingError(
            f"{source} holds a {type(document).__name__}: expected tensors by name", hint=_MEND
        )
    return dict(dict.items(document))
