"""Photos of an S3 prefix, and addresses."""

from collections import Counter

import boto3
import pytest
from moto import mock_aws

from batch.errors import BatchError
from batch.photos import FolderSource, LeftOut, Photo, S3Source, is_photo, open_source, parse_s3

BUCKET = "returns"


@pytest.fixture(scope="module")
def s3():
    """A bucket with photos, another file and a console's folder object below `today/`."""
    with mock_aws():
        client = boto3.client(
            "s3", "us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        client.create_bucket(Bucket=BUCKET)
        for key in ("today/", "today/a.png", "today/x/b.JPG", "today/note.txt", "todays.png"):
            client.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
        yield client


def keys(s3):
    return {item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}


def test_a_prefix_is_a_folder(s3):
    """Names are below it, other files are counted, and `todays.png` is not in `today`."""
    found = list(open_source(f"s3://{BUCKET}/today", lambda: s3).photos())
    photos = {each.name: each for each in found if isinstance(each, Photo)}
    assert set(photos) == {"a.png", "x/b.JPG"}
    assert [each for each in found if not isinstance(each, Photo)] == [LeftOut.OTHER]
    photo = photos["a.png"]
    assert photo.size == len("today/a.png")
    assert photo.stamp == s3.head_object(Bucket=BUCKET, Key="today/a.png")["ETag"]


def test_objects_are_read_and_moved_by_their_names(s3):
    """A moved object is below the new prefix alone; moving it twice is no error."""
    etag = s3.put_object(Bucket=BUCKET, Key="moved/x/b.JPG", Body=b"moved")["ETag"]
    source = S3Source(s3, BUCKET, "moved/")
    assert source.read("x/b.JPG") == b"moved"
    for _ in range(2):
        assert source.move(Photo("x/b.JPG", 5, etag), f"s3://{BUCKET}/done") == "x/b.JPG"
    assert "done/x/b.JPG" in keys(s3)
    assert "moved/x/b.JPG" not in keys(s3)


def put(s3, key, body):
    """Put an object of type image/jpeg; returns the photo that a listing of `night/` tells."""
    etag = s3.put_object(Bucket=BUCKET, Key=key, Body=body, ContentType="image/jpeg")["ETag"]
    return Photo(key.removeprefix("night/"), len(body), etag)


def body_of(s3, key):
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def test_an_object_never_replaces_one_that_was_moved_earlier(s3):
    """Other bytes get a free name, the same ones are there already; the type goes along."""
    put(s3, "kept/c.jpg", b"first")
    source = S3Source(s3, BUCKET, "night/")
    moved = [
        source.move(put(s3, "night/c.jpg", body), f"s3://{BUCKET}/kept")
        for body in (b"second", b"first", b"third", b"second")
    ]
    assert moved == ["c-2.jpg", "c.jpg", "c-3.jpg", "c-2.jpg"]
    assert [body_of(s3, f"kept/{name}") for name in ("c.jpg", "c-2.jpg", "c-3.jpg")] == [
        b"first",
        b"second",
        b"third",
    ]
    assert s3.head_object(Bucket=BUCKET, Key="kept/c-3.jpg")["ContentType"] == "image/jpeg"
    assert "night/c.jpg" not in keys(s3)


def test_an_object_that_was_replaced_since_it_was_listed_stays(s3):
    """Its ETag is another's; nothing is written at the destination."""
    listed = put(s3, "night/d.jpg", b"asked about")
    put(s3, "night/d.jpg", b"replaced")
    assert S3Source(s3, BUCKET, "night/").move(listed, f"s3://{BUCKET}/stays") is None
    assert body_of(s3, "night/d.jpg") == b"replaced"
    assert "stays/d.jpg" not in keys(s3)


def test_an_object_that_is_replaced_at_the_moment_of_moving_is_not_deleted(s3, monkeypatch):
    """It is deleted on the condition that it is still the one that was copied."""
    listed = put(s3, "night/e.jpg", b"asked about")
    source = S3Source(s3, BUCKET, "night/")
    put_there = source._put

    def replacing(*arguments):
        put(s3, "night/e.jpg", b"replaced")
        return put_there(*arguments)

    monkeypatch.setattr(source, "_put", replacing)
    assert source.move(listed, f"s3://{BUCKET}/stays") is None
    assert body_of(s3, "night/e.jpg") == b"replaced"
    assert body_of(s3, "stays/e.jpg") == b"asked about"


def test_a_bucket_that_is_not_there_is_named(s3):
    """With the mend."""
    with pytest.raises(BatchError, match=r"s3://nobody/ cannot be listed.*NoSuchBucket") as caught:
        list(S3Source(s3, "nobody", "").photos())
    assert "may your credentials list it" in caught.value.hint


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("s3://b", ("b", "")),
        ("s3://b/", ("b", "")),
        ("s3://b/p", ("b", "p/")),
        ("s3://b/p/q/", ("b", "p/q/")),
    ],
)
def test_addresses_are_bucket_and_folder(address, expected):
    """A prefix that is not empty ends in a slash."""
    assert parse_s3(address) == expected


@pytest.mark.parametrize("address", ["s3:b", "s3:///p", "s3:"])
def test_what_names_no_bucket_is_refused(address):
    """The message says what was expected."""
    with pytest.raises(BatchError, match="expected s3://bucket/prefix"):
        open_source(address, lambda: None)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    """Before anything is sent."""
    with pytest.raises(BatchError, match="is no folder"):
        open_source(str(tmp_path / "nowhere"), lambda: None)


def test_a_link_to_a_folder_is_not_followed(tmp_path):
    """It may lead back to where it lies."""
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "round.png").symlink_to(tmp_path)
    found = list(FolderSource(tmp_path).photos())
    assert [each.name for each in found if isinstance(each, Photo)] == ["a.png"]
    assert LeftOut.FOLDER_LINK in found


def test_what_is_left_out_is_told_apart(tmp_path):
    """Hidden files and links to folders are not files of another ending."""
    for name in (".hidden.png", ".DS_Store", "note.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path)
    found = Counter(FolderSource(tmp_path).photos())
    assert found == {LeftOut.HIDDEN: 2, LeftOut.OTHER: 1, LeftOut.FOLDER_LINK: 1}


def test_a_photo_is_told_by_its_change(tmp_path):
    """Size and time of change, as the listing has them."""
    (tmp_path / "a.png").write_bytes(b"x")
    stat = (tmp_path / "a.png").stat()
    assert list(FolderSource(tmp_path).photos()) == [Photo("a.png", 1, str(stat.st_mtime_ns))]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.JPEG", True),
        ("x/a.webp", True),
        ("a.HEIC", True),
        ("a.tif", True),
        ("a.txt", False),
        (".a.png", False),
        ("png", False),
    ],
)
def test_photos_are_known_by_their_endings(name, expected):
    """What may be a photo, in any case, whether or not the API reads it; hidden files are none."""
    assert is_photo(name) is expected
