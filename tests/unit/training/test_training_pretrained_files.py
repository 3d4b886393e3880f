"""Files of weights are read by what they hold; nothing in them is run, nothing is believed."""

import os
import pickle
import struct
import zipfile
from collections import OrderedDict

import mxnet as mx
import numpy as np
import pytest
import safetensors.numpy
from torch_files import Named, Stored, legacy_file, pickled, stored, zip_file

from contracts import TrainingError
from training.pretrained import weights_file
from training.pretrained.torch_file import LEGACY_START
from training.pretrained.weights_file import read_weights

RNG = np.random.default_rng(0)
ARRAYS = {
    "conv.weight": RNG.normal(size=(4, 3, 2, 2)).astype("<f4"),
    "half": RNG.normal(size=5).astype("<f2"),
    "bn.num_batches_tracked": np.array(9, "<i8"),
}


@pytest.fixture
def read(tmp_path):
    """A function: the weights in a file of these bytes."""

    def read_bytes(data):
        path = tmp_path / "weights"
        path.write_bytes(data)
        return read_weights(path, "weights")

    return read_bytes


@pytest.fixture
def refused(read):
    """A function: the message and the hint of the error that these bytes lead to."""

    def refuse(data):
        with pytest.raises(TrainingError) as caught:
            read(data)
        return f"{caught.value.message} HINT {caught.value.hint}"

    return refuse


def same(found, expected):
    """Whether arrays are equal by name, number and type."""
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert (found[name].shape, found[name].dtype) == (array.shape, array.dtype)


@pytest.mark.parametrize("write", [zip_file, legacy_file])
def test_a_state_dict_is_read_in_both_forms(read, write):
    """Names, shapes and numbers of three types, without torch."""
    found = read(write(stored(ARRAYS)))
    same(found.arrays, ARRAYS)
    assert not found.mxnet
    assert found.others == ()


def test_the_magic_number_is_torchs():
    """The first bytes of the legacy form are the pickled number of torch's serialization.py."""
    assert pickled(0x1950A86A20F9469CFC6C) == LEGACY_START


def test_a_tensor_is_a_view_of_its_storage(read):
    """Transposed, and with an offset."""
    whole = np.arange(6, dtype="<f4")
    document = {"t": Stored(whole, 0, shape=(2, 2), strides=(1, 2), offset=1)}
    same(read(zip_file(document)).arrays, {"t": np.array([[1, 3], [2, 4]], "<f4")})


def test_bfloat16_becomes_float32(read):
    """Its sixteen bits are the first of float32's."""
    bits = np.array([0x3F80, 0xC000], "<u2")
    found = read(zip_file({"x": Stored(bits, 0, kind="BFloat16Storage")}))
    same(found.arrays, {"x": np.array([1, -2], "<f4")})


def test_a_checkpoints_weights_are_found(read):
    """Below `state_dict`, without DataParallel's `module.`; what else there is has its name told."""
    tensors = stored({f"module.{name}": array for name, array in ARRAYS.items()})
    files = {f"archive/data/{each.key}": each.array.tobytes() for each in tensors.values()}
    found = read(zip_file({"epoch": 3, "state_dict": tensors}, entries=files))
    same(found.arrays, ARRAYS)
    assert found.others == ("epoch",)


def test_safetensors_and_params_are_read(read, tmp_path):
    """Told by their first bytes, whatever the file is called; MXNet's names lose arg: and aux:."""
    arrays = {name: array for name, array in ARRAYS.items() if array.shape}
    found = read(safetensors.numpy.save(arrays))
    assert found.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
    header = b'{"x":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    bf16 = struct.pack("<Q", len(header)) + header + struct.pack("<HH", 0x3F80, 0xC000)
    same(read(bf16).arrays, {"x": np.array([1, -2], "<f4")})
    mx.nd.save(str(tmp_path / "p"), {"arg:w": mx.nd.ones((2, 3)), "aux:m": mx.nd.zeros(4)})
    found = read((tmp_path / "p").read_bytes())
    assert found.mxnet
    same(found.arrays, {"w": np.ones((2, 3), "f4"), "m": np.zeros(4, "f4")})


class System:
    """What an attacker's pickle does."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("function", [os.system, eval, getattr, __import__])
def test_a_pickle_that_would_run_something_is_refused(refused, tmp_path, protocol, function):
    """By its global's name, or for an instruction that weights do not need; it has not run."""
    marker = tmp_path / "ran"
    payload = System(function, f"__import__('pathlib').Path({str(marker)!r}).touch()")
    data = pickle.dumps({"w": payload}, protocol=protocol)
    said = refused(zip_file(data))
    assert not marker.exists()
    expected = "STACK_GLOBAL" if protocol == 4 else function.__name__
    assert expected in said
    assert "model.state_dict()" in said


@pytest.mark.parametrize(
    "name",
    [
        ("torch.serialization", "load"),
        ("torch", "load"),
        ("torch", "UntypedStorage"),
        ("argparse", "Namespace"),
        ("collections", "deque"),
        ("torch._utils", "_rebuild_tensor_v2.__call__"),
    ],
)
def test_other_globals_are_refused_by_name(refused, name):
    """Also those of torch itself, which read files or run code."""
    said = refused(zip_file({"w": Stored(np.ones(2, "f4"), 0), "x": Named(*name)}))
    assert ".".join(name) in said


@pytest.mark.parametrize("state", [{"offset": 99}, ("s", 99, (9,), (1,)), (None, {"offset": 99})])
def test_a_pickle_cannot_change_what_was_checked(refused, state):
    """BUILD, which sets an object's attributes, moves no tensor out of its storage."""
    tensor = pickled(Stored(np.ones(4, "<f4"), 0))[:-1]
    body = tensor + pickled(state)[2:-1] + b"b"
    data = b"\x80\x02}X\x01\x00\x00\x00w" + body[2:] + b"s."
    assert "damaged" in refused(zip_file(data, entries={"archive/data/0": bytes(16)}))


def test_a_dictionarys_methods_may_be_hidden(read):
    """An attribute of the same name, which BUILD can set, is not called."""
    document = OrderedDict(w=Stored(np.ones(4, "<f4"), 0))
    document.itemz = document.gez = document.keyz = 3
    data = pickled(document)
    for name in (b"items", b"get", b"keys"):
        data = data.replace(name[:-1] + b"z", name)
    found = read(zip_file(data, entries={"archive/data/0": np.ones(4, "<f4").tobytes()}))
    same(found.arrays, {"w": np.ones(4, "<f4")})


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"count": 1 << 40}, "expected 1,099,511,627,776 numbers"),
        ({"count": 3}, "expected 3 numbers"),
        ({"count": -1}, "no torch storage"),
        ({"shape": (1 << 40,), "strides": (0,)}, "reaches beyond its storage"),
        ({"shape": (2, 2), "strides": (4, 1)}, "reaches beyond its storage"),
        ({"offset": 1}, "reaches beyond its storage"),
        ({"offset": -1}, "describes no tensor"),
        ({"strides": (-1,)}, "describes no tensor"),
        ({"shape": (2.0, 2)}, "describes no tensor"),
        ({"shape": (2, 2), "strides": (2,)}, "has strides"),
        ({"kind": "DoubleStorage"}, "expected 4 numbers of 8"),
    ],
)
def test_what_a_tensor_says_of_itself_is_compared_with_the_file(refused, told, said):
    """Sizes, offsets and strides that lead out of the numbers, before memory is set aside."""
    document = {"w": Stored(np.ones(4, "<f4"), 0, **told)}
    assert said in refused(zip_file(document))


def test_a_legacy_files_counts_are_compared_with_its_size(refused):
    """A storage of more numbers than are left, and one cut off."""
    document = {"w": Stored(np.ones(4, "<f4"), 0, count=1 << 40)}
    assert "are left" in refused(legacy_file(document))
    assert "are left" in refused(legacy_file(stored(ARRAYS))[:-6])
    assert "big-endian" in refused(legacy_file(stored(ARRAYS), little=False))


def test_two_descriptions_of_one_storage_must_agree(refused):
    """The same key, once with eight numbers, once with four."""
    one, other = Stored(np.ones(8, "<f4"), 0), Stored(np.ones(4, "<f4"), 0)
    assert "storage 0 is 8 numbers" in refused(zip_file({"a": one, "b": other}))


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"../../evil": b"x"}, "leads out of the archive"),
        ({"/etc/evil": b"x"}, "leads out of the archive"),
        ({"archive/data/0": None}, "damaged torch file"),
        ({"archive/data.pkl": None}, "without the one data.pkl"),
        ({"other/data.pkl": b"x"}, "without the one data.pkl"),
        ({"archive/byteorder": b"big"}, "big-endian"),
        ({"archive/code/__torch__.py": b"x"}, "TorchScript"),
    ],
)
def test_an_archive_that_torch_did_not_write_is_refused(refused, entries, said):
    """Names that lead elsewhere, what is missing, what is another form."""
    assert said in refused(zip_file(stored(ARRAYS), entries=entries))


@pytest.mark.parametrize("key", ["../secret", "0/../../x", "", "x"])
def test_a_storages_key_is_a_number(refused, key):
    """So that it names no other entry."""
    document = pickled({"w": Stored(np.ones(2, "<f4"), key)})
    assert "is no number" in refused(zip_file(document))


def test_a_compressed_archive_is_refused(refused):
    """A few bytes would become gigabytes; torch does not compress."""
    data = zip_file(stored(ARRAYS), compression=zipfile.ZIP_DEFLATED)
    assert "is compressed" in refused(data)


def test_a_memo_of_a_billion_places_takes_no_memory(refused):
    """The C unpickler would set aside 16 GB for one instruction."""
    data = b"\x80\x02}r\xff\xff\xff\x7f."
    assert "holds no tensors by name" in refused(zip_file(data))


DOUBLED = b"(K\x01t" + b"".join(b"q\x00h\x00\x86" for _ in range(60))
"""A tuple that holds one tuple twice, and so on 60 deep: 2**60 numbers, of a few bytes."""


@pytest.mark.parametrize(
    "body",
    [
        b"}" + DOUBLED + b"K\x01s",
        b"}(" + DOUBLED + b"K\x01u",
        b"(" + DOUBLED + b"K\x01d",
    ],
)
def test_a_key_whose_hash_would_never_end_is_refused(refused, body):
    """By each of the three instructions that put pairs into a dictionary, and within moments."""
    said = refused(zip_file(b"\x80\x02" + body + b"."))
    assert "expected text or a number" in said
    assert len(said) < 400


def test_sets_are_refused(refused):
    """Their members are hashed too, and weights need none."""
    assert "EMPTY_SET" in refused(zip_file(b"\x80\x04\x8f."))


def test_what_is_no_storage_is_told_briefly(refused):
    """The whole text of a value that holds itself over and over would fill the memory."""
    assert "is no torch storage" in refused(zip_file(b"\x80\x02" + DOUBLED + b"Q."))


def test_a_version_that_would_fill_the_memory_is_told_briefly(refused):
    """As a legacy file's second pickle."""
    doubled = b"\x80\x02" + DOUBLED + b"."
    rest = b"".join(pickled(each) for each in ({}, {}, []))
    assert "torch's form" in refused(LEGACY_START + doubled + rest)


def test_dictionaries_are_not_copied(refused):
    """A pickle could copy a large one 100,000 times."""
    data = b"\x80\x02ccollections\nOrderedDict\n}\x85R."
    assert "damaged" in refused(zip_file(data))


def test_an_empty_tensor_has_sides_that_numpy_can_take(refused):
    """No element, and yet more than could be addressed."""
    told = {"shape": (0, 1 << 40, 1 << 40), "strides": (1, 1, 1)}
    said = refused(zip_file({"w": Stored(np.ones(4, "<f4"), 0, **told)}))
    assert "reaches beyond its storage" in said


def test_a_legacy_files_keys_are_text(refused):
    """Keys of several types have no order to compare them by."""
    parts = [pickled(each) for each in (1001, {"little_endian": True})]
    parts += [pickled({"w": Stored(np.ones(4, "<f4"), 0)}, legacy=True), pickled(["0", 1])]
    assert "list of storages is damaged" in refused(LEGACY_START + b"".join(parts))


def test_an_encrypted_entry_is_a_damaged_file(refused):
    """Its password is asked for with an error of another kind."""
    data = bytearray(zip_file(stored(ARRAYS)))
    data[data.find(b"PK\x01\x02") + 8] |= 1
    assert "damaged torch file" in refused(bytes(data))


@pytest.mark.parametrize("write", [zip_file, legacy_file])
def test_a_file_cut_anywhere_is_a_training_error(read, write):
    """At every 37th byte."""
    data = write(stored(ARRAYS))
    for length in range(4, len(data) - 1, 37):
        with pytest.raises(TrainingError):
            read(data[:length])


@pytest.mark.parametrize("write", [zip_file, legacy_file])
def test_a_changed_byte_is_read_or_a_training_error(read, write):
    """Nothing else comes out, whatever 400 bytes become."""
    data = write(stored(ARRAYS))
    rng = np.random.default_rng(1)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(400):
        changed = bytearray(data)
        changed[rng.integers(len(data))] = rng.integers(256)
        try:
            read(bytes(changed))
            outcomes["read"] += 1
        except TrainingError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 10


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "begins with b''"),
        (b"no weights at all", "begins with b'no weigh'"),
        (struct.pack("<Q", 1 << 40) + b"{}", "damaged safetensors"),
        (struct.pack("<Q", 60) + b'{"x":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}', "damaged safetensors"),
        (weights_file.MXNET_START + b"\0" * 8, "damaged file of MXNet"),
    ],
)  # fmt: skip
def test_what_is_no_weights_says_what_it_is(refused, data, said):
    """The first bytes, or what a library found."""
    assert said in refused(data)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([1, 2], "holds a list"),
        ({"epoch": 3}, "holds no tensors by name, but epoch"),
        (OrderedDict(), "but nothing"),
    ],
)
def test_a_file_without_tensors_by_name_says_what_it_holds(refused, document, said):
    """With the way to save the weights alone."""
    assert said in refused(zip_file(pickled(document)))


def test_a_file_of_more_than_a_gibibyte_is_not_read(refused, monkeypatch):
    """The size alone decides."""
    monkeypatch.setattr(weights_file, "MAX_FILE_BYTES", 100)
    assert "more than 100" in refused(zip_file(stored(ARRAYS)))


def test_arrays_without_names_are_refused(refused, tmp_path):
    """MXNet saves lists too."""
    mx.nd.save(str(tmp_path / "list"), [mx.nd.ones(2)])
    assert "1 arrays without names" in refused((tmp_path / "list").read_bytes())
