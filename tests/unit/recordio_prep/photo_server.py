"""A server of photos and of everything else that a link may lead to, on this machine."""

import contextlib
import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image


def encoded(colour="red", form="PNG"):
    """A small photo's bytes."""
    buffer = io.BytesIO()
    Image.new("RGB", (12, 9), colour).save(buffer, form)
    return buffer.getvalue()


PHOTO = encoded()


def answer(status=200, body=PHOTO, **headers):
    """A reply with its length announced; `content_type="x"` becomes `Content-Type: x`."""

    def reply(handler):
        handler.send_response(status)
        for name, value in {"content_length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def endless(handler):
    """A photo's first bytes, and more until the other side has had enough."""
    handler.send_response(200)
    handler.send_header("connection", "close")
    handler.end_headers()
    handler.wfile.write(PHOTO)
    while not handler.server.ended.is_set():
        handler.wfile.write(bytes(65_536))


def cut_off(handler):
    """Half of what was announced."""
    handler.send_response(200)
    handler.send_header("content-length", str(len(PHOTO)))
    handler.end_headers()
    handler.wfile.write(PHOTO[: len(PHOTO) // 2])
    handler.close_connection = True


def silent(handler):
    """Never answers."""
    handler.close_connection = True
    handler.server.ended.wait()


class PhotoServer(ThreadingHTTPServer):
    """Answers with a photo wherever `replies` has nothing else.

    Attributes:
        replies: By path: functions of the handler; one after the other, the last one for good.
        asked: Paths that were asked for, in order.
        headers: Of each request.
        ended: Set when the test is over.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        self.replies = {}
        self.asked = []
        self.headers = []
        self.ended = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request, client_address):
        """The other side hung up: part of many tests."""

    def link(self, path):
        """The address of a path on this server."""
        return f"http://127.0.0.1:{self.server_port}{path}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        self.server.headers.append(self.headers)
        replies = self.server.replies.get(self.path) or [answer()]
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        reply(self)

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving():
    """A PhotoServer at work until the block ends."""
    with PhotoServer() as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
            thread.join()
