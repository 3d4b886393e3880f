"""The five systems' own clients, written anew from their contracts, against one running stack."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import itertools
import json
import os
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from infra.deploy.deployment import Deployment, deploy
from infra.deploy.executor import destroy
from infra.deploy.options import DeployOptions
from infra.deploy.scope import scope_of
from infra.targets import resolve_target
from scripts.commands.prepare import prepare_command
from testing.small_model import write_small_artifact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.launch import CloudInfo
    from infra.targets import Target

TREE = {
    "1000001": ["MUSIC", "RECORDS", "RED"],
    "1000002": ["PHONES", "CASES", "GREEN"],
    "1000003": ["BOOKS", "NOVELS", "BLUE"],
}
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "api.md"
COLOURS = {"red": (250, 1, 1), "green": (1, 250, 1), "blue": (1, 1, 250)}


def ignore(label: str, outcome: str) -> None:
    """A progress callback for tests that are not about it."""


@pytest.fixture(scope="module")
def target(cloud: CloudInfo) -> Target:
    return resolve_target("local", port=cloud.port, environ={})


@pytest.fixture(scope="module")
def stack(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Two models, feedback on, and photos of less than 0.9 kept for labelling."""
    colours = write_small_artifact(tmp_path_factory.mktemp("colours"))
    catalogue = write_small_artifact(tmp_path_factory.mktemp("catalogue"), list(TREE), TREE)
    options = DeployOptions(
        colours, models=(("catalogue", catalogue),), feedback=True, capture_below=0.9
    )
    yield deploy("clients", target, options, ignore)
    destroy(scope_of("clients", target), ignore)


def photo(colour: tuple[int, int, int], kind: str = "JPEG", size: int = 60) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(buffer, kind)
    return buffer.getvalue()


def speckled(colour: tuple[int, int, int], seed: int) -> bytes:
    """A photo of a colour that no other resembles."""
    noise = np.random.default_rng(seed).integers(0, 60, (40, 40, 3))
    pixels = np.clip(np.array(colour) * 0.8 + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((80, 80)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def url_of(data: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_the_marketplaces_client(stack: Deployment, content_type: str) -> None:
    """It posts the canvas's data URL as it is, and reads the probabilities by number."""
    asked = urllib.request.Request(
        f"{stack.api_url}/",
        data=url_of(photo(COLOURS["blue"])).encode(),
        headers={"Content-Type": content_type},
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        reply = json.loads(answer.read())
    assert list(reply) == ["0", "1", "2", "verdict"]
    assert reply["verdict"] == "blue"
    assert sum(reply[number] for number in "012") == pytest.approx(1, abs=1e-5)
    assert reply["2"] == max(reply[number] for number in "012")


def test_the_refund_departments_client(stack: Deployment, tmp_path: Path) -> None:
    """A night's folder in one request; predictions.csv, and the accuracy from the files' names."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(30):
        colour = list(COLOURS.values())[number % 3]
        image = photo(colour, "PNG", size=28)
        (folder / f"image_{number}_label_{number % 3}.png").write_bytes(image)
    files = sorted(folder.iterdir())
    images = [base64.b64encode(file.read_bytes()).decode() for file in files]
    reply = httpx.post(f"{stack.api_url}/process_batch", json={"images": images}, timeout=60)
    assert reply.status_code == 200
    assert set(reply.json()) == {"predictions"}

    with (tmp_path / "predictions.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["filename", "prediction"])
        predicted = zip(files, reply.json()["predictions"], strict=True)
        writer.writerows((file.name, number) for file, number in predicted)
    with (tmp_path / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    labels = [re.search(r"label_(\d+)", row["filename"])[1] for row in rows]  # type: ignore[index]
    assert labels == [row["prediction"] for row in rows]


def test_a_large_batch_with_a_bad_photo_loses_no_other(stack: Deployment) -> None:
    """Its place is null and says why; by the contract's own wording the batch is 400."""
    image = base64.b64encode(photo(COLOURS["green"], "PNG", size=28)).decode()
    damaged = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(60)).decode()
    images = [image] * 100 + [damaged] + [image] * 100
    address = f"{stack.api_url}/process_batch"
    reply = httpx.post(f"{address}?bad_photos=null", json={"images": images}, timeout=60).json()
    assert reply["predictions"] == [1] * 100 + [None] + [1] * 100
    assert [error["index"] for error in reply["errors"]] == [100]
    assert httpx.post(address, json={"images": images[99:102]}, timeout=60).status_code == 400
    for body in ({}, {"images": "x"}, []):
        assert httpx.post(address, json=body, timeout=60).status_code == 400


@pytest.mark.parametrize("path", ["predict", "predict/"])
def test_cdiscounts_client(stack: Deployment, path: str) -> None:
    """A form's file, at an address of its own model; with and without the slash."""
    reply = httpx.post(
        f"{stack.api_url}/models/catalogue/{path}",
        files={"file": ("a.jpg", photo(COLOURS["green"]), "image/jpeg")},
        timeout=60,
    )
    assert reply.status_code == 200
    found = reply.json()["model_response"]
    assert (found["category_index"], found["category_id"]) == ("1", 1000002)
    assert (found["category_l1"], found["category_l2"], found["category_l3"]) == tuple(
        TREE["1000002"]
    )
    assert re.fullmatch(r"[01]\.\d\d", found["confidence"])
    for name in ("response_time", "model_inference_time"):
        assert re.fullmatch(r"\d+\.\d{4}s", reply.json()[name])


def test_cdiscounts_greeting(stack: Deployment) -> None:
    """The address itself answers."""
    assert httpx.get(f"{stack.api_url}/", timeout=60).json()["message"].startswith("Welcome")


@pytest.mark.parametrize(("colour", "expected"), [("red", True), ("blue", False)])
def test_a_client_of_one_category(stack: Deployment, colour: str, expected: bool) -> None:
    """Mobile or not: the probability of the named category, and yes or no at its threshold."""
    reply = httpx.post(
        f"{stack.api_url}/classify",
        json={"image": url_of(photo(COLOURS[colour]))},
        timeout=60,
    ).json()
    chances = {each["category"]: each["probability"] for each in reply["categories"]}
    assert (chances["red"] >= reply["threshold"]) is expected
    assert (reply["verdict"] == "red") is expected


def test_models_answer_side_by_side(stack: Deployment) -> None:
    """The same photo by two models; a third is not there."""
    names = [m["name"] for m in httpx.get(f"{stack.api_url}/models", timeout=60).json()["models"]]
    assert names == ["default", "catalogue"]
    verdicts = [
        httpx.post(
            f"{stack.api_url}/models/{name}/classify",
            content=photo(COLOURS["red"]),
            headers={"Content-Type": "image/jpeg"},
            timeout=60,
        ).json()["verdict"]
        for name in names
    ]
    assert verdicts == ["red", "1000001"]
    missing = httpx.get(f"{stack.api_url}/models/clients-catalogue/health", timeout=60)
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown_model")


def test_the_description_is_true_of_the_stack(stack: Deployment) -> None:
    """Paths below its server's address answer, and as it says; the page comes with its policy."""
    served = httpx.get(f"{stack.api_url}/openapi.json", timeout=60)
    description = served.json()
    folder = str(served.url.join(description["servers"][0]["url"])).rstrip("/")
    for path in ("/categories", "/health", "/models", "/"):
        reply = httpx.get(f"{folder}{path}", timeout=60)
        good = description["paths"][path]["get"]["responses"][str(reply.status_code)]
        schema = good["content"]["application/json"]["schema"]
        jsonschema.validate(reply.json(), {**schema, "components": description["components"]})
    page = httpx.get(f"{stack.api_url}/docs", timeout=60)
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "/process_batch" in page.text


def give(stack: Deployment, image: bytes, category: str) -> httpx.Response:
    said = {"image": url_of(image), "category": category, "consent": True, "predicted": "red"}
    return httpx.post(f"{stack.api_url}/feedback", json=said, timeout=60)


def test_feedback_becomes_training_data(
    stack: Deployment,
    target: Target,
    cloud: CloudInfo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What people say lies in category folders, once, and `prepare` packs it from there."""
    given = {
        category: [speckled(colour, seed) for seed in range(10 * at, 10 * at + 6)]
        for at, (category, colour) in enumerate([*COLOURS.items(), ("other", (90, 90, 90))])
    }
    replies = [give(stack, image, name) for name, images in given.items() for image in images]
    assert {reply.status_code for reply in replies} == {200}
    assert give(stack, given["red"][0], "red").json()["stored"] == replies[0].json()["stored"]
    bucket = scope_of("clients", target).artifact_bucket
    s3 = target.client("s3")
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix="feedback/")["Contents"]]
    assert sorted(keys) == sorted(
        f"feedback/{name}/{hashlib.sha256(image).hexdigest()}.jpg"
        for name, images in given.items()
        for image in images
    )
    assert s3.head_object(Bucket=bucket, Key=keys[0])["Metadata"]["consent"] == "true"

    for name, value in environment(cloud).items():
        monkeypatch.setenv(name, value)
    out = tmp_path / "records"
    ran = CliRunner().invoke(
        prepare_command, [f"s3://{bucket}/feedback/", "--out", str(out), "--workers", "1"]
    )
    assert ran.exit_code == 0, ran.output
    dataset = json.loads((out / "dataset.json").read_text())
    assert dataset["classes"] == sorted(given)
    assert sum(split["photos"] for split in dataset["splits"].values()) == 24


BLOCKS = re.findall(r"```(sh|json)\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
EXAMPLES = [
    (text, json.loads(after[1]) if after[0] == "json" else None)
    for (kind, text), after in itertools.pairwise([*BLOCKS, ("", "")])
    if kind == "sh"
]


@pytest.mark.parametrize(("commands", "shown"), EXAMPLES)
def test_documented_examples_work(
    stack: Deployment, tmp_path: Path, commands: str, shown: dict[str, Any] | None
) -> None:
    """Each example of docs/api.md is answered, with the members that are shown there."""
    (tmp_path / "photo.jpg").write_bytes(photo(COLOURS["green"]))
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands.replace("curl ", 'curl --fail -w "\\n" ')],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "API": stack.api_url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    replies = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(replies) == commands.count("curl ")
    if shown is not None:
        assert members(replies[0]) == members(shown)


def members(document: Any) -> Any:
    """The names in a document, without its values."""
    if isinstance(document, dict):
        return {name: members(value) for name, value in document.items()}
    return [members(document[0])] if isinstance(document, list) else None


def environment(cloud: CloudInfo) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": cloud.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def test_unsure_answers_are_kept_for_labelling(stack: Deployment, target: Target) -> None:
    """Grey is no colour of the model's; a sure answer is not kept."""
    grey, red = photo((128, 120, 120)), photo(COLOURS["red"])
    for image in (grey, red):
        httpx.post(
            f"{stack.api_url}/classify",
            content=image,
            headers={"Content-Type": "image/jpeg"},
            timeout=60,
        ).raise_for_status()
    found = target.client("s3").list_objects_v2(
        Bucket=scope_of("clients", target).artifact_bucket, Prefix="to-label/"
    )
    keys = [each["Key"] for each in found["Contents"]]
    assert f"to-label/{hashlib.sha256(grey).hexdigest()}.jpg" in keys
    assert f"to-label/{hashlib.sha256(red).hexdigest()}.jpg" not in keys


def test_log_lines_hold_the_requests_id_and_its_figures(stack: Deployment, target: Target) -> None:
    """One JSON object a request, found by the id that the client was given."""
    reply = httpx.post(
        f"{stack.api_url}/process_batch", json={"images": [url_of(photo((1, 1, 250)))]}, timeout=60
    )
    wanted = reply.headers["X-Request-Id"]
    logs = target.client("logs")
    group = scope_of("clients", target).function_logs
    lines: list[dict[str, Any]] = []
    while not lines:  # the log is written behind the answer
        events = logs.filter_log_events(logGroupName=group)["events"]
        lines = [json.loads(e["message"]) for e in events if wanted in e["message"][:2000]]
        lines = [line for line in lines if line.get("message") == "answered"]
    (line,) = lines
    assert line["request_id"] == wanted
    assert (line["status"], line["route"], line["photos"]) == (200, "/process_batch", 1)
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Snapshelf"
