"""Photos that people named, on a mocked AWS: counted, and brought to this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.deploy.executor import apply
from infra.deploy.plan import Plan, Planned
from infra.deploy.resources import Bucket
from infra.registry.feedback import Feedback, by_category

if TYPE_CHECKING:
    from pathlib import Path

    from infra.deploy.scope import Scope

KEYS = ("feedback/red/aa.jpg", "feedback/red/bb.png", "feedback/blue/aa.jpg")
NO_PHOTOS = (
    "feedback/loose.jpg",
    "feedback/../red/x.jpg",
    "feedback/red/..",
    "feedback/red/deep/x.jpg",
    "feedback/.hidden/x.jpg",
    "to-label/x.jpg",
)


def ignore(*_: object) -> None:
    """What nobody listens to."""


@pytest.fixture
def feedback(scope: Scope) -> Feedback:
    """The feedback of a deployment whose bucket stands and holds some."""
    apply(Plan(scope, (Planned(Bucket(scope.artifact_bucket)),)), ignore)
    for key in (*KEYS, *NO_PHOTOS):
        body = key.encode()
        scope.client("s3").put_object(Bucket=scope.artifact_bucket, Key=key, Body=body)
    return Feedback(scope)


def below(folder: Path) -> dict[str, bytes]:
    """Every file's content by its path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_photos_in_category_folders_count_and_nothing_else(feedback: Feedback) -> None:
    """A key that would lead out of its folder is none of the API's."""
    found = feedback.named()
    assert {photo.key for photo in found} == set(KEYS)
    assert by_category(found) == {"red": 2, "blue": 1}
    assert all(photo.moment.tzinfo for photo in found)


def test_without_a_bucket_nobody_has_named_anything(scope: Scope) -> None:
    """A deployment that never stood is no error here."""
    assert Feedback(scope).named() == []


def test_photos_are_laid_in_category_folders_and_each_is_fetched_once(
    feedback: Feedback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second time only what is new comes."""
    feedback.bring(feedback.named(), tmp_path / "named", ignore)
    assert below(tmp_path / "named") == {
        key.removeprefix("feedback/"): key.encode() for key in KEYS
    }
    fetched: list[str] = []
    original = Feedback._fetch

    def fetch(self: Feedback, photo: object, path: Path) -> None:
        fetched.append(path.name)
        original(self, photo, path)  # type: ignore[arg-type]

    monkeypatch.setattr(Feedback, "_fetch", fetch)
    s3, bucket = feedback.scope.client("s3"), feedback.scope.artifact_bucket
    s3.put_object(Bucket=bucket, Key="feedback/red/cc.jpg", Body=b"new")
    feedback.bring(feedback.named(), tmp_path / "named", ignore)
    assert fetched == ["cc.jpg"]


def test_a_photo_that_was_deleted_in_s3_is_taken_away(feedback: Feedback, tmp_path: Path) -> None:
    """Whoever looks feedback over deletes what is wrong there; its category goes with the last."""
    folder = tmp_path / "named"
    feedback.bring(feedback.named(), folder, ignore)
    (folder / "red" / ".bb.png").write_bytes(b"half of it, from a run that was killed")
    s3, bucket = feedback.scope.client("s3"), feedback.scope.artifact_bucket
    for key in ("feedback/blue/aa.jpg", "feedback/red/aa.jpg"):
        s3.delete_object(Bucket=bucket, Key=key)
    feedback.bring(feedback.named(), folder, ignore)
    assert below(folder) == {"red/bb.png": b"feedback/red/bb.png"}
    assert [path.name for path in folder.iterdir()] == ["red"]
