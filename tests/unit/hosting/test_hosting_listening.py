"""The socket that the program listens on."""

import socket
from pathlib import Path

import pytest

from hosting.__main__ import ListenError, listen
from hosting.environment import Environment


def environment(host="127.0.0.1", port=0):
    return Environment(Path(), host, port, 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_no_part_of_an_answer_waits_for_an_acknowledgement(host):
    """Connections send at once (TCP_NODELAY): head and body of an answer are two packets."""
    with (
        listen(environment(host)) as sock,
        socket.create_connection(sock.getsockname()[:2]),
        sock.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_that_is_none_is_named():
    """With what to set."""
    with pytest.raises(ListenError, match=r"cannot listen on 203\.0\.113\.1 port 0: ") as caught:
        listen(environment("203.0.113.1"))
    assert "SNAPSHELF_HOST" in caught.value.hint
