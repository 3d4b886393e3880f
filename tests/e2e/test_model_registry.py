"""`snapshelf models` over the local cloud: registered, tried, promoted, compared, taken back."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from PIL import Image

from infra.deploy.deployment import deploy
from infra.deploy.executor import destroy
from infra.deploy.options import DeployOptions
from infra.deploy.scope import scope_of
from infra.targets import resolve_target
from scripts.cli import snapshelf
from testing.small_model import write_small_artifact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from infra.deploy.scope import Scope
    from infra.local import launch

NAME = "registered"
COLOURS = {"red": (200, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 200)}

Run = "Callable[..., str]"


def ignore(_label: str, _outcome: str) -> None:
    """What an `OnStep` hears that nobody listens to."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two artifacts that name the same photos, one of them green and blue the wrong way round."""
    folder = tmp_path_factory.mktemp("models")
    right = write_small_artifact(folder / "right")
    return [write_small_artifact(folder / "mixed", ("red", "blue", "green")), right]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight photos of each colour in category folders."""
    root = tmp_path_factory.mktemp("photos")
    for category, colour in COLOURS.items():
        (root / category).mkdir()
        for number in range(8):
            shade = tuple(min(255, value + number) for value in colour)
            Image.new("RGB", (32, 32), shade).save(root / category / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def scope(cloud: launch.CloudInfo, models: list[Path]) -> Iterator[Scope]:
    """A deployment of the first model."""
    target = resolve_target("local", port=cloud.port, environ={})
    deploy(NAME, target, DeployOptions(models[0], data_capture=100), ignore)
    scope = scope_of(NAME, target)
    yield scope
    destroy(scope, ignore)


@pytest.fixture
def run(scope: Scope, cloud: launch.CloudInfo) -> Callable[..., str]:
    """Runs `snapshelf models …` on the deployment; what it prints."""

    def run(*arguments: str) -> str:
        where = ["--name", scope.name, "--port", str(cloud.port)]
        done = CliRunner().invoke(snapshelf, ["models", *arguments, *where], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def listed(run: Callable[..., str]) -> Any:
    """`snapshelf models list --json`."""
    return json.loads(run("list", "--json"))


def wait_for_capture(scope: Scope) -> None:
    """Until data capture has written something; it does so within a minute, or at the end."""
    deadline = time.monotonic() + 90
    where = {"Bucket": scope.artifact_bucket, "Prefix": "captured/"}
    while not scope.client("s3").list_objects_v2(**where)["KeyCount"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def answering(run: Callable[..., str]) -> list[tuple[int, float, bool]]:
    """Number, share and whether in the shadow, of each version that answers."""
    found = listed(run)
    numbers = {one["facts"]["artifact"]: one["number"] for one in found["versions"]}
    return [(numbers[o["digits"]], o["share"], o["shadow"]) for o in found["answering"]]


def test_a_better_model_is_registered_tried_promoted_and_taken_back(
    run: Callable[..., str], models: list[Path], photos: Path, tmp_path: Path
) -> None:
    """As a person would, one command after the other."""
    for path in models:
        run("register", str(path), "--note", path.parent.name)
    assert [one["description"] for one in listed(run)["versions"]] == ["right", "mixed"]
    assert answering(run) == [(1, 1.0, False)]

    found = json.loads(run("compare", "live", "2", str(photos), "--out", str(tmp_path), "--json"))
    assert (found["first"], found["second"]) == (pytest.approx(1 / 3), 1.0)
    assert (found["only_first"], found["only_second"], found["is_shown"]) == (0, 16, True)
    lines = (tmp_path / "differences.csv").read_text().splitlines()
    assert len(lines) == 17
    assert lines[1].startswith("blue/0.png,blue,green,0.9")

    run("try", "2", "--share", "100", "--shadow")
    assert answering(run) == [(1, 1.0, False), (2, 1.0, True)]
    run("rollback")
    run("try", "2", "--share", "25", "--other-categories")
    assert answering(run) == [(1, 0.75, False), (2, 0.25, False)]
    assert "version 2 answers every request" in run("promote", "2", "--other-categories")
    assert answering(run) == [(2, 1.0, False)]
    assert listed(run)["versions"][0]["status"] == "Approved"
    assert run("rollback") == "version 1 answers again\n"
    assert answering(run) == [(1, 1.0, False)]


def test_photos_that_were_asked_about_are_compared_with_those_of_before(
    run: Callable[..., str], scope: Scope, models: list[Path], photos: Path
) -> None:
    """What data capture kept of the live endpoint: two thirds more red, of those asked since."""
    runtime = scope.client("sagemaker-runtime")
    asked = [photo for photo in sorted(photos.rglob("*.png")) for _ in range(2)]
    asked += sorted((photos / "red").glob("*.png")) * 6
    for photo in asked:
        runtime.invoke_endpoint(
            EndpointName=scope.endpoint, ContentType="image/png", Body=photo.read_bytes()
        )
    other = json.loads(run("register", str(models[1]), "--json"))["number"]
    run("promote", str(other), "--other-categories")
    wait_for_capture(scope)  # what answered before ends, and writes what it holds
    many = [photos / name for name in COLOURS for _ in range(2)]
    reference = photos.parent / "reference"
    for number, folder in enumerate(many):
        shutil.copytree(folder, reference / str(number))
    found = json.loads(run("drift", "live", "--reference", str(reference), "--json"))
    assert (found["photos"], found["unreadable"]) == ([48, 96], [0, 0])
    assert found["categories"]["red"] == [pytest.approx(1 / 3), pytest.approx(64 / 96)]
    assert found["size"] == "large"
    run("rollback")


def test_a_rejected_version_is_not_promoted_by_mistake(
    scope: Scope, cloud: launch.CloudInfo, run: Callable[..., str], models: list[Path]
) -> None:
    """The error names the way to think again."""
    for path in models:
        run("register", str(path))
    run("reject", "2", "--reason", "green is blue")
    for doing in (["promote", "2"], ["try", "2", "--share", "5"]):
        words = ["models", *doing, "--name", scope.name, "--port", str(cloud.port)]
        refused = CliRunner().invoke(snapshelf, words)
        assert refused.exit_code == 1
        assert "version 2 of registered was rejected" in str(refused.exception)
    run("approve", "2")
    run("promote", "2", "--other-categories")
    words = ["models", "reject", "2", "--name", scope.name, "--port", str(cloud.port)]
    assert "version 2 still answers" in CliRunner().invoke(snapshelf, words).stderr
    run("approve", "2")
    run("rollback")


def test_a_version_of_other_categories_does_not_answer_by_mistake(
    scope: Scope, cloud: launch.CloudInfo, run: Callable[..., str], models: list[Path]
) -> None:
    """Old clients know categories by number: here 1 is green, there blue."""
    for path in models:
        run("register", str(path))
    for doing in (["promote", "2"], ["try", "2"]):
        words = ["models", *doing, "--name", scope.name, "--port", str(cloud.port)]
        refused = CliRunner().invoke(snapshelf, words)
        assert refused.exit_code == 1
        assert "the same in another order" in str(refused.exception)
    assert answering(run) == [(1, 1.0, False)]


def test_a_deployments_addresses_are_told_without_changing_it(
    scope: Scope, cloud: launch.CloudInfo
) -> None:
    """One value for a script, or everything as JSON."""
    where = ["--name", scope.name, "--port", str(cloud.port)]
    told = CliRunner().invoke(snapshelf, ["describe", *where, "--only", "api_url"]).stdout
    document = json.loads(CliRunner().invoke(snapshelf, ["describe", *where, "--json"]).stdout)
    assert told == f"{document['api_url']}\n"
    assert told.startswith(cloud.endpoint_url)
    absent = CliRunner().invoke(snapshelf, ["describe", "--name", "nowhere", *where[2:]])
    assert absent.exit_code == 1


def test_a_note_is_one_line(cloud: launch.CloudInfo, models: list[Path]) -> None:
    """SageMaker would refuse it in words of its own, behind the upload."""
    words = ["models", "register", str(models[0]), "--note", "two\nlines"]
    refused = CliRunner().invoke(snapshelf, [*words, "--port", str(cloud.port)])
    assert refused.exit_code == 2
    assert "expected one line of 1,024 at most" in refused.output


def test_destroying_a_deployment_takes_its_versions_along(
    cloud: launch.CloudInfo, models: list[Path], run: Callable[..., str]
) -> None:
    """Versions and group: of a deployment that never stood, too; another deployment's stay."""
    run("register", str(models[0]))
    words = ["models", "register", str(models[0]), "--name", "short", "--port", str(cloud.port)]
    assert CliRunner().invoke(snapshelf, words).exit_code == 0
    target = resolve_target("local", port=cloud.port, environ={})
    assert "registered versions" in destroy(scope_of("short", target), ignore)
    groups = target.client("sagemaker").list_model_package_groups()["ModelPackageGroupSummaryList"]
    assert "short" not in [group["ModelPackageGroupName"] for group in groups]
    assert answering(run) == [(1, 1.0, False)]
