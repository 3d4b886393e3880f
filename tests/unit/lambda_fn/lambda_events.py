"""Photos, events and replies as API Gateway and browsers word them."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

LAMBDA_FN = Path(__file__).parents[3] / "lambda_fn"
LABELS = ["books", "car", "furniture", "mobile", "motorcycle", "shoes"]
CARD = {
    "classes": LABELS,
    "version": "v7",
    "network": "resnet34",
    "threshold": 0.5,
    "photo": {"size": 112, "fit": "squash"},
    "metrics": {"accuracy": 0.93},
}


def photo_bytes(kind: str = "JPEG") -> bytes:
    """A small photo in one of Pillow's formats."""
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 30, 60)).save(buffer, kind)
    return buffer.getvalue()


def data_url(data: bytes, content_type: str = "image/jpeg") -> str:
    """`data` as a page's canvas words it."""
    return f"data:{content_type};base64,{base64.b64encode(data).decode()}"


def gateway_event(
    method: str,
    path: str,
    *,
    body: bytes | str | None = None,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
) -> dict[str, Any]:
    """An event of API Gateway's proxy integration, version 1; bytes arrive as base64."""
    headers = headers or {}
    binary = isinstance(body, bytes)
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {k: [v] for k, v in query.items()} if query else None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": path,
            "httpMethod": method,
            "path": f"/api{path}",
            "stage": "api",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"sourceIp": "127.0.0.1"},
        },
        "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": binary,
    }


class Reply:
    """A proxy response, its body read as JSON."""

    def __init__(self, response: dict[str, Any]) -> None:
        assert set(response) >= {"statusCode", "headers", "body"}, "API Gateway would answer 502"
        assert not response.get("isBase64Encoded"), "JSON must reach every client as text"
        self.status: int = response["statusCode"]
        self.headers: dict[str, str] = response["headers"]
        self.json: dict[str, Any] = json.loads(response["body"])
