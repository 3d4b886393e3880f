"""Lambda of the local cloud, as its users meet it: errors, logs, limits, changed code."""

from __future__ import annotations

import base64
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tiny_function import (
    HANDLER,
    call,
    make_function,
    zipped,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local import launch


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
