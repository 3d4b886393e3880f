"""RecordIO: what goes in comes out, magic words included, and damage is told."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import RecordError
from recordio_prep.recordio import (
    MAGIC,
    IRHeader,
    RecordWriter,
    framed,
    read_photo,
    read_records,
)

pieces = st.sampled_from([MAGIC, MAGIC[:2], MAGIC[2:], b"\0", b"\xff\xd8\xff", bytes(4)])
payloads = st.lists(pieces, max_size=12).map(b"".join) | st.binary(max_size=64)


def write(folder, photos):
    """Write photos with labels 0, 1, 2, 0, ... and return the `.rec` file and the offsets."""
    rec = folder / "a.rec"
    with RecordWriter(rec, folder / "a.idx") as writer:
        offsets = [writer.append(n, float(n % 3), photo) for n, photo in enumerate(photos)]
    return rec, offsets


@given(st.lists(payloads, max_size=8))
def test_what_is_written_is_read(tmp_path_factory, photos):
    """Any bytes survive, in order, with their index and label, and by offset."""
    rec, offsets = write(tmp_path_factory.mktemp("records"), photos)
    expected = [
        (IRHeader(labels=(float(n % 3),), index=n), photo) for n, photo in enumerate(photos)
    ]
    assert list(read_records(rec)) == expected
    assert [read_photo(rec, offset) for offset in offsets] == photos


@given(payloads)
def test_the_magic_word_stands_only_at_the_start_of_parts(photo):
    """A reader that resumes anywhere finds parts by aligned magic words alone."""
    data = framed(photo)
    assert len(data) % 4 == 0
    position = 0
    starts = []
    while position < len(data):
        starts.append(position)
        length = struct.unpack_from("<I", data, position + 4)[0] & (1 << 29) - 1
        position += 8 + length + -length % 4
    aligned = [n for n in range(0, len(data), 4) if data[n : n + 4] == MAGIC]
    assert aligned == starts


def test_an_index_line_names_each_offset(tmp_path):
    """`.idx` is what MXIndexedRecordIO reads: index, tab, offset."""
    _, offsets = write(tmp_path, [b"a", b"bcdef", b""])
    assert offsets == [0, 36, 76]
    assert (tmp_path / "a.idx").read_text() == "0\t0\n1\t36\n2\t76\n"


def test_a_multi_label_record_is_read(tmp_path):
    """A header whose flag counts labels is followed by them."""
    rec = tmp_path / "a.rec"
    header = struct.pack("<IfQQ", 3, 0, 7, 0) + struct.pack("<3f", 1, 0, 0.5)
    rec.write_bytes(framed(header + b"photo"))
    assert list(read_records(rec)) == [(IRHeader(labels=(1.0, 0.0, 0.5), index=7), b"photo")]


@pytest.mark.parametrize("length", range(1, 36))
def test_a_truncated_file_is_told(tmp_path, length):
    """A file cut anywhere inside a record is damaged, never shorter."""
    rec, _ = write(tmp_path, [b"12345"])
    rec.write_bytes(rec.read_bytes()[:length])
    with pytest.raises(RecordError, match="at byte 0: the file ends inside a record"):
        list(read_records(rec))


@pytest.mark.parametrize(
    ("position", "value", "reason"),
    [
        (0, 0, "expected the magic word"),
        (7, 0x40, "part flag 2 out of turn"),
        (8, 99, "99 labels in a record"),
    ],
)
def test_a_damaged_record_is_told_with_its_offset(tmp_path, position, value, reason):
    """Records before the damage are read; the error says where it is."""
    rec, offsets = write(tmp_path, [b"good", b"bad."])
    data = bytearray(rec.read_bytes())
    data[offsets[1] + position] = value
    rec.write_bytes(data)
    records = read_records(rec)
    assert next(records)[1] == b"good"
    with pytest.raises(RecordError, match=f"at byte {offsets[1]}: .*{reason}"):
        next(records)


def test_a_missing_file_is_told(tmp_path):
    """Not an OSError: the command line words it."""
    with pytest.raises(RecordError, match="No such file"):
        list(read_records(tmp_path / "absent.rec"))
    with pytest.raises(RecordError, match="No such file"):
        read_photo(tmp_path / "absent.rec", 0)
