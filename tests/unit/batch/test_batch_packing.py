"""Which photos go together into one request."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.packing import LARGEST_PHOTO, REQUEST_BYTES, body_of, pack, quoted_bytes
from contracts import GATEWAY_PAYLOAD_BYTES, LAMBDA_PAYLOAD_BYTES


def quoted(body):
    """The body as the event carries it: a JSON text within JSON."""
    return len(json.dumps(body.decode())) - 2


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 5), st.integers(120, 300))
def test_batches_keep_order_and_limits_and_lose_nothing(photos, most, limit):
    """Every photo comes once, in order; no batch is empty, too many, or too large as it is quoted."""
    batches = list(pack(enumerate(photos), most, limit))
    assert [item for batch in batches for item, _ in batch] == list(range(len(photos)))
    for batch in batches:
        assert 1 <= len(batch) <= most
        assert quoted(body_of([data for _, data in batch])) <= limit


@given(st.lists(st.binary(max_size=9), max_size=4))
def test_the_body_is_the_contracts_json(photos):
    """`images` holds the photos in order, as base64."""
    document = json.loads(body_of(photos))
    assert [base64.b64decode(image) for image in document["images"]] == photos
    assert list(document) == ["images"]


def test_a_batch_is_filled_before_the_next_begins():
    """A photo more would not have fitted: sending as few requests as can be."""
    photo = bytes(100_000)
    batches = list(pack(((at, photo) for at in range(100)), 1000))
    assert len(batches) == 3
    assert quoted(body_of([photo] * (len(batches[0]) + 1))) > REQUEST_BYTES


def test_the_largest_photo_fits_into_lambda_and_gateway_and_no_larger_one():
    """Base64 and the event's own quoting counted."""
    body = body_of([bytes(LARGEST_PHOTO)])
    assert quoted(body) <= REQUEST_BYTES < LAMBDA_PAYLOAD_BYTES < GATEWAY_PAYLOAD_BYTES
    assert quoted(body_of([bytes(LARGEST_PHOTO + 3)])) > REQUEST_BYTES


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 100])
def test_base64_counts_in_whole_groups(size):
    """Three bytes are four characters, and what is left is padded to four."""
    encoded = len(base64.b64encode(bytes(size)))
    assert quoted_bytes(size) == encoded + len(json.dumps('"",')) - 2
