"""Downloads: what is tried again, what is never asked twice, and where no link may lead."""

import dataclasses
import gzip
import re
import socket
import ssl
import threading
from datetime import UTC, datetime

import anyio
import httpcore
import pytest
from photo_server import PHOTO, answer, cut_off, encoded, endless, serving, silent

from contracts import MAX_PHOTO_BYTES, DatasetError
from recordio_prep.sources import download
from recordio_prep.sources.addresses import is_public
from recordio_prep.sources.download import Downloader, pause, retry_after
from recordio_prep.sources.download_settings import DownloadSettings
from recordio_prep.sources.link_cache import Failed, Kept, LinkCache
from recordio_prep.sources.transport import open_client

SETTINGS = DownloadSettings(allow_private=True)
PUBLIC = "93.184.216.34"

FORBIDDEN = [
    *("127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
    *("0.0.0.0", "0.1.2.3", "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "203.0.113.9"),
    *("192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8"),
    *("fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12::1", "ff02::1", "ff0e::1"),
    *("64:ff9b::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::808:808", "2002:7f00:1::", "2001::1"),
    *("2001:db8::1", "3fff::1", "100::1", "4000::1", "5f00::1"),
]


@pytest.fixture
def server():
    """A PhotoServer."""
    with serving() as server:
        yield server


@pytest.fixture
def cache(tmp_path):
    """An empty cache."""
    (tmp_path / "cache" / "scratch").mkdir(parents=True)
    return LinkCache(tmp_path / "cache", tmp_path / "cache" / "scratch")


@pytest.fixture
def pauses(monkeypatch):
    """No pauses before retries; what each would have depended on is listed: (retry, after)."""
    asked = []

    def no_pause(retry, after, _settings):
        asked.append((retry, after))
        return 0

    monkeypatch.setattr(download, "pause", no_pause)
    return asked


@pytest.fixture
def names(monkeypatch, server):
    """Hosts' addresses, each use of a name taking the next; every connection ends at `server`.

    `connected` in it lists the addresses that were connected to.
    """
    book = {"connected": [], "photos.test": [PUBLIC]}
    connect = httpcore.AnyIOBackend.connect_tcp

    def look_up(host, port, **_options):
        if host[0].isdecimal():
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        addresses = book[host]
        address = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    async def connect_here(self, host, port, *rest):
        book["connected"].append(host)
        return await connect(self, "127.0.0.1", server.server_port, *rest)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect_here)
    return book


def fetch(cache, *links, settings=SETTINGS, **changes):
    """The outcomes of downloads, one after the other with one client; one alone is unwrapped."""
    settings = dataclasses.replace(settings, **changes)

    async def run():
        async with open_client(settings) as client:
            downloader = Downloader(client, cache, settings)
            return [await downloader.fetch(link) for link in links]

    outcomes = anyio.run(run)
    return outcomes if len(outcomes) > 1 else outcomes[0]


def fetch_public(cache, link, **changes):
    """The outcome of a download that may reach public addresses only."""
    return fetch(cache, link, settings=DownloadSettings(), **changes)


def files(cache):
    """Everything in the cache, and in the making."""
    return [path for path in cache.folder.rglob("*") if path.is_file()]


def test_a_photo_is_kept_whole(server, cache):
    """What is in the cache is what the server sent, and it is found again without asking."""
    link = server.link("/a")
    outcome = fetch(cache, link)
    assert (cache.folder / outcome.locator).read_bytes() == PHOTO
    assert (outcome.size, outcome.extension) == (len(PHOTO), "png")
    assert cache.find(link) == outcome
    assert files(cache) == [cache.folder / outcome.locator]


@pytest.mark.parametrize(
    ("form", "extension"),
    [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif"), ("TIFF", "tif")],
)
def test_the_extension_follows_the_bytes(server, cache, form, extension):
    """A content type that says otherwise changes nothing."""
    server.replies["/a"] = [answer(body=encoded(form=form), content_type="text/html")]
    assert fetch(cache, server.link("/a")).extension == extension


def test_bmp_needs_its_content_type_too(server, cache):
    """Its two letters may begin any text."""
    server.replies["/a"] = [answer(body=encoded(form="BMP"), content_type="image/bmp")]
    server.replies["/b"] = [answer(body=b"BM" + b"x" * 50, content_type="text/plain")]
    photo, text = fetch(cache, server.link("/a"), server.link("/b"))
    assert photo.extension == "bmp"
    assert text == Failed("not a photo (text/plain)", lasting=True)


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"<html>sold out", "text/html; charset=utf-8", "not a photo (text/html)"),
        (b"<html>sold out", "image/jpeg", "not a photo that can be read (image/jpeg)"),
        (b"", "image/png", "an empty file"),
    ],
)
def test_what_is_no_photo_is_remembered(server, cache, body, content_type, reason):
    """The first bytes decide, whatever the server calls them."""
    server.replies["/a"] = [answer(body=body, content_type=content_type)]
    assert fetch(cache, server.link("/a")) == Failed(reason, lasting=True)
    assert cache.find(server.link("/a")) == Failed(reason, lasting=True)


def test_a_servers_words_cannot_steer_a_terminal(server, cache):
    """They end up in lists and messages."""
    server.replies["/a"] = [answer(body=b"x", content_type="\x1b[2J" + "x" * 9999)]
    reason = fetch(cache, server.link("/a")).reason
    assert reason.startswith("not a photo (?[2jxxx")
    assert len(reason) == 300


@pytest.mark.parametrize("status", [404, 410])
def test_a_photo_that_is_gone_is_remembered(server, cache, status):
    """It is asked for once, and known to be gone from then on."""
    server.replies["/a"] = [answer(status, b"")]
    outcome = fetch(cache, server.link("/a"))
    assert outcome.reason.startswith(f"the server answers {status} ")
    assert cache.find(server.link("/a")) == Failed(outcome.reason, lasting=True)
    assert dataclasses.replace(cache, retry_failed=True).find(server.link("/a")) is None
    assert server.asked == ["/a"]


@pytest.mark.parametrize("status", [400, 401, 403, 418])
def test_other_refusals_are_neither_tried_again_nor_remembered(server, cache, status):
    """Another day, or with other rights, the server may answer."""
    server.replies["/a"] = [answer(status, b"")]
    assert f" {status} " in fetch(cache, server.link("/a")).reason + " "
    assert server.asked == ["/a"]
    assert cache.find(server.link("/a")) is None


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server, cache, pauses, status):
    """Twice refused, then served."""
    server.replies["/a"] = [answer(status, b""), answer(status, b""), answer()]
    assert isinstance(fetch(cache, server.link("/a")), Kept)
    assert server.asked == ["/a"] * 3
    assert pauses == [(0, None), (1, None)]


def test_retries_come_to_an_end_and_are_not_remembered(server, cache, pauses):
    """After the last retry the failure is told, and the next run asks again."""
    server.replies["/a"] = [answer(503, b"")]
    assert fetch(cache, server.link("/a"), retries=2).reason.startswith("the server answers 503")
    assert len(server.asked) == 3
    assert cache.find(server.link("/a")) is None


def test_a_download_that_broke_off_is_tried_again(server, cache, pauses):
    """Half a photo is not a photo, and nothing of it stays."""
    server.replies["/a"] = [cut_off, answer()]
    outcome = fetch(cache, server.link("/a"))
    assert (cache.folder / outcome.locator).read_bytes() == PHOTO
    assert len(files(cache)) == 1


def test_half_a_photo_is_never_in_the_cache(server, cache):
    """Where no retry helps, the reason is told and the cache stays empty."""
    server.replies["/a"] = [cut_off]
    assert fetch(cache, server.link("/a"), retries=0).reason.startswith("the connection failed")
    assert files(cache) == []


def test_the_server_says_how_long_to_wait(server, cache, pauses):
    """Retry-After reaches the pause."""
    server.replies["/a"] = [answer(429, b"", retry_after="7"), answer()]
    assert isinstance(fetch(cache, server.link("/a")), Kept)
    assert pauses == [(0, 7.0)]


def test_pauses_double_with_jitter_up_to_a_limit():
    """The n-th is between half of and all of backoff * 2^n, or what the server asks, capped."""
    settings = DownloadSettings(backoff_seconds=1, pause_seconds=20)
    for retry in range(4):
        waits = [pause(retry, None, settings) for _ in range(50)]
        assert 2**retry / 2 <= min(waits) < max(waits) <= 2**retry
    assert pause(0, 15, settings) == 15
    assert pause(0, 3600, settings) == 20
    assert pause(9, None, settings) == 20


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 5 ", 5),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2015 07:28:30", 30),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0),
        ("soon", None),
        ("-1", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2020 00:00:00 +9999999999999999", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    """Both forms of RFC 9110; anything else is as if it were absent."""
    assert retry_after(value, datetime(2015, 10, 21, 7, 28, tzinfo=UTC)) == seconds


def test_a_photo_too_large_is_not_even_begun(server, cache):
    """Where the length is announced, no byte of the body is waited for."""
    server.replies["/a"] = [answer(body=b"", content_length="1001")]
    outcome = fetch(cache, server.link("/a"), photo_bytes=1000)
    assert outcome == Failed("larger than 1,000 bytes", lasting=True)
    assert cache.find(server.link("/a")) == outcome


def test_a_body_without_end_is_broken_off(server, cache):
    """Nothing of it stays, and it is remembered."""
    server.replies["/a"] = [endless]
    outcome = fetch(cache, server.link("/a"), photo_bytes=300_000)
    assert outcome == Failed("larger than 300,000 bytes", lasting=True)
    assert [file.suffix for file in files(cache)] == [".failed"]


def test_a_photo_of_just_the_limit_is_kept(server, cache):
    """The limit itself is allowed."""
    assert isinstance(fetch(cache, server.link("/a"), photo_bytes=len(PHOTO)), Kept)


def test_the_limit_counts_unpacked_bytes(server, cache):
    """A body that swells is measured by what it becomes."""
    packed = gzip.compress(PHOTO + bytes(500_000))
    server.replies["/a"] = [answer(body=packed, content_encoding="gzip")]
    server.replies["/b"] = [answer(body=gzip.compress(PHOTO), content_encoding="gzip")]
    large, small = fetch(cache, server.link("/a"), server.link("/b"), photo_bytes=400_000)
    assert large == Failed("larger than 400,000 bytes", lasting=True)
    assert (cache.folder / small.locator).read_bytes() == PHOTO


@pytest.mark.parametrize(
    ("encoding", "reason"), [("br", "compressed as br"), ("gzip", "incorrect header check")]
)
def test_what_cannot_be_unpacked_is_said(server, cache, encoding, reason):
    """An encoding that nobody asked for, or a body that is not what it says."""
    server.replies["/a"] = [answer(content_encoding=encoding)]
    assert reason in fetch(cache, server.link("/a")).reason


def test_redirects_are_followed(server, cache):
    """Relative and absolute, as far as the limit goes; the photo counts for the first link."""
    server.replies["/a"] = [answer(302, b"", location="/b")]
    server.replies["/b"] = [answer(301, b"", location=server.link("/c"))]
    outcome = fetch(cache, server.link("/a"), redirects=2)
    assert cache.find(server.link("/a")) == outcome
    assert server.asked == ["/a", "/b", "/c"]


def test_redirects_in_a_circle_come_to_an_end(server, cache):
    """The limit is the number of redirects that are followed."""
    server.replies["/a"] = [answer(302, b"", location="/a")]
    assert fetch(cache, server.link("/a"), redirects=5) == Failed("more than 5 redirects")
    assert len(server.asked) == 6


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "ftp://example.org/a.jpg",
        "http://u:p@example.org/",
        "http://[::1",
        "http://a:0/",
        "http://xn--a/x.jpg",
    ],
)
def test_redirects_to_what_is_no_link_are_refused(server, cache, target):
    """Another scheme, credentials, or nothing that can be asked for."""
    server.replies["/a"] = [answer(302, b"", location=target)]
    outcome = fetch(cache, server.link("/a"))
    assert outcome.reason.startswith("redirected to where no photo is fetched: ")
    assert server.asked == ["/a"]


@pytest.mark.parametrize(
    "link",
    [
        *("", "photo.jpg", "/etc/passwd", "file:///etc/passwd", "ftp://example.org/a", "http://"),
        *("http://[::1", "http://[::1", "http://a:99999999/", "https://user:secret@example.org/a"),
        *("http://xn--a/x.jpg", "http://xn--/"),
        *("http://exa\x00mple.org/", "data:image/png;base64,AAAA", "javascript:alert(1)"),
    ],
)
def test_what_is_no_link_is_never_asked_for(cache, link, names):
    """Only http and https addresses of a host, without credentials."""
    assert isinstance(fetch(cache, link), Failed)
    assert names["connected"] == []


@pytest.mark.parametrize("address", FORBIDDEN)
def test_addresses_of_the_own_network_are_not_public(address):
    """Private, loopback, link-local, multicast, reserved, and IPv4 within IPv6."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", PUBLIC, "2606:4700::1111", "2a00:1450::1", "64:ff9b::808:808"]
)
def test_addresses_of_the_internet_are_public(address):
    """IPv4 and IPv6, and IPv4 as a NAT64 network shows it."""
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0", "0.0.0.0", "localhost"),
        *("017700000001", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[fe80::1]"),
        *("[64:ff9b::7f00:1]", "169.254.169.254", "10.0.0.1", "[fd00::1]", "224.0.0.1"),
        *("0177.0.0.1", "127.0.0.1.", "\uff11\uff12\uff17.0.0.1"),
    ],
)
def test_no_notation_of_a_private_address_is_connected_to(monkeypatch, cache, host):
    """Decimal, octal, hexadecimal, short, wrapped, wide letters: the address counts, not its look."""
    connected = []

    async def connect(_self, host, *_rest):
        connected.append(host)
        raise httpcore.ConnectError

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    outcome = fetch_public(cache, f"http://{host}/a", retries=0)
    assert re.search("not a public address|no host|not a link", outcome.reason)
    assert connected == []


def test_a_public_link_is_downloaded(names, server, cache):
    """The connection goes to the address, the request names the host."""
    assert isinstance(fetch_public(cache, "http://photos.test/a"), Kept)
    assert names["connected"] == [PUBLIC]
    assert server.headers[0]["host"] == "photos.test"


@pytest.mark.parametrize("target", ["http://10.0.0.1/secret", "http://inside.test/secret"])
def test_a_redirect_into_the_own_network_is_refused(names, server, cache, target):
    """By address or by name, even though the link itself is public."""
    names["inside.test"] = ["192.168.0.7"]
    server.replies["/a"] = [answer(302, b"", location=target)]
    outcome = fetch_public(cache, "http://photos.test/a")
    assert "not a public address" in outcome.reason
    assert names["connected"] == [PUBLIC]
    assert server.asked == ["/a"]


def test_a_name_that_changes_its_meaning_changes_nothing(names, cache):
    """A name is looked up once for a connection, which goes to the address that was checked."""
    names["photos.test"] = [PUBLIC, "127.0.0.1"]
    assert isinstance(fetch_public(cache, "http://photos.test/a"), Kept)
    assert names["connected"] == [PUBLIC]


def test_a_second_connection_is_checked_like_the_first(names, server, cache):
    """A name that was public a moment ago may not lead inside now."""
    names["photos.test"] = [PUBLIC, "127.0.0.1"]
    server.replies["/a"] = [answer(302, b"", location="/b", connection="close")]
    assert "leads to photos.test (127.0.0.1)" in fetch_public(cache, "http://photos.test/a").reason
    assert server.asked == ["/a"]


def test_a_name_with_one_private_address_is_refused(monkeypatch, names, cache):
    """It does not matter which of a name's addresses would have been taken."""
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 80)) for a in (PUBLIC, "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: both)
    assert "10.0.0.1" in fetch_public(cache, "http://photos.test/a").reason
    assert names["connected"] == []


def test_the_next_address_is_tried_where_one_does_not_answer(monkeypatch, server, cache):
    """A machine without IPv6 reaches hosts that have both."""
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, server.server_port))
        for host in ("127.0.0.9", "127.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: found)
    link = f"http://photos.test:{server.server_port}/a"
    assert isinstance(fetch(cache, link, retries=0), Kept)


def test_a_host_that_is_unknown_is_not_tried_again(monkeypatch, cache, pauses):
    """Lists of links outlive many hosts."""

    def unknown(*_arguments, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert fetch(cache, "http://gone.test/a") == Failed("no host gone.test")
    assert pauses == []


def test_a_name_server_that_fails_is_asked_again(monkeypatch, server, cache, pauses):
    """A name that cannot be looked up just now is no lasting failure."""
    replies = [socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")]
    here = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.server_port))]

    def look_up(*_arguments, **_options):
        if replies:
            raise replies.pop()
        return here

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert isinstance(fetch(cache, f"http://photos.test:{server.server_port}/a"), Kept)
    assert pauses == [(0, None)]


class TlsStream(httpcore.AsyncNetworkStream):
    """Refuses every certificate; lists the names that TLS was asked to hold it against."""

    def __init__(self):
        self.asked = []

    async def start_tls(self, ssl_context, server_hostname=None, **_timeout):
        self.asked.append((server_hostname, ssl_context.check_hostname, ssl_context.verify_mode))
        try:
            raise ssl.SSLCertVerificationError
        except ssl.SSLError as error:  # as httpcore's own stream does
            raise httpcore.ConnectError("self-signed") from error


def test_certificates_are_held_against_the_links_host(monkeypatch, names, cache, pauses):
    """Not against the address that is connected to; and a wrong one is not tried again."""
    stream = TlsStream()

    async def connect(*_arguments):
        return stream

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    outcome = fetch_public(cache, "https://photos.test/a")
    assert outcome == Failed("the connection failed: self-signed")
    assert stream.asked == [("photos.test", True, ssl.CERT_REQUIRED)]


def test_no_cookie_is_kept(server, cache):
    """What one answer sets, the next request does not bring."""
    server.replies["/a"] = [answer(302, b"", location="/b", set_cookie="id=1")]
    fetch(cache, server.link("/a"), server.link("/c"))
    assert [headers["cookie"] for headers in server.headers] == [None] * 3


def test_proxies_of_the_environment_are_not_used(monkeypatch, server, cache):
    """Behind one, the address that a link leads to could not be checked."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert isinstance(fetch(cache, server.link("/a"), retries=0), Kept)


def test_a_server_that_never_answers_is_given_up(server, cache):
    """By the limit without a byte, and by that for the whole download."""
    server.replies["/a"] = [silent]
    quiet = fetch(cache, server.link("/a"), read_seconds=0.05, retries=0)
    assert quiet == Failed("the server does not answer (ReadTimeout)", again=True)
    slow = fetch(cache, server.link("/a"), total_seconds=0.05)
    assert slow == Failed("not done within 0.05 s")


@pytest.mark.parametrize(("limits", "most"), [({"per_host": 2}, 2), ({"workers": 3}, 3)])
def test_no_more_downloads_than_allowed_at_a_time(server, cache, limits, most):
    """In all, and from one host."""
    lock, full, over = threading.Lock(), threading.Event(), threading.Event()
    active, seen = [], []

    def counted(handler):
        with lock:
            active.append(handler)
            seen.append(len(active))
            if len(active) >= most:
                (full if len(active) == most else over).set()
        full.wait(5)
        over.wait(0.05)  # time for one too many
        with lock:
            active.remove(handler)
        answer()(handler)

    settings = dataclasses.replace(SETTINGS, **{"workers": 8, "per_host": 8, **limits})

    async def run():
        async with open_client(settings) as client, anyio.create_task_group() as tasks:
            downloader = Downloader(client, cache, settings)
            for n in range(9):
                server.replies[f"/{n}"] = [counted]
                tasks.start_soon(downloader.fetch, server.link(f"/{n}"))

    anyio.run(run)
    assert max(seen) == most
    assert len(seen) == 9


@pytest.mark.parametrize(
    "values",
    [
        *({"workers": 0}, {"workers": 257}, {"per_host": 0}, {"photo_bytes": 0}),
        *({"photo_bytes": MAX_PHOTO_BYTES + 1}, {"total_bytes": 0}),
        *({"connect_seconds": 0}, {"read_seconds": 0}, {"total_seconds": 0}),
        *({"redirects": -1}, {"retries": -1}, {"backoff_seconds": -1}, {"pause_seconds": -1}),
    ],
)
def test_settings_out_of_range_are_refused(values):
    """Before anything is downloaded."""
    with pytest.raises(DatasetError):
        DownloadSettings(**values)
