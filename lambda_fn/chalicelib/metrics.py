"""What CloudWatch keeps count of, inside the log line of each request.

Source: CloudWatch user guide, *Specification: Embedded metric format*. CloudWatch Logs takes the
metrics out of the line, so that a request costs no call and its figures and its line are one.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMESPACE = "Snapshelf"

_UNITS = {
    "total_ms": "Milliseconds",
    "endpoint_ms": "Milliseconds",
    "photos": "Count",
    "client_error": "Count",
    "server_error": "Count",
}


def of_request(status: int, total_ms: float, body: Mapping[str, Any]) -> dict[str, float]:
    """The figures of one request, by metric.

    `client_error` and `server_error` are 0 or 1, so that their average is the share of requests.

    Args:
        status: of the reply.
        total_ms: from the request to the reply, in the function.
        body: the reply; {} where it is no JSON object.
    """
    server_error = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    figures = {
        "total_ms": round(total_ms, 2),
        "client_error": int(status >= HTTPStatus.BAD_REQUEST and not server_error),
        "server_error": int(server_error),
    }
    if "endpoint" in body.get("times_ms", {}):
        figures["endpoint_ms"] = body["times_ms"]["endpoint"]
    if "predictions" in body:
        figures["photos"] = len(body["predictions"])
    return figures


def embedded(figures: Mapping[str, float], dimensions: Mapping[str, str]) -> dict[str, Any]:
    """The figures and dimensions as members of a log line, with the member that announces them."""
    metrics = [{"Name": name, "Unit": _UNITS[name]} for name in figures]
    directive = {"Namespace": NAMESPACE, "Dimensions": [list(dimensions)], "Metrics": metrics}
    announced = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    return {"_aws": announced, **dimensions, **figures}
