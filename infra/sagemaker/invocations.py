"""InvokeEndpoint: a request is passed to a container of the endpoint, and its answer back."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from contracts import ENDPOINT_PAYLOAD_BYTES
from infra.sagemaker.capture import CUSTOM_ATTRIBUTES, INFERENCE_ID, exchange
from infra.sagemaker.connections import Reply
from infra.sagemaker.errors import PayloadTooLarge, ValidationError
from infra.sagemaker.serverless import PAYLOAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.deployments import Deployment
    from infra.sagemaker.forwarding import Forwarder
    from infra.sagemaker.live_endpoints import LiveEndpoints
    from infra.sagemaker.shadowing import Shadowing
    from infra.sagemaker.variants import Variant

TARGET_VARIANT = "x-amzn-sagemaker-target-variant"
INVOKED_VARIANT = "x-Amzn-Invoked-Production-Variant"

PASSED_TO_CONTAINER = ("content-type", "accept", CUSTOM_ATTRIBUTES, INFERENCE_ID)
PASSED_TO_CLIENT = ("content-type", CUSTOM_ATTRIBUTES)
REFUSED = {
    "x-amzn-sagemaker-target-model": "TargetModel",
    "x-amzn-sagemaker-target-container-hostname": "TargetContainerHostname",
    "x-amzn-sagemaker-inference-component": "InferenceComponentName",
    "x-amzn-sagemaker-enable-explanations": "EnableExplanations",
    "x-amzn-sagemaker-session-id": "SessionId",
}


class Invocations:
    """The runtime API's requests, over connections that are kept alive."""

    def __init__(
        self,
        context: PlaneContext,
        live: LiveEndpoints,
        forwarder: Forwarder,
        shadowing: Shadowing,
    ) -> None:
        self._context, self._live = context, live
        self._forwarder, self._shadowing = forwarder, shadowing

    async def invoke(self, endpoint: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Pass a request on.

        Args:
            endpoint: its name.
            headers: of the request, names in lower case.
            body: of the request, at most 6,291,456 bytes, for a serverless variant 4,194,304.

        Raises:
            ValidationError: no such endpoint or variant, or not in service.
            ModelError: the container answered other than 2xx, ended, or took over 60 s.
            ServiceUnavailable: no container is healthy at the moment.
            ThrottlingException: a serverless variant has its MaxConcurrency of requests.
            PayloadTooLarge: the body is over the limit.
        """
        _check_size(body, ENDPOINT_PAYLOAD_BYTES)
        for header, member in REFUSED.items():
            if header in headers:
                raise ValidationError(f"{member} is not supported by this local SageMaker.")
        deployment = await self._live.find(endpoint)
        if deployment.spec.asynchronous is not None:
            raise ValidationError(
                f"Endpoint {endpoint} of account {self._context.account} is asynchronous: call "
                "InvokeEndpointAsync."
            )
        with deployment.request():
            variant = _choose_variant(deployment, headers.get(TARGET_VARIANT), endpoint)
            if variant.spec.serverless is not None:
                _check_size(body, PAYLOAD_BYTES)
            passed = {name: headers[name] for name in PASSED_TO_CONTAINER if name in headers}
            capture = deployment.sampling_capture()
            self._shadowing.copy(deployment, passed, body, capture)
            limit = self._context.timing.invocation
            answer = await self._forwarder.forward(variant, passed, body, seconds=limit)
        self._forwarder.check(variant, answer)
        if capture:
            capture.offer(exchange(variant.spec.name, headers, body, answer))
        kept = {name: answer.headers[name] for name in PASSED_TO_CLIENT if name in answer.headers}
        return Reply(HTTPStatus.OK, {**kept, INVOKED_VARIANT: variant.spec.name}, answer.body)


def _check_size(body: bytes, limit: int) -> None:
    if len(body) > limit:
        raise PayloadTooLarge(f"HTTP content length exceeded {limit} bytes.")


def _choose_variant(deployment: Deployment, target: str | None, endpoint: str) -> Variant:
    if target is None:
        return deployment.select_variant()
    variant = deployment.variants.get(target)
    if variant is None:
        known = ", ".join(deployment.variants)
        raise ValidationError(f"Variant {target} of endpoint {endpoint} not found; it has {known}.")
    return variant
