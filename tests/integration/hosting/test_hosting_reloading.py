"""A model is replaced, and a server ended, without a lost request; over real processes."""

import signal
import socket

import pytest
from served_process import asking

FIRST, SECOND = "0123456789ab", "222222222222"
WORKERS = pytest.mark.parametrize("workers", ["1", "2"])


def serve_by(serve, folder, workers):
    return serve(folder, SAGEMAKER_MODEL_SERVER_WORKERS=workers)


@WORKERS
def test_a_new_artifact_goes_into_service_without_a_lost_request(
    serve, make_artifact, next_artifact, red_photo, workers
):
    """Clients that never pause are answered 200 throughout: by the old model, then the new."""
    served = serve_by(serve, make_artifact(), workers)
    with asking(served, red_photo) as replies:
        served.until(lambda: len(replies) > 50)
        served.replace(next_artifact(SECOND))
        served.until(lambda: (200, SECOND) in replies)
        answered = len(replies)
        served.until(lambda: len(replies) > answered + 50)
    assert set(replies) == {(200, FIRST), (200, SECOND)}
    assert served.until(lambda: served.version() == SECOND)


@WORKERS
def test_sighup_loads_the_folder_again(serve, make_artifact, next_artifact, workers):
    """At once, where the folder is not looked at."""
    served = serve(
        make_artifact(), SAGEMAKER_MODEL_SERVER_WORKERS=workers, SNAPSHELF_RELOAD_SECONDS="0"
    )
    served.replace(next_artifact(SECOND))
    assert served.version() == FIRST
    served.process.send_signal(signal.SIGHUP)
    assert served.until(lambda: served.version() == SECOND)


@WORKERS
def test_an_artifact_that_cannot_be_used_leaves_the_one_in_service(
    serve, make_artifact, next_artifact, red_photo, workers
):
    """The log says why, the metrics count it, and the next good one is taken."""
    served = serve_by(serve, make_artifact(), workers)
    served.replace(next_artifact("broken", network=b"no network"))
    refused = 'snapshelf_reloads_total{outcome="refused"} 1.0'
    served.until(lambda: refused in served.get("/metrics").text)
    assert served.post(red_photo).status_code == 200
    assert f"kept model {FIRST}: model.onnx" in served.log.read_text()
    served.replace(next_artifact(SECOND))
    assert served.until(lambda: served.version() == SECOND)


@WORKERS
def test_sigterm_answers_what_is_under_way_and_takes_nothing_new(
    serve, make_artifact, red_photo, workers
):
    """A request whose body is still coming is answered; the next connection is refused."""
    served = serve_by(serve, make_artifact(), workers)
    head = (
        b"POST /invocations HTTP/1.1\r\nHost: model\r\nContent-Type: image/png\r\n"
        b"Content-Length: %d\r\n\r\n" % len(red_photo)
    )
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as client:
        client.sendall(head + red_photo[:20])
        served.until(lambda: under_way(served) == 2)  # the client's, and the one that asks
        served.process.send_signal(signal.SIGTERM)
        served.until(lambda: served.get("/ping") is None)
        client.sendall(red_photo[20:])
        reply = b"".join(iter(lambda: client.recv(65536), b""))
    assert reply.startswith(b"HTTP/1.1 200 ")
    assert served.process.wait(timeout=60) == 0
    assert "Traceback" not in served.log.read_text()


def under_way(served):
    """Requests that the server has at present."""
    reply = served.get("/metrics")
    lines = [each for each in reply.text.splitlines() if "_under_way " in each]
    return sum(float(line.split()[-1]) for line in lines if not line.startswith("#"))
