"""Files as `torch.save` writes them, made without torch; and pickles that it would never write."""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np

CLASSES = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage"}
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001


class Named:
    """A global of torch, by name alone."""

    def __init__(self, module, name):
        self.module, self.name = module, name

    def __call__(self):
        """Pickle writes only what could be called; nothing here ever calls it."""
        raise AssertionError(f"{self.module}.{self.name} was called")


class Stored:
    """An array, pickled as torch pickles a tensor; what is told of it may be a lie."""

    def __init__(self, array, key, **told):
        self.array, self.key = np.asarray(array), str(key)
        strides = tuple(step // self.array.itemsize for step in self.array.strides)
        self.told = {"shape": self.array.shape, "strides": strides, "offset": 0} | told
        self.told.setdefault("count", self.array.size)
        self.told.setdefault("kind", CLASSES.get(self.array.dtype.str[1:], "FloatStorage"))

    def __reduce_ex__(self, protocol):
        told = (self, self.told["offset"], self.told["shape"], self.told["strides"])
        return Rebuild(), (Pid(self), *told[1:], False, OrderedDict())


class Pid:
    """Stands for the storage within a tensor's arguments."""

    def __init__(self, stored):
        self.stored = stored


class Rebuild(Named):
    """The function that makes a tensor."""

    def __init__(self):
        super().__init__("torch._utils", "_rebuild_tensor_v2")


class Writer(pickle._Pickler):
    """Writes `Named` as globals, and storages by `persistent_id`, with protocol 2 as torch."""

    def __init__(self, stream, *, legacy):
        super().__init__(stream, protocol=2)
        self.legacy = legacy

    def persistent_id(self, value):
        if not isinstance(value, Pid):
            return None
        told = value.stored.told
        pid = ("storage", Named("torch", told["kind"]), value.stored.key, "cpu", told["count"])
        return (*pid, None) if self.legacy else pid

    def save(self, value, save_persistent_id=True):
        if isinstance(value, Named):
            self.write(f"c{value.module}\n{value.name}\n".encode())
        else:
            super().save(value, save_persistent_id)


def pickled(document, *, legacy=False):
    """The pickle of a document that may hold `Stored` and `Named`."""
    stream = io.BytesIO()
    Writer(stream, legacy=legacy).dump(document)
    return stream.getvalue()


def stored(arrays):
    """Each array as `Stored`, keys in order."""
    return OrderedDict(
        (name, Stored(array, key)) for key, (name, array) in enumerate(arrays.items())
    )


def zip_file(document, *, entries=None, top="archive", **options):
    """The zip: data.pkl and every storage; `entries` adds or replaces some, None leaves out."""
    data = document if isinstance(document, bytes) else pickled(document)
    files = {f"{top}/data.pkl": data, f"{top}/byteorder": b"little", f"{top}/version": b"3\n"}
    for each in dict.values(document) if isinstance(document, dict) else ():
        if isinstance(each, Stored):
            files[f"{top}/data/{each.key}"] = np.ascontiguousarray(each.array).tobytes()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as archive:
        for name, content in (files | (entries or {})).items():
            if content is not None:
                archive.writestr(name, content)
    return stream.getvalue()


def legacy_file(document, *, little=True):
    """The form of torch before 1.6."""
    tensors = [each for each in document.values() if isinstance(each, Stored)]
    machine = {"protocol_version": VERSION, "little_endian": little, "type_sizes": {"int": 4}}
    parts = [pickled(each) for each in (MAGIC, VERSION, machine)]
    parts += [pickled(document, legacy=True), pickled([each.key for each in tensors])]
    for each in tensors:
        parts += [struct.pack("<q", each.told["count"]), each.array.tobytes()]
    return b"".join(parts)
