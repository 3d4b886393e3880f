"""The demo, from photos to answers in the browser over the local cloud, in eight steps."""

from __future__ import annotations

import io
import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import httpx

from contracts import ARTIFACT_FILE, PNG, DeployError
from infra import training_jobs
from infra.deploy.deployment import deploy
from infra.deploy.executor import OUTCOMES
from infra.deploy.options import DeployOptions
from infra.deploy.scope import scope_of
from infra.local import launch
from infra.targets import Target, resolve_target
from infra.training_channels import upload_records
from photo import prepare_photo
from recordio_prep import Dataset, prepare
from scripts.fashion_mnist import fetch_fashion_mnist, write_folders

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from infra.deploy.deployment import Deployment

NAME = "snapshelf"
TRAIN_PER_CLASS, TEST_PER_CLASS = 1000, 100

HYPERPARAMETERS = {
    "num_layers": "34",
    "image_shape": "3,112,112",
    "epochs": "6",
    "epoch_photos": "2400",
    "stem_pooling": "2",
    "mini_batch_size": "32",
    "learning_rate": "0.05",
    "lr_schedule": "exponential",
    "lr_decay": "0.3",
}
"""A ResNet-34 within five minutes on two cores.

Its first layer halves the 112 pixels, which quarters the work and costs nothing here: Fashion-MNIST
has 28. Trials that began with smaller pictures and ended at the full 112 fell back by 2 to 20
points at every step up, and had no time left to recover.
"""

MODEL_STAMP = "trained-with.json"
STEPS = 8
SHOWN = 5
_QUIET_LINES = ("ImageRecordI", "Deprecat")
_API_SECONDS = 35


@dataclass(frozen=True, slots=True)
class Photos:
    """Category folders to train on, and others, never trained on, to test with."""

    train: Path
    test: Path | None


class Demo:
    """One run over one folder and port; each step keeps what a former run left and still holds."""

    def __init__(self, folder: Path, port: int, photos: Path | None) -> None:
        self.folder = folder
        self.port = port
        self.own_photos = photos
        self._steps = itertools.count(1)

    def run(self) -> Deployment:
        """Every step up to the answers; the cloud is left running."""
        photos = self._find_photos()
        dataset = self._prepare(photos)
        target = self._start_cloud()
        model = self._train(target, dataset)
        deployment = self._deploy(target, model)
        self._classify(deployment, photos)
        self._report(deployment)
        return deployment

    def _find_photos(self) -> Photos:
        if self.own_photos is None:
            self._say("Getting Fashion-MNIST, 28 x 28 grey photos of clothes in 10 categories")
            folder = self.folder / "photos"
            source = fetch_fashion_mnist(self.folder / "downloads")
            write_folders(
                source, folder, train_per_class=TRAIN_PER_CLASS, test_per_class=TEST_PER_CLASS
            )
            return Photos(folder / "train", folder / "test")
        self._say(f"Taking the photos in {self.own_photos}")
        train, test = self.own_photos / "train", self.own_photos / "test"
        if train.is_dir() and any(entry.is_dir() for entry in train.iterdir()):
            return Photos(train, test if test.is_dir() else None)
        return Photos(self.own_photos, None)

    def _prepare(self, photos: Photos) -> Dataset:
        self._say("Packing them as 112 x 112 RGB into RecordIO")
        dataset = prepare(photos.train, self.records, train_ratio=0.95, test=photos.test)
        counts = ", ".join(f"{split.photos:,} {name}" for name, split in dataset.splits.items())
        _detail(f"{counts}; {dataset.left_out} left out")
        return dataset

    def _start_cloud(self) -> Target:
        self._say("Starting the local cloud: S3, IAM, Lambda, API Gateway, SageMaker")
        cloud = launch.start(self.folder / "cloud", self.port, attached=True)
        _detail(f"{cloud.endpoint_url}, log in {self.folder / 'cloud' / launch.LOG_FILE}")
        return resolve_target("local", port=cloud.port, environ={})

    def _train(self, target: Target, dataset: Dataset) -> Path:
        # Few photos of one's own may be less than a batch.
        batch = min(int(HYPERPARAMETERS["mini_batch_size"]), dataset.splits["train"].photos)
        hyperparameters = HYPERPARAMETERS | {"mini_batch_size": str(batch)}
        settings = {"fingerprint": dataset.fingerprint, **hyperparameters}
        artifact, stamp = self.folder / ARTIFACT_FILE, self.folder / MODEL_STAMP
        if artifact.exists() and _read(stamp) == settings:
            self._say("Uploading the records to S3: done before")
            self._say("Training: the model of the former run still holds")
            return artifact
        self._say("Uploading the records to S3")
        scope = scope_of(NAME, target)
        training_jobs.make_storage(scope, _tell_step)
        channels = upload_records(target, self.records, scope.artifact_bucket)
        for channel in channels:
            _detail(channel.uri)
        self._say("Training a ResNet-34 as a SageMaker training job (about five minutes)")
        stamp.unlink(missing_ok=True)
        job = training_jobs.plan_job(scope, channels, hyperparameters)
        result = training_jobs.run(target, job, _tell_log)
        training_jobs.download_model(target, result.model_uri, artifact)
        stamp.with_suffix(".metrics").write_text(json.dumps(dict(result.metrics)))
        partial = stamp.with_suffix(".partial")
        partial.write_text(json.dumps(settings))
        partial.replace(stamp)
        return artifact

    def _deploy(self, target: Target, model: Path) -> Deployment:
        self._say("Deploying: model, endpoint, role, Lambda function, REST API, page")
        return deploy(NAME, target, DeployOptions(model), _tell_step)

    def _classify(self, deployment: Deployment, photos: Photos) -> None:
        self._say("Asking the page's API about photos that it has never seen")
        with httpx.Client(timeout=_API_SECONDS) as api:
            for path in self._unseen(photos):
                _print_answer(path, _ask(api, deployment, path))

    def _unseen(self, photos: Photos) -> list[Path]:
        """One photo of each of the first categories that the network has not been trained on."""
        root, split = (photos.test, "test") if photos.test else (photos.train, "validation")
        listing = self.records / f"{split}.lst"
        rows = listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []
        paths = [row.split("\t")[2] for row in rows]
        first = {path.split("/")[0]: root / path for path in reversed(paths)}
        return [first[category] for category in sorted(first)][:SHOWN]

    def _report(self, deployment: Deployment) -> None:
        self._say("Done")
        metrics = _read(self.folder / MODEL_STAMP.replace(".json", ".metrics"))
        for name in ("test", "validation"):
            if f"{name}:accuracy" in metrics:
                _detail(f"{name} accuracy  {metrics[f'{name}:accuracy']:.2%}")
        _detail(f"page           {deployment.page_url}")
        _detail(f"               {deployment.object_url}")
        _detail(f"API            {deployment.api_url}/classify")

    @property
    def records(self) -> Path:
        return self.folder / "records"

    def _say(self, text: str) -> None:
        click.secho(f"[{next(self._steps)}/{STEPS}] {text}", bold=True)


def _ask(api: httpx.Client, deployment: Deployment, path: Path) -> dict[str, Any]:
    """Post the photo as the page does: made small first."""
    small = io.BytesIO()
    prepare_photo(path.read_bytes()).save(small, "PNG")
    headers = {"Content-Type": PNG, "Accept": "application/json"}
    url = f"{deployment.api_url}/classify"
    try:
        response = api.post(url, content=small.getvalue(), headers=headers)
    except httpx.HTTPError as error:
        raise DeployError(
            f"{url}: {error or type(error).__name__}", hint="run the demo again: it goes on here"
        ) from error
    if not response.is_success:
        raise DeployError(
            f"{path}: the API answered {response.status_code}: {response.text}",
            hint="the cloud's log tells more",
        )
    reply: dict[str, Any] = response.json()
    return reply


def _print_answer(path: Path, reply: Mapping[str, Any]) -> None:
    ranked = "  ".join(
        f"{row['category']} {row['probability']:.1%}" for row in reply["categories"][:3]
    )
    _detail(f"{path.parent.name + '/' + path.name:<24} {ranked}")


def _tell_step(label: str, outcome: str) -> None:
    if outcome in OUTCOMES:
        _detail(f"{label:<66} {outcome}")


def _tell_log(line: str) -> None:
    if not any(word in line for word in _QUIET_LINES):
        _detail(line)


def _detail(text: str) -> None:
    click.echo(f"      {text}")


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
