"""The errors that SageMaker answers with: AWS's codes, statuses and words."""

from __future__ import annotations

from typing import Any

from contracts import SnapshelfError


class ServiceError(SnapshelfError):
    """An answer that is an error: `code` is AWS's name for it, `status` its HTTP status."""

    code = "InternalFailure"
    status = 500

    def body(self) -> dict[str, Any]:
        """The members that AWS sends beside the code."""
        return {"Message": self.message}


class ValidationException(ServiceError):  # noqa: N818 - AWS's name
    """A control request that breaks the service model, or names what is not there."""

    code = "ValidationException"
    status = 400


class ResourceInUse(ServiceError):  # noqa: N818 - AWS's name
    """The name is taken."""

    code = "ResourceInUse"
    status = 400


class ConflictException(ServiceError):  # noqa: N818 - AWS's name
    """Something else still needs the resource."""

    code = "ConflictException"
    status = 400


class ResourceLimitExceeded(ServiceError):  # noqa: N818 - AWS's name
    """A quota does not allow as much."""

    code = "ResourceLimitExceeded"
    status = 400


class ObjectNotFoundException(ServiceError):  # noqa: N818 - AWS's name
    """Application Auto Scaling knows no such target or policy."""

    code = "ObjectNotFoundException"
    status = 400


class SerializationException(ServiceError):  # noqa: N818 - AWS's name
    """The request's body is not the JSON that the service model describes."""

    code = "SerializationException"
    status = 400


class UnknownOperationException(ServiceError):  # noqa: N818 - AWS's name
    """The operation does not exist, or is not offered here."""

    code = "UnknownOperationException"
    status = 400


class ValidationError(ServiceError):
    """SageMaker Runtime's refusal of a request."""

    code = "ValidationError"
    status = 400


class ThrottlingException(ServiceError):  # noqa: N818 - AWS's name
    """More requests at a time than a serverless variant may have; boto3 tries again.

    Source of code, status and words: the API reference (*Common Errors*).
    """

    code = "ThrottlingException"
    status = 400


class PayloadTooLarge(ServiceError):  # noqa: N818 - HTTP's name
    """The body is over the operation's limit."""

    code = "413"
    status = 413


class ServiceUnavailable(ServiceError):  # noqa: N818 - AWS's name
    """No process of the variant is healthy at the moment; boto3 tries again."""

    code = "ServiceUnavailable"
    status = 503


class ModelError(ServiceError):
    """The container answered other than 2xx, died, or exceeded its time.

    Source of the wording: what InvokeEndpoint answers (`Received server error (500) from primary
    with message "..."`); a model that did not answer has status 0.
    """

    code = "ModelError"
    status = 424

    def __init__(self, original_status: int, original: str, *, region: str, arn: str) -> None:
        group, account = arn.rpartition(":")[2], arn.split(":")[4]
        self.side = "client" if 400 <= original_status < 500 else "server"  # noqa: PLR2004 - HTTP's
        super().__init__(
            f"Received {self.side} error ({original_status}) from primary with message "
            f'"{original}". '
            f"See https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#logEventViewer:group={group} in account {account} for more information."
        )
        self.original_status, self.original, self.arn = original_status, original, arn

    def body(self) -> dict[str, Any]:
        """The members that botocore's service model gives a ModelError."""
        return {
            "Message": self.message,
            "OriginalStatusCode": self.original_status,
            "OriginalMessage": self.original,
            "LogStreamArn": self.arn,
        }


def not_implemented(what: str, supported: str) -> ValidationException:
    """The refusal of something that AWS offers and this plane does not (yet)."""
    return ValidationException(f"{what} is not supported by this local SageMaker; {supported}.")


def missing(member: str) -> ValidationException:
    """The refusal, in AWS's words, of a request that lacks a member which its model calls optional.

    Args:
        member: its place, e.g. `resourceConfig.instanceType`.
    """
    return ValidationException(
        f"1 validation error detected: Value null at '{member}' failed to satisfy constraint: "
        "Member must not be null"
    )
