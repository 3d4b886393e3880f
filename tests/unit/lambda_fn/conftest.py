"""The Chalice app as Lambda runs it, with botocore's Stubber in the endpoint's place."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from lambda_events import LABELS, LAMBDA_FN, Reply, gateway_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

sys.path.insert(0, str(LAMBDA_FN))  # as /var/task stands in Lambda's path

from chalicelib.endpoint import Endpoint  # found only by the line above


class StubbedEndpoint:
    """botocore's Stubber in front of `sagemaker-runtime`: it holds every call to the service model."""

    def __init__(self, stubber: Stubber) -> None:
        self._stubber = stubber

    def answers(self, document: object, **expected: object) -> None:
        """The next call answers `document`; `expected` are the parameters that it must carry."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        wanted = {
            "EndpointName": "shelf",
            "Body": ANY,
            "ContentType": ANY,
            "Accept": ANY,
            **expected,
        }
        stream = StreamingBody(io.BytesIO(body), len(body))
        self._stubber.add_response("invoke_endpoint", {"Body": stream}, wanted)

    def predicts(self, probabilities: list[float], **expected: object) -> None:
        """The next call answers these probabilities as the container words them."""
        self.answers(
            {
                "probabilities": probabilities,
                "labels": LABELS[: len(probabilities)],
                "predicted_label": LABELS[probabilities.index(max(probabilities))],
                "threshold": 0.5,
                "model_version": "v7",
                "model_latency_ms": 4.5,
            },
            **expected,
        )

    def fails(self, code: str, message: str = "", *, http: int = 400, **members: object) -> None:
        """The next call raises SageMaker's error `code`."""
        self._stubber.add_client_error(
            "invoke_endpoint", code, message, http_status_code=http, modeled_fields=members
        )

    def is_spent(self) -> None:
        """Every answer above was asked for."""
        self._stubber.assert_no_pending_responses()


@pytest.fixture(scope="session")
def lambda_app() -> ModuleType:
    """`app.py`, imported as Lambda imports it."""
    spec = importlib.util.spec_from_file_location("lambda_app", LAMBDA_FN / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def endpoint(lambda_app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubbedEndpoint]:
    """The endpoint `shelf`, answering what a test tells it to."""
    client = boto3.client(
        "sagemaker-runtime",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    with Stubber(client) as stubber:
        monkeypatch.setattr(lambda_app, "endpoint", lambda *_: Endpoint("shelf", client))
        yield StubbedEndpoint(stubber)


@pytest.fixture
def call(lambda_app: ModuleType) -> Callable[..., Reply]:
    """Invoke the handler with an event: `call("POST", "/classify", body=..., headers=...)`."""

    def invoke(method: str, path: str, **parts: Any) -> Reply:
        return Reply(lambda_app.app(gateway_event(method, path, **parts), None))

    return invoke
