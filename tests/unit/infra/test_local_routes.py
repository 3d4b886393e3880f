"""Where a request goes: by its signature, its host and its origin."""

from __future__ import annotations

import pytest

from infra.local import routes, visitors, website

SCOPE = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{}/aws4_request, SignedHeaders=host"


@pytest.mark.parametrize("service", ["sagemaker", "s3", "lambda"])
def test_the_signature_names_the_service(service: str) -> None:
    """The credential scope of the Authorization header tells."""
    assert routes.signed_service({"authorization": SCOPE.format(service)}, b"") == service


def test_a_presigned_address_names_the_service() -> None:
    """The credential in the query string tells as well."""
    query = b"X-Amz-Credential=test%2F20260101%2Fus-east-1%2Fsagemaker%2Faws4_request&a=1"
    assert routes.signed_service({}, query) == "sagemaker"


@pytest.mark.parametrize("authorization", ["", "Bearer sagemaker", "Credential=a/b/c/sagemaker/x"])
def test_an_unsigned_request_names_none(authorization: str) -> None:
    """Nothing is guessed from other words."""
    assert routes.signed_service({"authorization": authorization}, b"") is None


@pytest.mark.parametrize(
    ("origin", "own"),
    [
        ("http://localhost:4566", True),
        ("http://127.0.0.1:4566", True),
        ("http://shop.s3-website.localhost:4566", True),
        ("https://evil.example", False),
        ("https://localhost.evil.example", False),
        ("https://evil-localhost", False),
        ("null", False),
    ],
)
def test_a_foreign_pages_origin_is_told_from_ours(origin: str, own: bool) -> None:
    """Loopback's names are ours; what only looks like them is not."""
    assert visitors.is_own_origin(origin) is own


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("shop.s3-website.localhost:4566", "shop"),
        ("my.shop.s3-website.localhost", "my.shop"),
        ("shop.s3-website.eu-west-1.localhost:80", "shop"),
        ("shop.s3-website-us-east-1.localhost", "shop"),
        ("SHOP.S3-Website.localhost", "shop"),
        ("shop.s3-website.localhost.localstack.cloud:4566", "shop"),
        ("shop.s3.localhost:4566", None),
        ("shop.s3-website.localhost.evil.example", None),
        ("127.0.0.1:4566", None),
        ("", None),
    ],
)
def test_a_website_host_names_its_bucket(host: str, bucket: str | None) -> None:
    """In both of AWS's spellings of the region, or without one."""
    assert website.bucket_of(host) == bucket


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("", True),
        ("localhost:4566", True),
        ("LOCALHOST", True),
        ("127.0.0.1:4566", True),
        ("[::1]:4566", True),
        ("192.168.1.20:4566", True),
        ("shop.s3-website.localhost:4566", True),
        ("s3.localhost.localstack.cloud:4566", True),
        ("shop.s3.eu-west-1.amazonaws.com", True),
        ("host.docker.internal:4566", True),
        ("evil.example:4566", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("evil.example.", False),
        ("localhost:4566@evil.example", False),
        ("a b", False),
        ("[::1", False),
    ],
)
def test_a_host_that_a_stranger_may_have_rebound_is_told_from_ours(host: str, known: bool) -> None:
    """An address cannot be rebound, nor can names that resolvers and AWS keep to themselves."""
    assert visitors.is_known_host(host) is known
