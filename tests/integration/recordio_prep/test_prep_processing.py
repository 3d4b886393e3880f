"""A processing job's hosts pack their shares apart, and together they make one dataset."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from contracts import DatasetError
from recordio_prep import Dataset, prepare, read_records
from recordio_prep.processing.environment import Environment, leave_message
from recordio_prep.processing.merge import main as merge_main
from recordio_prep.processing.merge import merge

CLASSES = ("bird", "cat", "dog")
OPTIONS = ("--size=16", "--shard-size=10", "--workers=1")


@pytest.fixture
def photos(tmp_path, make_photos):
    """120 photos in three categories, and one that is damaged."""
    names = [f"{category}/{n:02d}.png" for category in CLASSES for n in range(40)]
    folder = make_photos(tmp_path / "photos", dict.fromkeys(names))
    (folder / "cat" / "damaged, really.png").write_bytes(b"damaged")
    return folder


def lay_out(base, photos, keys, host, hosts):
    """A container as SageMaker makes it: this host's share of the keys, and the two documents."""
    for key in keys:
        copy = base / "processing" / "input" / "photos" / key
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.hardlink_to(photos / key)
    (base / "processing" / "input" / "photos").mkdir(parents=True, exist_ok=True)
    (base / "processing" / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    (base / "config").mkdir()
    resources = {"current_host": host, "hosts": hosts}
    (base / "config" / "resourceconfig.json").write_text(json.dumps(resources))
    given = {"LocalPath": "/opt/ml/processing/input/photos", "S3Uri": "s3://bucket/photos/"}
    given |= {"S3DataDistributionType": "ShardedByS3Key", "S3DataType": "S3Prefix"}
    output = {"LocalPath": "/opt/ml/processing/output/records", "S3Uri": "s3://bucket/records/"}
    job = {
        "ProcessingInputs": [{"InputName": "photos", "S3Input": given}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "records", "S3Output": output}]},
    }
    (base / "config" / "processingjobconfig.json").write_text(json.dumps(job))
    return base


def start(base, *options):
    """The container's program."""
    classes = f"--classes={base}/processing/classes.txt"
    return subprocess.Popen(
        [sys.executable, "-m", "recordio_prep.processing", classes, *OPTIONS, *options],
        cwd=Path(__file__).parents[3],
        env=os.environ | {"SAGEMAKER_BASE_DIR": str(base)},
        stderr=subprocess.PIPE,
    )


def run_job(tmp_path, photos, shares, *options):
    """A job of so many hosts, at the same time; returns the prefix that they all upload to."""
    hosts = [f"algo-{number}" for number in range(1, len(shares) + 1)]
    bases = [
        lay_out(tmp_path / host, photos, keys, host, hosts)
        for host, keys in zip(hosts, shares, strict=True)
    ]
    running = [start(base, *options) for base in bases]
    for process in running:
        stderr = process.communicate(timeout=60)[1]
        assert process.returncode == 0, stderr.decode()
    prefix = tmp_path / "uploaded"
    prefix.mkdir()
    for base in bases:
        for path in (base / "processing" / "output" / "records").iterdir():
            assert not (prefix / path.name).exists(), path.name
            path.rename(prefix / path.name)
    return prefix


def keys_of(photos):
    """As S3 lists them."""
    return sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))


def records_of(folder):
    """Every record by its path: split, class and pixels' bytes; the numbers apart."""
    records, numbers = {}, []
    for shard in json.loads((folder / "manifest.json").read_text())["shards"]:
        listing = (folder / f"{shard['name']}.lst").read_text().splitlines()
        for line, (header, content) in zip(
            listing, read_records(folder / f"{shard['name']}.rec"), strict=True
        ):
            number, label, path = line.split("\t")
            assert (header.index, header.labels) == (int(number), (float(label),))
            assert path not in records
            records[path] = (shard["split"], int(label), content)
            numbers.append((shard["split"], int(number)))
    assert len(set(numbers)) == len(numbers)
    return records


def test_the_hosts_records_are_the_dataset(tmp_path, photos):
    """Every photo once, where one host alone would have put it, and as `prepare` encodes it."""
    keys = keys_of(photos)
    together = run_job(tmp_path / "two", photos, [keys[::2], keys[1::2]])
    alone = run_job(tmp_path / "one", photos, [keys])
    dataset = merge(together)
    assert dataset == Dataset.load(together)
    records = records_of(together)
    assert len(records) == 120
    one_host = merge(alone)
    assert records == records_of(alone)
    assert (one_host.splits, one_host.preparation) == (dataset.splits, dataset.preparation)
    prepare(photos, tmp_path / "prepared", size=16, shard_size=10, encoding="png")
    prepared = {
        path: content for path, (_, _, content) in records_of(tmp_path / "prepared").items()
    }
    held_back = {path: one[2] for path, one in records.items() if one[0] == "validation"}
    assert held_back
    assert held_back.items() <= prepared.items()


def test_what_a_host_leaves_out_is_listed_by_all(tmp_path, photos):
    """With its reason, once."""
    keys = keys_of(photos)
    folder = run_job(tmp_path / "two", photos, [keys[::2], keys[1::2]])
    assert merge(folder).left_out == 1
    rows = list(csv.reader((folder / "left_out.csv").read_text().splitlines()))
    assert [row[0] for row in rows] == ["path", "cat/damaged, really.png"]


def test_the_joined_list_holds_no_formula(tmp_path, photos):
    """As the list of one machine."""
    (photos / "=1+1.png").write_bytes(b"damaged")
    folder = run_job(tmp_path / "one", photos, [keys_of(photos)])
    merge(folder)
    assert "\n'=1+1.png," in (folder / "left_out.csv").read_text()


def test_about_the_ratio_is_trained_on(tmp_path, photos):
    """Each photo is decided for itself: on average, not exactly."""
    folder = run_job(tmp_path / "job", photos, [keys_of(photos)], "--train-ratio=0.5")
    trained = merge(folder).splits["train"].photos
    assert abs(trained - 60) < 4 * np.sqrt(120 * 0.5 * 0.5)


def test_everything_is_trained_on_at_a_ratio_of_one(tmp_path, photos):
    """Without a validation split."""
    folder = run_job(tmp_path / "job", photos, [keys_of(photos)], "--train-ratio=1")
    assert {name: split.photos for name, split in merge(folder).splits.items()} == {"train": 120}


def test_a_host_may_have_one_class_or_none(tmp_path, photos):
    """Keys are shared out in their order, and there may be fewer than hosts."""
    keys = keys_of(photos)
    folder = run_job(tmp_path / "job", photos, [keys[:30], keys[30:], []])
    assert sum(split.photos for split in merge(folder).splits.values()) == 120


def test_a_part_or_shard_that_is_missing_is_told(tmp_path, photos):
    """Nothing vouches for half a dataset."""
    keys = keys_of(photos)
    folder = run_job(tmp_path / "job", photos, [keys[::2], keys[1::2]])
    shard = folder / "train_00001.rec"
    shard.rename(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match=r"train_00001\.rec has None bytes"):
        merge(folder)
    (tmp_path / "elsewhere").rename(shard)
    (folder / "part_00001.json").unlink()
    with pytest.raises(DatasetError, match="no part of host 1"):
        merge(folder)
    assert not (folder / "dataset.json").exists()
    assert merge_main([str(folder)]) == 1


def test_why_a_job_failed_is_its_exit_message(tmp_path, photos):
    """As DescribeProcessingJob tells it: a class that is not in the list here."""
    keys = keys_of(photos)
    base = lay_out(tmp_path / "job", photos, keys, "algo-1", ["algo-1"])
    (base / "processing" / "classes.txt").write_text("bird\ncat\n")
    process = start(base)
    process.communicate(timeout=60)
    assert process.returncode == 1
    message = (base / "output" / "message").read_text()
    assert "unknown category dog, expected some of bird, cat" in message
    assert not list((base / "processing" / "output" / "records").glob("*.rec"))


def test_a_message_is_cut_between_letters(tmp_path):
    """SageMaker fails a job whose message is not UTF-8, and takes 1 KB of it."""
    leave_message({"SAGEMAKER_BASE_DIR": str(tmp_path)}, "x" * 1023 + "é")
    assert (tmp_path / "output" / "message").read_text() == "x" * 1023


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        (None, "resourceconfig.json"),
        ({"hosts": ["algo-1"]}, "current_host"),
        ({"current_host": "algo-9", "hosts": ["algo-1"]}, "host algo-9"),
    ],
)
def test_a_container_that_is_laid_out_otherwise_is_told(tmp_path, photos, resources, message):
    """By what is amiss."""
    base = lay_out(tmp_path / "job", photos, [], "algo-1", ["algo-1"])
    document = base / "config" / "resourceconfig.json"
    document.unlink() if resources is None else document.write_text(json.dumps(resources))
    with pytest.raises(DatasetError, match=message):
        Environment.from_environ({"SAGEMAKER_BASE_DIR": str(base)})


def test_an_output_that_the_job_lacks_is_told(tmp_path, photos):
    """With those that it has."""
    base = lay_out(tmp_path / "job", photos, [], "algo-1", ["algo-1"])
    environment = Environment.from_environ({"SAGEMAKER_BASE_DIR": str(base)})
    with pytest.raises(DatasetError, match="no input or output shards, expected one of photos"):
        environment.folder("shards")
