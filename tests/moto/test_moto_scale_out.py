"""Preparation with S3 for spool and records: the same bytes as in a folder, whatever is killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from typing import TYPE_CHECKING

import boto3
import numpy as np
import pytest
from click.testing import CliRunner
from moto.server import ThreadedMotoServer
from PIL import Image

from contracts import DatasetError, RecordError
from recordio_prep import prepare, s3_storage, shards, spool_s3, workers
from recordio_prep.engines import started
from recordio_prep.errors import BrokenOffError
from recordio_prep.s3_records import S3Records
from recordio_prep.sources import s3_access
from recordio_prep.sources.folders import Folders
from recordio_prep.sources.s3 import S3Prefix
from recordio_prep.spool import Piece
from recordio_prep.spool_s3 import S3Spool
from scripts.cli import snapshelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUCKET = "shelf-records"
OUT = f"s3://{BUCKET}/records/"
OPTIONS = {"size": 16, "shard_size": 25}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """S3 that other processes reach, too."""
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture(autouse=True)
def aws(server: str) -> Iterator[None]:
    """In place of the mock within this process: that server, by the environment."""
    settings = {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    former = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    s3_access._client_of.cache_clear()
    yield
    s3_access._client_of.cache_clear()
    for name, value in former.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture
def bucket(aws: None):
    """An empty bucket."""
    s3 = boto3.resource("s3").Bucket(BUCKET)
    s3.create()
    yield s3
    s3.objects.delete()
    s3.delete()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """80 photos in two categories, one of them damaged: twenty chunks of four."""
    random = np.random.default_rng(0)
    for category in ("cat", "dog"):
        folder = tmp_path / "photos" / category
        folder.mkdir(parents=True)
        for number in range(40):
            pixels = random.integers(0, 256, (9, 12, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    (tmp_path / "photos" / "cat" / "05.png").write_bytes(b"damaged")
    return tmp_path / "photos"


@pytest.fixture
def local(photos: Path, tmp_path: Path) -> dict[str, bytes]:
    """What a run writes that knows nothing of S3."""
    prepare(photos, tmp_path / "local", workers=1, **OPTIONS)
    return {path.name: path.read_bytes() for path in (tmp_path / "local").glob("[!.]*")}


def written(bucket) -> dict[str, bytes]:
    """The records in S3, without what tells times."""
    found = {one.key.removeprefix("records/"): one for one in bucket.objects.all()}
    return {name: one.get()["Body"].read() for name, one in found.items() if name[0] != "."}


def test_records_in_s3_are_those_of_a_folder(bucket, photos, local, tmp_path) -> None:
    """Byte for byte, from two processes; of the work nothing is left, here or there."""
    prepare(photos, OUT, workers=2, state=tmp_path / "state", **OPTIONS)
    assert written(bucket) == local
    hidden = [one.key for one in bucket.objects.all() if "/." in one.key]
    assert hidden == ["records/.stamp.json"]
    assert not (tmp_path / "state" / ".preparing").exists()


def test_a_second_run_keeps_what_is_there(bucket, photos, tmp_path, monkeypatch) -> None:
    """No photo is read, and dataset.json is not written again."""
    first = prepare(photos, OUT, workers=1, state=tmp_path / "state", **OPTIONS)
    version = S3Records(OUT).version()
    monkeypatch.setattr(Folders, "read", None)
    assert prepare(photos, OUT, workers=1, state=tmp_path / "state", **OPTIONS) == first
    assert S3Records(OUT).version() == version is not None


def test_records_that_are_no_longer_wanted_are_removed(bucket, photos, local, tmp_path) -> None:
    """And nothing else is."""
    bucket.put_object(Key="records/train_00099.rec", Body=b"of an earlier run")
    bucket.put_object(Key="records/notes.txt", Body=b"a person's own")
    prepare(photos, OUT, workers=1, state=tmp_path / "state", **OPTIONS)
    assert written(bucket) == local | {"notes.txt": b"a person's own"}


@pytest.fixture
def in_this_process(monkeypatch):
    """So that what is patched holds for the work too."""
    monkeypatch.setattr(workers, "worker_count", lambda *_: 0)


@pytest.mark.usefixtures("in_this_process")
def test_a_driver_that_is_killed_goes_on_from_there(bucket, photos, local, tmp_path) -> None:
    """Finished chunks are not encoded again, and dataset.json is away meanwhile."""
    state = tmp_path / "state"
    bucket.put_object(Key="records/dataset.json", Body=b"of an earlier run")
    for owner, name, at in ((S3Spool, "write", 5), (shards, "_write", 3)):
        process = multiprocessing.get_context("fork").Process(
            target=killed_at, args=(owner, name, at, photos, state)
        )
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
    names = {one.key for one in bucket.objects.all()}
    assert "records/dataset.json" not in names
    assert "records/train_00001.rec" in names
    stood = bucket.Object("records/train_00001.rec").last_modified
    reads = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Folders, "read", lambda self, path: reads.append(path) or read(self, path))
        prepare(photos, OUT, workers=1, state=state, **OPTIONS)
    assert len(reads) <= 2  # those that their final split wants encoded otherwise
    assert bucket.Object("records/train_00001.rec").last_modified == stood
    assert written(bucket) == local


read = Folders.read


def killed_at(owner, name, at, photos, state):
    """Prepare, and die at the call number `at` of a function."""
    function, calls = getattr(owner, name), []

    def deadly(*arguments):
        calls.append(1)
        if len(calls) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)

    setattr(owner, name, deadly)
    prepare(photos, OUT, workers=1, state=state, **OPTIONS)


def test_workers_of_an_engine_read_and_write_s3(bucket, photos, local, tmp_path) -> None:
    """Photos, spool and records, all of them there: this machine keeps the catalog alone."""
    pytest.importorskip("distributed", reason="needs the extra `dask`")
    for path in photos.rglob("*.png"):
        bucket.upload_file(str(path), f"photos/{path.relative_to(photos).as_posix()}")
    state = tmp_path / "state"
    with started("dask", 1, 2) as engine:
        address = engine.client.scheduler.address.replace("tcp://", "dask://")
        source = S3Prefix(f"s3://{BUCKET}/photos/")
        work = f"s3://{BUCKET}/work"
        prepare(source, OUT, engine=address, work=work, state=state, **OPTIONS)
    found = {one.key for one in bucket.objects.all()}
    assert not any(key.startswith("work") for key in found)
    for name, content in local.items():
        ours = bucket.Object(f"records/{name}").get()["Body"].read()
        assert ours == content, name


@pytest.mark.usefixtures("in_this_process")
def test_s3_that_refuses_costs_nothing_that_was_reached(
    bucket, photos, local, tmp_path, monkeypatch
) -> None:
    """The catalog stays, and the same call ends the work."""
    state = tmp_path / "state"
    with monkeypatch.context() as patch:
        patch.setattr(s3_storage, "write", refusing_after(6))
        with pytest.raises(BrokenOffError, match="no such day"):
            prepare(photos, OUT, workers=1, state=state, **OPTIONS)
    assert (state / ".preparing" / "catalog.sqlite").exists()
    prepare(photos, OUT, workers=1, state=state, **OPTIONS)
    assert written(bucket) == local


def refusing_after(calls):
    """An upload that works so often."""
    write, made = s3_storage.write, []

    def refusing(address, content):
        made.append(address)
        if len(made) > calls:
            raise BrokenOffError("no such day")
        write(address, content)

    return refusing


def test_a_bucket_that_is_not_there_is_told_with_its_mend(aws, photos, tmp_path) -> None:
    """By the command line too."""
    with pytest.raises(BrokenOffError, match="does not exist") as caught:
        prepare(photos, "s3://not-there/records", state=tmp_path / "state", **OPTIONS)
    assert "aws s3 ls" in caught.value.hint


def test_a_whole_bucket_is_not_taken_for_records(photos, tmp_path) -> None:
    """What else is in it would be in danger."""
    with pytest.raises(DatasetError, match="a whole bucket"):
        prepare(photos, "s3://shelf-records/", state=tmp_path / "state", **OPTIONS)


def test_records_among_the_photos_are_refused(aws, tmp_path) -> None:
    """The next run would list them."""
    source = S3Prefix(f"s3://{BUCKET}/photos")
    with pytest.raises(DatasetError, match="a prefix apart from the photos"):
        prepare(source, f"s3://{BUCKET}/photos/records", state=tmp_path / "state", **OPTIONS)


def test_payloads_come_back_in_order_from_few_requests(bucket, monkeypatch) -> None:
    """Neighbours are read together, a piece that is far away apart, one that repeats once."""
    spool = S3Spool(f"s3://{BUCKET}/work")
    payloads = [bytes([number]) * 1000 for number in range(100)]
    spool.write(0, payloads)
    spool.write(1, [b"x" * 100_000, b"y" * 100_000, b"z" * 10])
    pieces = [Piece(0, number * 1000, 1000) for number in range(100)]
    pieces = [pieces[number * 37 % 100] for number in range(100)]
    pieces += [Piece(1, 200_000, 10), Piece(1, 0, 10), pieces[3]]
    asked = []
    asking = s3_storage.read
    monkeypatch.setattr(
        spool_s3.s3_storage, "read", lambda *what: asked.append(what) or asking(*what)
    )
    with spool.reader() as reader:
        found = list(reader.payloads(pieces))
    assert found[:100] == [payloads[number * 37 % 100] for number in range(100)]
    assert found[100:] == [b"z" * 10, b"x" * 10, found[3]]
    assert len(asked) == 3


def test_a_chunk_that_has_gone_is_told(bucket) -> None:
    """Or one that is shorter than was noted."""
    spool = S3Spool(f"s3://{BUCKET}/work")
    spool.write(0, [b"short"])
    with spool.reader() as reader:
        with pytest.raises(RecordError, match="has gone"):
            list(reader.payloads([Piece(7, 0, 10)]))
        with pytest.raises(RecordError, match="ends before 10"):
            list(reader.payloads([Piece(0, 0, 10)]))


def test_the_command_line_writes_to_s3(bucket, photos, local, tmp_path) -> None:
    """And says of a second run that nothing changed."""
    arguments = ["prepare", str(photos), "--out", OUT, "--size", "16", "--shard-size", "25"]
    arguments += ["--catalog", str(tmp_path / "state"), "--workers", "1", "--json"]
    results = [CliRunner().invoke(snapshelf, arguments, catch_exceptions=False) for _ in range(2)]
    first, second = (json.loads(result.stdout.splitlines()[-1]) for result in results)
    assert (first["up_to_date"], second["up_to_date"]) == (False, True)
    assert first["records"] == OUT
    assert written(bucket) == local
