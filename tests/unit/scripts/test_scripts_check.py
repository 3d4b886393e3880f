"""`snapshelf check`: problems on stdout with the mend, and an exit code for scripts."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from contracts import DatasetError
from recordio_prep import prepare
from scripts.commands.check import check_command


@pytest.fixture
def photos(tmp_path):
    """Twelve photos in each of two categories."""
    random = np.random.default_rng(0)
    for category in ("cat", "dog"):
        folder = tmp_path / "photos" / category
        folder.mkdir(parents=True)
        for n in range(12):
            pixels = random.integers(0, 256, (30, 40, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{n:02d}.png")
    return tmp_path / "photos"


def run(*arguments):
    """Run the command as a shell would."""
    return CliRunner().invoke(check_command, [str(a) for a in arguments], catch_exceptions=False)


def test_sound_photos_are_said_to_be_sound(photos, tmp_path):
    """How many there are, and where the report lies; nothing is packed."""
    result = run(photos, "--out", tmp_path / "report", "--size", 16, "--strict")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "24 photos; 2 categories",
        "nothing is wrong with them",
        f"report: {tmp_path}/report/check.html",
    ]
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert names == {".lock", "check.html", "check.json", "left_out.csv"}


def test_problems_are_told_with_the_mend(photos, tmp_path):
    """And make a failure of it where that is asked for."""
    (photos / "cat" / "00.png").write_bytes((photos / "dog" / "03.png").read_bytes())
    (photos / "cat" / "01.png").write_bytes(b"damaged")
    arguments = (photos, "--out", tmp_path / "report", "--size", 16)
    result = run(*arguments)
    assert result.exit_code == 0
    assert "error    1 group of identical files under different categories" in result.stdout
    assert "keep each in the category that it belongs to" in result.stdout
    assert "warning  1 photo that cannot be read" in result.stdout
    assert run(*arguments, "--strict").exit_code == 1
    assert "cat/01.png" in (tmp_path / "report" / "left_out.csv").read_text()


def test_json_is_the_report(photos, tmp_path):
    """The same document as check.json, and nothing else on stdout."""
    result = run(photos, "--out", tmp_path / "report", "--size", 16, "--json")
    assert json.loads(result.stdout) == json.loads((tmp_path / "report" / "check.json").read_text())


def test_photos_of_the_test_side_are_compared_too(photos, tmp_path):
    """What was learnt by heart would count there as right."""
    result = run(photos, "--test", photos, "--out", tmp_path / "report", "--size", 16)
    assert "24 photos, 24 for testing; 2 categories" in result.stdout
    assert "error    24 groups of the same photo in more than one of" in result.stdout


def test_a_folder_of_records_is_not_reported_into(photos, tmp_path):
    """Its own check would be replaced, and the records be packed again for it."""
    prepare(photos, tmp_path / "records", size=16)
    with pytest.raises(DatasetError, match="holds records"):
        run(photos, "--out", tmp_path / "records", "--size", 16)
