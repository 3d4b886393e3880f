"""The OpenAPI document as a page for people: no script, no other host, no inline attribute."""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
summary { cursor: pointer; padding: .4rem 0 }
details { border-top: 1px solid #8886 }
code, pre { font: .9em/1.45 ui-monospace, monospace }
pre { overflow-x: auto; padding: .6rem; background: #8882; border-radius: .4rem }
table { border-collapse: collapse } td, th { text-align: left; padding: .1rem 1rem .1rem 0 }
b.method { display: inline-block; min-width: 3.5rem }
"""

_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The page's Content-Security-Policy: its own style, and nothing else at all."""

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def render(document: dict[str, Any]) -> str:
    """The page of an OpenAPI document as `openapi.document` makes it."""
    info = document["info"]
    title = escape(info["title"])
    operations = "".join(
        _operation(method, path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    )
    schemas = "".join(
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        f"<pre>{escape(json.dumps(schema, indent=1, ensure_ascii=False))}</pre></details>"
        for name, schema in document["components"]["schemas"].items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}: the API</title>"
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><main><h1>{title}</h1><p>{escape(info['description'])}</p>"
        "<p>Paths are below this page's own address without <code>/docs</code>. "
        'For programs: <a href="openapi.json">openapi.json</a></p>'
        f"<h2>Requests</h2>{operations}<h2>Documents</h2>{schemas}</main></body></html>"
    )


def _operation(method: str, path: str, described: dict[str, Any]) -> str:
    parameters = "".join(
        _row(f"{each['name']} ({each['in']})", _told(each["schema"]))
        for each in described["parameters"]
    )
    bodies = "".join(
        _row(kind, _told(content["schema"]))
        for kind, content in described.get("requestBody", {}).get("content", {}).items()
    )
    replies = "".join(
        _row(status, f"{escape(reply['description'])} {_schemas(reply['content'])}")
        for status, reply in described["responses"].items()
    )
    tables = "".join(
        f"<h3>{name}</h3><table>{rows}</table>"
        for name, rows in (("Parameters", parameters), ("Body", bodies), ("Replies", replies))
        if rows
    )
    return (
        f'<details><summary><b class="method">{method.upper()}</b><code>{escape(path)}</code> '
        f"{escape(described['summary'])}</summary>{tables}</details>"
    )


def _row(name: str, told: str) -> str:
    return f"<tr><th>{escape(name)}</th><td>{told}</td></tr>"


def _schemas(content: dict[str, Any]) -> str:
    return " ".join(_told(each["schema"]) for each in content.values())


def _told(schema: dict[str, Any]) -> str:
    """A schema in a few words, with a link where it has a name."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    values = f" One of {', '.join(schema['enum'])}." if "enum" in schema else ""
    return escape(f"{schema.get('description', '')}{values}".strip() or schema.get("type", "bytes"))
