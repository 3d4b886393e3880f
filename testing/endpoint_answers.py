"""InvokeEndpoint in a mocked account, answered by the endpoint's own model in this process."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from contracts import ARTIFACT_FILE, ArtifactError
from hosting.invocations import invoke
from hosting.model import Model
from infra.images import INFERENCE_IMAGE, repository_name
from infra.sagemaker import artifacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hosting.invocations import Reply
    from testing.moto_mends import Answer

_OK = range(200, 300)
_CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
_models: dict[str, Model] = {}


def answer(name: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
    """What the endpoint `name` says, as SageMaker Runtime words it.

    The model is what the account holds: endpoint, configuration, model, and the artifact in S3. It
    is loaded once for the same artifact. None for the image of someone else, which is not run here.
    """
    region = _region(headers)
    try:
        variant, container = _container(boto3.client("sagemaker", region_name=region), name)
    except ClientError:
        return _error(400, "ValidationError", Message=f"Endpoint {name} not found.")
    if repository_name(container["Image"]) != INFERENCE_IMAGE.repository:
        return None
    names = {key.lower(): value for key, value in headers.items()}
    try:
        model = _load(boto3.client("s3", region_name=region), container["ModelDataUrl"])
    except (ArtifactError, ClientError) as error:
        return _model_error(name, 503, str(error))
    reply = invoke(
        model,
        body,
        content_type=names.get("content-type", ""),
        accept=names.get("accept", ""),
        attributes=names.get(_CUSTOM_ATTRIBUTES, ""),
    )
    return _passed_on(name, variant, reply)


def _passed_on(name: str, variant: str, reply: Reply) -> Answer:
    if reply.status not in _OK:
        return _model_error(name, reply.status, reply.body.decode())
    headers = {
        "Content-Type": reply.content_type,
        "x-Amzn-Invoked-Production-Variant": variant,
    }
    return reply.status, headers, reply.body


def _model_error(name: str, status: int, message: str) -> Answer:
    """ModelError: its members stand in botocore's service model."""
    return _error(
        424,
        "ModelError",
        Message=f'Received client error ({status}) from primary with message "{message}".',
        OriginalStatusCode=status,
        OriginalMessage=message,
        LogStreamArn=f"arn:aws:logs:::log-group:/aws/sagemaker/Endpoints/{name}",
    )


def _error(status: int, code: str, **members: Any) -> Answer:
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return status, headers, json.dumps(members).encode()


def _region(headers: Mapping[str, str]) -> str:
    """The region in the request's SigV4 credential scope: key, date, region, service."""
    return headers["Authorization"].partition("Credential=")[2].split("/")[2]


def _container(sagemaker: Any, endpoint: str) -> tuple[str, dict[str, Any]]:
    """The endpoint's first variant, and its model's container."""
    found = sagemaker.describe_endpoint(EndpointName=endpoint)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
    variant = config["ProductionVariants"][0]
    model = sagemaker.describe_model(ModelName=variant["ModelName"])
    return variant["VariantName"], model["PrimaryContainer"]


def _load(s3: Any, url: str) -> Model:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    packed = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    digest = hashlib.sha256(packed).hexdigest()
    if digest not in _models:
        with tempfile.TemporaryDirectory() as scratch:
            archive, folder = Path(scratch, ARTIFACT_FILE), Path(scratch, "model")
            archive.write_bytes(packed)
            folder.mkdir()
            artifacts.unpack(archive, folder)
            _models[digest] = Model.load(folder, threads=1)
    return _models[digest]
