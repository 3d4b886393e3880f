"""`snapshelf prepare`: results on stdout, wrong usage told apart from failure."""

import json

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
