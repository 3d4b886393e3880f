"""Peers: MXNet reads what we write, writes the same bytes, and we read what im2rec writes."""

import io
import json
import subprocess
import sys

import pytest
from PIL import Image

from recordio_prep import RecordWriter, prepare, read_records

# NumPy 1.23 is the newest for MXNet 1.9.1, which still uses a name that it warns of.
MXNET = "import warnings; warnings.simplefilter('ignore'); import mxnet as mx, json, sys\n"

WRITE = """
words = b"".join(map(bytes.fromhex, ["0a23d7ce", "00112233", "0a23", "d7ce"]))
photos = [words[i % 5 : i % 5 + i % 13] + words * (i % 3) for i in range(64)]
writer = mx.recordio.MXIndexedRecordIO(sys.argv[1] + ".idx", sys.argv[1] + ".rec", "w")
for i, photo in enumerate(photos):
    writer.write_idx(i, mx.recordio.pack(mx.recordio.IRHeader(0, float(i % 5), i, 0), photo))
writer.close()
print(json.dumps([photo.hex() for photo in photos]))
"""

READ = """
def read(path):
    reader = mx.recordio.MXIndexedRecordIO(path + ".idx", path + ".rec", "r")
    indexed = []
    for key in reader.keys:
        header, photo = mx.recordio.unpack(reader.read_idx(key))
        indexed.append([key, header.id, header.label, photo.hex()])
    batch = next(mx.io.ImageRecordIter(
        path_imgrec=path + ".rec", path_imgidx=path + ".idx", data_shape=(3, 16, 16),
        batch_size=6, shuffle=False, preprocess_threads=1,
    ))
    means = batch.data[0].asnumpy().mean(axis=(2, 3))
    return [indexed, batch.label[0].asnumpy().tolist(), means.tolist()]
print(json.dumps([read(path) for path in sys.argv[1:]]))
"""


READ_SEVERAL = """
reader = mx.recordio.MXIndexedRecordIO(sys.argv[1] + ".idx", sys.argv[1] + ".rec", "r")
unpacked = []
for key in reader.keys:
    header, photo = mx.recordio.unpack(reader.read_idx(key))
    unpacked.append([header.flag, header.label.tolist(), photo.hex()])
batches = mx.io.ImageRecordIter(
    path_imgrec=sys.argv[1] + ".rec", data_shape=(3, 16, 16), batch_size=4, label_width=3,
    shuffle=False, preprocess_threads=1,
)
print(json.dumps([unpacked, next(batches).label[0].asnumpy().tolist()]))
"""


def mxnet(program, *arguments):
    """What a program prints as JSON with MXNet imported, in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-c", MXNET + program, *map(str, arguments)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return json.loads(run.stdout)


def test_mxnet_writes_the_same_bytes(tmp_path):
    """Records and index are identical, payloads that hold the magic word included."""
    photos = [bytes.fromhex(photo) for photo in mxnet(WRITE, tmp_path / "mxnet")]
    assert any(bytes.fromhex("0a23d7ce") in photo for photo in photos)
    with RecordWriter(tmp_path / "ours.rec", tmp_path / "ours.idx") as writer:
        for index, photo in enumerate(photos):
            writer.append(index, float(index % 5), photo)
    for extension in ("rec", "idx"):
        ours, theirs = (tmp_path / f"{name}.{extension}" for name in ("ours", "mxnet"))
        assert ours.read_bytes() == theirs.read_bytes()
    assert [photo for _, photo in read_records(tmp_path / "mxnet.rec")] == photos


def test_mxnet_reads_our_records(tmp_path, make_photos):
    """By index and as training batches: labels, order and colours."""
    colours = {"blue": (0, 0, 200), "green": (0, 200, 0), "red": (200, 0, 0)}
    photos = {  # a shade apart: photos of the same bytes would all be on one side
        f"{name}/{n}.png": tuple(value + n * bool(value) for value in colour)
        for name, colour in colours.items()
        for n in range(4)
    }
    out = tmp_path / "out"
    prepare(make_photos(tmp_path / "photos", photos), out, size=16, train_ratio=0.5)
    splits = ("train", "validation")
    read = mxnet(READ, *(out / split for split in splits))
    for split, (indexed, labels, means) in zip(splits, read, strict=True):
        ours = list(read_records(out / f"{split}.rec"))
        assert indexed == [
            [header.index, header.index, header.labels[0], photo.hex()] for header, photo in ours
        ]
        assert labels == [header.labels[0] for header, _ in ours]
        for label, mean in zip(labels, means, strict=True):
            expected = list(colours.values())[int(label)]
            assert mean == pytest.approx(expected, abs=4)


def test_mxnet_reads_records_of_several_labels(tmp_path):
    """As arrays of floats, and as batches with a label a class."""
    photo = prepared_png()
    labels = [(1, 0, 1), (0, 0, 0), (0, 1, 1), (1, 1, 1)]
    with RecordWriter(tmp_path / "ours.rec", tmp_path / "ours.idx") as writer:
        for index, several in enumerate(labels):
            writer.append(index, several, photo)
    unpacked, batch = mxnet(READ_SEVERAL, tmp_path / "ours")
    assert unpacked == [[3, list(map(float, several)), photo.hex()] for several in labels]
    assert batch == [list(map(float, several)) for several in labels]


def prepared_png():
    """A photo of 16 x 16 pixels, as records hold it."""
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(buffer, "PNG")
    return buffer.getvalue()


def test_we_read_what_im2rec_writes(tmp_path, two_classes):
    """MXNet's own packer, as a person would run it."""
    im2rec = [sys.executable, "-W", "ignore", "-m", "mxnet.tools.im2rec"]
    subprocess.run(
        [*im2rec, "--list", "--recursive", "theirs", two_classes],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    subprocess.run(
        [*im2rec, "--encoding", ".png", "theirs", two_classes],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    lines = (tmp_path / "theirs.lst").read_text().splitlines()
    expected = [(int(index), float(label)) for index, label, _ in (x.split("\t") for x in lines)]
    records = list(read_records(tmp_path / "theirs.rec"))
    assert [(header.index, header.labels[0]) for header, _ in records] == expected
    assert all(photo.startswith(b"\x89PNG") for _, photo in records)
    assert len(records) == 20
