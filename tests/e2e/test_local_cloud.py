"""The local cloud as its users meet it: a process on a port, driven by boto3 and plain HTTP."""

from __future__ import annotations

import base64
import concurrent.futures
import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from click.testing import CliRunner

from infra.local import launch
from scripts.commands.cloud import down_command, status_command, up_command

if TYPE_CHECKING:
    from collections.abc import Callable

PNG = b"\x89PNG\r\n\x1a\n\x00\xff\xfe"
CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "Content-Type"}
HANDLER = """
import base64, json, os, sys, time

def reply(status, body, **more):
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": body, **more}

def handler(event, context):
    if "do" in event:  # a direct Invoke
        return globals()[event["do"]](event)
    path = event["path"]
    if path == "/echo":
        return reply(200, json.dumps({k: event[k] for k in ("headers", "queryStringParameters", "body", "isBase64Encoded")}))
    if path == "/picture":
        body = base64.b64encode(base64.b64decode(event["body"])[::-1]).decode()
        return {"statusCode": 200, "headers": {"Content-Type": "image/png"}, "body": body, "isBase64Encoded": True}
    if path == "/slow":
        time.sleep(float(event["queryStringParameters"]["seconds"]))
        return reply(200, "{}")
    if path == "/malformed":
        return {"status": "no"}
    if path == "/fail":
        raise ValueError("a secret detail")
    return reply(200, json.dumps({"pid": os.getpid()}))

def fail(event):
    raise KeyError("missing")

def shout(event):
    os.write(1, json.dumps({"status": "ok", "result": "not the answer"}).encode() + b"\\n")
    print("END RequestId: 0")
    sys.stderr.write("to stderr\\n")
    return {"n": event["n"]}

def sleep(event):
    print("about to sleep", flush=True)
    time.sleep(30)

def die(event):
    os._exit(3)

def environment(event):
    return {"environ": dict(os.environ), "cwd": os.getcwd(), "path": sys.path, "home": os.path.expanduser("~")}

def large(event):
    return "x" * event["size"]

def eat(event):
    held = bytearray(300 << 20)
    for at in range(0, len(held), 4096):
        held[at] = 1
    time.sleep(20)

def presign(event):
    import boto3
    given = {"Bucket": event["bucket"], "Key": event["key"]}
    return boto3.client("s3").generate_presigned_url("get_object", Params=given)

def spawn(event):
    import subprocess
    return subprocess.Popen(["sleep", "600"]).pid
"""


def zipped(source: str) -> bytes:
    """A Lambda bundle of one module, `app.py`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", source)
    return buffer.getvalue()


def make_function(client: Any, name: str, source: str = HANDLER, timeout: int = 20) -> str:
    """Create a function and wait until it is active; its ARN."""
    arn: str = client.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role="arn:aws:iam::000000000000:role/any",
        Handler="app.handler",
        Code={"ZipFile": zipped(source)},
        Timeout=timeout,
        Environment={"Variables": {"GREETING": "hello"}},
    )["FunctionArn"]
    client.get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )
    return arn


def call(client: Any, name: str, **event: Any) -> tuple[Any, dict[str, Any]]:
    """Invoke a function; its answer and the whole response."""
    response = client.invoke(FunctionName=name, Payload=json.dumps(event).encode(), LogType="Tail")
    return json.load(response["Payload"]), response


def document(arn: str, paths: dict[str, list[str]]) -> dict[str, Any]:
    """A Swagger document shaped as Chalice writes it, with CORS and gateway responses."""
    integration = {
        "responses": {"default": {"statusCode": "200"}},
        "uri": f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations",
        "passthroughBehavior": "when_no_match",
        "httpMethod": "POST",
        "contentHandling": "CONVERT_TO_TEXT",
        "type": "aws_proxy",
    }
    headers = {f"method.response.header.{name}": f"'{value}'" for name, value in CORS.items()}
    preflight = {
        "responses": {
            "200": {"description": "", "headers": {name: {"type": "string"} for name in CORS}}
        },
        "x-amazon-apigateway-integration": {
            "responses": {"default": {"statusCode": "200", "responseParameters": headers}},
            "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "passthroughBehavior": "when_no_match",
            "type": "mock",
        },
    }
    gateway_headers = {f"gatewayresponse.header.{n}": f"'{value}'" for n, value in CORS.items()}
    return {
        "swagger": "2.0",
        "info": {"version": "1.0", "title": "tiny"},
        "paths": {
            path: {
                **{m: {"x-amazon-apigateway-integration": integration} for m in methods},
                "options": preflight,
            }
            for path, methods in paths.items()
        },
        "definitions": {"Empty": {"type": "object"}},
        "x-amazon-apigateway-binary-media-types": ["image/png", "image/*"],
        "x-amazon-apigateway-gateway-responses": {
            name: {"responseParameters": gateway_headers} for name in ("DEFAULT_4XX", "DEFAULT_5XX")
        },
    }


PATHS = {
    "/": ["get"],
    "/echo": ["get", "post"],
    "/picture": ["post"],
    "/slow": ["get"],
    "/malformed": ["get"],
    "/fail": ["get"],
    "/items/{id}": ["get"],
}


def fetch(
    url: str, data: bytes | None = None, headers: dict[str, str] | None = None, method: str = ""
) -> tuple[int, dict[str, str], bytes]:
    """One HTTP request: status, headers by lower-case name, body; an error is an answer too."""
    request = urllib.request.Request(url, data, headers or {}, method=method or None)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, lowered(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, lowered(error.headers), error.read()


def lowered(headers: Any) -> dict[str, str]:
    """Headers by lower-case name."""
    return {name.lower(): value for name, value in headers.items()}


@pytest.fixture(scope="module")
def function(aws: Callable[[str], Any]) -> str:
    """The ARN of a function that the tests share."""
    return make_function(aws("lambda"), "tiny")


@pytest.fixture(scope="module")
def api(cloud: launch.CloudInfo, aws: Callable[[str], Any], function: str) -> str:
    """The address of a deployed API in front of the function."""
    gateway = aws("apigateway")
    body = json.dumps(document(function, PATHS)).encode()
    api_id = gateway.import_rest_api(body=body)["id"]
    gateway.create_deployment(restApiId=api_id, stageName="api")
    return f"{cloud.endpoint_url}/restapis/{api_id}/api/_user_request_"


# --- S3 -------------------------------------------------------------------------------------------
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


# --- Lambda ---------------------------------------------------------------------------------------
def test_an_error_is_reported_as_lambda_reports_it(
    aws: Callable[[str], Any], function: str
) -> None:
    """Type, message, stack trace and the function-error header reach the caller of Invoke."""
    answer, response = call(aws("lambda"), "tiny", do="fail")
    assert response["FunctionError"] == "Unhandled"
    assert (answer["errorType"], answer["errorMessage"]) == ("KeyError", "'missing'")
    assert any("in fail" in line for line in answer["stackTrace"])


def test_printed_lines_are_never_taken_for_answers(
    aws: Callable[[str], Any], function: str
) -> None:
    """Lines shaped like a protocol stay in the log; each caller gets its own answer."""
    client = aws("lambda")
    for n in range(5):
        answer, response = call(client, "tiny", do="shout", n=n)
        assert answer == {"n": n}
        log = base64.b64decode(response["LogResult"]).decode()
        assert "not the answer" in log
        assert "to stderr" in log


def test_the_log_has_lambdas_lines_in_one_stream_a_worker(aws: Callable[[str], Any]) -> None:
    """START, output, END and REPORT of each call stand in order in /aws/lambda/<name>."""
    make_function(aws("lambda"), "logged")
    for n in range(3):
        call(aws("lambda"), "logged", do="shout", n=n)
    group = {"logGroupName": "/aws/lambda/logged"}
    (stream,) = aws("logs").describe_log_streams(**group)["logStreams"]
    assert "/[$LATEST]" in stream["logStreamName"]
    events = aws("logs").filter_log_events(**group)["events"]
    lines = [event["message"] for event in events]
    assert [line.split()[0] for line in lines] == [
        "START", '{"status":', "END", "to", "END", "REPORT",
    ] * 3  # fmt: skip
    reports = [line for line in lines if line.startswith("REPORT")]
    assert "Init Duration" in reports[0]
    assert "Init Duration" not in reports[1]
    assert "Max Memory Used: 0 MB" not in reports[0]


def test_a_function_sees_nothing_of_the_host(
    cloud: launch.CloudInfo, aws: Callable[[str], Any], function: str
) -> None:
    """Environment, folder and packages are the function's; the endpoint is this cloud."""
    seen, _ = call(aws("lambda"), "tiny", do="environment")
    environ = seen["environ"]
    assert environ["GREETING"] == "hello"
    assert environ["AWS_ENDPOINT_URL"] == cloud.endpoint_url
    assert environ["AWS_LAMBDA_FUNCTION_NAME"] == "tiny"
    assert seen["cwd"] == environ["LAMBDA_TASK_ROOT"]
    assert seen["home"].startswith(str(cloud.state))
    own = {"GREETING", "PATH", "HOME", "LANG", "LC_CTYPE", "TZ", "TMPDIR", "PYTHONPATH", "_HANDLER"}
    assert {n for n in environ if not n.startswith(("AWS_", "LAMBDA_"))} <= own
    host_packages = str(Path(sys.prefix, "lib", "python3.11", "site-packages"))
    assert host_packages not in seen["path"]


def test_a_timeout_ends_the_worker_and_the_next_call_gets_another(
    aws: Callable[[str], Any],
) -> None:
    """The caller reads Lambda's words, what was printed stays logged, and the function goes on."""
    client = aws("lambda")
    make_function(client, "sleepy", timeout=1)
    answer, response = call(client, "sleepy", do="sleep")
    assert response["FunctionError"] == "Unhandled"
    assert answer["errorType"] == "Sandbox.Timedout"
    assert answer["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert "about to sleep" in base64.b64decode(response["LogResult"]).decode()
    assert call(client, "sleepy", do="shout", n=1)[0] == {"n": 1}


def test_a_crash_is_an_error_of_that_call_alone(aws: Callable[[str], Any], function: str) -> None:
    """A worker that exits is reported with its exit status and replaced."""
    client = aws("lambda")
    answer, _ = call(client, "tiny", do="die")
    assert answer["errorType"] == "Runtime.ExitError"
    assert answer["errorMessage"].endswith("Runtime exited with error: exit status 3")
    assert call(client, "tiny", do="shout", n=2)[0] == {"n": 2}


def test_a_function_that_holds_more_than_its_memory_is_killed(aws: Callable[[str], Any]) -> None:
    """In Lambda's words, to the caller and in the log; the next call gets another worker."""
    client = aws("lambda")
    make_function(client, "greedy")
    assert client.get_function_configuration(FunctionName="greedy")["MemorySize"] == 128
    answer, response = call(client, "greedy", do="eat")
    assert response["FunctionError"] == "Unhandled"
    assert answer["errorType"] == "Runtime.OutOfMemory"
    assert answer["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    log = base64.b64decode(response["LogResult"]).decode()
    assert "Memory Size: 128 MB\tMax Memory Used: 128 MB" in log
    assert "Status: error\tError Type: Runtime.OutOfMemory" in log
    client.update_function_configuration(FunctionName="greedy", MemorySize=1024, Timeout=2)
    assert call(client, "greedy", do="eat")[0]["errorType"] == "Sandbox.Timedout"


def test_a_function_beyond_lambdas_limits_is_refused(
    aws: Callable[[str], Any], function: str
) -> None:
    """When it is made and when it is changed, in Lambda's words."""
    client = aws("lambda")
    words = "1 validation error detected: Value '901' at 'timeout'"
    with pytest.raises(ClientError, match=words):
        make_function(client, "patient", timeout=901)
    with pytest.raises(ClientError, match=words):
        client.update_function_configuration(FunctionName="tiny", Timeout=901)
    variables = {"Variables": {"LONG": "x" * 4097}}
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="the 4KB limit"):
        client.update_function_configuration(FunctionName="tiny", Environment=variables)


def test_a_bundle_beyond_250_megabytes_unpacked_is_refused(
    aws: Callable[[str], Any], function: str
) -> None:
    """Whatever it has packed; the archive's own directory tells."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", HANDLER)
        archive.getinfo("app.py").file_size = 250 * 1024**2 + 1
    client = aws("lambda")
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="262144000 bytes"):
        client.update_function_code(FunctionName="tiny", ZipFile=buffer.getvalue())


def test_a_function_that_cannot_load_says_why(aws: Callable[[str], Any]) -> None:
    """An import error is reported by name, not as a hang."""
    client = aws("lambda")
    make_function(client, "broken", source="import no_such_package")
    answer, _ = call(client, "broken")
    assert answer["errorType"] == "Runtime.ImportModuleError"
    assert "no_such_package" in answer["errorMessage"]


def test_changed_code_and_configuration_run_at_the_next_call(aws: Callable[[str], Any]) -> None:
    """No warm worker of the old code or the old variables answers any more."""
    client = aws("lambda")
    source = (
        "import os\ndef handler(event, context):\n    return ['{}', os.environ.get('GREETING')]"
    )
    make_function(client, "changing", source=source.format("old"))
    assert call(client, "changing")[0] == ["old", "hello"]
    client.update_function_code(FunctionName="changing", ZipFile=zipped(source.format("new")))
    assert call(client, "changing")[0] == ["new", "hello"]
    client.update_function_configuration(
        FunctionName="changing", Environment={"Variables": {"GREETING": "goodbye"}}
    )
    assert call(client, "changing")[0] == ["new", "goodbye"]


@pytest.mark.parametrize("size", [6_291_456 - 2, 6_291_456])
def test_an_answer_beyond_lambdas_limit_is_an_error(
    aws: Callable[[str], Any], function: str, size: int
) -> None:
    """6 MB with the quotes pass, one byte more does not."""
    answer, response = call(aws("lambda"), "tiny", do="large", size=size)
    if size + 2 <= 6_291_456:
        assert len(answer) == size
    else:
        assert response["FunctionError"] == "Unhandled"
        assert answer["errorType"] == "Function.ResponseSizeTooLarge"


def test_an_event_beyond_lambdas_limit_is_refused(aws: Callable[[str], Any], function: str) -> None:
    """Invoke answers 413 RequestTooLargeException."""
    client = aws("lambda")
    with pytest.raises(client.exceptions.RequestTooLargeException):
        client.invoke(FunctionName="tiny", Payload=json.dumps("x" * 6_291_456).encode())


# --- API Gateway ----------------------------------------------------------------------------------
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


# --- The process ----------------------------------------------------------------------------------
def test_health_is_told_in_both_dialects(cloud: launch.CloudInfo) -> None:
    """Our route and LocalStack's list the services, SageMaker among them."""
    for path in ("/_snapshelf/health", "/_localstack/health"):
        health = json.loads(fetch(f"{cloud.endpoint_url}{path}")[2])
        assert health["status"] == "running"
        assert {"s3", "lambda", "apigateway", "sagemaker"} <= set(health["services"])


def test_sagemaker_requests_go_to_the_plane(aws: Callable[[str], Any]) -> None:
    """A request signed for SageMaker is answered as SageMaker answers."""
    assert aws("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


def children(pid: int) -> set[int]:
    """The process's descendants."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, check=True, text=True)
    parents = {int(a): int(b) for a, b in (line.split() for line in listed.stdout.splitlines())}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def gone(pids: set[int], seconds: float = 5) -> bool:
    """Whether every process ends within that time."""
    deadline = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}").exists() and not _zombie(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def own_cloud(tmp_path: Path) -> Any:
    """A cloud that a test may end; gives its information and its state folder."""
    info = launch.start(tmp_path / "state", port=0, attached=True)
    yield info
    launch.stop(info.state)


def test_state_survives_a_stop_and_a_start(
    own_cloud: launch.CloudInfo, client_at: Callable[[str], Any]
) -> None:
    """Buckets, objects, functions, APIs and roles come back, and the API answers."""
    aws = client_at(own_cloud.endpoint_url)
    aws("s3").create_bucket(Bucket="kept")
    aws("s3").put_object(Bucket="kept", Key="k", Body=b"v", ContentType="text/x-own")
    aws("iam").create_role(RoleName="kept", AssumeRolePolicyDocument="{}")
    arn = make_function(aws("lambda"), "kept")
    api_id = aws("apigateway").import_rest_api(body=json.dumps(document(arn, PATHS)))["id"]
    aws("apigateway").create_deployment(restApiId=api_id, stageName="api")
    assert launch.stop(own_cloud.state)
    assert launch.status(own_cloud.state) is None

    again = launch.start(own_cloud.state, port=0, attached=True)
    aws = client_at(again.endpoint_url)
    found = aws("s3").get_object(Bucket="kept", Key="k")
    assert (found["Body"].read(), found["ContentType"]) == (b"v", "text/x-own")
    assert aws("iam").get_role(RoleName="kept")["Role"]["RoleName"] == "kept"
    assert fetch(f"{again.endpoint_url}/restapis/{api_id}/api/_user_request_/")[0] == 200


def test_a_killed_cloud_leaves_no_child_and_loses_no_more_than_seconds(
    own_cloud: launch.CloudInfo, client_at: Callable[[str], Any]
) -> None:
    """After SIGKILL no worker lives on, and what was made three seconds before is there."""
    aws = client_at(own_cloud.endpoint_url)
    make_function(aws("lambda"), "kept")
    call(aws("lambda"), "kept", do="shout", n=1)
    aws("sqs").create_queue(QueueName="kept")
    time.sleep(3)
    workers = children(own_cloud.pid)
    assert workers
    os.kill(own_cloud.pid, signal.SIGKILL)
    os.waitpid(own_cloud.pid, 0)
    assert gone(workers)
    assert launch.status(own_cloud.state) is None

    again = launch.start(own_cloud.state, port=0, attached=True)
    aws = client_at(again.endpoint_url)
    assert aws("sqs").get_queue_url(QueueName="kept")["QueueUrl"]
    assert call(aws("lambda"), "kept", do="shout", n=3)[0] == {"n": 3}


def test_two_clouds_side_by_side_do_not_disturb_each_other(
    cloud: launch.CloudInfo, own_cloud: launch.CloudInfo, client_at: Callable[[str], Any]
) -> None:
    """Buckets, functions, APIs and models of the same names; the end of one is not the other's."""
    addresses = []
    for number, one in enumerate((cloud, own_cloud)):
        aws = client_at(one.endpoint_url)
        aws("s3").create_bucket(Bucket="twin")
        aws("s3").put_object(Bucket="twin", Key="k", Body=b"%d" % number)
        source = HANDLER.replace('json.dumps({"pid": os.getpid()})', f'"{number}"')
        arn = make_function(aws("lambda"), "twin", source)
        api_id = aws("apigateway").import_rest_api(body=json.dumps(document(arn, PATHS)))["id"]
        aws("apigateway").create_deployment(restApiId=api_id, stageName="api")
        addresses.append(f"{one.endpoint_url}/restapis/{api_id}/api/_user_request_/")
        aws("sagemaker").create_model(
            ModelName=f"twin-{number}",
            PrimaryContainer={"Image": "snapshelf-inference:1"},
            ExecutionRoleArn="arn:aws:iam::000000000000:role/any",
        )
    for number, (one, address) in enumerate(zip((cloud, own_cloud), addresses, strict=True)):
        aws = client_at(one.endpoint_url)
        assert fetch(address)[::2] == (200, b"%d" % number)
        assert aws("s3").get_object(Bucket="twin", Key="k")["Body"].read() == b"%d" % number
        listed = aws("sagemaker").list_models(NameContains="twin")["Models"]
        assert [model["ModelName"] for model in listed] == [f"twin-{number}"]
    workers = children(cloud.pid)
    assert launch.stop(own_cloud.state)
    assert workers <= children(cloud.pid)
    assert fetch(addresses[0])[::2] == (200, b"0")


def test_sigterm_ends_the_cloud_with_every_child(
    own_cloud: launch.CloudInfo, client_at: Callable[[str], Any]
) -> None:
    """Workers, busy or idle, and what they started end within ten seconds."""
    aws = client_at(own_cloud.endpoint_url)
    make_function(aws("lambda"), "kept")
    call(aws("lambda"), "kept", do="spawn")
    with concurrent.futures.ThreadPoolExecutor() as threads:
        busy = threads.submit(call, aws("lambda"), "kept", do="sleep")
        time.sleep(1.5)
        workers = children(own_cloud.pid)
        assert len(workers) >= 2
        begin = time.monotonic()
        assert launch.stop(own_cloud.state)
        assert time.monotonic() - begin < 10
        assert gone(workers)
        assert busy.exception(timeout=10) is not None or busy.result()[1]["FunctionError"]
    assert not list((own_cloud.state / "scratch" / "workers").iterdir())


def test_nothing_is_written_outside_the_state_folder(
    tmp_path: Path, own_cloud: launch.CloudInfo, client_at: Callable[[str], Any]
) -> None:
    """Every file that the cloud process holds open for writing lies in its folder."""
    client = client_at(own_cloud.endpoint_url)("lambda")
    make_function(client, "kept")
    call(client, "kept", do="shout", n=1)
    links = [str(fd.readlink()) for fd in Path(f"/proc/{own_cloud.pid}/fd").iterdir()]
    files = [link for link in links if link.startswith("/") and not link.startswith("/dev")]
    assert files
    assert all(link.startswith(str(own_cloud.state)) for link in files)
    assert {path.name for path in tmp_path.iterdir()} == {"state"}


def test_a_second_start_finds_the_first(own_cloud: launch.CloudInfo) -> None:
    """Starting again returns the running cloud; on another port it is refused with the mend."""
    again = launch.start(own_cloud.state, port=own_cloud.port)
    assert (again.pid, again.port) == (own_cloud.pid, own_cloud.port)
    with pytest.raises(launch.DeployError) as refusal:
        launch.start(own_cloud.state, port=own_cloud.port + 1)
    assert str(own_cloud.port) in refusal.value.hint


def test_the_commands_start_find_and_stop_a_cloud(tmp_path: Path) -> None:
    """`up` twice is one cloud, `status` finds it, `down` ends it, and each speaks JSON."""
    run = CliRunner().invoke
    at = ["--state", str(tmp_path / "state"), "--json"]
    try:
        first = json.loads(run(up_command, ["--port", "0", *at]).stdout)
        again = json.loads(run(up_command, ["--port", "0", *at]).stdout)
        assert again["pid"] == first["pid"]
        assert json.loads(run(status_command, at).stdout)["endpoint_url"] == first["endpoint_url"]
    finally:
        ended = run(down_command, at)
    assert json.loads(ended.stdout)["stopped"] is True
    assert gone({first["pid"]})
    assert json.loads(run(down_command, at).stdout)["stopped"] is False
    absent = run(status_command, at)
    assert (absent.exit_code, json.loads(absent.stdout)) == (1, {"running": False})


def test_the_help_shows_what_to_export() -> None:
    """Each export stands on a line of its own, to be copied."""
    lines = CliRunner().invoke(up_command, ["--help"]).stdout.splitlines()
    exports = [line.split() for line in lines if line.strip().startswith("export ")]
    assert [words[1].partition("=")[0] for words in exports] == [
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
    ]


def test_a_taken_port_is_named_with_the_mend(tmp_path: Path, own_cloud: launch.CloudInfo) -> None:
    """Another program on the port is an error that says what to do."""
    with pytest.raises(launch.DeployError, match=f"port {own_cloud.port}") as refusal:
        launch.start(tmp_path / "other", port=own_cloud.port)
    assert "--port" in refusal.value.hint
    assert not (tmp_path / "other").exists()
