"""The local cloud as a process: health, what survives it, and its commands."""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from tiny_function import (
    HANDLER,
    PATHS,
    call,
    document,
    fetch,
    make_function,
)

from infra.local import launch
from scripts.commands.cloud import down_command, status_command, up_command

if TYPE_CHECKING:
    from collections.abc import Callable


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


def test_a_stack_that_waits_for_an_answer_does_not_keep_the_cloud(
    own_cloud: launch.CloudInfo, client_at: Callable[[str], Any]
) -> None:
    """A custom resource may wait for an hour; `snapshelf down` does not."""
    aws = client_at(own_cloud.endpoint_url)
    silent = make_function(aws("lambda"), "silent", "def handler(event, context): return None")
    resource = {"Type": "Custom::Never", "Properties": {"ServiceToken": silent}}
    cloudformation = aws("cloudformation")
    template = json.dumps({"Resources": {"Never": resource}})
    cloudformation.create_stack(StackName="waits", TemplateBody=template)
    (stack,) = cloudformation.describe_stacks(StackName="waits")["Stacks"]
    assert stack["StackStatus"] == "CREATE_IN_PROGRESS"
    assert launch.stop(own_cloud.state)
    assert gone({own_cloud.pid})
