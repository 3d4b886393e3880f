"""Several processes that serve one model and share its weights."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from colour_artifacts import colour_card, colour_network
from onnx import helper, numpy_helper
from PIL import Image
from served_process import ROOT, asking

from hosting.environment import METRICS_FOLDER_VARIABLE

WEIGHTS_MB = 60


BROKEN = """
import socket, sys
from pathlib import Path
from types import SimpleNamespace
from hosting.environment import Environment
from hosting.workers import WorkerError, Workers

def predict(arrays):
    raise RuntimeError("this runtime does not survive a fork")

environment = Environment(Path("."), "127.0.0.1", 0, 1, workers=2)
model = SimpleNamespace(preparation=SimpleNamespace(size=8), predict=predict, version="1")
try:
    Workers(environment, model, socket.create_server(("127.0.0.1", 0)), None).run()
except WorkerError as error:
    print(error.message, "/", error.hint)
"""


@pytest.fixture
def served(serve, make_artifact):
    """The colour network, served by two workers."""
    return serve(make_artifact(), SAGEMAKER_MODEL_SERVER_WORKERS="2")


def heavy_network():
    """The colour network, with weights of WEIGHTS_MB that add nothing to what it says."""
    network = onnx.load_from_string(colour_network())
    side = round((WEIGHTS_MB * 1_000_000 / 4) ** 0.5)
    draw = np.random.default_rng(0).normal
    for name, shape in (("first", (3, side)), ("second", (side, side))):
        weights = draw(size=shape).astype(np.float32)
        network.graph.initializer.append(numpy_helper.from_array(weights, name))
    network.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "zero"))
    softmax = network.graph.node.pop()
    network.graph.node.extend(
        [
            helper.make_node("MatMul", ["colour", "first"], ["wide"]),
            helper.make_node("MatMul", ["wide", "second"], ["wide too"]),
            helper.make_node("ReduceMean", ["wide too"], ["mean"], axes=[1], keepdims=1),
            helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
            helper.make_node("Add", ["logits", "nothing"], ["sum"]),
            helper.make_node("Softmax", ["sum"], list(softmax.output)),
        ]
    )
    return network.SerializeToString()


def own_megabytes(pid):
    """Memory that a process shares with no other."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kilobytes = re.findall(r"^Private_(?:Clean|Dirty): +(\d+) kB", text, re.MULTILINE)
    return sum(map(int, kilobytes)) / 1000


def test_workers_share_the_weights(serve, make_artifact, red_photo):
    """Each has a fraction of them to itself, also when it has answered."""
    served = serve(make_artifact(network=heavy_network()), SAGEMAKER_MODEL_SERVER_WORKERS="2")
    with asking(served, red_photo, clients=4) as replies:
        served.until(lambda: len(replies) > 40)
    workers = served.children()
    assert len(workers) == 2
    assert max(map(own_megabytes, workers)) < WEIGHTS_MB / 2


def test_workers_pass_over_a_runtime_that_does_not_survive_the_fork(
    serve, make_artifact, red_photo
):
    """Though the card has it first: they answer by the next, and the log says why."""
    order = ["openvino-fp32", "onnxruntime-fp32"]
    card = colour_card(runtimes={"order": order})
    served = serve(make_artifact(card), SAGEMAKER_MODEL_SERVER_WORKERS="2")
    assert served.post(red_photo).status_code == 200
    log = served.log.read_text()
    assert "openvino-fp32 is passed over: several workers cannot share openvino" in log
    assert "3 classes, by onnxruntime-fp32" in log


def test_a_worker_that_dies_is_replaced(served, red_photo):
    """By another, of the same model; the log says so."""
    before = served.children()
    os.kill(before[0], signal.SIGKILL)
    served.until(lambda: len(set(served.children()) - set(before)) == 1)
    assert served.until(lambda: served.post(red_photo)).status_code == 200
    assert f"worker {before[0]} ended with -9" in served.log.read_text()


def test_metrics_are_those_of_all_workers(served, red_photo):
    """Whichever is asked; and what a dead one had counted stays."""
    told = 'snapshelf_requests_total{path="/invocations",status="200"} '

    def counted():
        text = served.until(lambda: served.get("/metrics")).text
        return float(text.partition(told)[2].split("\n")[0] or 0)

    with asking(served, red_photo, clients=4) as replies:
        served.until(lambda: len(replies) > 20)
    served.until(lambda: counted() == len(replies))  # a reply is sent before it is counted
    os.kill(served.children()[0], signal.SIGKILL)
    assert [counted() for _ in range(5)] == [len(replies)] * 5


def test_batch_transform_is_told_how_many_workers_there_are(served):
    """Each decodes a photo at a time."""
    assert served.get("/execution-parameters").json()["MaxConcurrentTransforms"] == 2


def test_sigterm_ends_all_of_them(served):
    """0, and nobody is left."""
    workers = served.children()
    assert served.stop() == 0
    assert [pid for pid in workers if Path(f"/proc/{pid}").exists()] == []


def test_workers_end_with_their_parent(served):
    """Also where it is killed, and cannot tell them."""
    workers = served.children()
    served.stop(signal.SIGKILL)
    while any(is_running(pid) for pid in workers):
        time.sleep(0.02)


def is_running(pid):
    """Whether a process is there and has not ended: somebody may be slow to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_many_photos_of_one_request_are_answered_in_order(served):
    """By the one worker that has it."""
    colours = []
    for colour in ((250, 10, 10), (10, 250, 10), (10, 10, 250)):
        buffer = io.BytesIO()
        Image.new("RGB", (40, 30), colour).save(buffer, "PNG")
        colours.append(buffer.getvalue())
    body = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\n' + each + b"\r\n"
        for each in colours * 20
    )
    reply = served.post(body + b"--x--", "multipart/form-data; boundary=x").json()
    assert [int(np.argmax(each)) for each in reply["predictions"]] == [0, 1, 2] * 20


def test_a_model_that_does_not_survive_the_fork_is_told(tmp_path):
    """Before any request; the log has the worker's own reason, and nobody is left."""
    done = subprocess.run(
        [sys.executable, "-c", BROKEN],
        cwd=ROOT,
        env=os.environ | {METRICS_FOLDER_VARIABLE: str(tmp_path)},
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    assert "did not answer a picture" in done.stdout
    assert "takes one worker" in done.stdout
    assert "does not survive a fork" in done.stderr
