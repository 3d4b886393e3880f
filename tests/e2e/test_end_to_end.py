"""The whole way over real processes: photos, records, training job, endpoint, Lambda, page."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from click.testing import CliRunner
from drawn_photos import SHAPES, draw_photos
from playwright.sync_api import sync_playwright

from contracts import ARTIFACT_FILE
from infra import training_jobs
from infra.deploy.deployment import Deployment, deploy
from infra.deploy.executor import Action, compare
from infra.deploy.options import DeployOptions
from infra.deploy.plan import build_plan
from infra.deploy.scope import scope_of
from infra.local import launch
from infra.targets import Target, resolve_target
from infra.training_channels import upload_records
from recordio_prep import prepare
from scripts.commands.classify import classify_command
from scripts.commands.evaluate import evaluate_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.launch import CloudInfo

NAME = "shelf"
HYPERPARAMETERS = {
    "num_layers": "18",
    "image_shape": "3,28,28",
    "epochs": "4",
    "mini_batch_size": "16",
    "learning_rate": "0.02",
}
SCREENSHOTS = Path(__file__).parents[2] / ".build" / "screenshots"


@dataclass
class Shelf:
    """A trained and deployed model, and what it was made from."""

    target: Target
    deployment: Deployment
    artifact: Path
    test_photos: Path
    metrics: dict[str, float]
    log: list[str]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudInfo]:
    """A cloud of these tests' own: others ask the session's what it holds."""
    state = tmp_path_factory.mktemp("shelf-cloud")
    yield launch.start(state, port=0, attached=True)
    launch.stop(state)


@pytest.fixture(scope="module")
def shelf(cloud: CloudInfo, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Photos prepared, trained on in a training job, and deployed, over the real local cloud."""
    root = tmp_path_factory.mktemp("shelf")
    draw_photos(root / "train", 40, seed=1)
    draw_photos(root / "test", 12, seed=2)
    prepare(root / "train", root / "records", size=28, test=root / "test")
    target = resolve_target("local", port=cloud.port, environ={})
    scope = scope_of(NAME, target)
    training_jobs.make_storage(scope, lambda *_: None)
    channels = upload_records(target, root / "records", scope.artifact_bucket)
    log: list[str] = []
    job = training_jobs.plan_job(scope, channels, HYPERPARAMETERS)
    result = training_jobs.run(target, job, log.append)
    artifact = training_jobs.download_model(target, result.model_uri, root / ARTIFACT_FILE)
    deployment = deploy(NAME, target, DeployOptions(artifact), lambda *_: None)
    return Shelf(target, deployment, artifact, root / "test", dict(result.metrics), log)


def test_training_job_tells_its_epochs_and_metrics(shelf: Shelf) -> None:
    """The log's lines are the built-in algorithm's, and its metrics come back from SageMaker."""
    text = "\n".join(shelf.log)
    assert re.search(r"Epoch\[0\] Train-accuracy=\d\.\d{6}", text)
    assert re.search(r"Epoch\[3\] Validation-accuracy=\d\.\d{6}", text)
    assert "Storing the best model with validation accuracy: " in text
    assert set(shelf.metrics) == {"train:accuracy", "validation:accuracy", "test:accuracy"}
    assert shelf.metrics["test:accuracy"] > 0.5


def test_accuracy_over_http_is_the_one_that_training_reported(shelf: Shelf) -> None:
    """Every test photo posted as it is: as many right answers as the training job counted."""
    photos = sorted(shelf.test_photos.rglob("*.jpg"))
    right = 0
    with httpx.Client(timeout=30) as api:
        for path in photos:
            reply = api.post(
                f"{shelf.deployment.api_url}/classify",
                content=path.read_bytes(),
                headers={"Content-Type": "image/jpeg", "Accept": "application/json"},
            ).raise_for_status()
            right += reply.json()["categories"][0]["category"] == path.parent.name
    assert right == round(shelf.metrics["test:accuracy"] * len(photos))


def test_evaluate_counts_the_same(shelf: Shelf, tmp_path: Path) -> None:
    """`snapshelf evaluate` on the artifact and folder gives the training job's accuracy."""
    arguments = [str(shelf.artifact), str(shelf.test_photos), "--out", str(tmp_path), "--json"]
    result = CliRunner().invoke(evaluate_command, arguments, catch_exceptions=False)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert result.exit_code == 0
    assert metrics["accuracy"] == pytest.approx(shelf.metrics["test:accuracy"], abs=1e-6)
    rows = (tmp_path / "predictions.csv").read_text().splitlines()
    assert len(rows) == 1 + metrics["photos"]


def test_classify_command_answers_by_deployment_name(shelf: Shelf) -> None:
    """`snapshelf classify` finds the API by name and prints one answer for each photo."""
    photo = next(shelf.test_photos.rglob("ball/*.jpg"))
    port = str(httpx.URL(shelf.target.endpoint_url or "").port)
    arguments = [str(photo), "--name", NAME, "--port", port, "--json"]
    result = CliRunner().invoke(classify_command, arguments, catch_exceptions=False)
    (answer,) = json.loads(result.stdout)["photos"]
    assert {row["category"] for row in answer["reply"]["categories"]} == set(SHAPES)


def test_categories_and_health_name_the_model(shelf: Shelf) -> None:
    """GET /categories and GET /health answer from the endpoint's model card."""
    categories = httpx.get(f"{shelf.deployment.api_url}/categories", timeout=30).json()
    health = httpx.get(f"{shelf.deployment.api_url}/health", timeout=30).json()
    assert categories["categories"] == sorted(SHAPES)
    assert health["status"] == "ok"
    assert health["model_version"]


def start_transform(shelf: Shelf, name: str) -> list[str]:
    """Begin to transform all test photos to `answers/<name>/`; the photos' names."""
    bucket = scope_of(NAME, shelf.target).artifact_bucket
    s3, sagemaker = shelf.target.client("s3"), shelf.target.client("sagemaker")
    photos = sorted(shelf.test_photos.rglob("*.jpg"))
    names = [path.relative_to(shelf.test_photos).as_posix() for path in photos]
    for path, key in zip(photos, names, strict=True):
        s3.upload_file(str(path), bucket, f"photos/{key}")
    (model,) = sagemaker.list_models()["Models"]
    sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=model["ModelName"],
        TransformInput={
            "ContentType": "image/jpeg",
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/photos/"}
            },
        },
        TransformOutput={"S3OutputPath": f"s3://{bucket}/answers/{name}"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    return names


def right_answers(shelf: Shelf, name: str, photos: list[str]) -> int:
    """Wait for a transform; how many of its answers are the photo's folder."""
    bucket = scope_of(NAME, shelf.target).artifact_bucket
    s3, sagemaker = shelf.target.client("s3"), shelf.target.client("sagemaker")
    waiter = sagemaker.get_waiter("transform_job_completed_or_stopped")
    waiter.wait(TransformJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    right = 0
    for photo in photos:
        body = s3.get_object(Bucket=bucket, Key=f"answers/{name}/{photo}.out")["Body"]
        prediction = json.load(body)["prediction"]
        right += sorted(SHAPES)[prediction.index(max(prediction))] == photo.partition("/")[0]
    return right


def test_a_batch_transform_of_a_folder_is_as_right_as_the_endpoint(shelf: Shelf) -> None:
    """Every test photo gets its `.out` with the built-in algorithm's batch answer."""
    photos = start_transform(shelf, "folder")
    right = right_answers(shelf, "folder", photos)
    assert right == round(shelf.metrics["test:accuracy"] * len(photos))


def test_a_damaged_photo_is_the_clients_fault(shelf: Shelf) -> None:
    """Bytes that begin like a JPEG and are none: 400 with a code, over the whole way and back."""
    reply = httpx.post(
        f"{shelf.deployment.api_url}/classify",
        content=b"\xff\xd8\xff\xe0" + b"\0" * 200,
        headers={"Content-Type": "image/jpeg", "Accept": "application/json"},
        timeout=30,
    )
    assert reply.status_code == 400
    assert reply.json()["code"] == "unreadable_photo"
    assert reply.headers["access-control-allow-origin"] == "*"


def test_deploying_again_changes_nothing(shelf: Shelf) -> None:
    """A second plan over what stands holds no step to make or change."""
    scope = scope_of(NAME, shelf.target)
    steps = compare(build_plan(scope, DeployOptions(shelf.artifact)))
    assert {step.action for step in steps} == {Action.KEEP}


def test_function_with_the_model_answers_as_the_endpoint_does(shelf: Shelf) -> None:
    """The same trained network on Lambda's older libraries: every probability within 1e-4."""
    options = DeployOptions(shelf.artifact, lambda_only=True)
    alone = deploy("alone", shelf.target, options, lambda *_: None)
    photos = sorted(shelf.test_photos.rglob("*.jpg"))
    with httpx.Client(timeout=60) as api:
        replies = [
            [
                api.post(
                    f"{url}/classify",
                    content=path.read_bytes(),
                    headers={"Content-Type": "image/jpeg", "Accept": "application/json"},
                )
                .raise_for_status()
                .json()
                for path in photos
            ]
            for url in (shelf.deployment.api_url, alone.api_url)
        ]
    for endpoints, functions in zip(*replies, strict=True):
        probabilities = [
            {row["category"]: row["probability"] for row in reply["categories"]}
            for reply in (endpoints, functions)
        ]
        assert probabilities[1] == pytest.approx(probabilities[0], abs=1e-4)
        same = ("verdict", "reason", "threshold", "model_version")
        assert [functions[name] for name in same] == [endpoints[name] for name in same]


def test_page_classifies_a_photo_in_chromium(shelf: Shelf) -> None:
    """The deployed page, from its bucket, in a real browser: choose a photo, read the answer."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium: install it (Debian: apt-get install chromium)")
    photo = next(shelf.test_photos.rglob("box/*.jpg"))
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-quic", "--disable-background-networking"],
        )
        page = browser.new_page()
        page.goto(shelf.deployment.page_url)
        page.set_input_files("#file", str(photo))
        answer = page.locator(".entry .answer")
        answer.wait_for(state="visible", timeout=30_000)
        text = answer.inner_text()
        page.screenshot(path=SCREENSHOTS / "end-to-end.png", full_page=True)
        browser.close()
    assert all(shape in text.lower() for shape in SHAPES)


def test_everything_comes_back_after_down_and_up(cloud: CloudInfo, shelf: Shelf) -> None:
    """The API answers from its endpoint, finished jobs are known, one under way is finished."""
    sagemaker = shelf.target.client("sagemaker")
    (job,) = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    photos = start_transform(shelf, "broken-off")
    status = sagemaker.describe_transform_job(TransformJobName="broken-off")["TransformJobStatus"]
    assert status == "InProgress"
    assert launch.stop(cloud.state)
    launch.start(cloud.state, port=cloud.port, attached=True)

    photo = next(shelf.test_photos.rglob("ball/*.jpg"))
    reply = httpx.post(
        f"{shelf.deployment.api_url}/classify",
        content=photo.read_bytes(),
        headers={"Content-Type": "image/jpeg", "Accept": "application/json"},
        timeout=60,
    )
    assert reply.status_code == 200, reply.text
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == [job]
    right = right_answers(shelf, "broken-off", photos)
    assert right == round(shelf.metrics["test:accuracy"] * len(photos))
    log = shelf.target.client("logs")
    group = "/aws/sagemaker/TransformJobs"
    events = log.filter_log_events(logGroupName=group)["events"]
    assert any("The local cloud was restarted" in event["message"] for event in events)
