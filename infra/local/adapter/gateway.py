"""API Gateway's data plane: the event, the answer, the limits and the errors as AWS has them.

Mends: query strings whose first value wins (AWS: the last); lower-cased header names; function
errors and malformed answers told to the caller; integrations without a timeout; payloads without a
limit; errors that a browser cannot read, because the gateway responses' CORS headers are missing.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, Any

from ministack.core import responses
from ministack.services import apigateway_v1

from contracts import GATEWAY_PAYLOAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

Record = dict[str, Any]
Answer = tuple[int, dict[str, Any], bytes]

INTEGRATION_SECONDS = 29.0
"""API Gateway's longest integration."""

HEAD_BYTES = 10_240
"""Request line and header values together (API Gateway developer guide, *Quotas*)."""

_stock_event = apigateway_v1._build_lambda_event_v1  # noqa: SLF001
_SPELLED = {"Dnt": "DNT", "Etag": "ETag", "Te": "TE", "Www-Authenticate": "WWW-Authenticate"}
_STATUS = re.compile(r"[1-5]\d\d")


def install() -> None:
    """Replace MiniStack's Lambda proxy integration, and how it builds the event."""
    apigateway_v1._build_lambda_event_v1 = build_event  # noqa: SLF001
    apigateway_v1._invoke_lambda_proxy_v1 = invoke_proxy  # noqa: SLF001


def build_event(*args: Any, binary_media_types: list[str] | None = None, **kwargs: Any) -> Record:
    """The event of a Lambda proxy integration (payload of a REST API).

    An edge-optimised API, Chalice's default, spells header names in the canonical way.
    """
    api_id, stage_name, stage, resource, path, method, headers, body, *others = args
    headers = {canonical_name(name): value for name, value in headers.items()}
    stock_headers = {name.lower(): value for name, value in headers.items()}
    if body:  # AWS reads a body without a type as JSON
        stock_headers.setdefault("content-type", "application/json")
    event: Record = _stock_event(
        api_id, stage_name, stage, resource, path, method, stock_headers, body, *others,
        binary_media_types=binary_media_types, **kwargs,
    )  # fmt: skip
    event.pop("version", None)  # HTTP APIs have it, REST APIs do not
    event["headers"] = headers
    event["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
    several = event["multiValueQueryStringParameters"]
    if several:
        event["queryStringParameters"] = {name: values[-1] for name, values in several.items()}
    event["requestContext"]["domainName"] = headers.get("Host", "").partition(":")[0]
    return event


def canonical_name(name: str) -> str:
    """`content-type` -> `Content-Type`."""
    spelled = "-".join(part.capitalize() for part in name.split("-"))
    return _SPELLED.get(spelled, spelled)


async def invoke_proxy(  # noqa: PLR0917 - MiniStack's own call
    integration: Record,
    api_id: str,
    stage_name: str,
    stage: Record,
    resource: Record,
    path: str,
    method: str,
    headers: dict[str, str],
    body: bytes,
    query: Record,
    path_parameters: Record,
    *,
    owner_account_id: str | None = None,
    owner_region: str | None = None,
    binary_media_types: list[str] | None = None,
    authorizer_context: Record | None = None,
    caller_identity: Record | None = None,
) -> Any:
    """Run a Lambda proxy integration; an answer, or MiniStack's gateway error."""
    event = build_event(
        api_id, stage_name, stage, resource, path, method, headers, body, query, path_parameters,
        binary_media_types=binary_media_types,
        authorizer_context=authorizer_context,
        caller_identity=caller_identity,
    )  # fmt: skip
    function = apigateway_v1._extract_lambda_ref_from_integration_uri(integration["uri"])  # noqa: SLF001
    call = asyncio.create_task(
        apigateway_v1._call_lambda_raw(  # noqa: SLF001
            function, event, account_id=owner_account_id, region=owner_region
        )
    )
    milliseconds = float(integration.get("timeoutInMillis") or INTEGRATION_SECONDS * 1000)
    done, _ = await asyncio.wait({call}, timeout=min(milliseconds / 1000, INTEGRATION_SECONDS))
    if not done:  # the function goes on, as on AWS: nobody waits for it any more
        return _error("INTEGRATION_TIMEOUT", "Endpoint request timed out")
    result, missing = call.result()
    if missing:
        return _error("API_CONFIGURATION_ERROR", "Internal server error")
    if result.get("throttle"):
        return _error("THROTTLED", "Too Many Requests")
    if result.get("error"):
        return function_error(api_id, stage_name, stage, headers, result)
    answer = proxy_answer(result.get("body"), headers.get("accept", ""), binary_media_types or [])
    return answer or bad_gateway(api_id, stage_name, stage, headers)


def function_error(
    api_id: str, stage_name: str, stage: Record, headers: dict[str, str], result: Record
) -> Any:
    """The gateway's answer for a function that failed; its error is for the log, not the caller."""
    body = result.get("body")
    if isinstance(body, dict) and body.get("errorType") == "RequestTooLargeException":
        return _error("REQUEST_TOO_LARGE", "Request Too Long")
    return bad_gateway(api_id, stage_name, stage, headers)


def proxy_answer(value: Any, accept: str, binary_media_types: list[str]) -> Answer | None:
    """The HTTP answer of a function's proxy response; None for a malformed one.

    Source: API Gateway developer guide, *Output format of a Lambda function for proxy
    integration*: base64 becomes bytes where the first type of Accept is a binary media type.
    """
    if not isinstance(value, dict) or not _STATUS.fullmatch(str(value.get("statusCode"))):
        return None
    body = value.get("body")
    if body is not None and not isinstance(body, str):
        return None
    headers = _merged_headers(value.get("headers") or {}, value.get("multiValueHeaders") or {})
    content = (body or "").encode()
    if value.get("isBase64Encoded") and accepts_binary(accept, binary_media_types):
        try:
            content = base64.b64decode(body or "", validate=True)
        except binascii.Error:
            return None
    return int(value["statusCode"]), headers, content


def accepts_binary(accept: str, binary_media_types: list[str]) -> bool:
    """Whether the first type of an Accept header is a binary media type of the API."""
    first = accept.partition(",")[0].partition(";")[0].strip() or "application/json"
    return bool(apigateway_v1._media_type_matches(first, binary_media_types))  # noqa: SLF001


def bad_gateway(api_id: str, stage_name: str, stage: Record, headers: dict[str, str]) -> Answer:
    """502 for a function that failed or answered what is no proxy response.

    AWS answers it by DEFAULT_5XX, whose own status is only that of its customised form.
    """
    status, fields, body = gateway_error(
        api_id, stage_name, stage, headers, _error("DEFAULT_5XX", "Internal server error")
    )
    custom = apigateway_v1._gateway_responses.get(api_id, {}).get("DEFAULT_5XX", {})  # noqa: SLF001
    return (status if custom.get("statusCode") else 502), fields, body


def gateway_error(
    api_id: str, stage_name: str, stage: Record, headers: dict[str, str], error: Any
) -> Answer:
    """An error that the gateway itself makes, with the headers its gateway responses define."""
    request = {
        "api_id": api_id,
        "stage_name": stage_name,
        "stage": stage,
        "headers": headers,
        "query_params": {},
        "path_params": {},
        "resource_path": "",
        "request_id": responses.new_uuid(),
    }
    answer: Answer = apigateway_v1._gateway_error_response(error, request)  # noqa: SLF001
    return answer


def payload_too_large(api_id: str, stage_name: str, headers: dict[str, str]) -> Answer | None:
    """413 for a body beyond the gateway's limit; None where there is no such stage."""
    scope = apigateway_v1.find_api_scope(api_id)
    stage = apigateway_v1.stages_for_api(api_id).get(stage_name)
    if scope is None or stage is None:
        return None
    error = _error(
        "REQUEST_TOO_LARGE", f"HTTP content length exceeded {GATEWAY_PAYLOAD_BYTES} bytes."
    )
    with responses.request_scope(*scope):
        return gateway_error(api_id, stage_name, stage, headers, error)


def head_too_large(scope: Mapping[str, Any]) -> Answer | None:
    """431 for a request whose head is beyond the limit; no API has been looked for yet."""
    line = len(scope["method"]) + len(scope["path"]) + len(scope["query_string"])
    if line + sum(len(value) for _, value in scope["headers"]) <= HEAD_BYTES:
        return None
    body = json.dumps({"message": f"HTTP header is larger than {HEAD_BYTES} bytes."})
    return 431, {"Content-Type": "application/json"}, body.encode()


def _error(response_type: str, message: str) -> Any:
    return apigateway_v1._gw_error(response_type, message)  # noqa: SLF001


def _merged_headers(single: Record, several: Record) -> Record:
    """Both of a response's header maps in one; where both have a name, the lists win."""
    merged: dict[str, tuple[str, Any]] = {"content-type": ("Content-Type", "application/json")}
    for name, value in single.items():
        merged[name.lower()] = (name, _text(value))
    for name, values in several.items():
        if values:
            merged[name.lower()] = (name, [_text(value) for value in values])
    return dict(merged.values())


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
