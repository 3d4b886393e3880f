"""Chalice's Swagger document, completed for one deployment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.deploy.scope import Scope

_INTEGRATION = "x-amazon-apigateway-integration"
_GATEWAY_RESPONSES = "x-amazon-apigateway-gateway-responses"


def complete_swagger(document: dict[str, Any], scope: Scope) -> str:
    """The document as JSON with sorted keys: the same deployment always gives the same text.

    Three things are filled in: the API's name; the function's ARN, which `chalice package` leaves
    to CloudFormation; and CORS headers on the errors that the gateway itself answers (413, 403,
    504 ...), without which a browser shows its own CORS error in place of the cause.
    """
    completed = _with_function(document, scope)
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


def _cors_headers(origin: str) -> dict[str, str]:
    """Header values stand in single quotes: API Gateway's mark of a literal."""
    prefix = "gatewayresponse.header.Access-Control-Allow"
    return {f"{prefix}-Origin": f"'{origin}'", f"{prefix}-Headers": "'Content-Type,Accept'"}
