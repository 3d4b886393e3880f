"""Which addresses of the network a link may lead to, and connections that are made to no other."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

import anyio
import httpcore

if TYPE_CHECKING:
    from collections.abc import Iterable

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_TUNNELS = (ipaddress.IPv6Network("2001::/32"), ipaddress.IPv6Network("2002::/16"))
_UNROUTED = (ipaddress.IPv6Network("3fff::/20"), ipaddress.IPv4Network("192.88.99.0/24"))
"""By RFC: 4291 (unicast), 6052 (NAT64), 4380 and 7526 (Teredo, 6to4: any IPv4 address may hide in
them, and neither is in use any more), 9637 (documentation), 7526 again (the relays of 6to4).
"""


class ForbiddenAddressError(Exception):
    """A link leads to an address that is not public; the text says which."""


class UnknownHostError(Exception):
    """A link's host has no address; the text says which."""


def is_public(address: str) -> bool:
    """Whether anyone on the Internet could mean the same machine by this numeric address.

    Private, loopback, link-local, multicast, shared, reserved and unspecified addresses are not
    public, in IPv4 or wrapped into IPv6.
    """
    parsed = ipaddress.ip_address(address)
    if any(parsed in network for network in _UNROUTED if network.version == parsed.version):
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved)
    if parsed in _NAT64:
        return is_public(str(ipaddress.IPv4Address(parsed.packed[-4:])))
    if any(parsed in network for network in _TUNNELS):
        return False
    return parsed in _GLOBAL_UNICAST and not parsed.is_private


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects by TCP to addresses that it looked up and checked itself.

    A host's name is looked up once for a connection, and the connection is made to the very
    address that was checked: what the name means a moment later changes nothing. Names for TLS
    and for the Host header are no business of this layer, and stay as they are in the link.

    Args:
        allow_private: Connect to any address.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's signature)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first of the host's addresses that answers within `timeout` seconds.

        Raises:
            ForbiddenAddressError: the host has an address that is not public.
            UnknownHostError: it has none.
            httpcore.ConnectError, httpcore.ConnectTimeout: no address answers.
        """
        try:
            with anyio.fail_after(timeout):
                addresses = await _look_up(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host}: the name is still looked up") from error
        self._check(host, addresses)
        for address in addresses[:-1]:
            try:
                return await self._backend.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._backend.connect_tcp(
            addresses[-1], port, timeout, local_address, socket_options
        )

    async def sleep(self, seconds: float) -> None:
        """As httpcore asks for it."""
        await anyio.sleep(seconds)

    def _check(self, host: str, addresses: Iterable[str]) -> None:
        for address in () if self._allow_private else addresses:
            if not is_public(address):
                name = address if host == address else f"{host} ({address})"
                raise ForbiddenAddressError(f"leads to {name}, not a public address")


async def _look_up(host: str, port: int) -> tuple[str, ...]:
    """Numeric addresses of a host, the system's preferred one first; at least one.

    The system's look-up cannot be broken off. Each has a thread of its own that no one waits for
    at the end, as they would for a pool's.
    """
    answer: Future[tuple[str, ...]] = Future()
    thread = threading.Thread(
        target=_answer, args=(answer, host, port), name=f"look-up {host}", daemon=True
    )
    thread.start()
    return await asyncio.wrap_future(answer)


def _answer(answer: Future[tuple[str, ...]], host: str, port: int) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(_addresses(host, port))
    except Exception as error:  # noqa: BLE001 (raised again where it is waited for)
        answer.set_exception(error)


def _addresses(host: str, port: int) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty, or longer than 63 letters
        raise UnknownHostError(f"no host {host}") from error
    except socket.gaierror as error:
        if error.errno in {socket.EAI_NONAME, socket.EAI_NODATA}:
            raise UnknownHostError(f"no host {host}") from error
        raise httpcore.ConnectError(f"{host} cannot be looked up: {error.strerror}") from error
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))
