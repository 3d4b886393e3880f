"""The nightly job on the real local cloud: started by its schedule, killed, finished by the next."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from PIL import Image

from infra.deploy.deployment import deploy
from infra.deploy.executor import destroy
from infra.deploy.options import DeployOptions
from infra.deploy.scope import scope_of
from infra.local import launch
from infra.targets import resolve_target
from scripts.commands.batch import batch_command
from testing.small_model import CATEGORIES, write_small_artifact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from infra.local.launch import CloudInfo
    from infra.targets import Target

NAME, BUCKET = "returns", "returns-photos"
COLOURS = ((230, 30, 40), (30, 220, 60), (20, 40, 240))
COUNT = 90
BAD = "new/bad.jpg"
SIDE = 1200  # pixels: long to decode and few bytes, so that there is a middle to kill the job in


@dataclass
class Night:
    """The cloud, and the clients and names by which the test looks into it."""

    cloud: CloudInfo
    target: Target

    @property
    def s3(self) -> Any:
        return self.target.client("s3")

    def answers(self) -> dict[str, tuple[datetime, str]]:
        """When and what was answered, by key."""
        pages = self.s3.get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=BUCKET, Prefix="sorted/answers/")
        return {
            item["Key"]: (item["LastModified"], item["ETag"])
            for page in found
            for item in page.get("Contents", [])
        }

    def tables(self) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix="sorted/nights/")
        keys = (item["Key"] for item in listed.get("Contents", []))
        return [key for key in keys if key.endswith(".csv")]

    def start_by_schedule(self) -> None:
        """Move the next start to now; all else of the schedule stays as it was installed."""
        scheduler = self.target.client("scheduler")
        standing = scheduler.get_schedule(Name=f"{NAME}-nightly")
        kept = ("Name", "Description", "FlexibleTimeWindow", "Target", "State")
        soon = datetime.now(UTC) + timedelta(seconds=1)
        scheduler.update_schedule(
            ScheduleExpression=f"at({soon:%Y-%m-%dT%H:%M:%S})",
            **{member: standing[member] for member in kept},
        )


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """A deployment, photos in a bucket, and a schedule that the command line installed."""
    state = tmp_path_factory.mktemp("nightly-cloud")
    cloud = launch.start(state, port=0, attached=True)
    target = resolve_target("local", port=cloud.port, environ={})
    artifact = write_small_artifact(tmp_path_factory.mktemp("artifact"))
    deploy(NAME, target, DeployOptions(artifact), lambda *_: None)
    s3 = target.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for number in range(COUNT):
        s3.put_object(Bucket=BUCKET, Key=key_of(number), Body=PHOTOS[number % 3])
    s3.put_object(Bucket=BUCKET, Key=BAD, Body=b"\xff\xd8\xff\xe0" + b"\0" * 50)
    yield Night(cloud, target)
    launch.stop(state)


def photo(colour: tuple[int, int, int], side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


PHOTOS = [photo(colour, SIDE) for colour in COLOURS]


def key_of(number: int) -> str:
    return f"new/image_{number:03d}_label_{number % 3}.png"


def schedule(night: Night, *options: str) -> dict[str, Any]:
    arguments = ["schedule", "0 19 * * *", "--as", "eventbridge", "--json", *options]
    arguments += ["--in", f"s3://{BUCKET}/new", "--out", f"s3://{BUCKET}/sorted", "--name", NAME]
    arguments += ["--port", str(night.cloud.port), "--columns", "label,confidence,verdict,error"]
    result = CliRunner().invoke(batch_command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def until(condition: Callable[[], object], log: str = "") -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, log or "waited for two minutes"
        time.sleep(0.05)


def test_the_schedule_is_shown_then_made_then_unchanged(night: Night) -> None:
    """As every plan: what would be made, what was, and that a second time finds all as wanted."""
    shown = schedule(night)
    assert shown["expression"] == "cron(0 19 * * ? *)"
    assert set(shown["steps"].values()) == {"make"}
    schedule(night, "--install")
    assert set(schedule(night)["steps"].values()) == {"unchanged"}
    standing = night.target.client("scheduler").get_schedule(Name=f"{NAME}-nightly")
    assert standing["ScheduleExpression"] == "cron(0 19 * * ? *)"
    assert standing["Target"]["Arn"].endswith(f":function:{NAME}-nightly")


def test_a_night_that_is_killed_is_finished_by_the_next_start(night: Night) -> None:
    """The schedule starts the function, which starts a transform; the whole cloud is killed amid it.

    Behind the restart the schedule's next start writes the table: each photo once, in order, with
    the answer that it had before the kill where it had one.
    """
    night.start_by_schedule()
    until(lambda: len(night.answers()) >= 5, "the schedule started nothing")
    os.kill(night.cloud.pid, signal.SIGKILL)
    os.waitpid(night.cloud.pid, 0)  # with all its threads: the port is free
    launch.start(night.cloud.state, port=night.cloud.port, attached=True)
    before = night.answers()
    assert len(before) < COUNT
    assert night.tables() == []

    night.start_by_schedule()
    until(night.tables)
    (table,) = night.tables()
    text = night.s3.get_object(Bucket=BUCKET, Key=table)["Body"].read().decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    names = [key_of(number).removeprefix("new/") for number in range(COUNT)]
    assert [row["filename"] for row in rows] == sorted([*names, "bad.jpg"])
    for row, number in zip(rows[1:], range(COUNT), strict=True):
        assert (row["prediction"], row["error"]) == (str(number % 3), "")
        assert row["label"] == row["verdict"] == CATEGORIES[number % 3]
    assert rows[0]["prediction"] == ""
    assert "bad.jpg" in rows[0]["error"]
    after = night.answers()
    assert {key: after[key] for key in before} == before, "an answered photo was sent again"
    jobs = night.target.client("sagemaker").list_transform_jobs()["TransformJobSummaries"]
    assert len(jobs) == 1


def test_the_next_night_is_about_what_is_new(night: Night) -> None:
    """One photo more: one row; with none, no night."""
    invoke = night.target.client("lambda").invoke
    event = json.loads(
        night.target.client("scheduler").get_schedule(Name=f"{NAME}-nightly")["Target"]["Input"]
    )

    def start() -> dict[str, Any]:
        answer = invoke(FunctionName=f"{NAME}-nightly", Payload=json.dumps(event))
        assert "FunctionError" not in answer, answer["Payload"].read()
        told: dict[str, Any] = json.load(answer["Payload"])
        return told

    assert start() == {"photos": 0}
    night.s3.put_object(Bucket=BUCKET, Key="new/late_label_2.png", Body=PHOTOS[2])
    told = start()
    assert (told["photos"], told["answered"], told["failed"]) == (1, 1, 0)
    assert start() == {"photos": 0}
    assert len(night.tables()) == 2


def test_the_same_photos_through_the_api_give_the_same_table(night: Night, tmp_path: Path) -> None:
    """`snapshelf batch run` from S3 through gateway, function and endpoint: numbers and labels."""
    for number in range(7):
        s3, body = night.s3, photo(COLOURS[number % 3], 28)
        s3.put_object(Bucket=BUCKET, Key=f"small/{number}_label_{number % 3}.png", Body=body)
    night.s3.put_object(Bucket=BUCKET, Key="small/bad.png", Body=b"no photo")
    out = tmp_path / "predictions.csv"
    arguments = ["run", "--in", f"s3://{BUCKET}/small", "--out", str(out), "--name", NAME]
    arguments += ["--port", str(night.cloud.port), "--columns", "label,verdict,error", "--json"]
    arguments += ["--move-done", f"s3://{BUCKET}/done", "--batch-size", "3"]
    result = CliRunner().invoke(batch_command, arguments, catch_exceptions=False)
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (told["answered"], told["failed"], told["accuracy"]["accuracy"]) == (7, 1, 1.0)
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == [*(CATEGORIES[n % 3] for n in range(7)), ""]
    assert "JPEG, PNG" in rows[-1]["error"]
    left = night.s3.list_objects_v2(Bucket=BUCKET, Prefix="small/")["Contents"]
    assert [item["Key"] for item in left] == ["small/bad.png"]


def test_destroying_the_deployment_ends_the_schedule(night: Night) -> None:
    """Schedule, function and roles go with it; the photos and tables, which are not ours, stay."""
    destroy(scope_of(NAME, night.target), lambda *_: None)
    scheduler = night.target.client("scheduler")
    assert scheduler.list_schedules()["Schedules"] == []
    assert len(night.tables()) == 2
    told = night.target.client("iam").list_roles()["Roles"]
    assert [role["RoleName"] for role in told if role["RoleName"].startswith(NAME)] == []
