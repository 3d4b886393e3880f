"""Figures inside log lines, as CloudWatch's embedded metric format has them."""

from __future__ import annotations

import json
import logging
import time

import pytest
from chalicelib import edge, logs, metrics
from lambda_events import data_url, photo_bytes


def answered(caplog) -> dict:
    (record,) = [record for record in caplog.records if record.message == "answered"]
    return json.loads(logs.JsonFormatter().format(record))


@pytest.mark.parametrize(
    ("status", "client", "server"),
    [(200, 0, 0), (400, 1, 0), (429, 1, 0), (499, 1, 0), (500, 0, 1), (504, 0, 1)],
)
def test_errors_are_counted_by_whose_fault_they_are(status, client, server):
    """0 or 1, so that an average is a share."""
    figures = metrics.of_request(status, 12.345, {})
    assert figures == {"total_ms": 12.35, "client_error": client, "server_error": server}


def test_every_metric_that_is_announced_is_a_member_of_the_line():
    """Otherwise CloudWatch passes over the whole line."""
    figures = metrics.of_request(200, 1, {"times_ms": {"endpoint": 2.5}, "predictions": [1, None]})
    line = metrics.embedded(figures, {"function": "shelf-api", "route": "/process_batch"})
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Snapshelf"
    assert [metric["Name"] for metric in directive["Metrics"]] == list(figures)
    assert (line["endpoint_ms"], line["photos"]) == (2.5, 2)
    assert directive["Dimensions"] == [["function", "route"]]
    assert (line["function"], line["route"]) == ("shelf-api", "/process_batch")
    assert abs(line["_aws"]["Timestamp"] - time.time() * 1000) < 60_000


def test_a_requests_line_in_lambda_holds_its_metrics(call, endpoint, lambda_app, caplog):
    """By route and not by path, which strangers could make as many of as they like."""
    endpoint.predicts([0.1, 0.9])
    body = json.dumps({"image": data_url(photo_bytes())})
    handlers = lambda_app.app.middleware_handlers
    cors = lambda_app.app.api.cors
    kept, handlers[:] = list(handlers), [(edge.middleware(cors, "shelf-api"), "http")]
    try:
        with caplog.at_level(logging.INFO, "chalicelib"):
            call("POST", "/classify", body=body, headers={"Content-Type": "application/json"})
    finally:
        handlers[:] = kept
    line = answered(caplog)
    assert (line["function"], line["route"], line["client_error"]) == ("shelf-api", "/classify", 0)
    assert 0 <= line["endpoint_ms"] <= line["total_ms"]
    assert line["_aws"]["CloudWatchMetrics"]


def test_outside_of_lambda_a_line_announces_no_metrics(call, endpoint, caplog):
    """There is no function whose metrics they would be; the figures are there all the same."""
    with caplog.at_level(logging.INFO, "chalicelib"):
        call("POST", "/classify", body="", headers={"Content-Type": "application/json"})
    line = answered(caplog)
    assert "_aws" not in line
    assert (line["client_error"], line["server_error"]) == (1, 0)
