"""InvokeEndpoint: a request is passed to a container of the endpoint, and its answer back."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from contracts import ENDPOINT_PAYLOAD_BYTES
from infra.sagemaker.capture import Exchange
from infra.sagemaker.connections import ConnectionBroken, ContainerUnreachable, Reply
from infra.sagemaker.errors import (
    ModelError,
    PayloadTooLarge,
    ValidationError,
)
from infra.sagemaker.logs import ENDPOINT_GROUP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.deployments import Deployment
    from infra.sagemaker.instances import Instance
    from infra.sagemaker.live_endpoints import LiveEndpoints
    from infra.sagemaker.variants import Variant

CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
INFERENCE_ID = "x-amzn-sagemaker-inference-id"
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

ORIGINAL_MESSAGE_CHARACTERS = 4096
CONNECT_AGAIN = 0.02

TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the "
    "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)
NO_ANSWER = "Amazon SageMaker could not get a response from the {endpoint} endpoint."


class Invocations:
    """The runtime API's requests, over connections that are kept alive."""

    def __init__(self, context: PlaneContext, live: LiveEndpoints) -> None:
        self._context, self._live = context, live

    async def invoke(self, endpoint: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Pass a request on.

        Args:
            endpoint: its name.
            headers: of the request, names in lower case.
            body: of the request, at most 6,291,456 bytes.

        Raises:
            ValidationError: no such endpoint or variant, or not in service.
            ModelError: the container answered other than 2xx, ended, or took over 60 s.
            ServiceUnavailable: no container is healthy at the moment.
            PayloadTooLarge: the body is over the limit.
        """
        if len(body) > ENDPOINT_PAYLOAD_BYTES:
            raise PayloadTooLarge(f"HTTP content length exceeded {ENDPOINT_PAYLOAD_BYTES} bytes.")
        for header, member in REFUSED.items():
            if header in headers:
                raise ValidationError(f"{member} is not supported by this local SageMaker.")
        deployment = await self._find_deployment(endpoint)
        with deployment.request():
            variant = _choose_variant(deployment, headers.get(TARGET_VARIANT), endpoint)
            passed = {name: headers[name] for name in PASSED_TO_CONTAINER if name in headers}
            answer = await self._forward(variant, passed, body)
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            text = answer.body.decode(errors="replace")[:ORIGINAL_MESSAGE_CHARACTERS]
            raise self._model_error(endpoint, answer.status, text)
        if deployment.capture and deployment.capture.samples():
            deployment.capture.offer(_exchange(variant, headers, body, answer))
        kept = {name: answer.headers[name] for name in PASSED_TO_CLIENT if name in answer.headers}
        return Reply(answer.status, {**kept, INVOKED_VARIANT: variant.spec.name}, answer.body)

    async def _find_deployment(self, endpoint: str) -> Deployment:
        deployment = await self._live.wait_for(endpoint)
        if deployment is None:
            status = self._live.status(endpoint)
            owner = f"Endpoint {endpoint} of account {self._context.account}"
            state = "not found" if status is None else f"is not InService but {status}"
            raise ValidationError(f"{owner} {state}.")
        return deployment

    async def _forward(self, variant: Variant, headers: dict[str, str], body: bytes) -> Reply:
        try:
            async with asyncio.timeout(self._context.timing.invocation):
                return await self._send(variant, headers, body)
        except TimeoutError:
            raise self._model_error(variant.endpoint, 0, TIMED_OUT) from None

    async def _send(self, variant: Variant, headers: dict[str, str], body: bytes) -> Reply:
        """Send to a healthy container; if it ends meanwhile, to another that there is now."""
        while True:
            instance = await variant.select()
            try:
                return await self._post(instance, headers, body)
            except ContainerUnreachable:  # nothing was sent; its end is noticed in a moment
                await asyncio.sleep(CONNECT_AGAIN)
            except ConnectionBroken:
                break
        try:
            if other := variant.another(instance):
                return await self._post(other, headers, body)
        except (ContainerUnreachable, ConnectionBroken):
            pass
        raise self._model_error(variant.endpoint, 0, NO_ANSWER.format(endpoint=variant.endpoint))

    async def _post(self, instance: Instance, headers: dict[str, str], body: bytes) -> Reply:
        with instance.request() as connections:
            return await connections.request("POST", "/invocations", headers, body)

    def _model_error(self, endpoint: str, status: int, message: str) -> ModelError:
        group = ENDPOINT_GROUP.format(endpoint=endpoint)
        region, account = self._context.region, self._context.account
        arn = f"arn:aws:logs:{region}:{account}:log-group:{group}"
        return ModelError(status, message, region=region, arn=arn)


def _exchange(variant: Variant, headers: Mapping[str, str], body: bytes, answer: Reply) -> Exchange:
    return Exchange(
        variant=variant.spec.name,
        content_type=headers.get("content-type", ""),
        body=body,
        answer_type=answer.headers.get("content-type", ""),
        answer=answer.body,
        inference_id=headers.get(INFERENCE_ID),
        custom_attributes=headers.get(CUSTOM_ATTRIBUTES),
    )


def _choose_variant(deployment: Deployment, target: str | None, endpoint: str) -> Variant:
    if target is None:
        return deployment.select_variant()
    variant = deployment.variants.get(target)
    if variant is None:
        known = ", ".join(deployment.variants)
        raise ValidationError(f"Variant {target} of endpoint {endpoint} not found; it has {known}.")
    return variant
