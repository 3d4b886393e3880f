"""What people say of a photo, and what the model is unsure of, kept in S3 for training."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import unquote

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from chalicelib import endpoint as endpoints
from chalicelib import feedback, photo_store
from chalicelib.contracts import SnapshelfError
from chalicelib.photo_request import Photo
from hypothesis import given
from hypothesis import strategies as st
from lambda_events import data_url, photo_bytes

HEADERS = {"Content-Type": "application/json"}
PHOTO = photo_bytes()
DIGEST = hashlib.sha256(PHOTO).hexdigest()
GATEWAY_SECONDS = 29


@pytest.fixture(scope="module")
def s3():
    return boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


@pytest.fixture
def bucket(lambda_app, monkeypatch, s3):
    """Feedback is on, and goes into the bucket `shelf`; what was put there by key."""
    kept: dict[str, dict] = {}
    photos = photo_store.PhotoStore(s3, "shelf")

    def put_object(**parameters):
        kept[parameters["Key"]] = parameters

    monkeypatch.setattr(s3, "put_object", put_object)
    monkeypatch.setattr(lambda_app, "FEEDBACK_BUCKET", "shelf")
    monkeypatch.setattr(lambda_app, "store", lambda _: photos)
    return kept


@pytest.fixture
def full_bucket(bucket, monkeypatch, s3):
    """The same, but S3 takes nothing."""

    def put_object(**_):
        raise ClientError({"Error": {"Code": "SlowDown"}}, "PutObject")

    monkeypatch.setattr(s3, "put_object", put_object)
    return bucket


@pytest.fixture
def capturing(lambda_app, monkeypatch):
    """Photos whose best category is below 0.8 are kept for labelling."""
    monkeypatch.setattr(lambda_app, "CAPTURE_BUCKET", "shelf")
    monkeypatch.setattr(lambda_app, "CAPTURE_BELOW", 0.8)


def give(call, **members):
    said = {"image": data_url(PHOTO), "category": "books", "consent": True, **members}
    return call("POST", "/feedback", body=json.dumps(said), headers=HEADERS)


def test_feedback_lies_in_its_categorys_folder_under_its_digest(call, endpoint, bucket):
    """With what was said, and what the model says of it now, as metadata."""
    endpoint.predicts([0.1, 0.9])
    reply = give(call, predicted="cär", model_version="v6")
    key = f"feedback/books/{DIGEST}.jpg"
    assert (reply.status, reply.json["stored"]) == (200, key)
    assert (reply.json["predicted"], reply.json["model_version"]) == ("car", "v7")
    assert bucket[key]["Body"] == PHOTO
    assert bucket[key]["ContentType"] == "image/jpeg"
    metadata = bucket[key]["Metadata"]
    assert metadata["consent"] == "true"
    assert (metadata["predicted"], metadata["model-version"]) == ("car", "v7")
    assert (unquote(metadata["shown"]), metadata["shown-version"]) == ("cär", "v6")
    assert metadata["request-id"] == reply.json["request_id"]
    assert all(value.isascii() for value in metadata.values())


def test_the_same_photo_again_is_the_same_object(call, endpoint, bucket):
    """A nervous finger on the button makes no second photo."""
    for _ in range(2):
        endpoint.predicts([0.1, 0.9])
        assert give(call).status == 200
    assert list(bucket) == [f"feedback/books/{DIGEST}.jpg"]


def test_a_photo_of_nothing_known_may_be_other(call, endpoint, bucket):
    """`other` is always there."""
    endpoint.predicts([0.1, 0.9])
    assert give(call, category="other").json["stored"].startswith("feedback/other/")


@pytest.mark.parametrize("consent", [None, False, 1, "true", "yes", []])
def test_without_consent_nothing_is_kept(call, endpoint, bucket, consent):
    """Only JSON's true is consent."""
    reply = give(call, consent=consent)
    assert (reply.status, reply.json["code"]) == (400, "bad_request")
    assert "consent" in reply.json["message"]
    assert bucket == {}


@pytest.mark.parametrize(
    "category",
    ["../etc", "a/b", "a\\b", ".hidden", "dot.", " books", "a\nb", "", None, 7, "ü" * 51, "\ud800"],
)
def test_a_category_that_is_no_folders_name_is_refused(call, endpoint, bucket, category):
    """Before the model is asked, so that no key leads elsewhere."""
    assert give(call, category=category).status == 400
    assert bucket == {}


def test_a_category_that_the_model_does_not_know_is_refused(call, endpoint, bucket):
    """Nobody can fill the bucket with folders of their own."""
    endpoint.predicts([0.1, 0.9])
    reply = give(call, category="boats")
    assert reply.status == 400
    assert "'boats'" in reply.json["message"]
    assert bucket == {}


def test_what_is_no_photo_is_refused_by_its_first_bytes(call, endpoint, bucket):
    """The model is not asked, nothing is decoded."""
    assert give(call, image=data_url(b"hello")).json["code"] == "unreadable_photo"
    assert bucket == {}


def test_a_photo_that_the_model_cannot_read_is_not_kept(call, endpoint, bucket):
    """Bytes that only begin like a JPEG are the endpoint's to find out."""
    endpoint.fails("ModelError", http=424, OriginalStatusCode=400, OriginalMessage="{}")
    assert give(call).status == 400
    assert bucket == {}


def test_a_photo_above_the_limit_is_not_kept(call, endpoint, bucket):
    """The message names the limit."""
    large = b"\xff\xd8\xff" + bytes(feedback.MAX_FEEDBACK_BYTES - 2)
    reply = give(call, image=data_url(large))
    assert (reply.status, reply.json["code"]) == (413, "photo_too_large")
    assert "2,000,000" in reply.json["message"]


@pytest.mark.parametrize(
    "members", [{"model_version": "v 7"}, {"model_version": 7}, {"predicted": "x" * 101}]
)
def test_what_was_shown_has_limits_too(call, endpoint, bucket, members):
    """Metadata of S3 holds 2 kB."""
    assert give(call, **members).status == 400


def test_feedback_that_is_off_says_so(call, endpoint, lambda_app):
    """A deployment keeps no photos unless it was told to."""
    reply = give(call)
    assert (reply.status, reply.json["code"]) == (404, "feedback_off")


def test_a_bucket_that_refuses_is_503_and_logged(call, endpoint, full_bucket, caplog):
    """The photo is not lost in silence."""
    endpoint.predicts([0.1, 0.9])
    reply = give(call)
    assert (reply.status, reply.json["code"]) == (503, "storage")
    assert "SlowDown" in caplog.text


def test_photos_are_put_by_a_request_that_s3_takes(s3):
    """Held to S3's service model: names, types, and metadata in ASCII."""
    with Stubber(s3) as stubber:
        expected = {
            "Bucket": "shelf",
            "Key": ANY,
            "Body": b"GIF89a",
            "ContentType": "image/*",
            "Metadata": {"category": "caf%C3%A9"},
        }
        stubber.add_response("put_object", {}, expected)
        photo = Photo(b"GIF89a", "application/x-image")
        key = photo_store.PhotoStore(s3, "shelf").keep("feedback/café", photo, {"category": "café"})
    assert key.startswith("feedback/café/")
    assert key.endswith(".gif")


def test_an_unsure_answer_is_kept_for_labelling_where_that_is_on(call, endpoint, capturing, bucket):
    """Below the probability that the operator chose; a sure one leaves no photo."""
    body = json.dumps({"image": data_url(PHOTO)})
    endpoint.predicts([0.1, 0.9])
    assert call("POST", "/classify", body=body, headers=HEADERS).status == 200
    assert bucket == {}
    endpoint.predicts([0.3, 0.7])
    assert call("POST", "/classify", body=body, headers=HEADERS).status == 200
    (kept,) = bucket.values()
    assert kept["Key"] == f"to-label/{DIGEST}.jpg"
    assert kept["Metadata"]["probability"] == "0.700000"


def test_an_answer_is_given_though_its_photo_cannot_be_kept(
    call, endpoint, full_bucket, capturing, caplog
):
    """Labelling is the operator's wish, the answer the client's."""
    endpoint.predicts([0.3, 0.7])
    body = json.dumps({"image": data_url(PHOTO)})
    assert call("POST", "/classify", body=body, headers=HEADERS).json["verdict"] == "car"
    assert "SlowDown" in caplog.text


def test_asking_and_keeping_end_before_the_gateway_gives_up():
    """Past 29 s API Gateway would answer 504 in its own words."""
    asking, keeping = endpoints.CLIENT_SETTINGS, photo_store.CLIENT_SETTINGS
    seconds = [
        each["retries"]["total_max_attempts"] * (each["connect_timeout"] + each["read_timeout"])
        for each in (asking, keeping)
    ]
    assert seconds[1] + 1 == photo_store.LONGEST_SECONDS
    assert seconds[0] + photo_store.LONGEST_SECONDS < GATEWAY_SECONDS


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(
    members=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("image", "category", "consent", "model_version", "predicted"), JSON_VALUES
        ),
    )
)
def test_no_feedback_is_ever_a_bug(members):
    """Whatever members hold, they are feedback or the client's fault."""
    said = {"image": data_url(PHOTO), "category": "books", "consent": True, **members}
    try:
        kept = feedback.read_feedback(json.dumps(said).encode()).photo.data == PHOTO
    except SnapshelfError as error:
        kept = 400 <= error.status < 500
    assert kept
