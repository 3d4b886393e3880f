"""Chalice's Swagger document, completed for one deployment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.deploy.scope import Scope

_KEY = "api_key"
_INTEGRATION = "x-amazon-apigateway-integration"
_GATEWAY_RESPONSES = "x-amazon-apigateway-gateway-responses"


def complete_swagger(document: dict[str, Any], scope: Scope, *, needs_key: bool = False) -> str:
    """The document as JSON with sorted keys: the same deployment always gives the same text.

    Filled in are the API's name; the function's ARN, which `chalice package` leaves to
    CloudFormation; CORS headers on the errors that the gateway itself answers (413, 403, 429,
    504 ...), without which a browser shows its own CORS error in place of the cause; and, if
    `needs_key`, that every request but a preflight must carry `x-api-key`.
    """
    completed = _with_function(document, scope)
    if needs_key:
        _require_key(completed)
    completed["info"] = {**completed["info"], "title": scope.api}
    completed[_GATEWAY_RESPONSES] = {
        kind: {"responseParameters": _cors_headers(scope.allowed_origin)}
        for kind in ("DEFAULT_4XX", "DEFAULT_5XX")
    }
    return json.dumps(completed, sort_keys=True)


def _with_function(document: dict[str, Any], scope: Scope) -> dict[str, Any]:
    region = scope.target.region
    uri = (
        f"arn:{scope.partition}:apigateway:{region}:lambda:path/2015-03-31"
        f"/functions/{scope.function_arn}/invocations"
    )
    completed: dict[str, Any] = json.loads(json.dumps(document))
    for methods in completed["paths"].values():
        for method in methods.values():
            if method[_INTEGRATION]["type"] == "aws_proxy":
                method[_INTEGRATION]["uri"] = uri
    return completed


def _require_key(document: dict[str, Any]) -> None:
    """Browsers send no key with a preflight, so OPTIONS goes without."""
    document["securityDefinitions"] = {
        **document.get("securityDefinitions", {}),
        _KEY: {"type": "apiKey", "name": "x-api-key", "in": "header"},
    }
    for methods in document["paths"].values():
        for name, method in methods.items():
            if name != "options":
                method["security"] = [*method.get("security", []), {_KEY: []}]


def _cors_headers(origin: str) -> dict[str, str]:
    """Header values stand in single quotes: API Gateway's mark of a literal."""
    prefix = "gatewayresponse.header.Access-Control-Allow"
    return {
        f"{prefix}-Origin": f"'{origin}'",
        f"{prefix}-Headers": "'Content-Type,Accept,X-Api-Key'",
    }
