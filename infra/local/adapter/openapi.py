"""ImportRestApi and PutRestApi, which stock MiniStack answers without reading the document.

Reads Swagger 2.0 and OpenAPI 3 with API Gateway's extensions, as Chalice and CloudFormation write
them. Source: API Gateway developer guide, *OpenAPI extensions for API Gateway*. Also mends
UpdateRestApi, where an empty `minimumCompressionSize` made GetRestApis unreadable.
"""

from __future__ import annotations

import json
from typing import Any

import yaml  # type: ignore[import-untyped]  # MiniStack brings it, without types
from ministack.services import apigateway_v1 as apigateway

Record = dict[str, Any]

_stock_handle_request = apigateway.handle_request
_stock_update_rest_api = apigateway._update_rest_api  # noqa: SLF001
_PREFIX = "x-amazon-apigateway-"
_METHODS = {name: name.upper() for name in apigateway._OPENAPI_HTTP_METHODS}  # noqa: SLF001
_METHODS[f"{_PREFIX}any-method"] = "ANY"
_LOCATIONS = {"path": "path", "query": "querystring", "header": "header"}
_MODES = ("merge", "overwrite")


def install() -> None:
    """Replace the handlers; CloudFormation's `Body` goes through `_import_rest_api` too."""
    apigateway.handle_request = handle_request
    apigateway._update_rest_api = update_rest_api  # noqa: SLF001
    apigateway._import_rest_api = import_rest_api  # noqa: SLF001


async def handle_request(
    method: str, path: str, headers: Record, body: bytes, query: dict[str, list[str]]
) -> Any:
    """API Gateway's control plane, with the two operations that take a document."""
    parts = path.strip("/").split("/")
    mode = query.get("mode", [""])[0]
    if method == "POST" and parts == ["restapis"] and mode == "import":
        document = parse(body)
        if document is None:
            return _malformed()
        api_id = import_rest_api(document, _parameters(query))
        return apigateway._v1_response(_view(api_id), 201)  # noqa: SLF001
    if method == "PUT" and parts[0] == "restapis" and len(parts) == 2:  # noqa: PLR2004
        return put_rest_api(parts[1], parse(body), mode or "merge")
    return await _stock_handle_request(method, path, headers, body, query)


def put_rest_api(api_id: str, document: Record | None, mode: str) -> Any:
    """PutRestApi: `overwrite` leaves nothing that the document does not have, `merge` adds."""
    if api_id not in apigateway._rest_apis:  # noqa: SLF001
        return apigateway._v1_error(  # noqa: SLF001
            "NotFoundException", "Invalid API identifier specified", 404
        )
    if document is None or mode not in _MODES:
        return _malformed()
    if mode == "overwrite":
        _clear(api_id)
    _fill(api_id, document)
    return apigateway._v1_response(_view(api_id))  # noqa: SLF001


def import_rest_api(document: Record, base: Record | None = None) -> str:
    """Create an API from a document; its id.

    Args:
        document: the parsed document.
        base: properties that the caller gives beside it; those not empty win over the document's.
    """
    given = {name: value for name, value in (base or {}).items() if value}
    _, _, body = apigateway._create_rest_api(given)  # noqa: SLF001
    api_id: str = json.loads(body)["id"]
    _fill(api_id, document)
    apigateway._rest_apis[api_id].update(given)  # noqa: SLF001
    return api_id


def update_rest_api(api_id: str, data: Record) -> Any:
    """UpdateRestApi; an empty `minimumCompressionSize` switches compression off."""
    answer = _stock_update_rest_api(api_id, data)
    api = apigateway._rest_apis.get(api_id)  # noqa: SLF001
    if api is None:
        return answer
    size = api.get("minimumCompressionSize")
    api["minimumCompressionSize"] = int(size) if size not in (None, "") else None
    return apigateway._v1_response(_view(api_id))  # noqa: SLF001


def parse(body: bytes) -> Record | None:
    """The document, JSON or YAML; None if it is neither or no API definition."""
    try:
        document = yaml.safe_load(body)
    except (yaml.YAMLError, UnicodeDecodeError):
        return None
    known = isinstance(document, dict) and ("swagger" in document or "openapi" in document)
    return document if known else None


def _malformed() -> Any:
    message = "Unable to parse API definition because of a malformed document"
    return apigateway._v1_error("BadRequestException", message, 400)  # noqa: SLF001


def _parameters(query: dict[str, list[str]]) -> Record:
    types = query.get("endpointConfigurationTypes")
    return {"endpointConfiguration": {"types": types[0].split(",")}} if types else {}


def _view(api_id: str) -> Record:
    view: Record = apigateway._rest_api_view(apigateway._rest_apis[api_id])  # noqa: SLF001
    return {name: value for name, value in view.items() if value is not None}


def _clear(api_id: str) -> None:
    resources = apigateway._resources[api_id]  # noqa: SLF001
    for resource_id, resource in list(resources.items()):
        if resource["path"] != "/":
            del resources[resource_id]
    next(iter(resources.values()))["resourceMethods"] = {}
    apigateway._rest_apis[api_id].update(  # noqa: SLF001
        binaryMediaTypes=[], minimumCompressionSize=None, policy=None, apiKeySource="HEADER"
    )
    for store in (
        apigateway._authorizers_v1,  # noqa: SLF001
        apigateway._models,  # noqa: SLF001
        apigateway._request_validators,  # noqa: SLF001
        apigateway._gateway_responses,  # noqa: SLF001
    ):
        store[api_id] = {}


def _fill(api_id: str, document: Record) -> None:
    _set_properties(apigateway._rest_apis[api_id], document)  # noqa: SLF001
    schemas = document.get("definitions") or document.get("components", {}).get("schemas")
    for name, schema in (schemas or {}).items():
        apigateway._create_model(api_id, {"name": name, "schema": json.dumps(schema)})  # noqa: SLF001
    validators = _import_validators(api_id, document)
    schemes = apigateway._import_security_schemes(api_id, document)  # noqa: SLF001
    for path, item in (document.get("paths") or {}).items():
        resource_id = _resource(api_id, path)
        for name, http_method in _METHODS.items():
            if name in item:
                operation = {
                    "security": document.get("security"),
                    f"{_PREFIX}request-validator": document.get(f"{_PREFIX}request-validator"),
                    **item[name],
                    "parameters": [*item.get("parameters", []), *item[name].get("parameters", [])],
                }
                at = (api_id, resource_id, http_method)
                _import_operation(at, operation, schemes, validators)
    for response_type, response in (document.get(f"{_PREFIX}gateway-responses") or {}).items():
        apigateway._put_gateway_response(api_id, response_type, response)  # noqa: SLF001


def _set_properties(api: Record, document: Record) -> None:
    info = document.get("info") or {}
    found = {
        "name": info.get("title"),
        "description": info.get("description"),
        "version": info.get("version"),
        "binaryMediaTypes": document.get(f"{_PREFIX}binary-media-types"),
        "apiKeySource": document.get(f"{_PREFIX}api-key-source"),
        "minimumCompressionSize": document.get(f"{_PREFIX}minimum-compression-size"),
        "policy": document.get(f"{_PREFIX}policy"),
    }
    api.update({name: value for name, value in found.items() if value is not None})
    endpoint = document.get(f"{_PREFIX}endpoint-configuration")
    if endpoint:
        api["endpointConfiguration"] = {**api["endpointConfiguration"], **endpoint}


def _import_validators(api_id: str, document: Record) -> dict[str, str]:
    """The ids of the document's request validators, by name."""
    ids = {}
    for name, validator in (document.get(f"{_PREFIX}request-validators") or {}).items():
        _, _, body = apigateway._create_request_validator(api_id, {"name": name, **validator})  # noqa: SLF001
        ids[name] = json.loads(body)["id"]
    return ids


def _resource(api_id: str, path: str) -> str:
    """The id of the resource at `path`, made with its parents where it is missing."""
    ids: dict[str, str] = {r["path"]: i for i, r in apigateway._resources[api_id].items()}  # noqa: SLF001
    parent, walked = ids["/"], ""
    for part in path.strip("/").split("/") if path.strip("/") else []:
        walked = f"{walked}/{part}"
        if walked not in ids:
            _, _, body = apigateway._create_resource(api_id, parent, {"pathPart": part})  # noqa: SLF001
            ids[walked] = json.loads(body)["id"]
        parent = ids[walked]
    return parent


def _import_operation(
    at: tuple[str, str, str], operation: Record, schemes: Record, validators: dict[str, str]
) -> None:
    method = apigateway._method_security(operation["security"], schemes)  # noqa: SLF001
    method["operationName"] = operation.get("operationId", "")
    method["requestParameters"] = {
        f"method.request.{_LOCATIONS[p['in']]}.{p['name']}": bool(p.get("required"))
        for p in operation["parameters"]
        if p.get("in") in _LOCATIONS
    }
    method["requestValidatorId"] = validators.get(operation[f"{_PREFIX}request-validator"] or "")
    apigateway._put_method(*at, method)  # noqa: SLF001
    for status, response in (operation.get("responses") or {}).items():
        apigateway._put_method_response(*at, str(status), _method_response(response))  # noqa: SLF001
    integration = operation.get(f"{_PREFIX}integration")
    if integration:
        _import_integration(at, integration)


def _method_response(response: Record) -> Record:
    reference = (response.get("schema") or {}).get("$ref", "")
    models = {"application/json": reference.rpartition("/")[2]} if reference else {}
    names = response.get("headers") or {}
    return {
        "responseParameters": {f"method.response.header.{name}": False for name in names},
        "responseModels": models,
    }


def _import_integration(at: tuple[str, str, str], integration: Record) -> None:
    data = {name: value for name, value in integration.items() if name != "responses"}
    data["type"] = str(data.get("type", "")).upper()
    data["httpMethod"] = data.get("httpMethod")
    data["passthroughBehavior"] = str(data.get("passthroughBehavior", "when_no_match")).upper()
    apigateway._put_integration(*at, data)  # noqa: SLF001
    for pattern, response in (integration.get("responses") or {}).items():
        chosen = {**response, "selectionPattern": "" if pattern == "default" else pattern}
        apigateway._put_integration_response(*at, str(response["statusCode"]), chosen)  # noqa: SLF001
