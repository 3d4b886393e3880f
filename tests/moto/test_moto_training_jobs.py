"""Records and training jobs against a mocked AWS account."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from contracts import DeployError, TrainingError
from infra import training_jobs
from infra.deploy.executor import TRAINING_LOGS
from infra.training_channels import Channel, upload_records
from infra.training_jobs import (
    TrainingJob,
    download_model,
    make_storage,
    plan_job,
    run,
)

if TYPE_CHECKING:
    from pathlib import Path

    from infra.deploy.scope import Scope

MOMENT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def ignore(*_: object) -> None:
    """A callback for tests that are not about it."""


@pytest.fixture
def storage(scope: Scope) -> Scope:
    make_storage(scope, ignore)
    return scope


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """A train and a validation split, and what stands beside them."""
    folder = tmp_path / "records"
    folder.mkdir()
    (folder / "dataset.json").write_text(json.dumps({"fingerprint": "sha256:0123456789abcdef"}))
    for split in ("train", "validation"):
        for suffix in ("rec", "idx", "lst"):
            (folder / f"{split}.{suffix}").write_text(f"{split} {suffix}")
    return folder


@pytest.fixture
def job(storage: Scope, records: Path) -> TrainingJob:
    channels = upload_records(storage.target, records, storage.artifact_bucket)
    return plan_job(storage, channels, {"epochs": "6"}, moment=MOMENT)


def keys_in(scope: Scope) -> list[str]:
    listed = scope.client("s3").list_objects_v2(Bucket=scope.artifact_bucket)
    return [entry["Key"] for entry in listed.get("Contents", [])]


def test_each_split_becomes_a_channel_with_its_dataset(storage: Scope, records: Path) -> None:
    """Channels are prefixes that hold one split's files and dataset.json."""
    channels = upload_records(storage.target, records, storage.artifact_bucket)
    root = f"s3://{storage.artifact_bucket}/datasets/0123456789ab"
    assert channels == (
        Channel("train", f"{root}/train/"),
        Channel("validation", f"{root}/validation/"),
    )
    assert [key for key in keys_in(storage) if "/train/" in key] == [
        f"datasets/0123456789ab/train/{name}"
        for name in ("dataset.json", "train.idx", "train.lst", "train.rec")
    ]


def test_standing_records_are_not_sent_again(storage: Scope, records: Path) -> None:
    """Only the file whose content changed is uploaded by the second run."""
    upload_records(storage.target, records, storage.artifact_bucket)
    (records / "train.rec").write_text("other rec")  # of the same size
    sent: list[tuple[str, int, int]] = []
    upload_records(
        storage.target,
        records,
        storage.artifact_bucket,
        on_upload=lambda *part: sent.append(part),
    )
    assert sent == [("datasets/0123456789ab/train/train.rec", 9, 9)]


def test_folder_without_records_is_refused(storage: Scope, records: Path) -> None:
    """The error says what was looked for, before anything is uploaded."""
    for path in records.glob("*.rec"):
        path.unlink()
    with pytest.raises(TrainingError, match=r"holds no records: expected train\.rec"):
        upload_records(storage.target, records, storage.artifact_bucket)
    assert keys_in(storage) == []


@pytest.mark.parametrize("content", [None, "{}", "not JSON"])
def test_records_need_a_fingerprint(storage: Scope, records: Path, content: str | None) -> None:
    """Without one the keys would not tell one dataset from another."""
    (records / "dataset.json").unlink()
    if content is not None:
        (records / "dataset.json").write_text(content)
    with pytest.raises(TrainingError, match="names no fingerprint"):
        upload_records(storage.target, records, storage.artifact_bucket)


def test_missing_bucket_is_a_deploy_error(scope: Scope, records: Path) -> None:
    """boto3's own exceptions do not leave this module."""
    with pytest.raises(DeployError, match=r"could not be uploaded to .*NoSuchBucket"):
        upload_records(scope.target, records, scope.artifact_bucket)


def test_job_is_asked_for_as_the_built_in_algorithm_is(job: TrainingJob, scope: Scope) -> None:
    """SageMaker's own parameter check takes the request, and keeps all of it."""
    run(scope.target, job, ignore)
    found = scope.client("sagemaker").describe_training_job(TrainingJobName=job.name)
    assert job.name == "shelf-train-20260504030201"
    assert found["HyperParameters"] == {"epochs": "6"}
    assert found["RoleArn"] == "arn:aws:iam::123456789012:role/shelf-eu-central-1-training"
    assert found["AlgorithmSpecification"]["TrainingImage"] == (
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com/snapshelf-training:latest"
    )
    assert {c["ChannelName"] for c in found["InputDataConfig"]} == {"train", "validation"}
    assert {c["ContentType"] for c in found["InputDataConfig"]} == {"application/x-recordio"}
    assert found["CheckpointConfig"]["S3Uri"].endswith(f"/checkpoints/{job.name}")


def test_log_lines_are_passed_on_in_order_and_once(job: TrainingJob, scope: Scope) -> None:
    """Every line of the job's own stream arrives, none of another job's."""
    logs = scope.client("logs")
    logs.create_log_group(logGroupName=TRAINING_LOGS)
    for stream, text in ((f"{job.name}/algo-1-1", "line"), ("another/algo-1-1", "foreign")):
        logs.create_log_stream(logGroupName=TRAINING_LOGS, logStreamName=stream)
        now = int(datetime.now(UTC).timestamp() * 1000)
        events = [{"timestamp": now + n, "message": f"{text} {n}"} for n in range(3)]
        logs.put_log_events(logGroupName=TRAINING_LOGS, logStreamName=stream, logEvents=events)
    lines: list[str] = []
    run(scope.target, job, lines.append)
    assert lines == ["line 0", "line 1", "line 2"]


def test_failed_job_tells_its_reason(
    job: TrainingJob, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FailureReason is the error's message, and the hint says where the log is."""
    failed = {"TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: no photos"}
    monkeypatch.setattr(training_jobs, "_watch", lambda *_: failed)
    with pytest.raises(TrainingError, match="Failed, expected Completed: AlgorithmError") as raised:
        run(scope.target, job, ignore)
    assert job.name in raised.value.hint


def test_interrupt_stops_the_job(
    job: TrainingJob, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C leaves no job running, and is still Ctrl-C to the caller."""
    stopped: list[str] = []

    def answer(params: dict[str, Any], **_: Any) -> tuple[SimpleNamespace, dict[str, Any]]:
        stopped.append(json.loads(params["body"])["TrainingJobName"])
        return SimpleNamespace(status_code=200), {}  # in place of moto, which lacks the operation

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training_jobs, "_watch", interrupt)
    events = scope.client("sagemaker").meta.events
    events.register("before-call.sagemaker.StopTrainingJob", answer)
    with pytest.raises(KeyboardInterrupt):
        run(scope.target, job, ignore)
    events.unregister("before-call.sagemaker.StopTrainingJob", answer)
    assert stopped == [job.name]


def test_job_without_train_channel_is_refused(scope: Scope) -> None:
    """SageMaker would start an instance to find out."""
    with pytest.raises(TrainingError, match="no train channel"):
        plan_job(scope, (Channel("validation", "s3://b/v/"),), {}, moment=MOMENT)


def test_model_is_fetched_whole_or_not_at_all(storage: Scope, tmp_path: Path) -> None:
    """A missing artifact leaves what stood before, and no part of a file."""
    out = tmp_path / "model" / "model.tar.gz"
    uri = f"s3://{storage.artifact_bucket}/training/job/output/model.tar.gz"
    storage.client("s3").put_object(
        Bucket=storage.artifact_bucket, Key="training/job/output/model.tar.gz", Body=b"artifact"
    )
    assert download_model(storage.target, uri, out).read_bytes() == b"artifact"
    with pytest.raises(DeployError, match="cannot be fetched"):
        download_model(storage.target, uri + ".missing", out)
    assert [path.name for path in out.parent.iterdir()] == ["model.tar.gz"]
    assert out.read_bytes() == b"artifact"


def test_model_uri_must_name_an_object(scope: Scope, tmp_path: Path) -> None:
    """What is no s3:// URI is refused with the form that is expected."""
    with pytest.raises(DeployError, match="expected s3://bucket/key"):
        download_model(scope.target, "https://example.com/model.tar.gz", tmp_path / "m")


def test_training_role_reads_and_writes_one_bucket(storage: Scope) -> None:
    """A job reaches no other data of the account."""
    iam = storage.client("iam")
    (name,) = iam.list_role_policies(RoleName=storage.training_role)["PolicyNames"]
    answer = iam.get_role_policy(RoleName=storage.training_role, PolicyName=name)
    s3 = [s for s in answer["PolicyDocument"]["Statement"] if s["Action"][0].startswith("s3:")]
    bucket = f"arn:aws:s3:::{storage.artifact_bucket}"
    assert [statement["Resource"] for statement in s3] == [bucket, f"{bucket}/*"]
