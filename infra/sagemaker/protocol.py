"""The wire: an ASGI application for SageMaker's control API (awsJson1.1) and its Runtime (REST)."""

from __future__ import annotations

import json
import logging
import math
import re
import uuid
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote

from contracts import ENDPOINT_PAYLOAD_BYTES
from infra.sagemaker.errors import (
    SerializationException,
    ServiceError,
    UnknownOperationException,
    ValidationError,
    ValidationException,
)
from infra.sagemaker.service_model import (
    RUNTIME,
    check_input,
    header_parameters,
    load_model,
    operation_model,
    shape_output,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    from infra.sagemaker.operations import Operations, RuntimeOperation

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

logger = logging.getLogger(__name__)

JSON_1_1 = "application/x-amz-json-1.1"
ERROR_TYPE = "x-amzn-ErrorType"

_RUNTIME_PATH = re.compile(r"/endpoints/([^/]+)/(invocations|async-invocations)")
_RUNTIME_OPERATIONS = {
    "invocations": "InvokeEndpoint",
    "async-invocations": "InvokeEndpointAsync",
}


class SageMakerApp:
    """Answers one request at a time to `(scope, receive, send)`; holds no state of its own.

    Args:
        control: operations by service, named as botocore names it.
        runtime: operations by the last part of their path.
    """

    def __init__(
        self, control: Mapping[str, Operations], runtime: Mapping[str, RuntimeOperation]
    ) -> None:
        self._control_operations, self._runtime_operations = control, runtime
        self._services = {load_model(one).metadata["targetPrefix"]: one for one in control}

    @property
    def offered(self) -> dict[str, list[str]]:
        """The names of the control operations that are answered, by service."""
        return {service: sorted(names) for service, names in self._control_operations.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an HTTP request; errors leave in the form that their API has."""
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])  # servers take this for "not spoken here"
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        body = await _read_body(receive)
        runtime = _RUNTIME_PATH.fullmatch(scope["path"])
        if runtime and scope["method"] == "POST":
            await self._runtime(send, runtime[2], unquote(runtime[1]), headers, body)
        else:
            await self._control(send, headers.get("x-amz-target", ""), body)

    async def _control(self, send: Send, target: str, body: bytes) -> None:
        try:
            answer = await self._operate(target, body)
        except ServiceError as error:
            content = {"__type": error.code, "message": error.message}
            await _respond(send, error.status, content, {"content-type": JSON_1_1})
        except Exception:
            logger.exception("%s", target)
            content = {"__type": "InternalFailure", "message": "See the local cloud's own log."}
            await _respond(send, 500, content, {"content-type": JSON_1_1})
        else:
            await _respond(send, 200, answer, {"content-type": JSON_1_1})

    async def _operate(self, target: str, body: bytes) -> dict[str, Any]:
        prefix, _, name = target.partition(".")
        service = self._services.get(prefix)
        if service is None:
            expected = " or ".join(f"{one}.<Operation>" for one in self._services)
            raise UnknownOperationException(
                f"X-Amz-Target {target!r}: expected {expected}, or POST to "
                "/endpoints/<name>/invocations."
            )
        operation_model(name, service)
        operation = self._control_operations[service].get(name)
        if operation is None:
            offered = ", ".join(sorted(self._control_operations[service]))
            raise UnknownOperationException(
                f"{name} is not offered by this local SageMaker, which has {offered}."
            )
        answer = await operation(check_input(name, _parse(body), service))
        return shape_output(name, answer, service)

    async def _runtime(
        self,
        send: Send,
        action: str,
        endpoint: str,
        headers: dict[str, str],
        body: bytes,
    ) -> None:
        try:
            _check_headers(_RUNTIME_OPERATIONS[action], endpoint, headers)
            answer = await self._runtime_operations[action](endpoint, headers, body)
        except ServiceError as error:
            named = {} if error.code.isdigit() else {ERROR_TYPE: error.code}
            json_type = {"content-type": "application/json"}
            await _respond(send, error.status, error.body(), json_type | named)
        except Exception:
            logger.exception("invocation of %s", endpoint)
            failure = {ERROR_TYPE: "InternalFailure", "content-type": "application/json"}
            await _respond(send, 500, {"Message": "See the local cloud's own log."}, failure)
        else:
            await _respond(send, answer.status, answer.body, answer.headers)


def _check_headers(operation: str, endpoint: str, headers: Mapping[str, str]) -> None:
    """Refuse what breaks the model of a runtime operation, by that API's own kind of error."""
    members = header_parameters(operation, headers, RUNTIME)
    body = b""  # is there, and how long it may be the operation judges
    try:
        check_input(operation, {"EndpointName": endpoint, "Body": body, **members}, RUNTIME)
    except (ValidationException, SerializationException) as error:
        raise ValidationError(error.message) from None


def _parse(body: bytes) -> Any:
    """The request's JSON, without NaN and infinities, which Python reads and JSON does not have."""
    try:
        return json.loads(
            body or b"{}", parse_constant=_refuse_constant, parse_float=_parse_fraction
        )
    except (ValueError, RecursionError) as error:
        raise SerializationException(f"The request's body is not JSON: {error}.") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it has no {name}")


def _parse_fraction(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_constant(text)


async def _read_body(receive: Receive) -> bytes:
    """The request's body; of one over the limit just enough is kept to see that it is."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        chunk = message.get("body", b"")
        if size <= ENDPOINT_PAYLOAD_BYTES:
            chunks.append(chunk)
        size += len(chunk)
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return b"".join(chunks)


async def _respond(
    send: Send, status: int, content: bytes | dict[str, Any], headers: dict[str, str]
) -> None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    all_headers = {
        **headers,
        "x-amzn-RequestId": str(uuid.uuid4()),
        "content-length": str(len(body)),
    }
    encoded = [(key.lower().encode(), text.encode("latin-1")) for key, text in all_headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
