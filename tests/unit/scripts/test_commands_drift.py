"""`snapshelf models drift`: photos that came in beside those of before."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from contracts import DatasetError
from scripts.cli import snapshelf
from testing.small_model import write_small_artifact

COLOURS = {"red": (180, 60, 60), "green": (60, 180, 60), "blue": (60, 60, 180)}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The small model, which knows red, green and blue."""
    return write_small_artifact(tmp_path_factory.mktemp("model"))


def draw(folder, counts, *, darker=0, seed=0):
    """Photos of noisy colours in folders of their names."""
    random = np.random.default_rng(seed)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.clip(random.normal(COLOURS[name], 25, (16, 16, 3)) - darker, 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Sixty photos of each colour."""
    return draw(tmp_path_factory.mktemp("reference"), dict.fromkeys(COLOURS, 60))


def drift(model, incoming, reference, *more):
    """`snapshelf models drift --json`, and its exit code."""
    words = ["models", "drift", str(model), str(incoming), "--reference", str(reference), "--json"]
    return CliRunner().invoke(snapshelf, [*words, *more])


def test_the_same_kind_of_photos_does_not_drift(model, reference, tmp_path):
    """Exit code 0 with --strict, too; what is no photo is counted."""
    incoming = draw(tmp_path / "new", dict.fromkeys(COLOURS, 50), seed=1)
    (incoming / "broken.png").write_bytes(b"no photo")
    done = drift(model, incoming, reference, "--strict")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["size"] == "none"
    assert (found["photos"], found["unreadable"]) == ([180, 150], [0, 1])
    names = {shift["name"] for shift in found["shifts"]}
    assert names == {"category", "confidence", "brightness", "contrast", "colour"}


def test_darker_photos_and_another_mixture_are_told(model, reference, tmp_path):
    """What moved, by how much, and which categories came more often."""
    incoming = draw(tmp_path / "new", {"red": 120, "green": 10}, darker=50, seed=2)
    found = json.loads(drift(model, incoming, reference).stdout)
    shifts = {shift["name"]: shift for shift in found["shifts"]}
    assert shifts["brightness"]["size"] == shifts["category"]["size"] == "large"
    assert shifts["brightness"]["after"] < shifts["brightness"]["before"] - 30
    assert found["categories"]["red"] == [pytest.approx(1 / 3), pytest.approx(120 / 130)]
    assert found["categories"]["blue"][1] == 0


def test_strict_ends_with_an_error_where_something_drifted(model, reference, tmp_path):
    """For a job that watches."""
    incoming = draw(tmp_path / "new", {"red": 60}, seed=3)
    done = drift(model, incoming, reference, "--strict")
    assert done.exit_code == 1
    assert isinstance(done.exception, DatasetError)
    assert "has drifted" in done.exception.message


def test_too_few_photos_say_nothing(model, reference, tmp_path):
    """Rather than a figure that chance has made."""
    incoming = draw(tmp_path / "new", {"red": 29})
    done = drift(model, incoming, reference)
    assert "29 photos that can be read, expected 30 or more" in done.exception.message
