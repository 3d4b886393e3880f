"""`snapshelf models retrain` over the local cloud: people name photos, and the model learns them."""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from contracts import TrainingError
from infra.deploy.deployment import deploy
from infra.deploy.executor import destroy
from infra.deploy.options import DeployOptions
from infra.deploy.scope import scope_of
from infra.targets import resolve_target
from recordio_prep import Dataset
from scripts.cli import snapshelf
from testing.small_model import write_small_artifact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from infra.deploy.deployment import Deployment
    from infra.local.launch import CloudInfo
    from infra.targets import Target

NAME = "learning"
COLOURS = {"blue": (30, 30, 180), "red": (180, 30, 30)}


def ignore(_label: str, _outcome: str) -> None:
    """What an `OnStep` hears that nobody listens to."""


def noisy(category: str, seed: int) -> Image.Image:
    """A photo of a category's colour that no other resembles."""
    random = np.random.default_rng([seed, len(category)])
    pixels = random.normal(COLOURS[category], 45, (10, 10, 3))
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return image.resize((40, 40), Image.Resampling.NEAREST)


@pytest.fixture(scope="module")
def target(cloud: CloudInfo) -> Target:
    return resolve_target("local", port=cloud.port, environ={})


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photos/{train,test}, and model/ trained on them by the real training program."""
    root = tmp_path_factory.mktemp("shop")
    for split, count in (("train", 12), ("test", 6)):
        for category in COLOURS:
            folder = root / "photos" / split / category
            folder.mkdir(parents=True)
            for number in range(count):
                noisy(category, number + 1000 * (split == "test")).save(folder / f"{number}.png")
    records = str(root / "records")
    train, test = str(root / "photos" / "train"), str(root / "photos" / "test")
    told = ["--train-ratio", "0.75", "--size", "28", "--seed", "3"]
    snapshelf_does("prepare", train, "--test", test, "--out", records, *told)
    network = ["--network", "resnet20", "--epochs", "2", "--set", "mini_batch_size=6"]
    snapshelf_does("train", records, "--out", str(root / "model"), *network)
    return root


def snapshelf_does(*words: str) -> str:
    """Run a command; what it prints."""
    done = CliRunner().invoke(snapshelf, [*words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def deployment(target: Target, shop: Path) -> Iterator[Deployment]:
    """The model, which takes feedback."""
    yield deploy(NAME, target, DeployOptions(shop / "model", feedback=True), ignore)
    destroy(scope_of(NAME, target), ignore)


@pytest.fixture
def name_photos(deployment: Deployment) -> Callable[[str, range], None]:
    """People tell the API what photos show."""

    def name(category: str, seeds: range) -> None:
        for seed in seeds:
            buffer = io.BytesIO()
            shown = category if category in COLOURS else "blue"
            noisy(shown, 5000 + seed).save(buffer, "PNG")
            tell(deployment, buffer.getvalue(), category)

    return name


def tell(deployment: Deployment, photo: bytes, category: str) -> None:
    """Somebody says what a photo shows."""
    image = base64.b64encode(photo).decode()
    said = {"image": image, "category": category, "consent": True}
    reply = httpx.post(f"{deployment.api_url}/feedback", json=said, timeout=60)
    assert reply.status_code == 200, reply.text


@pytest.fixture
def retrain(cloud: CloudInfo, shop: Path) -> Callable[..., Any]:
    """Runs the command with --json; what it prints."""

    def run(*more: str) -> Any:
        photos, out = str(shop / "photos" / "train"), str(shop / "retrained")
        where = ["--out", out, "--name", NAME, "--port", str(cloud.port), "--json"]
        return json.loads(snapshelf_does("models", "retrain", photos, *where, *more))

    return run


def test_enough_named_photos_make_a_version_and_too_few_do_not(
    name_photos: Callable[[str, range], None],
    retrain: Callable[..., Any],
    shop: Path,
    cloud: CloudInfo,
) -> None:
    """Counted since the last time, trained as the live model was, registered, and not promoted."""
    test = str(shop / "photos" / "test")
    assert retrain("--when", "1") == {
        "named": 0,
        "new": 0,
        "since": None,
        "by_category": {},
        "unknown": {},
        "when": 1,
        "retrained": False,
    }
    name_photos("red", range(4))
    name_photos("other", range(2))
    few = retrain("--when", "5")
    assert (few["retrained"], few["new"], few["unknown"]) == (False, 4, {"other": 2})
    assert not (shop / "retrained" / "records").exists()

    name_photos("blue", range(1))
    done = retrain("--when", "5", "--test", test)
    assert (done["retrained"], done["promoted"]) == (True, False)
    version = done["version"]
    assert version["status"] == "PendingManualApproval"
    assert version["facts"]["named"] == "5"
    assert version["facts"]["network"] == "resnet20"
    assert version["description"] == "trained again with 5 photos that people named"
    assert done["comparison"]["photos"] == 12
    dataset = Dataset.load(shop / "retrained" / "records")
    packed = [dataset.splits[s].photos for s in ("train", "validation", "test")]
    assert (sum(packed), packed[2]) == (24 + 5 + 12, 12)
    assert (dataset.seed, dataset.train_ratio, dataset.preparation.size) == (3, 0.75, 28)

    again = retrain("--when", "1")
    assert (again["retrained"], again["named"], again["new"]) == (False, 5, 0)
    where = ["--name", NAME, "--port", str(cloud.port), "--json"]
    listed = json.loads(snapshelf_does("models", "list", *where))
    assert len(listed["versions"]) == 1
    assert listed["answering"][0]["digits"] != version["facts"]["artifact"]


def test_a_model_that_is_as_good_answers_at_once_if_told_so(
    deployment: Deployment,
    name_photos: Callable[[str, range], None],
    retrain: Callable[..., Any],
    shop: Path,
    cloud: CloudInfo,
) -> None:
    """And one that is not stays a version: what is promoted has as many test photos right.

    A photo of the test that somebody names is not trained on: the comparison would flatter.
    """
    name_photos("red", range(100, 102))
    tell(deployment, (shop / "photos" / "test" / "red" / "0.png").read_bytes(), "red")
    done = retrain("--when", "3", "--promote", "--test", str(shop / "photos" / "test"))
    comparison = done["comparison"]
    assert done["promoted"] == (comparison["second"] >= comparison["first"])
    where = ["--name", NAME, "--port", str(cloud.port), "--json"]
    answering = json.loads(snapshelf_does("models", "list", *where))["answering"]
    digits = done["version"]["facts"]["artifact"]
    assert (answering[0]["digits"] == digits) == done["promoted"]
    left_out = (shop / "retrained" / "records" / "left_out.csv").read_text().splitlines()
    assert [line.partition("/")[0] for line in left_out[1:]] == ["added1"]


def test_a_model_that_does_not_tell_how_it_was_trained_is_refused(
    target: Target, shop: Path, cloud: CloudInfo, tmp_path: Path
) -> None:
    """With the way out, and before anything is packed."""
    artifact = write_small_artifact(tmp_path / "model")
    deployed = deploy("silent", target, DeployOptions(artifact, feedback=True), ignore)
    try:
        tell(deployed, (shop / "photos" / "train" / "red" / "0.png").read_bytes(), "red")
        words = [
            "models",
            "retrain",
            str(shop / "photos" / "train"),
            "--out",
            str(tmp_path / "out"),
        ]
        where = ["--name", "silent", "--port", str(cloud.port), "--when", "1"]
        refused = CliRunner().invoke(snapshelf, [*words, *where]).exception
        assert isinstance(refused, TrainingError)
        assert "does not tell how it was trained" in refused.message
        assert not (tmp_path / "out" / "records").exists()
    finally:
        destroy(scope_of("silent", target), ignore)
