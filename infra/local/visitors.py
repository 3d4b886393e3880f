"""Who a request may come from: programs, pages of this machine, or pages of the web, which may not.

A browser lets any page that it shows send requests to loopback, and the local cloud checks no
signatures: without this a picture in a foreign page could have a stack made, functions and all.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import parse_qs, urlsplit

_SUFFIXES = (".localhost", ".localstack.cloud", ".amazonaws.com", ".docker.internal", ".internal")
"""Names that no stranger can point at this machine: of resolvers, of AWS, or of a container's host.

Source: RFC 6761, 6.3 (`localhost`); ICANN's reservation of `internal`, 2024.
"""

_SAFE = ("GET", "HEAD")


def is_known_host(host: str) -> bool:
    """Whether a Host header names this machine, so that no name was rebound to it.

    A page that rebinds its own name to loopback is of that name's origin, and the browser lets it
    read every answer; it cannot do so with an address, nor with a name that is not its own.

    Args:
        host: with or without a port; empty of a client that sends none.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:  # brackets that are none of an IPv6 address
        return False
    if name in ("", "localhost", socket.gethostname().lower()) or name.endswith(_SUFFIXES):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_own_origin(origin: str) -> bool:
    """Whether an Origin header names a page of this machine."""
    try:
        host = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    return host in ("localhost", "127.0.0.1", "::1") or host.endswith(".localhost")


def is_foreign(headers: dict[str, str]) -> bool:
    """Whether a browser says that a page of another site asks: by an image, a script or a link.

    Source: W3C, *Fetch Metadata Request Headers*. With GET there is no Origin header.
    """
    return headers.get("sec-fetch-site", "") == "cross-site"


def acts_by_reading(method: str, query_string: bytes) -> bool:
    """Whether a GET asks for an action of AWS's query protocol, which may change anything.

    AWS's libraries send those by POST; an older browser's image has nothing else to tell it by.
    """
    return method in _SAFE and "Action" in parse_qs(query_string.decode("latin-1"))
