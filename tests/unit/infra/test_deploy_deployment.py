"""The page's address: the website's where there is such an endpoint, else the object's."""

from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING, ClassVar

import pytest

from infra.deploy.deployment import _page_url
from infra.deploy.scope import Scope
from infra.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

WEBSITE = "shelf-web-000000000000-us-east-1.s3-website.localhost"


class StandIn(http.server.BaseHTTPRequestHandler):
    """Shows a page at the host names that it knows."""

    websites: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        known = self.headers["Host"].partition(":")[0] in self.websites
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if known else "application/xml")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def scope() -> Iterator[Scope]:
    StandIn.websites.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield Scope("shelf", Target("local", "us-east-1", url), "000000000000")
        server.shutdown()
        thread.join()


def test_website_where_the_target_shows_it(scope: Scope) -> None:
    """The target is asked by number for the website's host name, which may not resolve here."""
    StandIn.websites.add(WEBSITE)
    assert _page_url(scope).startswith(f"http://{WEBSITE}:")


def test_object_where_the_target_shows_no_website(scope: Scope) -> None:
    """An answer that is no page, such as S3's list of buckets, does not count."""
    assert _page_url(scope) == f"{scope.target.endpoint_url}/{scope.web_bucket}/index.html"


def test_aws_has_websites_and_is_not_asked() -> None:
    """Describing a deployment on AWS opens no connection to the page."""
    scope = Scope("shelf", Target("aws", "eu-central-1"), "123456789012")
    assert _page_url(scope) == scope.website_url
