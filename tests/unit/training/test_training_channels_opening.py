"""A job's channels, in every form of the built-in algorithm: one kind of pictures in the end."""

import csv
import io
import json
import logging
import os
import threading

import mxnet as mx
import numpy as np
import pytest
from PIL import Image

from contracts import TrainingError
from photo import Preparation
from recordio_prep import RecordWriter, prepare
from training.channels import Channel, open_channel, read_dataset
from training.channels.packing import is_prepared
from training.environment import ChannelInput, Environment


class Inputs:
    """The input side of a job's folder."""

    def __init__(self, base):
        self.base = base
        self.data = base / "input" / "data"
        self.config = base / "input" / "config"
        self.data.mkdir(parents=True)
        self.config.mkdir(parents=True)
        self.environment = Environment(base, "job", 2)

    def configure(self, **channels):
        (self.config / "inputdataconfig.json").write_text(json.dumps(channels))

    def photos(self, channel, listing, **files):
        """A channel of files with a list; underscores are `/` and the last one a `.`."""
        for path, content in files.items():
            *folders, name, suffix = path.split("_")
            file = self.data.joinpath(channel, *folders, f"{name}.{suffix}")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        (self.data / channel).mkdir(exist_ok=True)
        folder = self.data / f"{channel}_lst"
        folder.mkdir(exist_ok=True)
        (folder / "a.lst").write_text(listing)

    def left_out(self, channel):
        text = (self.base / "output" / "data" / channel / "left_out.csv").read_text()
        return list(csv.reader(text.splitlines()))

    def send(self, channel, *records):
        """Feed a FIFO from a thread, as SageMaker does, framed as MXNet frames."""
        framed = self.base / "framed"
        writer = mx.recordio.MXRecordIO(str(framed), "w")
        for record in records:
            writer.write(record)
        writer.close()
        fifo = self.data / f"{channel}_0"
        os.mkfifo(fifo)
        threading.Thread(target=fifo.write_bytes, args=(framed.read_bytes(),), daemon=True).start()

    def open(self, name, preparation, **options):
        scratch = self.base / "scratch"
        return open_channel(self.environment, name, preparation, scratch, **options)


@pytest.fixture
def inputs(tmp_path):
    """A job without channels."""
    return Inputs(tmp_path / "job")


def encoded(mode="RGB", size=(40, 20), kind="PNG", seed=0, **options):
    """A photo of some mode, size and format, with two halves of another level."""
    rng = np.random.default_rng(seed)
    left, right = rng.integers(0, 256, (2, 3))
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2], pixels[:, size[0] // 2 :] = left, right
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def turned(seed=0):
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(kind="JPEG", seed=seed, exif=exif, quality=95)


def pixels(channel, preparation):
    return np.concatenate(
        [batch.data.asnumpy()[: batch.photos] for batch in channel.batches(28, preparation, 4)]
    )


def record(label, photo):
    return mx.recordio.pack(mx.recordio.IRHeader(0, label, 0, 0), photo)


# --- Files ----------------------------------------------------------------------------------------


def test_a_job_without_a_channel_has_none(inputs, preparation):
    """A test channel is nobody's duty."""
    assert inputs.open("test", preparation) is None


def test_prepared_records_are_read_where_they_are(inputs, preparation, pack, draw):
    """No copy, and the folder is known."""
    folder = pack([draw(0), draw(1)], folder=inputs.data / "train")
    channel = inputs.open("train", preparation)
    assert channel.records == folder / "a.rec"
    assert channel.folder == folder
    assert not (inputs.base / "scratch").exists()


def odd_photos():
    return [
        encoded(size=(40, 20)),
        encoded("L", (28, 28), seed=1),
        encoded("CMYK", (28, 28), "JPEG", seed=2),
        turned(seed=3),
        encoded("RGBA", (28, 28), seed=4),
        encoded("P", (50, 70), seed=5),
    ]


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
def test_im2recs_records_are_prepared_as_the_endpoint_does(inputs, preparation, pack, caplog, fit):
    """Of any size and mode, turned or not: the pixels are those of `Preparation.array`."""
    caplog.set_level(logging.INFO)
    preparation = Preparation(28, fit, preparation.mean, preparation.std)
    photos = odd_photos()
    pack(photos, folder=inputs.data / "train", labels=[5, 4, 3, 2, 1, 0])
    channel = inputs.open("train", preparation)
    assert channel.labels.tolist() == [5, 4, 3, 2, 1, 0]
    expected = np.stack([preparation.array(photo) for photo in photos])
    # What came as JPEG is stored as JPEG, at quality 95.
    np.testing.assert_allclose(pixels(channel, preparation), expected, atol=20 / 50)
    np.testing.assert_array_equal(
        pixels(channel, preparation)[[0, 1, 4, 5]], expected[[0, 1, 4, 5]]
    )
    assert "6 of 6 pictures are not upright RGB of 28 x 28" in caplog.text


@pytest.mark.parametrize("number", range(6))
def test_one_odd_picture_is_enough(inputs, preparation, pack, draw, number):
    """The others are kept to the byte."""
    pack([draw(0), odd_photos()[number], draw(2)], folder=inputs.data / "train")
    channel = inputs.open("train", preparation)
    assert channel.records.parent == inputs.base / "scratch"
    found = channel.records.read_bytes()
    assert draw(0) in found
    assert draw(2) in found


def test_a_record_whose_photo_is_damaged_is_left_out_and_listed(
    inputs, preparation, pack, draw, caplog
):
    """Counted, told with its reason, and in left_out.csv."""
    pack([encoded(), draw(1)[:300], draw(2)], folder=inputs.data / "train", labels=[1, 2, 3])
    channel = inputs.open("train", preparation)
    assert channel.labels.tolist() == [1, 3]
    assert "1 of 3 photos cannot be read" in caplog.text
    [header, (name, reason)] = inputs.left_out("train")
    assert header == ["path", "reason"]
    assert name == "a.rec, photo 1"
    assert "cannot be decoded" in reason


@pytest.mark.parametrize("name", ["a.rec", "b.rec"])
def test_several_files_without_a_manifest_are_told(inputs, preparation, name, pack, draw):
    """Nobody knows their order, or whether all are there."""
    folder = pack([draw(0)], folder=inputs.data / "train")
    (folder / "c.rec").write_bytes((folder / "a.rec").read_bytes())
    with pytest.raises(TrainingError, match=r"holds 2 \.rec files, expected one") as caught:
        inputs.open("train", preparation)
    assert "manifest.json" in caught.value.hint


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    """Records of 11 photos in shards of 3, as `snapshelf prepare` writes them."""
    root = tmp_path_factory.mktemp("sharded")
    for number in range(12):
        file = root / "photos" / f"class{number % 2}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (30, 30, 3), np.uint8)
        Image.fromarray(noise).save(file)
    prepare(root / "photos", root / "records", size=28, shard_size=3, workers=1)
    return root / "records"


@pytest.fixture
def shards(inputs, sharded):
    """The train channel: its shards, the manifest of all splits, dataset.json."""
    folder = inputs.data / "train"
    folder.mkdir()
    for file in (*sharded.glob("train_*"), sharded / "manifest.json", sharded / "dataset.json"):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_shards_are_one_channel(inputs, shards):
    """All their photos in order, read where they are."""
    document = json.loads((shards / "dataset.json").read_text())
    _, preparation = read_dataset(shards, 28)
    channel = inputs.open("train", preparation)
    files = sorted(shards.glob("*.rec"))
    assert len(files) > 1
    assert channel.photos == document["splits"]["train"]["photos"]
    assert channel.files == tuple(files)
    singly = [pixels(Channel.read("train", shards, [file]), preparation) for file in files]
    np.testing.assert_array_equal(pixels(channel, preparation), np.concatenate(singly))


def test_a_missing_shard_is_told(inputs, shards, preparation):
    """By its name: the manifest lists it."""
    (shards / "train_00001.rec").unlink()
    with pytest.raises(TrainingError, match=r"train_00001\.rec is not there"):
        inputs.open("train", preparation)


def test_a_shard_that_nobody_lists_is_told(inputs, shards, preparation):
    """It may be another preparation's."""
    (shards / "train_00009.rec").write_bytes((shards / "train_00000.rec").read_bytes())
    with pytest.raises(TrainingError, match=r"train_00009\.rec, which manifest\.json does not"):
        inputs.open("train", preparation)


@pytest.mark.parametrize(("change", "message"), [(1, "bytes, expected"), (0, "has SHA-256")])
def test_a_shard_that_was_changed_is_told(inputs, shards, preparation, change, message):
    """By its size, or where that is the same by its SHA-256."""
    content = bytearray((shards / "train_00000.rec").read_bytes())
    content[-5] ^= 1
    (shards / "train_00000.rec").write_bytes(content + bytes(4 * change))
    with pytest.raises(TrainingError, match=rf"train_00000\.rec.*{message}"):
        inputs.open("train", preparation)


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"shards": [1]}'])
def test_a_damaged_manifest_is_told(inputs, shards, preparation, text):
    """It is named, not a traceback."""
    (shards / "manifest.json").write_text(text)
    with pytest.raises(TrainingError, match=r"manifest\.json"):
        inputs.open("train", preparation)


# --- Photos with a list ---------------------------------------------------------------------------


def test_listed_photos_are_prepared(inputs, preparation):
    """In the list's order, with its labels, whatever the index, as the endpoint prepares them."""
    one, two = encoded(seed=1), encoded(seed=2, size=(90, 30))
    inputs.photos(
        "train", "5\t1\tb/two.png\n1000\t0.000000\tone.png\n\n", one_png=one, b_two_png=two
    )
    inputs.configure(train={"ContentType": "application/x-image"})
    channel = inputs.open("train", preparation)
    assert channel.labels.tolist() == [1, 0]
    expected = np.stack([preparation.array(two), preparation.array(one)])
    np.testing.assert_array_equal(pixels(channel, preparation), expected)


def test_jpeg_stays_jpeg_and_png_stays_lossless(inputs, preparation):
    """A record is encoded by what came."""
    inputs.photos(
        "train", "0\t1\ta.jpg\n1\t0\tb.png\n", a_jpg=encoded(kind="JPEG"), b_png=encoded()
    )
    content = inputs.open("train", preparation).records.read_bytes()
    assert content.count(b"\xff\xd8\xff") == 1
    assert content.count(b"\x89PNG\r\n") == 1


def test_photos_that_cannot_be_read_are_counted_and_listed(inputs, preparation, caplog):
    """Missing, empty, no photo: the channel's path and a reason each."""
    inputs.photos(
        "validation",
        "0\t1\ta.png\n1\t0\tgone.png\n2\t0\tempty.png\n3\t0\ttext.png\n",
        a_png=encoded(),
        empty_png=b"",
        text_png=b"some text",
    )
    channel = inputs.open("validation", preparation)
    assert channel.photos == 1
    assert "channel validation: 3 of 4 photos cannot be read" in caplog.text
    names = [name for name, _ in inputs.left_out("validation")]
    assert names == ["path", "gone.png", "empty.png", "text.png"]


def test_a_channel_of_which_no_photo_can_be_read_is_told(inputs, preparation):
    """With the first one's reason."""
    inputs.photos("train", "0\t1\tgone.png\n")
    with pytest.raises(TrainingError, match=r"no photo can be read: gone\.png: No such file"):
        inputs.open("train", preparation)


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        ("", r"a\.lst lists no photos"),
        ("0\t1", r"line 1: '0\\t1', expected index<TAB>label<TAB>relative path"),
        ("0 1 a.png", "expected index<TAB>label<TAB>relative path"),
        ("0\t1\ta.png\n1\t\ta.png", "line 2: label '', expected a class's number"),
        ("0\tcat\ta.png", "label 'cat', expected a class's number"),
        ("0\t-1\ta.png", r"a\.png has label -1\.0, expected 0, 1, 2"),
        ("0\tnan\ta.png", r"a\.png has label nan"),
        ("0\t0.5\ta.png", r"a\.png has label 0\.5"),
        ("x\t0\ta.png", "index 'x', expected a whole number"),
        ("0\t0\ta.png\n0\t0\ta.png", "line 2: index 0 comes twice"),
        ("0\t0\t../a.png", "path '../a.png', expected one within the channel's folder"),
        ("0\t0\t/etc/a.png", "path '/etc/a.png', expected one within"),
        ("0\t0\t", "path '', expected one within"),
        ("0\t0\t1\ta.png\n1\t0\ta.png", "line 2: 1 labels, expected 2"),
        ("0\t0\t2\ta.png", r"a\.png has 2\.0 among its labels, expected 0 or 1"),
        ("0\t0\t1\ta.png", "channel train has 2 labels a photo, expected one"),
    ],
)
def test_a_list_of_another_form_is_told(inputs, preparation, listing, message):
    """With the line, and what was expected."""
    inputs.photos("train", listing, a_png=encoded())
    with pytest.raises(TrainingError, match=message):
        inputs.open("train", preparation)


@pytest.mark.parametrize("lists", [0, 2])
def test_a_list_channel_holds_one_list(inputs, preparation, lists):
    """None, or one too many, is told by their number."""
    inputs.photos("train", "0\t1\ta.png\n", a_png=encoded())
    (inputs.data / "train_lst" / "a.lst").unlink()
    for number in range(lists):
        (inputs.data / "train_lst" / f"{number}.lst").touch()
    with pytest.raises(TrainingError, match=f"train_lst holds {lists} .lst files, expected one"):
        inputs.open("train", preparation)


def test_photos_without_a_list_are_told(inputs, preparation):
    """The channel that is missing is named."""
    (inputs.data / "train").mkdir()
    inputs.configure(train={"ContentType": "image/jpeg"})
    with pytest.raises(TrainingError, match="ContentType image/jpeg, expected a channel train_lst"):
        inputs.open("train", preparation)


def test_a_list_with_several_labels_trains_on_several(inputs, preparation):
    """A column for each class."""
    inputs.photos("train", "0\t1\t0\t1\ta.png\n1\t0\t0\t0\ta.png\n", a_png=encoded())
    channel = inputs.open("train", preparation, classes=3, multi_label=True)
    assert channel.labels.tolist() == [[1, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize(
    ("listing", "classes"), [("0\t1\t0\ta.png", 3), ("0\t1\ta.png", 3), ("0\t1\ta.png", 0)]
)
def test_several_labels_are_one_for_each_class(inputs, preparation, listing, classes):
    """Neither fewer than classes nor one alone is several."""
    inputs.photos("train", listing, a_png=encoded())
    with pytest.raises(TrainingError, match="labels a photo, expected a 0 or 1 for each of"):
        inputs.open("train", preparation, classes=classes, multi_label=True)


def test_a_scratch_folder_that_cannot_be_written_is_told(inputs, preparation):
    """With what SageMaker calls the space."""
    inputs.photos("train", "0\t1\ta.png\n", a_png=encoded())
    (inputs.base / "scratch").write_text("in the way")
    with pytest.raises(TrainingError, match="cannot be written") as caught:
        inputs.open("train", preparation)
    assert "VolumeSizeInGB" in caught.value.hint


# --- Pipes ----------------------------------------------------------------------------------------

PIPE = {"TrainingInputMode": "Pipe"}
MANIFEST = PIPE | {"RecordWrapperType": "RecordIO", "ContentType": "application/x-recordio"}


def test_a_pipe_of_records_is_read_once(inputs, preparation, draw):
    """To its end, and then any order of them can be had."""
    inputs.configure(train=PIPE | {"ContentType": "application/x-recordio"})
    inputs.send("train", *(record(number, draw(number)) for number in range(5)))
    channel = inputs.open("train", preparation)
    assert channel.labels.tolist() == list(range(5))
    expected = np.stack([preparation.array(draw(number)) for number in range(5)])
    np.testing.assert_array_equal(pixels(channel, preparation), expected)


@pytest.mark.parametrize("content_type", ["application/x-recordio", "image/png"])
def test_an_augmented_manifest_gives_photo_and_label_in_turn(inputs, preparation, content_type):
    """Labels as numbers or, as in SageMaker's own example, as text; photos of any size."""
    inputs.configure(train=MANIFEST | {"ContentType": content_type})
    photos = [encoded(seed=seed) for seed in range(3)]
    inputs.send("train", photos[0], b"2", photos[1], b'"0"', photos[2], b"1")
    channel = inputs.open("train", preparation)
    assert channel.labels.tolist() == [2, 0, 1]
    expected = np.stack([preparation.array(photo) for photo in photos])
    np.testing.assert_array_equal(pixels(channel, preparation), expected)


@pytest.mark.parametrize(
    ("label_format", "labels"),
    [
        ("", ["[1, 0, 1]", "[0, 0, 0]"]),
        ("; label-format=multi-hot", ["[1, 0, 1]", '"[0, 0, 0]"']),
        ("; label-format=class-id", ["[0, 2]", "[]"]),
        (';Label-Format="class-id"', ["[2, 0]", "[]"]),
    ],
)
def test_a_manifests_several_labels(inputs, preparation, label_format, labels):
    """A 0 or 1 for each class, or a list of classes where the content type says so."""
    inputs.configure(train=MANIFEST | {"ContentType": f"application/x-recordio{label_format}"})
    inputs.send("train", encoded(), labels[0].encode(), encoded(), labels[1].encode())
    channel = inputs.open("train", preparation, classes=3, multi_label=True)
    assert channel.labels.tolist() == [[1, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize(
    ("labels", "multi_label", "message"),
    [
        ([b"dog"], False, "photo 0: label b'dog', expected a class's number"),
        ([b"1", b"true"], False, "photo 1: label True, expected numbers of classes"),
        ([b"[1]"], False, r"photo 0: label \[1\], expected one, or multi_label=1"),
        ([b"1"], True, "photo 0: label 1, expected an array"),
        ([b"[1, 0]"], True, "photo 0: 2 labels, expected a 0 or 1 for 3 classes"),
        ([b"[0, 2, 0]"], True, r"photo 0 has 2\.0 among its labels"),
        ([b"-1"], False, r"photo 0 has label -1\.0"),
        ([b"1", b""], False, "photo 1: label b'', expected a class's number"),
    ],
)
def test_a_manifests_label_of_another_form_is_told(
    inputs, preparation, labels, multi_label, message
):
    """With the photo's number, and what was expected."""
    inputs.configure(train=MANIFEST)
    inputs.send("train", *(part for label in labels for part in (encoded(), label)))
    with pytest.raises(TrainingError, match=f"channel train: train_0: {message}"):
        inputs.open("train", preparation, classes=3, multi_label=multi_label)


@pytest.mark.parametrize("label", [b"[3]", b"[-1]", b"[0.5]"])
def test_a_class_id_that_is_none_is_told(inputs, preparation, label):
    """From 0 to one less than there are classes."""
    inputs.configure(
        train=MANIFEST | {"ContentType": "application/x-recordio; label-format=class-id"}
    )
    inputs.send("train", encoded(), label)
    with pytest.raises(TrainingError, match=r"photo 0: class .*, expected 0 to 2"):
        inputs.open("train", preparation, classes=3, multi_label=True)


def test_a_manifest_that_ends_behind_a_photo_is_told(inputs, preparation):
    """Its label is missing."""
    inputs.configure(train=MANIFEST)
    inputs.send("train", encoded(), b"0", encoded())
    with pytest.raises(TrainingError, match="ends with photo 1, expected its label"):
        inputs.open("train", preparation)


def test_a_pipe_that_breaks_is_told(inputs, preparation, draw):
    """A stream that ends within a record is damaged."""
    inputs.configure(train=PIPE)
    (inputs.data / "train_0").write_bytes(b"\x0a\x23\xd7\xce\x10\0\0\0half")
    with pytest.raises(TrainingError, match="channel train: train_0: the file is damaged"):
        inputs.open("train", preparation)


def test_a_pipe_of_nothing_is_told(inputs, preparation):
    """A channel must hold a photo."""
    inputs.configure(train=PIPE)
    inputs.send("train")
    with pytest.raises(TrainingError, match="channel train: no photo can be read"):
        inputs.open("train", preparation)


def test_a_pipe_that_is_not_there_is_told(inputs, preparation):
    """SageMaker makes it before the program starts."""
    inputs.configure(train=PIPE)
    with pytest.raises(TrainingError, match="train is in Pipe mode, but train_0 is not there"):
        inputs.open("train", preparation)


# --- What the job says of its channels ------------------------------------------------------------


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({"ContentType": "application/x-recordio-protobuf"}, "x-recordio-protobuf, expected"),
        ({"ContentType": "text/csv"}, "ContentType text/csv, expected application/x-recordio"),
        (
            {"ContentType": "application/x-recordio; label-format=names"},
            "label-format=names, expected multi-hot or class-id",
        ),
        (PIPE | {"ContentType": "image/jpeg"}, "RecordWrapperType None, expected RecordIO"),
    ],
)
def test_a_form_that_is_not_read_is_told(inputs, preparation, configuration, message):
    """By its name, with those that are."""
    (inputs.data / "train").mkdir()
    inputs.configure(train=configuration)
    with pytest.raises(TrainingError, match=message):
        inputs.open("train", preparation)


def test_a_channels_configuration_is_read(inputs):
    """The developer guide's members; what is not said is File mode."""
    inputs.configure(
        train=MANIFEST | {"ContentType": "Application/X-RecordIO; label-format=class-id"},
        validation={},
    )
    assert inputs.environment.channel_inputs() == {
        "train": ChannelInput(
            "application/x-recordio", "class-id", is_pipe=True, record_wrapper="RecordIO"
        ),
        "validation": ChannelInput(),
    }


def test_no_configuration_says_nothing(inputs):
    """A job's folder may do without the file."""
    assert inputs.environment.channel_inputs() == {}


@pytest.mark.parametrize("text", ["{", "[]", '{"train": 1}'])
def test_a_damaged_configuration_is_told(inputs, text):
    """It is named, not a traceback."""
    (inputs.config / "inputdataconfig.json").write_text(text)
    with pytest.raises(TrainingError, match=r"inputdataconfig\.json"):
        inputs.environment.channel_inputs()


# --- How photos are prepared ----------------------------------------------------------------------


def test_resize_asks_for_the_middle_square(tmp_path):
    """It keeps proportions, so a photo is cut and not squashed, at the endpoint too."""
    assert read_dataset(tmp_path, 224, resize=256)[1].fit == "crop"
    assert read_dataset(tmp_path, 224)[1].fit == "squash"
    assert read_dataset(None, 224)[1].fit == "squash"


def test_resize_below_the_size_is_told(tmp_path):
    """Nothing of the size could be cut out."""
    with pytest.raises(TrainingError, match="resize=100, expected at least the 224 pixels"):
        read_dataset(tmp_path, 224, resize=100)


def test_resize_cannot_change_prepared_records(records, caplog):
    """dataset.json has the word, and the log says so."""
    assert read_dataset(records, 28, resize=40)[1].fit == "squash"
    assert "resize=40 has no effect" in caplog.text


@pytest.mark.parametrize(
    ("photo", "prepared"),
    [
        (encoded(size=(28, 28)), True),
        (encoded(size=(28, 28), kind="JPEG"), True),
        (encoded(size=(28, 27)), False),
        (encoded("L", (28, 28)), False),
        (encoded("RGBA", (28, 28)), False),
        (encoded(size=(28, 28), kind="BMP"), False),
        (encoded(size=(28, 28))[:20], False),
    ],
)
def test_a_header_tells_whether_a_photo_is_prepared(photo, prepared):
    """Size, mode and format."""
    assert is_prepared(photo, 28) is prepared


def test_shards_of_a_multi_label_set_agree(tmp_path, draw):
    """Two files, one of which has other labels, are no channel."""
    for name, labels in (("a", [1, 0]), ("b", [1, 0, 1])):
        with RecordWriter(tmp_path / f"{name}.rec", tmp_path / f"{name}.idx") as writer:
            writer.append(0, labels, draw(0))
    files = [tmp_path / "a.rec", tmp_path / "b.rec"]
    with pytest.raises(TrainingError, match=r"a\.rec to b\.rec: photo 0 has 3 labels, others 2"):
        Channel.read("train", tmp_path, files)
