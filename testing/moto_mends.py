"""What moto lacks of the operations that a deployment calls, and the endpoint's real answers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from moto.apigateway.models import APIGatewayBackend
from moto.core.responses import ActionResult
from moto.sagemaker.responses import SageMakerResponse
from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body: what moto's responders give."""

_put_rest_api = APIGatewayBackend.put_rest_api
_canned_answer = SageMakerRuntimeResponse.invoke_endpoint


@contextlib.contextmanager
def mended(invoke: Callable[[str, Any, bytes], Answer | None]) -> Iterator[None]:
    """Mend moto within the block.

    Args:
        invoke: answers InvokeEndpoint by the endpoint's name, the request's headers and its body;
            None leaves the answer to moto, which gives a canned one.
    """

    def invoke_endpoint(response: SageMakerRuntimeResponse) -> Any:
        name = response.path.split("/")[2]
        answer = invoke(name, response.headers, response.raw_body)
        if answer is None:
            response.body = response.raw_body.decode("latin-1")
            return _canned_answer(response)
        status, headers, body = answer
        return body, {**headers, "status": status}  # where moto looks for it

    with contextlib.ExitStack() as mends:
        for responder, attribute, mend in (
            (APIGatewayBackend, "put_rest_api", _put_swagger),
            (SageMakerResponse, "update_endpoint", _update_endpoint),
            (SageMakerRuntimeResponse, "use_raw_body", True),  # a photo is no UTF-8
            (SageMakerRuntimeResponse, "invoke_endpoint", invoke_endpoint),
        ):
            mends.enter_context(patch.object(responder, attribute, mend, create=True))
        yield


def _put_swagger(
    backend: APIGatewayBackend, function_id: str, api_doc: dict[str, Any], *args: Any, **kwargs: Any
) -> Any:
    """Hand moto the document as OpenAPI 3: it refuses Swagger 2.0 by its version line alone.

    moto also insists on an address for `mock` integrations, which have none.
    """
    document = {name: value for name, value in api_doc.items() if name != "swagger"}
    for methods in document["paths"].values():
        for method in methods.values():
            method["x-amazon-apigateway-integration"].setdefault("uri", "")
            method["x-amazon-apigateway-integration"].setdefault("httpMethod", "POST")
    return _put_rest_api(backend, function_id, {**document, "openapi": "3.0.1"}, *args, **kwargs)


def _update_endpoint(response: SageMakerResponse) -> ActionResult:
    """UpdateEndpoint, which moto lacks: in service with the new configuration at once."""
    endpoint = response.sagemaker_backend.endpoints[response._get_param("EndpointName")]  # noqa: SLF001
    endpoint.endpoint_config_name = response._get_param("EndpointConfigName")  # noqa: SLF001
    return ActionResult({"EndpointArn": endpoint.arn})
