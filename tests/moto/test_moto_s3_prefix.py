"""Photos in S3: listed by the rules of category folders, read as they were listed, or told."""

from __future__ import annotations

import functools
import io
import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from PIL import Image

from contracts import DatasetError, PhotoError
from recordio_prep.errors import BrokenOffError
from recordio_prep.sources import s3, s3_access, s3_fetch
from recordio_prep.sources.s3 import S3Prefix
from recordio_prep.sources.s3_fetch import fetch
from recordio_prep.sources.source import LeftOut, Photo

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "shelf-photos"
SOURCE = S3Prefix(f"s3://{BUCKET}/photos")


def png() -> bytes:
    """A photo's bytes."""
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No region and no address that this machine has for its own use."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fresh_client() -> Iterator[None]:
    """A client that is made when it is first asked for, and forgotten."""
    s3_access._client_of.cache_clear()
    yield
    s3_access._client_of.cache_clear()


@pytest.fixture(scope="module", autouse=True)
def one_client() -> Iterator[None]:
    """Shared by the other tests, for to make one takes a quarter of a second."""
    s3_access._client_of.cache_clear()
    yield
    s3_access._client_of.cache_clear()


@functools.cache
def other_client():
    """S3 as another program sees it."""
    return boto3.client("s3", region_name="us-east-1")


@pytest.fixture
def bucket(aws):
    """An empty bucket."""
    other_client().create_bucket(Bucket=BUCKET)
    return other_client()


def put(bucket, *keys, body=b"x", **options):
    for key in keys:
        bucket.put_object(Bucket=BUCKET, Key=key, Body=body, **options)


def photos(source=SOURCE):
    return [entry for entry in source.entries() if isinstance(entry, Photo)]


def reasons(source=SOURCE):
    """Why keys were left out, by path."""
    return {e.path: e.reason for e in source.entries() if isinstance(e, LeftOut)}


def minded(source=SOURCE):
    """The left-out ones that were meant to be photos."""
    return {e.path for e in source.entries() if isinstance(e, LeftOut) and e.photo}


def refusing(code, status, message="no"):
    """What S3's refusal looks like to boto3."""
    answer = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "GetObject")


class Refusing:
    """A client of which every call raises."""

    def __init__(self, error):
        self.error = error

    def __getattr__(self, name):
        def call(*_, **__):
            raise self.error

        return call


# --- Listing --------------------------------------------------------------------------------------
def test_the_first_folder_below_the_prefix_is_the_category(bucket):
    """However deep the photo lies; other prefixes with the same beginning are not looked at."""
    put(bucket, "photos/dog/1.jpg", "photos/cat/2023/may/1.JPEG", "photos2/cow/1.jpg", "cat/1.jpg")
    assert [(photo.path, photo.categories, photo.size) for photo in photos()] == [
        ("cat/2023/may/1.JPEG", ("cat",), 1),
        ("dog/1.jpg", ("dog",), 1),
    ]
    assert reasons() == {}
    assert (SOURCE.classes, SOURCE.multi_label, SOURCE.tree) == (None, False, {})
    assert SOURCE.name == f"s3://{BUCKET}/photos"


def test_one_name_is_one_category_in_either_form_of_unicode(bucket):
    """Keys stay as S3 has them; a control character is no part of either."""
    put(bucket, "photos/cafe\u0301/1.jpg", "photos/caf\u00e9/2.jpg", "photos/a\x7f/1.jpg")
    assert [(photo.path, photo.categories) for photo in photos()] == [
        ("cafe\u0301/1.jpg", ("caf\u00e9",)),
        ("caf\u00e9/2.jpg", ("caf\u00e9",)),
    ]
    assert reasons() == {r"a\x7f/1.jpg": "a name that .lst cannot hold"}


@pytest.mark.parametrize("uri", [f"s3://{BUCKET}", f"s3://{BUCKET}/"])
def test_a_whole_bucket_is_a_source(bucket, uri):
    """Its top folders are the categories."""
    put(bucket, "cat/1.jpg", "dog/1.jpg")
    assert [photo.categories for photo in photos(S3Prefix(uri))] == [("cat",), ("dog",)]


def test_all_pages_are_listed_in_the_order_of_their_bytes(bucket):
    """S3 lists 1,000 keys a page."""
    names = [f"photos/cat/{n:04d}.jpg" for n in range(1500)] + ["photos/cat/é.jpg"]
    names += ["photos/Zebra/\U0001f993.jpg", "photos/Zebra/\uffee.jpg"]
    for name in names:  # past HTTP, which takes a while
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(BUCKET, name, b"x")
    paths = [photo.path for photo in photos()]
    assert len(paths) == 1503
    assert paths == sorted(paths, key=str.encode)


def test_what_is_not_a_photo_of_a_category_is_listed(bucket):
    """By the rules of category folders, in their words."""
    put(bucket, "photos/.git/a.jpg", "photos/.git/b/c.jpg", "photos/cat/.thumb.jpg")
    put(bucket, "photos/loose.jpg", "photos/notes.txt", "photos/cat/notes.txt")
    put(bucket, "photos//1.jpg", "photos/cat//2.jpg", "photos/cat/tab\there.jpg")
    put(bucket, "photos/cat/sub/", "photos/cat/1.heic")
    assert [photo.path for photo in photos()] == ["cat/1.heic"]
    assert reasons() == {
        ".git": "hidden",
        "cat/.thumb.jpg": "hidden",
        "loose.jpg": "lies beside the category folders",
        "notes.txt": "not a photo",
        "cat/notes.txt": "not a photo",
        "cat/sub/": "not a photo",
        "/1.jpg": "a folder or file without a name",
        "cat//2.jpg": "a folder or file without a name",
        "cat/tab\\there.jpg": "a name that .lst cannot hold",
    }
    assert minded() == {"loose.jpg", "/1.jpg", "cat//2.jpg", "cat/tab\\there.jpg"}


def test_empty_objects_that_stand_for_folders_are_none(bucket):
    """The S3 console makes them."""
    put(bucket, "photos/", "photos/cat/", "photos/cat/deep/", body=b"")
    put(bucket, "photos/cat/1.jpg")
    assert [entry.path for entry in SOURCE.entries()] == ["cat/1.jpg"]


def test_only_a_name_that_promises_nothing_is_asked_for_its_first_bytes(bucket, monkeypatch):
    """A photo by its bytes is one; and a thousand of `.jpg` cost no request."""
    put(bucket, "photos/cat/download", body=png())
    put(bucket, "photos/cat/text", "photos/cat/1.jpg")
    put(bucket, "photos/cat/empty", body=b"")
    asked = []
    start = s3._asked_start

    def counted(address, etag, size):
        asked.append((address.key, size))
        return start(address, etag, size)

    monkeypatch.setattr(s3, "_asked_start", counted)
    assert [photo.path for photo in photos()] == ["cat/1.jpg", "cat/download"]
    assert asked == [("photos/cat/download", 32), ("photos/cat/text", 32)]
    assert reasons() == {"cat/text": "not a photo", "cat/empty": "not a photo"}


def test_objects_in_the_archive_are_listed(bucket):
    """Glacier's must be restored; those of its instant kind need not."""
    put(bucket, "photos/cat/1.jpg", "photos/cat/text", StorageClass="GLACIER")
    put(bucket, "photos/cat/2.jpg", StorageClass="DEEP_ARCHIVE")
    put(bucket, "photos/cat/3.jpg", StorageClass="GLACIER_IR")
    assert [photo.path for photo in photos()] == ["cat/3.jpg"]
    assert reasons() == {
        "cat/1.jpg": "in storage class GLACIER, must be restored first",
        "cat/2.jpg": "in storage class DEEP_ARCHIVE, must be restored first",
        "cat/text": "in storage class GLACIER, must be restored first",
    }
    assert minded() == {"cat/1.jpg", "cat/2.jpg"}


def test_a_restored_object_is_a_photo():
    """While the restored copy lasts, by the listing's own word."""
    listed = {"StorageClass": "GLACIER", "RestoreStatus": {"RestoreExpiryDate": "2030"}}
    assert s3._cold(listed) == ""
    assert s3._cold({**listed, "RestoreStatus": {"IsRestoreInProgress": True}})


def test_a_listing_in_no_order_is_refused(bucket, monkeypatch):
    """Directory buckets have none, and the split would depend on the day."""
    put(bucket, "photos/cat/1.jpg")
    entry = {"Size": 1, "ETag": '"e"'}
    contents = [{"Key": f"photos/cat/{n}.jpg", **entry} for n in (2, 1)]

    class Unsorted:
        def get_paginator(self, _):
            return self

        def paginate(self, **_):
            return [{"Contents": contents}]

    monkeypatch.setattr(s3, "client", Unsorted)
    with pytest.raises(DatasetError, match="keys in no order"):
        photos()


# --- Reading --------------------------------------------------------------------------------------
def test_a_photo_is_read_by_its_locator(bucket):
    """Spaces in a key are no matter; an empty object is read as no bytes."""
    put(bucket, "photos/cat/my photo 1.jpg", body=b"the photo")
    put(bucket, "photos/dog/empty.jpg", body=b"")
    first, empty = photos()
    assert SOURCE.read(first.locator) == b"the photo"
    assert SOURCE.read(empty.locator) == b""


def test_no_more_than_one_byte_above_the_limit_is_read(bucket, monkeypatch):
    """A decoder then refuses it; a film does not fill the memory."""
    monkeypatch.setattr(s3, "MAX_PHOTO_BYTES", 10)
    put(bucket, "photos/cat/1.jpg", body=bytes(50))
    (photo,) = photos()
    assert len(SOURCE.read(photo.locator)) == 11


@pytest.mark.parametrize("body", [b"longer than before", b"y"])
def test_an_object_that_changed_since_it_was_listed_is_told(bucket, body):
    """By its ETag, even if the size is the same."""
    put(bucket, "photos/cat/1.jpg")
    (photo,) = photos()
    put(bucket, "photos/cat/1.jpg", body=body)
    with pytest.raises(PhotoError, match="changed since it was listed"):
        SOURCE.read(photo.locator)
    (changed,) = photos()
    assert changed.version != photo.version


def test_an_object_that_went_since_it_was_listed_is_told(bucket):
    """It concerns this photo only."""
    put(bucket, "photos/cat/1.jpg")
    (photo,) = photos()
    bucket.delete_object(Bucket=BUCKET, Key="photos/cat/1.jpg")
    with pytest.raises(PhotoError, match="gone since it was listed"):
        SOURCE.read(photo.locator)


def test_a_source_and_its_photos_can_be_read_in_forked_processes(bucket):
    """Each has a client of its own; the source is handed over as plain values."""
    put(bucket, *(f"photos/cat/{n}.jpg" for n in range(4)))
    locators = [photo.locator for photo in photos()]
    mine = s3_access.client()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        assert list(pool.map(SOURCE.read, locators)) == [b"x"] * 4
        assert pool.submit(_is_another_client, id(mine)).result()
    assert s3_access.client() is mine


def _is_another_client(identity):
    """A copy of the parent's object would have the parent's address."""
    return id(s3_access.client()) != identity


def test_a_refusal_of_one_object_is_an_oserror(monkeypatch):
    """That photo is left out, the others are not."""
    monkeypatch.setattr(s3, "client", lambda: Refusing(refusing("AccessDenied", 403, "Denied")))
    with pytest.raises(OSError, match=r"photos/cat/1\.jpg: Denied"):
        SOURCE.read("etag photos/cat/1.jpg")


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (refusing("ExpiredToken", 400), "aws configure"),
        (refusing("SlowDown", 503), "try again later"),
        (refusing("NoSuchBucket", 404), "aws s3 ls"),
        (refusing("PermanentRedirect", 301), "AWS_REGION"),
        (NoCredentialsError(), "aws configure"),
    ],
)
def test_a_refusal_of_every_object_ends_the_reading(monkeypatch, error, hint):
    """Else a token that expires half-way would leave half of the photos out."""
    monkeypatch.setattr(s3, "client", lambda: Refusing(error))
    with pytest.raises(BrokenOffError) as refusal:
        SOURCE.read("etag photos/cat/1.jpg")
    assert hint in refusal.value.hint


# --- What S3 refuses altogether -------------------------------------------------------------------
@pytest.mark.parametrize("uri", ["photos", "http://x/y", "s3:/x", "s3://", "s3:///key"])
def test_another_address_is_refused(uri):
    """At once, not at the first listing."""
    with pytest.raises(DatasetError, match="expected s3://bucket/key"):
        S3Prefix(uri)


def test_a_bucket_that_is_not_there_is_named():
    """With the command that lists what is."""
    with pytest.raises(
        DatasetError, match=r"s3://gone-bucket/p/: .*bucket does not exist"
    ) as error:
        photos(S3Prefix("s3://gone-bucket/p"))
    assert "AWS_ENDPOINT_URL" in error.value.hint


def test_a_bucket_name_that_cannot_be_is_told():
    """S3 is not asked."""
    with pytest.raises(DatasetError, match="not a bucket's name"):
        photos(S3Prefix("s3://no bucket/p"))


def test_denied_access_names_the_rights(monkeypatch):
    """And the bucket."""
    monkeypatch.setattr(s3, "client", lambda: Refusing(refusing("AccessDenied", 403, "Denied")))
    with pytest.raises(DatasetError, match=rf"s3://{BUCKET}/photos/: Denied") as error:
        photos()
    assert f"s3:ListBucket on {BUCKET}" in error.value.hint


def test_missing_credentials_are_told(bucket, fresh_client, monkeypatch, tmp_path):
    """With the three ways to give them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(DatasetError, match="credentials") as error:
        photos()
    assert "AWS_PROFILE" in error.value.hint


def test_an_unknown_profile_is_told(fresh_client, monkeypatch, tmp_path):
    """It is looked for when the client is made."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(DatasetError, match="nobody"):
        photos()


@pytest.mark.parametrize("uri", ["nonsense", "http://127.0.0.1:1"])
def test_a_wrong_endpoint_is_told(fresh_client, monkeypatch, uri):
    """No address, or one where nothing listens."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", uri)
    monkeypatch.setattr(s3_access, "_CONFIG", s3_access.Config(retries={"total_max_attempts": 1}))
    with pytest.raises(DatasetError) as error:
        photos()
    assert "AWS_ENDPOINT_URL" in error.value.hint


# --- One object as a file -------------------------------------------------------------------------
def test_an_object_becomes_a_file(bucket, tmp_path):
    """Under the last part of its key; a second time nothing is downloaded."""
    put(bucket, "data/photos.zip", body=b"an archive")
    file = fetch(f"s3://{BUCKET}/data/photos.zip", tmp_path / "into")
    assert file == tmp_path / "into" / "photos.zip"
    assert file.read_bytes() == b"an archive"
    inode = file.stat().st_ino
    assert fetch(f"s3://{BUCKET}/data/photos.zip", tmp_path / "into").stat().st_ino == inode
    assert not list((tmp_path / "into").glob(".*.partial"))


def test_an_object_that_changed_is_fetched_again(bucket, tmp_path):
    """Of the same size, even."""
    for body in (b"one", b"two"):
        put(bucket, "a.csv", body=body)
        assert fetch(f"s3://{BUCKET}/a.csv", tmp_path).read_bytes() == body


def test_an_empty_object_becomes_an_empty_file(bucket, tmp_path):
    """S3 has no range of it."""
    put(bucket, "a.csv", body=b"")
    assert fetch(f"s3://{BUCKET}/a.csv", tmp_path).read_bytes() == b""


@pytest.mark.parametrize("key", ["", "data/", "data/..", "data/.hidden", "a\nb"])
def test_a_key_that_names_no_file_is_refused(tmp_path, key):
    """Before S3 is asked."""
    with pytest.raises(DatasetError, match="expected the key of one object"):
        fetch(f"s3://{BUCKET}/{key}", tmp_path)


def test_an_object_that_is_not_there_is_told(bucket, tmp_path):
    """And no file is made."""
    with pytest.raises(DatasetError, match=rf"s3://{BUCKET}/gone.zip: Not Found"):
        fetch(f"s3://{BUCKET}/gone.zip", tmp_path / "into")
    assert not (tmp_path / "into" / "gone.zip").exists()


def test_an_object_in_the_archive_cannot_be_fetched(bucket, tmp_path):
    """The hint says how it can."""
    put(bucket, "a.zip", StorageClass="GLACIER")
    with pytest.raises(DatasetError) as error:
        fetch(f"s3://{BUCKET}/a.zip", tmp_path)
    assert "restore-object" in error.value.hint
    assert not (tmp_path / "a.zip").exists()


def test_a_file_of_someone_else_is_not_replaced(bucket, tmp_path):
    """A folder that happens to hold the same name."""
    put(bucket, "a.zip")
    (tmp_path / "a.zip").write_bytes(b"mine")
    with pytest.raises(DatasetError, match="was not fetched from S3"):
        fetch(f"s3://{BUCKET}/a.zip", tmp_path)
    assert (tmp_path / "a.zip").read_bytes() == b"mine"


def test_no_space_for_an_object_is_told_beforehand(bucket, tmp_path, monkeypatch):
    """Its size is known."""
    put(bucket, "a.zip", body=bytes(1000))
    free = s3_fetch.shutil.disk_usage(tmp_path)._replace(free=999)
    monkeypatch.setattr(s3_fetch.shutil, "disk_usage", lambda _: free)
    with pytest.raises(DatasetError, match="1,000 bytes, and 999 are free"):
        fetch(f"s3://{BUCKET}/a.zip", tmp_path)


# --- A connection that breaks ---------------------------------------------------------------------
BODY = bytes(range(250)) * 40


class Flaky(BaseHTTPRequestHandler):
    """One object, of which each answer brings 4,000 bytes at most before the line is cut."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._answer(range(len(BODY)), 200)

    def do_GET(self):
        self.server.asked.append((self.path, self.headers["Range"]))
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        wanted = range(int(first), min(int(last or len(BODY)), len(BODY) - 1) + 1)
        if not self.server.minds_range:
            wanted = range(len(BODY))
        self._answer(wanted, 206 if self.server.minds_range else 200)
        part = BODY[wanted.start : wanted.stop]
        self.wfile.write(part[: self.server.cut])
        self.close_connection = True

    def _answer(self, wanted, status):
        self.send_response(status)
        self.send_header("ETag", self.server.etag)
        self.send_header("Content-Length", str(len(wanted)))
        if status == 206:
            span = f"bytes {wanted.start}-{wanted.stop - 1}/{len(BODY)}"
            self.send_header("Content-Range", span)
        self.end_headers()

    def log_message(self, *_):
        """Nothing on stderr."""


@pytest.fixture
def flaky(fresh_client, monkeypatch):
    """A server at AWS_ENDPOINT_URL: real sockets, so that a cut is one."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Flaky) as server:
        server.asked, server.cut, server.etag, server.minds_range = [], 4000, '"e"', True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()
        thread.join()


def test_a_download_goes_on_where_the_line_was_cut(flaky, tmp_path):
    """The bucket stands in the path, for the server has one name only."""
    assert fetch("s3://b-b/a.zip", tmp_path).read_bytes() == BODY
    assert flaky.asked == [
        ("/b-b/a.zip", "bytes=0-"),
        ("/b-b/a.zip", "bytes=4000-"),
        ("/b-b/a.zip", "bytes=8000-"),
    ]


def test_a_later_run_goes_on_where_the_former_was_cut(flaky, tmp_path, monkeypatch):
    """What a killed process had is kept, if the object is still the same."""
    monkeypatch.setattr(s3_fetch, "BROKEN_OFF", ())
    for _ in range(2):
        with pytest.raises(DatasetError):
            fetch("s3://b-b/a.zip", tmp_path)
    assert [byte_range for _, byte_range in flaky.asked] == ["bytes=0-", "bytes=4000-"]
    assert not (tmp_path / "a.zip").exists()
    assert fetch("s3://b-b/a.zip", tmp_path).read_bytes() == BODY
    assert [byte_range for _, byte_range in flaky.asked[2:]] == ["bytes=8000-"]


def test_what_was_fetched_of_another_version_is_not_used(flaky, tmp_path, monkeypatch):
    """Two halves of two objects are none."""
    with monkeypatch.context() as patch:
        patch.setattr(s3_fetch, "BROKEN_OFF", ())
        with pytest.raises(DatasetError):
            fetch("s3://b-b/a.zip", tmp_path)
    flaky.etag, flaky.cut = '"other"', None
    fetch("s3://b-b/a.zip", tmp_path)
    assert [byte_range for _, byte_range in flaky.asked] == ["bytes=0-", "bytes=0-"]
    assert not list(tmp_path.glob(".*.partial"))


def test_a_server_that_knows_no_ranges_is_read_from_the_start(flaky, tmp_path, monkeypatch):
    """The second answer does not land behind the first."""
    with monkeypatch.context() as patch:
        patch.setattr(s3_fetch, "BROKEN_OFF", ())
        with pytest.raises(DatasetError):
            fetch("s3://b-b/a.zip", tmp_path)
    flaky.minds_range, flaky.cut = False, None
    assert fetch("s3://b-b/a.zip", tmp_path).read_bytes() == BODY


def test_a_line_that_never_brings_a_byte_is_told(flaky, tmp_path):
    """After as many attempts as are made."""
    flaky.cut = 0
    with pytest.raises(DatasetError):
        fetch("s3://b-b/a.zip", tmp_path)
    assert len(flaky.asked) == s3_access.BODY_ATTEMPTS


def test_a_photo_whose_line_is_cut_is_asked_for_again(flaky):
    """And that it always is ends the reading: the photo itself is not at fault."""
    with pytest.raises(BrokenOffError, match=r"s3://b-b/cat/1\.jpg"):
        S3Prefix("s3://b-b/").read("e cat/1.jpg")
    assert len(flaky.asked) == s3_access.BODY_ATTEMPTS
    flaky.cut = None
    assert S3Prefix("s3://b-b/").read("e cat/1.jpg") == BODY


def test_a_server_that_does_not_mind_the_etag_is_found_out(flaky, tmp_path):
    """Its answer bears the object's own."""
    flaky.cut = None
    with pytest.raises(PhotoError, match="changed since it was listed"):
        S3Prefix("s3://b-b/").read("former cat/1.jpg")
