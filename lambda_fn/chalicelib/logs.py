"""Log lines as JSON objects, each with the id of the request that it belongs to."""

from __future__ import annotations

import json
import logging
import time
from contextvars import ContextVar
from typing import Any

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The request being answered; set by `edge`, empty between requests."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line; what is passed as `extra={"fields": {...}}` becomes members."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line; a traceback becomes the member `exception`."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure() -> None:
    """Give the handlers that Lambda's runtime put on the root logger this format."""
    root = logging.getLogger()
    for handler in root.handlers:
        handler.setFormatter(JsonFormatter())
    logging.getLogger("chalicelib").setLevel(logging.INFO)
