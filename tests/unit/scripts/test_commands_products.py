"""`snapshelf products`: a row a product, gone on with after a kill, problems listed."""

import csv
import io
import json
import os

import bson
import pytest
from click.testing import CliRunner
from PIL import Image

from contracts import DatasetError
from hosting.model import Model
from scripts.cli import snapshelf
from testing.small_model import write_small_artifact

RED, GREEN, BLUE = (220, 20, 20), (20, 220, 20), (20, 20, 220)
IDS = ("1000000001", "1000000002", "1000000003")  # what the small model calls red, green, blue
TREE = {IDS[0]: ["WARM", "RED"], IDS[1]: ["COLD", "GREEN"], IDS[2]: ["COLD", "BLUE"]}


def picture(colour):
    """A JPEG of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def product(number, *pictures, category=None):
    """A document of the competition."""
    told = {} if category is None else {"category_id": int(category)}
    return bson.encode({"_id": number, "imgs": [{"picture": p} for p in pictures], **told})


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The small model with category_ids for names."""
    return write_small_artifact(tmp_path_factory.mktemp("model"), IDS, TREE)


def invoke(model, products, out):
    """`snapshelf products --json`, however it ends."""
    words = ["products", str(model), str(products), "--out", str(out), "--json"]
    return CliRunner().invoke(snapshelf, words)


def run(model, products, out):
    """What `snapshelf products --json` prints."""
    done = invoke(model, products, out)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def table(path):
    """The rows of a CSV."""
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_the_competitions_test_file_becomes_its_submission(model, tmp_path):
    """No categories are told; the rows are in the file's order."""
    red, green, blue = map(picture, (RED, GREEN, BLUE))
    documents = [product(7, red), product(3, blue, blue, green), product(5, green, green)]
    (tmp_path / "test.bson").write_bytes(b"".join(documents))
    result = run(model, tmp_path / "test.bson", tmp_path / "out.csv")
    assert table(tmp_path / "out.csv") == [
        ["_id", "category_id"],
        ["7", IDS[0]],
        ["3", IDS[2]],
        ["5", IDS[1]],
    ]
    assert (result["products"], result["photos"], result["unanswered"]) == (3, 6, 0)
    assert "accuracy" not in result
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "out.csv",
        "out.csv.problems.csv",
        "test.bson",
    ]


def test_products_that_bear_their_category_are_counted(model, tmp_path):
    """By product, photo and level: blue for green is right on the upper level."""
    red, green, blue = map(picture, (RED, GREEN, BLUE))
    documents = [
        product(1, red, category=IDS[0]),
        product(2, green, blue, green, category=IDS[1]),
        product(3, blue, category=IDS[1]),
    ]
    (tmp_path / "train.bson").write_bytes(b"".join(documents))
    result = run(model, tmp_path / "train.bson", tmp_path / "out.csv")
    assert result["accuracy"] == pytest.approx(2 / 3)
    assert result["accuracy_by_photo"] == pytest.approx(3 / 5)
    assert result["by_photos"]["3"] == {"products": 1, "accuracy": 1.0}
    assert result["by_level"] == [1.0, pytest.approx(2 / 3)]


def test_what_cannot_be_read_is_listed_and_loses_nobody_else(model, tmp_path):
    """A broken photo among good ones, a product without any, a document that is damaged inside."""
    good = product(1, b"no photo", picture(RED))
    none = product(2, b"no photo either")
    damaged = bytearray(product(3, picture(BLUE)))
    damaged[4] = 0x7E  # a type that BSON has not
    documents = [good, none, bytes(damaged), product(4, picture(GREEN))]
    (tmp_path / "test.bson").write_bytes(b"".join(documents))
    done = invoke(model, tmp_path / "test.bson", tmp_path / "out.csv")
    result = json.loads(done.stdout)
    assert table(tmp_path / "out.csv")[1:] == [["1", IDS[0]], ["2", ""], ["4", IDS[1]]]
    assert (result["products"], result["unanswered"], result["lost"]) == (3, 2, 1)
    assert done.exit_code == 1
    assert "1 documents are damaged or cut off" in done.exception.message
    problems = table(tmp_path / "out.csv.problems.csv")[1:]
    assert [name for name, _ in problems] == ["1", "2", "2", f"test.bson@{len(good) + len(none)}"]
    assert problems[0][1].startswith("photo 0: ")
    assert problems[2][1] == "no photo that can be read: no verdict"


def test_a_run_that_was_broken_off_goes_on_and_ends_the_same(model, tmp_path, monkeypatch):
    """No product twice, none left out; what a kill cut short is written anew."""
    pictures = [picture(colour) for colour in (RED, GREEN, BLUE)]
    documents = [product(n, pictures[n % 3]) for n in range(300)]
    path, out = tmp_path / "test.bson", tmp_path / "out.csv"
    path.write_bytes(b"".join(documents))
    predict, asked = Model.predict, []

    def counted(self, arrays):
        asked.append(len(arrays))
        if len(asked) == 200:
            raise KeyboardInterrupt
        return predict(self, arrays)

    with monkeypatch.context() as patch:
        patch.setattr(Model, "predict", counted)
        words = ["products", str(model), str(path), "--out", str(out)]
        assert CliRunner().invoke(snapshelf, words).exit_code != 0
    assert not out.exists()
    partial = tmp_path / "out.csv.partial"
    written = partial.read_text().count("\n") - 1
    assert 64 <= written < 200
    with partial.open("a") as file:
        file.write("17,half a ro")
    result = run(model, path, out)
    assert (result["products"], result["resumed"]) == (300, written)
    rows = table(out)[1:]
    assert rows == [[str(n), IDS[n % 3]] for n in range(300)]


def test_another_model_begins_anew(model, tmp_path):
    """What a run before left is of no use to it."""
    path, out = tmp_path / "test.bson", tmp_path / "out.csv"
    path.write_bytes(product(1, picture(RED)))
    (tmp_path / "out.csv.partial").write_text("_id,category_id\n9,9\n")
    known = {"stamp": "another", "documents": 1, "rows": 1, "sizes": [20, 20]}
    (tmp_path / "out.csv.progress.json").write_text(json.dumps(known))
    assert run(model, path, out)["resumed"] == 0
    assert table(out)[1:] == [["1", IDS[0]]]


def test_a_model_of_other_categories_is_refused(tmp_path):
    """Its answers could be no category_ids."""
    artifact = write_small_artifact(tmp_path / "model")
    (tmp_path / "test.bson").write_bytes(product(1, picture(RED)))
    words = ["products", str(artifact), str(tmp_path / "test.bson"), "--out", str(tmp_path / "o")]
    with pytest.raises(DatasetError, match="categories red, green, blue: expected numbers"):
        CliRunner().invoke(snapshelf, words, catch_exceptions=False)


def test_a_folder_that_cannot_be_made_is_told(model, tmp_path):
    """Before anything is asked."""
    (tmp_path / "test.bson").write_bytes(product(1, picture(RED)))
    out = tmp_path / "test.bson" / "out.csv"
    words = ["products", str(model), str(tmp_path / "test.bson"), "--out", str(out)]
    with pytest.raises(DatasetError, match=r"test.bson: (File exists|Not a directory)"):
        CliRunner().invoke(snapshelf, words, catch_exceptions=False)


def test_a_device_is_not_replaced_by_a_file(model, tmp_path):
    """`--out /dev/null`, or a pipe, is refused as wrong usage and stays what it is."""
    (tmp_path / "test.bson").write_bytes(product(1, picture(RED)))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    words = ["products", str(model), str(tmp_path / "test.bson"), "--out", str(pipe)]
    refused = CliRunner().invoke(snapshelf, words)
    assert refused.exit_code == 2
    assert "is a device or a pipe, expected a plain file" in refused.output
    assert pipe.is_fifo()


def test_a_file_that_was_cut_off_is_no_success(model, tmp_path):
    """The table that there is lacks products, so the exit code says so."""
    whole = b"".join(product(n, picture(RED)) for n in range(4))
    (tmp_path / "cut.bson").write_bytes(whole[:-40])
    done = invoke(model, tmp_path / "cut.bson", tmp_path / "new" / "out.csv")
    assert done.exit_code == 1
    assert "cut.bson: 1 documents are damaged or cut off" in done.exception.message
    assert len(table(tmp_path / "new" / "out.csv")) == 1 + 3


@pytest.mark.parametrize("content", [b"", b"_id,category_id\n"])
def test_a_file_without_products_leaves_no_table(model, tmp_path, content):
    """Empty, or no BSON at all."""
    (tmp_path / "none.bson").write_bytes(content)
    done = invoke(model, tmp_path / "none.bson", tmp_path / "out.csv")
    assert done.exit_code == 1
    assert isinstance(done.exception, DatasetError)
    names = {path.name for path in tmp_path.iterdir()}
    assert names <= {"none.bson", "out.csv.problems.csv"}
