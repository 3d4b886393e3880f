"""S3 of the local cloud, as its users meet it: objects, presigned addresses, CORS, websites."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from tiny_function import (
    PNG,
    call,
    fetch,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local import launch


def test_objects_make_the_round_trip(aws: Callable[[str], Any]) -> None:
    """An object comes back byte for byte with its content type."""
    s3 = aws("s3")
    s3.create_bucket(Bucket="round-trip")
    s3.put_object(Bucket="round-trip", Key="a/b.png", Body=PNG, ContentType="image/png")
    found = s3.get_object(Bucket="round-trip", Key="a/b.png")
    assert found["Body"].read() == PNG
    assert found["ContentType"] == "image/png"


def test_a_public_object_is_served_over_plain_http(
    cloud: launch.CloudInfo, aws: Callable[[str], Any]
) -> None:
    """An unsigned GET by path gets the object with its content type."""
    s3 = aws("s3")
    s3.create_bucket(Bucket="plain-http")
    s3.put_object(Bucket="plain-http", Key="page.html", Body=b"<p>", ContentType="text/html")
    status, headers, body = fetch(f"{cloud.endpoint_url}/plain-http/page.html")
    assert (status, headers["content-type"], body) == (200, "text/html", b"<p>")


def presigned(client: Any, version: str, seconds: int) -> str:
    """The address of an object in a private bucket, good for some seconds."""
    signer = boto3.client(
        "s3",
        endpoint_url=client.meta.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(s3={"addressing_style": "path"}, signature_version=version),
    )
    address: str = signer.generate_presigned_url(
        "get_object", Params={"Bucket": "presigned", "Key": "k"}, ExpiresIn=seconds
    )
    return address


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_presigned_address_holds_until_it_expires(
    aws: Callable[[str], Any], version: str
) -> None:
    """By the credentials that `snapshelf up` tells, in both versions of the signature."""
    s3 = aws("s3")
    s3.create_bucket(Bucket="presigned")
    s3.put_object(Bucket="presigned", Key="k", Body=b"v")
    assert fetch(presigned(s3, version, 60))[::2] == (200, b"v")
    address = presigned(s3, version, 1)
    time.sleep(2.1)
    status, _, body = fetch(address)
    assert status == 403
    assert b"<Code>AccessDenied</Code><Message>Request has expired</Message>" in body


def test_a_presigned_address_holds_a_week_at_most(aws: Callable[[str], Any]) -> None:
    """More seconds are refused, whatever the signature."""
    aws("s3").create_bucket(Bucket="presigned")
    status, _, body = fetch(presigned(aws("s3"), "s3v4", 604_801))
    assert status == 400
    assert b"must be less than a week" in body


def test_a_presigned_address_that_was_altered_is_refused(aws: Callable[[str], Any]) -> None:
    """Another key under the same signature, or a longer time."""
    aws("s3").create_bucket(Bucket="presigned")
    address = presigned(aws("s3"), "s3v4", 60)
    for altered in (address.replace("/k?", "/z?"), address.replace("Expires=60", "Expires=600")):
        status, _, body = fetch(altered)
        assert status == 403
        assert b"<Code>SignatureDoesNotMatch</Code>" in body


def test_an_address_that_a_function_presigned_holds(
    aws: Callable[[str], Any], function: str
) -> None:
    """Though a function's credentials have a session token."""
    aws("s3").create_bucket(Bucket="presigned")
    aws("s3").put_object(Bucket="presigned", Key="k", Body=b"v")
    address, _ = call(aws("lambda"), "tiny", do="presign", bucket="presigned", key="k")
    assert fetch(address)[::2] == (200, b"v")


def test_a_page_reaches_what_a_buckets_cors_configuration_lets_it(
    cloud: launch.CloudInfo, aws: Callable[[str], Any]
) -> None:
    """Origin and method are allowed by a rule, or the page is refused; preflights say the same."""
    s3 = aws("s3")
    s3.create_bucket(Bucket="cors")
    s3.put_object(Bucket="cors", Key="k", Body=b"v")
    rule = {
        "AllowedOrigins": ["https://shop.example"],
        "AllowedMethods": ["GET"],
        "AllowedHeaders": ["x-own"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 60,
    }
    address = f"{cloud.endpoint_url}/cors/k"
    shop, other = {"Origin": "https://shop.example"}, {"Origin": "https://evil.example"}
    assert fetch(address, headers=shop)[0] == 403  # without a configuration
    s3.put_bucket_cors(Bucket="cors", CORSConfiguration={"CORSRules": [rule]})

    status, fields, body = fetch(address, headers=shop)
    assert (status, body) == (200, b"v")
    assert fields["access-control-allow-origin"] == "https://shop.example"
    assert fields["access-control-expose-headers"] == "ETag"
    assert fetch(address, headers=other)[0] == 403
    assert fetch(address, b"x", headers=shop, method="PUT")[0] == 403
    assert s3.get_object(Bucket="cors", Key="k")["Body"].read() == b"v"

    asks = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-own"}
    status, fields, _ = fetch(address, headers={**shop, **asks}, method="OPTIONS")
    assert (status, fields["access-control-max-age"]) == (200, "60")
    assert fields["access-control-allow-headers"] == "x-own"
    asks["Access-Control-Request-Method"] = "PUT"
    assert fetch(address, headers={**shop, **asks}, method="OPTIONS")[0] == 403


def test_a_page_of_this_machine_has_no_other_rights_in_a_bucket(
    cloud: launch.CloudInfo, aws: Callable[[str], Any]
) -> None:
    """It is answered, as a program is, but its browser is not told that it may read the answer."""
    aws("s3").create_bucket(Bucket="no-cors")
    aws("s3").put_object(Bucket="no-cors", Key="k", Body=b"v")
    origin = {"Origin": f"http://page.s3-website.localhost:{cloud.port}"}
    status, fields, _ = fetch(f"{cloud.endpoint_url}/no-cors/k", headers=origin)
    assert status == 200
    assert "access-control-allow-origin" not in fields


def make_website(s3: Any, bucket: str, *, public: bool = True) -> None:
    """A bucket with three pages, index and error documents, and a policy that makes it public."""
    s3.create_bucket(Bucket=bucket)
    for key in ("index.html", "sub/index.html", "missing.html"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode(), ContentType="text/html")
    s3.put_bucket_website(
        Bucket=bucket,
        WebsiteConfiguration={
            "IndexDocument": {"Suffix": "index.html"},
            "ErrorDocument": {"Key": "missing.html"},
        },
    )
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    if public:
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        s3.put_bucket_policy(Bucket=bucket, Policy=policy)


def test_a_website_serves_its_index_and_error_documents(
    cloud: launch.CloudInfo, aws: Callable[[str], Any]
) -> None:
    """The website host serves index.html at folders, and the error document with 404."""
    make_website(aws("s3"), "my.page")
    for host in ("my.page.s3-website.localhost", "my.page.s3-website.us-east-1.localhost"):
        headers = {"Host": f"{host}:{cloud.port}"}
        status, fields, body = fetch(f"{cloud.endpoint_url}/", headers=headers)
        assert (status, fields["content-type"], body) == (200, "text/html", b"index.html")
        for path in ("/sub/", "/sub"):  # the second by a redirect, which the client follows
            status, _, body = fetch(f"{cloud.endpoint_url}{path}", headers=headers)
            assert (status, body) == (200, b"sub/index.html")
        assert fetch(f"{cloud.endpoint_url}/no", headers=headers)[::2] == (404, b"missing.html")


def test_a_website_shows_only_what_is_public(
    cloud: launch.CloudInfo, aws: Callable[[str], Any]
) -> None:
    """Without a policy that lets anyone read, a website's pages are 403, as on AWS."""
    make_website(aws("s3"), "private-page", public=False)
    headers = {"Host": f"private-page.s3-website.localhost:{cloud.port}"}
    assert fetch(f"{cloud.endpoint_url}/", headers=headers)[0] == 403


def test_a_bucket_without_a_website_has_no_website_endpoint(
    cloud: launch.CloudInfo, aws: Callable[[str], Any]
) -> None:
    """The website host of a plain bucket answers 404, not its objects."""
    aws("s3").create_bucket(Bucket="no-website")
    headers = {"Host": f"no-website.s3-website.localhost:{cloud.port}"}
    status, _, body = fetch(f"{cloud.endpoint_url}/", headers=headers)
    assert status == 404
    assert b"NoSuchWebsiteConfiguration" in body
