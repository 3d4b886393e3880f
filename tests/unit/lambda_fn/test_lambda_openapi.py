"""The API's description: held to its routes, to OpenAPI, and to what it answers."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import jsonschema
import pytest
from chalicelib import docs_page, openapi, photo_request
from lambda_events import CARD, data_url, gateway_event, photo_bytes
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

DOCUMENT = openapi.document(["default", "refund"])
JSON_HEADERS = {"Content-Type": "application/json"}
PHOTO = data_url(photo_bytes())


def conforms(reply, method: str, path: str) -> bool:
    """Whether the reply is as the document says; raises where it is not."""
    described = DOCUMENT["paths"][path][method.lower()]["responses"][str(reply.status)]
    schema = described["content"]["application/json"]["schema"]
    jsonschema.validate(reply.json, {**schema, "components": DOCUMENT["components"]})
    return True


def test_the_document_is_valid_openapi():
    """By the specification's own schema."""
    validate(DOCUMENT, cls=OpenAPIV31SpecValidator)


def test_the_document_names_the_routes_that_there_are_and_no_other(lambda_app):
    """Paths, methods and types of bodies, as Chalice knows them."""
    routes = {
        (path, method.lower()): set(entry.content_types) if method == "POST" else set()
        for path, methods in lambda_app.app.routes.items()
        for method, entry in methods.items()
    }
    described = {
        (path, method): set(operation.get("requestBody", {}).get("content", {}))
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }
    assert described == routes


def test_operations_have_names_of_their_own():
    """Generated clients make a function of each."""
    names = [o["operationId"] for methods in DOCUMENT["paths"].values() for o in methods.values()]
    assert len(names) == len(set(names))


def test_the_models_are_those_of_the_deployment():
    """A form made from the document offers them."""
    (parameter,) = DOCUMENT["paths"]["/models/{name}/health"]["get"]["parameters"]
    assert parameter["schema"]["enum"] == ["default", "refund"]


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/classify", json.dumps({"image": PHOTO}), JSON_HEADERS),
        ("/classify", photo_bytes("PNG"), {"Content-Type": "image/png"}),
        ("/", PHOTO, {"Content-Type": "text/plain"}),
        ("/process_batch", json.dumps({"images": [PHOTO]}), JSON_HEADERS),
        ("/classify", "{", JSON_HEADERS),
        ("/process_batch", "{", JSON_HEADERS),
        ("/feedback", "{}", JSON_HEADERS),
    ],
)
def test_replies_are_as_they_are_described(call, endpoint, path, body, headers):
    """Answers and errors alike."""
    endpoint.predicts([0.1, 0.9])
    assert conforms(call("POST", path, body=body, headers=headers), "POST", path)


def test_an_answer_with_more_is_as_it_is_described(call, endpoint):
    """Embedding and heat map."""
    heatmap = {"category": "books", "method": "occlusion", "png": "iVBORw0KGgo="}
    more = {"embedding": [0.5], "heatmap": heatmap}
    endpoint.answers(
        {"probabilities": [1.0], "labels": ["books"], **more},
        CustomAttributes="embedding=true,heatmap=true",
    )
    body = json.dumps({"image": PHOTO, "embedding": True, "heatmap": True})
    assert conforms(call("POST", "/classify", body=body, headers=JSON_HEADERS), "POST", "/classify")


@pytest.mark.parametrize("path", ["/categories", "/health", "/models", "/"])
def test_what_is_read_is_as_it_is_described(call, endpoint, path):
    """Also of a card that lacks what is optional."""
    endpoint.answers({"classes": CARD["classes"]}, CustomAttributes="method=describe")
    assert conforms(call("GET", path), "GET", path)


def test_a_products_category_is_as_it_is_described(call, endpoint):
    """Strings of digits and seconds among it."""
    endpoint.answers({"probabilities": [1.0], "labels": ["1000"], "model_version": "v"})
    endpoint.answers({"classes": ["1000"], "version": "v"}, CustomAttributes="method=describe")
    form = (
        b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + photo_bytes() + b"\r\n--x--"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert conforms(call("POST", "/predict", body=form, headers=headers), "POST", "/predict")


def test_the_document_is_served_and_its_paths_are_beside_it(call):
    """Whatever stage or domain is before them."""
    served = call("GET", "/openapi.json").json
    assert served["servers"] == [{"url": "."}]
    assert served["paths"].keys() == DOCUMENT["paths"].keys()


def page(lambda_app) -> tuple[str, dict[str, str]]:
    reply = lambda_app.app(gateway_event("GET", "/docs"), None)
    assert reply["statusCode"] == 200
    return reply["body"], reply["headers"]


class Elements(HTMLParser):
    """Every element of a page, by name, with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_the_page_shows_every_request(lambda_app):
    """Method, path and summary."""
    html, headers = page(lambda_app)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    for operation in openapi.OPERATIONS:
        assert operation.summary.replace("'", "&#x27;") in html
        assert f"<code>{operation.path}</code>" in html


def test_the_page_needs_nothing_but_itself(lambda_app):
    """No script, no other host, no inline style; its policy allows its own style and no more."""
    html, headers = page(lambda_app)
    elements = Elements(html).found
    assert {"script", "link", "img", "iframe"}.isdisjoint(tag for tag, _ in elements)
    assert not any("style" in attributes or "src" in attributes for _, attributes in elements)
    links = {attributes["href"] for tag, attributes in elements if tag == "a"}
    assert all(link == "openapi.json" or link.startswith("#") for link in links)
    policy = headers["Content-Security-Policy"]
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")


def test_the_pages_links_lead_somewhere(lambda_app):
    """Each document that a request names is on the page."""
    elements = Elements(page(lambda_app)[0]).found
    ids = {attributes["id"] for _, attributes in elements if "id" in attributes}
    links = {attributes["href"] for tag, attributes in elements if tag == "a"}
    assert links - {"openapi.json"} <= {f"#{name}" for name in ids}


def test_the_page_escapes_what_it_shows():
    """A model's name is the operator's, and may hold anything."""
    assert "<b>x" not in docs_page.render(openapi.document(["<b>x"]))


def test_the_type_of_every_photo_body_is_described():
    """`photo_request` takes them, so the document offers them."""
    content = DOCUMENT["paths"]["/classify"]["post"]["requestBody"]["content"]
    assert set(content) == set(photo_request.CONTENT_TYPES)
