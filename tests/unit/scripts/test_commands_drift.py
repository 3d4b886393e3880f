"""`snapshelf models drift`: photos that came in beside those of before."""

import base64
import json
import os
import time

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


def capture(path, bodies):
    """A file as data capture writes it, of requests with these content types and bodies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for content_type, body in bodies:
        is_text = isinstance(body, str)
        asked = {
            "observedContentType": content_type,
            "mode": "INPUT",
            "data": body if is_text else base64.b64encode(body).decode(),
            "encoding": "JSON" if is_text else "BASE64",
        }
        event = {"eventId": "1", "inferenceTime": "2026-11-24T12:00:00Z"}
        record = {"captureData": {"endpointInput": asked}, "eventMetadata": event}
        lines.append(json.dumps({**record, "eventVersion": "0"}))
    path.write_text("".join(f"{line}\n" for line in lines))


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


def test_requests_that_data_capture_kept_are_photos_that_came_in(model, reference, tmp_path):
    """Single photos, JSON and JSON lines; a line that is none counts as unreadable."""
    drawn = draw(tmp_path / "drawn", dict.fromkeys(COLOURS, 20), seed=4)
    photos = [path.read_bytes() for path in sorted(drawn.rglob("*.png"))]
    encoded = [base64.b64encode(photo).decode() for photo in photos]
    lines = "".join(json.dumps({"image": one}) + "\n" for one in encoded[30:])
    hour = tmp_path / "captured" / "AllTraffic" / "2026" / "11" / "24" / "12"
    capture(hour / "00.jsonl", [("image/png", photo) for photo in photos[:20]])
    capture(
        hour / "01.jsonl",
        [
            *(("application/json", json.dumps({"image": one})) for one in encoded[20:30]),
            ("application/jsonlines", lines),
            ("text/csv", "no,photo"),
        ],
    )
    with (hour / "01.jsonl").open("a") as file:
        file.write('{"cut off\n')
    found = json.loads(drift(model, tmp_path / "captured", reference).stdout)
    assert (found["photos"], found["unreadable"]) == ([180, 60], [0, 2])
    assert found["size"] == "none"


def test_a_sample_is_the_same_again_and_says_what_it_passed_over(model, reference, tmp_path):
    """Of many photos some are enough, and which does not depend on the day."""
    incoming = draw(tmp_path / "new", {"red": 90, "green": 20}, seed=5)
    first, again = (
        json.loads(drift(model, incoming, reference, "--sample", "40").stdout) for _ in range(2)
    )
    assert first == again
    assert first["photos"][1] == 40
    assert first["passed_over"] == 70
    assert first["categories"]["red"][1] > 0.6


def test_only_the_last_days_are_looked_at(model, reference, tmp_path):
    """Last month's dark photos are over."""
    incoming = draw(tmp_path / "new", dict.fromkeys(COLOURS, 20), seed=6)
    old = draw(tmp_path / "new" / "old", dict.fromkeys(COLOURS, 40), darker=50, seed=7)
    for path in old.rglob("*.png"):
        os.utime(path, (time.time() - 8 * 86400,) * 2)
    found = json.loads(drift(model, incoming, reference, "--days", "7").stdout)
    assert (found["photos"][1], found["size"]) == (60, "none")
    assert json.loads(drift(model, incoming, reference).stdout)["size"] == "large"


def test_nothing_that_came_in_names_the_place_and_the_mend(model, reference, tmp_path):
    """An empty folder, and one that is not there."""
    (tmp_path / "empty").mkdir()
    assert "empty: no photos there" in drift(model, tmp_path / "empty", reference).exception.message
    gone = drift(model, tmp_path / "gone", reference).exception
    assert "gone: no such folder" in gone.message
