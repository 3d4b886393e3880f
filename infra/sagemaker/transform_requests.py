"""What CreateTransformJob may ask for here: the checks beyond the service model's own."""

from __future__ import annotations

from typing import Any

from infra.sagemaker.errors import ResourceLimitExceeded, ValidationException, not_implemented
from infra.sagemaker.object_store import S3Location, StorageError
from infra.sagemaker.training_hosts import MAX_HOSTS
from infra.sagemaker.training_sources import MANIFEST, PREFIX
from infra.sagemaker.transform_processing import Processing

MAX_PAYLOAD_MB = 100
"""Of one request, and of all requests that a container may have at once (API reference)."""

DEFAULT_PAYLOAD_MB = 6
"""MaxPayloadInMB where neither the request nor the container says otherwise (API reference)."""


def check_request(request: dict[str, Any]) -> None:
    """Refuse by name what a transform job here cannot do.

    Raises:
        ValidationException: naming the member and what was expected.
        ResourceLimitExceeded: more instances than MAX_HOSTS.
    """
    _check_input(request["TransformInput"])
    _check_location(request["TransformOutput"]["S3OutputPath"])
    if "DataCaptureConfig" in request:
        raise not_implemented(
            "DataCaptureConfig of a transform job", "its output holds the answers"
        )
    check_payload(request.get("MaxConcurrentTransforms"), request.get("MaxPayloadInMB"))
    _check_instance_count(request["TransformResources"]["InstanceCount"])
    processing = Processing.parse(request)
    if processing.active and request.get("MaxPayloadInMB") == 0:
        raise ValidationException(
            "MaxPayloadInMB 0 with DataProcessing: an object that is streamed in chunks cannot be "
            "filtered or joined; expected 1 to 100."
        )


def check_payload(concurrent: int | None, megabytes: int | None) -> None:
    """Hold MaxConcurrentTransforms and MaxPayloadInMB to what the API reference says of them.

    Raises:
        ValidationException: more than 100 MB, in one request or in all at once.
    """
    at_once = max(concurrent or 0, 1)
    size = DEFAULT_PAYLOAD_MB if megabytes is None else megabytes
    if at_once * size > MAX_PAYLOAD_MB:
        raise ValidationException(
            f"MaxPayloadInMB {size} with MaxConcurrentTransforms {at_once}: their product "
            f"cannot exceed {MAX_PAYLOAD_MB} MB."
        )


def _check_input(given: dict[str, Any]) -> None:
    source = given["DataSource"]["S3DataSource"]
    if source["S3DataType"] not in (PREFIX, MANIFEST):
        raise ValidationException(
            f"S3DataType {source['S3DataType']} cannot be used in batch transform; expected "
            f"{PREFIX} or {MANIFEST}."
        )
    if given.get("SplitType") == "TFRecord":
        raise not_implemented("SplitType TFRecord", "expected None, Line or RecordIO")
    _check_location(source["S3Uri"])


def _check_instance_count(count: int) -> None:
    if count > MAX_HOSTS:
        raise ResourceLimitExceeded(
            "The account-level service limit 'Maximum number of instances per transform job' is "
            f"{MAX_HOSTS} Instances, with current utilization of 0 Instances and a request delta "
            f"of {count} Instances. Each is a process on this machine; ask for fewer."
        )


def _check_location(uri: str) -> None:
    try:
        S3Location.parse(uri)
    except StorageError as error:
        raise ValidationException(error.message) from None
