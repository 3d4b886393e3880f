"""`snapshelf prepare`: results on stdout, wrong usage told apart from failure."""

import json
import struct

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from contracts import DatasetError
from scripts.commands.prepare import prepare_command


@pytest.fixture
def photos(tmp_path):
    """Ten photos in each of two categories."""
    random = np.random.default_rng(0)
    for category in ("cat", "dog"):
        folder = tmp_path / "photos" / category
        folder.mkdir(parents=True)
        for n in range(10):
            pixels = random.integers(0, 256, (9, 12, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{n}.png")
    return tmp_path / "photos"


def run(*arguments):
    """Run the command as a shell would, but for errors of ours, which come through."""
    return CliRunner().invoke(
        prepare_command, [str(a) for a in arguments], standalone_mode=True, catch_exceptions=False
    )


def test_the_table_counts_photos_by_category_and_split(photos, tmp_path):
    """What a person wants to know: how many, of what, and how fast."""
    result = run(photos, "--out", tmp_path / "records", "--size", 8)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[:4] == [
        ["category", "train", "validation"],
        ["cat", "7", "3"],
        ["dog", "7", "3"],
        ["all", "14", "6"],
    ]
    assert "8 x 8 pixels" in result.stdout
    assert "photos/s" in result.stdout


def test_json_holds_the_document_and_the_rate(photos, tmp_path):
    """One object on stdout and nothing else; the second run says that it did nothing."""
    arguments = (photos, "--out", tmp_path / "records", "--size", 8, "--seed", 5, "--json")
    first, second = (json.loads(run(*arguments).stdout) for _ in range(2))
    assert first["seed"] == 5
    assert first["splits"]["train"] == {"photos": 14, "by_class": {"cat": 7, "dog": 7}}
    assert first["photos_per_second"] > 0
    assert (first["up_to_date"], second["up_to_date"]) == (False, True)
    assert second["photos_per_second"] is None
    assert second["fingerprint"] == first["fingerprint"]


def test_left_out_files_are_counted_and_the_list_named(photos, tmp_path):
    """The reader is sent to the list."""
    (photos / "cat" / "bad.png").write_bytes(b"")
    result = run(photos, "--out", tmp_path / "records", "--size", 8)
    assert "left out  1 (left_out.csv)" in result.stdout


def test_every_option_reaches_the_preparation(photos, tmp_path):
    """The document tells them back."""
    options = {"--train-ratio": 0.5, "--encoding": "png", "--quality": 80, "--workers": 1}
    flat = [part for option in options.items() for part in option]
    result = run(
        *(photos, "--out", tmp_path / "records", "--test", photos, "--validation", photos),
        *(*flat, "--fit", "pad", "--shard-size", 7, "--cap-per-class", 9, "--balance", "--json"),
    )
    document = json.loads(result.stdout)
    assert document["encoding"] == {"train": "png", "validation": "png", "test": "png"}
    assert document["quality"] == 80
    assert document["train_ratio"] == 1.0
    assert document["fit"] == "pad"
    assert [split["photos"] for split in document["splits"].values()] == [18, 20, 20]
    assert len(list((tmp_path / "records").glob("train_*.rec"))) == 3


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--encoding", "gif"),
        ("--size", 0),
        ("--train-ratio", 0),
        ("--train-ratio", 1.1),
        ("--quality", 101),
        ("--workers", 0),
        ("--seed", "x"),
    ],
)
def test_wrong_usage_is_exit_code_2(photos, tmp_path, option, value):
    """Values out of range are refused before any photo is looked at, with the option's name."""
    result = run(photos, "--out", tmp_path / "records", option, value)
    assert result.exit_code == 2
    assert option in result.stderr
    assert not (tmp_path / "records").exists()


def test_the_output_is_required(photos):
    """There is no folder that would go without saying."""
    result = run(photos)
    assert result.exit_code == 2
    assert "--out" in result.stderr


def test_a_failure_is_left_to_the_edge(tmp_path):
    """The command line prints ERROR and HINT in one place."""
    with pytest.raises(DatasetError, match="No such file"):
        run(tmp_path / "absent", "--out", tmp_path / "records")


def test_the_help_shows_an_example_as_it_is_typed():
    """Lines of the example are not run together."""
    assert "\n    snapshelf prepare photos --out records\n" in run("--help").stdout


def test_an_empty_output_is_wrong_usage(photos):
    """As an unset variable gives it: it would be the current folder."""
    result = run(photos, "--out", "")
    assert result.exit_code == 2
    assert "expected a folder" in result.stderr


@pytest.mark.parametrize(
    ("option", "kind"), [("--labels", "Idx"), ("--root", "Listing"), ("--allow-private", "Links")]
)
def test_an_option_that_no_source_heeds_is_wrong_usage(photos, tmp_path, option, kind):
    """It would be passed over in silence."""
    (tmp_path / "file").write_text("")
    values = {"--labels": [tmp_path / "file"], "--root": [tmp_path], "--allow-private": []}
    result = run(photos, "--out", tmp_path / "records", option, *values[option])
    assert result.exit_code == 2
    assert f"{option} is for {kind}, and the photos come from Folders" in result.stderr


def test_class_names_from_a_windows_editor_have_no_mark(tmp_path):
    """A byte order mark is no part of the first name."""
    lines = ["label," + ",".join(f"p{n}" for n in range(36))]
    lines += [",".join([str(n % 2), *([str(n)] * 36)]) for n in range(8)]
    (tmp_path / "train.csv").write_text("\n".join(lines))
    (tmp_path / "names.txt").write_text("Shirt\r\nShoe\r\n", encoding="utf-8-sig", newline="")
    result = run(
        *(tmp_path / "train.csv", "--out", tmp_path / "records", "--size", 8, "--json"),
        *("--class-names", tmp_path / "names.txt"),
    )
    assert json.loads(result.stdout)["classes"] == ["Shirt", "Shoe"]


def test_labels_are_those_of_the_photos_to_train_on_alone(tmp_path):
    """Other sources have theirs beside them."""
    for name, order in (("train", [0, 1] * 4), ("val", [1, 0] * 4)):
        pixels = np.random.default_rng(len(name)).integers(0, 256, (8, 6, 6)).astype(np.uint8)
        header = struct.pack(">IIII", 0x803, 8, 6, 6)
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        labels = struct.pack(">II", 0x801, 8) + bytes(order)
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(labels)
    run(
        *(tmp_path / "train-images-idx3-ubyte", "--out", tmp_path / "records", "--size", 8),
        *("--labels", tmp_path / "train-labels-idx1-ubyte"),
        *("--validation", tmp_path / "val-images-idx3-ubyte"),
    )
    rows = (tmp_path / "records" / "validation.lst").read_text().splitlines()
    labels = {row.split("\t")[2].split("/")[1][:5]: row.split("\t")[1] for row in rows}
    assert labels == {f"{n:05d}": str(1 - n % 2) for n in range(8)}


def test_photos_that_people_named_are_added(photos, tmp_path):
    """--add packs further photos of the same categories, from as many places as there are."""
    for place in ("named", "bought"):
        (tmp_path / place / "cat").mkdir(parents=True)
        Image.new("RGB", (9, 9), place.replace("named", "red").replace("bought", "blue")).save(
            tmp_path / place / "cat" / "a.png"
        )
    added = ("--add", tmp_path / "named", "--add", tmp_path / "bought")
    result = run(photos, *added, "--out", tmp_path / "records", "--size", 8, "--json")
    splits = json.loads(result.stdout)["splits"].values()
    assert sum(split["by_class"]["cat"] for split in splits) == 12
