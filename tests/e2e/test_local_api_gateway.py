"""API Gateway of the local cloud, as its users meet it: imported documents and plain HTTP."""

from __future__ import annotations

import concurrent.futures
import json
import urllib.parse
from typing import TYPE_CHECKING, Any

import pytest
from tiny_function import (
    PATHS,
    PNG,
    document,
    fetch,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local import launch


def test_an_imported_document_makes_the_whole_api(aws: Callable[[str], Any], function: str) -> None:
    """Resources, methods, integrations, binary types and gateway responses are all there."""
    gateway = aws("apigateway")
    body = json.dumps(document(function, PATHS)).encode()
    api_id = gateway.import_rest_api(body=body)["id"]
    assert gateway.get_rest_api(restApiId=api_id)["binaryMediaTypes"] == ["image/png", "image/*"]
    resources = {r["path"]: r for r in gateway.get_resources(restApiId=api_id)["items"]}
    assert set(resources) == {*PATHS, "/items"}
    options = resources["/echo"]["resourceMethods"]["OPTIONS"]["methodIntegration"]
    assert options["type"] == "MOCK"
    answer = gateway.get_gateway_response(restApiId=api_id, responseType="DEFAULT_5XX")
    assert answer["responseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"]


def test_an_overwritten_api_has_nothing_of_the_old_one(
    aws: Callable[[str], Any], function: str
) -> None:
    """PutRestApi with mode overwrite replaces; with mode merge it adds."""
    gateway = aws("apigateway")
    api_id = gateway.import_rest_api(body=json.dumps(document(function, {"/old": ["get"]})))["id"]
    new = json.dumps(document(function, {"/new": ["get"]}))
    gateway.put_rest_api(restApiId=api_id, mode="overwrite", body=new)
    paths = {r["path"] for r in gateway.get_resources(restApiId=api_id)["items"]}
    assert paths == {"/", "/new"}
    more = json.dumps(document(function, {"/more": ["get"]}))
    gateway.put_rest_api(restApiId=api_id, mode="merge", body=more)
    paths = {r["path"] for r in gateway.get_resources(restApiId=api_id)["items"]}
    assert paths == {"/", "/new", "/more"}


def test_a_cloudformation_body_makes_the_whole_api(
    aws: Callable[[str], Any], function: str
) -> None:
    """Binary types and the preflight's headers of a template's Body are kept."""
    body = document(function, {"/a": ["get"]})
    api = {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "stack", "Body": body}}
    stacks = aws("cloudformation")
    stacks.create_stack(StackName="api", TemplateBody=json.dumps({"Resources": {"Api": api}}))
    stacks.get_waiter("stack_create_complete").wait(StackName="api", WaiterConfig={"Delay": 1})
    gateway = aws("apigateway")
    items = gateway.get_rest_apis(limit=500)["items"]
    made = next(item for item in items if item["name"] == "stack")
    assert made["binaryMediaTypes"] == ["image/png", "image/*"]
    resources = gateway.get_resources(restApiId=made["id"])["items"]
    options = next(r for r in resources if r["path"] == "/a")["resourceMethods"]["OPTIONS"]
    answers = options["methodIntegration"]["integrationResponses"]
    assert answers["200"]["responseParameters"]


def test_a_malformed_document_is_refused(aws: Callable[[str], Any]) -> None:
    """What is no API definition makes no API."""
    gateway = aws("apigateway")
    with pytest.raises(gateway.exceptions.BadRequestException):
        gateway.import_rest_api(body=b"[1, 2]")


def test_an_emptied_compression_size_leaves_apis_readable(
    aws: Callable[[str], Any], function: str
) -> None:
    """After UpdateRestApi with an empty minimumCompressionSize, GetRestApis still answers."""
    gateway = aws("apigateway")
    api_id = gateway.import_rest_api(body=json.dumps(document(function, {"/a": ["get"]})))["id"]
    patch = {"op": "replace", "path": "/minimumCompressionSize", "value": ""}
    gateway.update_rest_api(restApiId=api_id, patchOperations=[patch])
    assert api_id in {item["id"] for item in gateway.get_rest_apis(limit=500)["items"]}


def test_a_photo_goes_both_ways_as_bytes(api: str) -> None:
    """A binary body reaches the function as base64, and its base64 reaches the client as bytes."""
    headers = {"Content-Type": "image/png", "Accept": "image/png"}
    status, fields, body = fetch(f"{api}/picture", PNG, headers)
    assert (status, fields["content-type"], body) == (200, "image/png", PNG[::-1])


def test_the_event_is_as_api_gateway_makes_it(api: str) -> None:
    """The last of several query values wins, and header names are in canonical case."""
    headers = {"x-own-header": "1", "Content-Type": "text/plain"}
    _, _, body = fetch(f"{api}/echo?a=1&a=2&b=", b"hello", headers)
    event = json.loads(body)
    assert event["queryStringParameters"] == {"a": "2", "b": ""}
    assert event["headers"]["X-Own-Header"] == "1"
    assert event["headers"]["Content-Type"] == "text/plain"
    assert (event["body"], event["isBase64Encoded"]) == ("hello", False)


def test_the_preflight_carries_the_documents_cors_headers(api: str) -> None:
    """OPTIONS answers from the mock integration, to a page of any origin."""
    headers = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    status, fields, _ = fetch(f"{api}/echo", headers=headers, method="OPTIONS")
    assert status == 200
    assert fields["access-control-allow-headers"] == "Content-Type"


@pytest.mark.parametrize("path", ["/fail", "/malformed"])
def test_a_failing_function_is_a_502_without_its_details(api: str, path: str) -> None:
    """The caller learns nothing of the error, and a browser may read that much."""
    status, fields, body = fetch(f"{api}{path}")
    assert status == 502
    assert json.loads(body) == {"message": "Internal server error"}
    assert fields["access-control-allow-origin"] == "*"


def test_an_unknown_path_is_a_403_that_a_browser_can_read(api: str) -> None:
    """API Gateway's famous answer, with the gateway response's CORS headers."""
    status, fields, body = fetch(f"{api}/nowhere")
    assert (status, json.loads(body)) == (403, {"message": "Missing Authentication Token"})
    assert fields["access-control-allow-origin"] == "*"


def test_a_body_beyond_the_gateways_limit_is_a_413(api: str) -> None:
    """10 MB and one byte are refused by the gateway, with CORS headers."""
    status, fields, body = fetch(f"{api}/echo", b"x" * 10_485_761, {"Content-Type": "text/plain"})
    assert status == 413
    assert json.loads(body) == {"message": "HTTP content length exceeded 10485760 bytes."}
    assert fields["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(("size", "expected"), [(9_500, 200), (10_240, 431)])
def test_a_head_beyond_the_gateways_limit_is_a_431(api: str, size: int, expected: int) -> None:
    """10,240 bytes of request line and header values."""
    status, _, body = fetch(f"{api}/echo", headers={"X-Long": "x" * size})
    assert status == expected
    if expected == 431:
        assert json.loads(body) == {"message": "HTTP header is larger than 10240 bytes."}


def test_a_body_beyond_lambdas_limit_is_a_413(api: str) -> None:
    """What passes the gateway but not Lambda is refused in Lambda's words."""
    status, _, body = fetch(f"{api}/echo", b"x" * 6_291_456, {"Content-Type": "text/plain"})
    assert (status, json.loads(body)) == (413, {"message": "Request Too Long"})


def test_a_slow_integration_is_a_504(aws: Callable[[str], Any], api: str) -> None:
    """The gateway gives up when the integration's time is over."""
    gateway = aws("apigateway")
    api_id = api.split("/")[4]
    resources = gateway.get_resources(restApiId=api_id)["items"]
    slow = next(r["id"] for r in resources if r["path"] == "/slow")
    patch = {"op": "replace", "path": "/timeoutInMillis", "value": "500"}
    gateway.update_integration(
        restApiId=api_id, resourceId=slow, httpMethod="GET", patchOperations=[patch]
    )
    status, fields, body = fetch(f"{api}/slow?seconds=2")
    assert (status, json.loads(body)) == (504, {"message": "Endpoint request timed out"})
    assert fields["access-control-allow-origin"] == "*"


def test_the_api_answers_at_its_own_host_too(cloud: launch.CloudInfo, api: str) -> None:
    """`<id>.execute-api.localhost/<stage>/<path>` is the same API."""
    host = f"{api.split('/')[4]}.execute-api.localhost:{cloud.port}"
    status, _, body = fetch(f"{cloud.endpoint_url}/api/", headers={"Host": host})
    assert (status, "pid" in json.loads(body)) == (200, True)


def test_a_burst_is_answered_by_few_workers(api: str) -> None:
    """Twenty calls at once are all answered, by no more workers than the cap."""
    with concurrent.futures.ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: fetch(f"{api}/"), range(20)))
    assert [status for status, _, _ in answers] == [200] * 20
    assert 1 <= len({json.loads(body)["pid"] for _, _, body in answers}) <= 4


def test_a_foreign_page_cannot_reach_the_control_plane(cloud: launch.CloudInfo) -> None:
    """A web page of another site is refused; one that the cloud serves is not."""
    target = f"{cloud.endpoint_url}/2015-03-31/functions"
    assert fetch(target, headers={"Origin": "https://evil.example"})[0] == 403
    own = f"http://page.s3-website.localhost:{cloud.port}"
    assert fetch(target, headers={"Origin": own})[0] == 200


def template(marker: str) -> str:
    """A stack that makes one bucket."""
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": marker}}
    return json.dumps({"Resources": {"Made": bucket}})


def test_a_picture_in_a_foreign_page_makes_nothing(
    cloud: launch.CloudInfo, aws: Callable[[str], Any]
) -> None:
    """A browser sends no Origin with an image's GET; actions are taken by POST alone."""
    asked = {"Action": "CreateStack", "Version": "2010-05-15", "StackName": "evil"}
    query = urllib.parse.urlencode({**asked, "TemplateBody": template("made-by-a-picture")})
    for headers in ({}, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}):
        status, _, body = fetch(f"{cloud.endpoint_url}/?{query}", headers=headers)
        assert status == 403
        assert b"Action by GET" in body
    buckets = aws("s3").list_buckets()["Buckets"]
    assert "made-by-a-picture" not in [bucket["Name"] for bucket in buckets]


def test_a_name_that_was_rebound_to_this_machine_reads_nothing(
    cloud: launch.CloudInfo, aws: Callable[[str], Any]
) -> None:
    """Its page would be of the same origin; an address or a name of this machine is another's."""
    aws("s3").create_bucket(Bucket="private")
    for host, expected in (
        (f"evil.example:{cloud.port}", 403),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        (f"127.0.0.1:{cloud.port}", 200),
        (f"localhost:{cloud.port}", 200),
        (f"localhost.localstack.cloud:{cloud.port}", 200),
    ):
        listing = fetch(f"{cloud.endpoint_url}/private?list-type=2", headers={"Host": host})
        assert listing[0] == expected, host
        posted = fetch(
            f"{cloud.endpoint_url}/",
            data=b"Action=ListRoles&Version=2010-05-08",
            headers={"Host": host, "Content-Type": "application/x-www-form-urlencoded"},
        )
        assert posted[0] == expected, host


def test_a_link_from_elsewhere_leads_to_an_object_and_to_no_list(
    cloud: launch.CloudInfo, aws: Callable[[str], Any]
) -> None:
    """The page's own address may stand in a letter; a bucket's content is nobody else's business."""
    s3 = aws("s3")
    s3.create_bucket(Bucket="linked")
    s3.put_object(Bucket="linked", Key="index.html", Body=b"<p>", ContentType="text/html")
    clicked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert fetch(f"{cloud.endpoint_url}/linked/index.html", headers=clicked)[0] == 200
    assert fetch(f"{cloud.endpoint_url}/linked?list-type=2", headers=clicked)[0] == 403
    assert fetch(f"{cloud.endpoint_url}/2015-03-31/functions", headers=clicked)[0] == 403
