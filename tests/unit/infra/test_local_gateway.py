"""API Gateway's answer to what a function returns, as AWS's guide states it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from infra.local.adapter import gateway

PHOTO = b"\x00\xff\xfe"
ENCODED = base64.b64encode(PHOTO).decode()


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        {},
        {"statusCode": "many"},
        {"statusCode": 99},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
    ],
)
def test_a_malformed_answer_is_none(value: Any) -> None:
    """Nothing is guessed: the caller gets a 502."""
    assert gateway.proxy_answer(value, "image/png", ["image/png"]) is None


def test_a_bare_status_is_an_answer() -> None:
    """Neither headers nor a body are required, and the status may be text."""
    headers = {"Content-Type": "application/json"}
    assert gateway.proxy_answer({"statusCode": "204"}, "", []) == (204, headers, b"")


def test_headers_replace_whatever_their_case_and_lists_win() -> None:
    """One content type; multi-value headers before single ones; every value is text."""
    value = {
        "statusCode": 200,
        "headers": {"content-type": "text/plain", "X-N": 1, "X-B": True, "Set-Cookie": "no"},
        "multiValueHeaders": {"set-cookie": ["a=1", "b=2"]},
    }
    answer = gateway.proxy_answer(value, "", [])
    assert answer is not None
    assert answer[1] == {
        "content-type": "text/plain",
        "X-N": "1",
        "X-B": "true",
        "set-cookie": ["a=1", "b=2"],
    }


@pytest.mark.parametrize(
    ("accept", "types", "binary"),
    [
        ("image/png", ["image/png"], True),
        ("image/png;q=0.9, text/html", ["image/png"], True),
        ("text/html, image/png", ["image/png"], False),
        ("image/webp", ["image/*"], True),
        ("*/*", ["image/png"], False),
        ("", ["*/*"], True),
        ("", ["image/png"], False),
    ],
)
def test_only_the_first_accept_type_counts(accept: str, types: list[str], binary: bool) -> None:
    """Base64 becomes bytes only where that type is a binary media type."""
    value = {"statusCode": 200, "body": ENCODED, "isBase64Encoded": True}
    answer = gateway.proxy_answer(value, accept, types)
    assert answer is not None
    assert answer[2] == (PHOTO if binary else ENCODED.encode())


@pytest.mark.parametrize(
    ("name", "canonical"),
    [("content-type", "Content-Type"), ("x-amz-date", "X-Amz-Date"), ("dnt", "DNT")],
)
def test_header_names_are_canonical(name: str, canonical: str) -> None:
    """As an edge-optimised API hands them to a function."""
    assert gateway.canonical_name(name) == canonical
