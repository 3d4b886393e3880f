"""What the executor asks of the code behind each kind of resource."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from contracts import DeployError
from infra.deploy.scope import OWNER_TAG

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from botocore.exceptions import ClientError

    from infra.deploy.scope import Scope

Report: TypeAlias = Callable[[str], None]
"""Takes a line about how a long step is going on."""

R_contra = TypeVar("R_contra", contravariant=True)

_TOLD_CHARACTERS = 80  # beyond which values are policies and digests that say little to people
_NOT_FOUND = re.compile(r"(could|can) ?not find|does not exist|not found", re.IGNORECASE)


class Service(Protocol[R_contra]):
    """Reads and makes one kind of resource on a target."""

    def differences(self, wanted: R_contra) -> tuple[str, ...] | None:
        """What of the standing resource is not as wanted; None where none stands."""

    def apply(self, wanted: R_contra, report: Report) -> None:
        """Make the resource, or change it into what is wanted, from whatever state it is in."""


def is_absent(error: ClientError) -> bool:
    """Whether AWS says that the thing asked for is not there.

    Most answer 404, CloudWatch Logs 400 with a code of its own, and SageMaker 400 with a
    ValidationException that only its words tell from others.
    """
    details = error.response["Error"]
    return (
        error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND
        or details["Code"] == "ResourceNotFoundException"
        or (
            details["Code"] == "ValidationException"
            and _NOT_FOUND.search(details["Message"]) is not None
        )
    )


@runtime_checkable
class Settling(Protocol[R_contra]):
    """A service whose resource takes minutes to become what it was told to be."""

    def is_under_way(self, wanted: R_contra) -> bool:
        """Whether the resource is becoming what is wanted by itself, so that waiting is enough."""

    def settle(self, wanted: R_contra, report: Report) -> None:
        """Wait until the resource neither starts nor changes nor goes."""


def unlike(actual: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[str, ...]:
    """What `actual` does not hold of `wanted`, in its order; both values where they are short."""
    return tuple(
        _told(name, actual.get(name), value)
        for name, value in wanted.items()
        if actual.get(name) != value
    )


def _told(name: str, actual: Any, wanted: Any) -> str:
    if all(isinstance(value, str | int | float) for value in (actual, wanted)):
        told = f"{name} ({actual}, wanted {wanted})"
        return told if len(told) <= _TOLD_CHARACTERS else name
    return name


def tags_of(tag_list: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Tags from the form of S3, IAM and SageMaker."""
    return {tag["Key"]: tag["Value"] for tag in tag_list}


def check_owner(what: str, tags: Mapping[str, str], scope: Scope) -> None:
    """Refuse to touch a resource of ours in name only.

    Raises:
        DeployError: it does not carry this deployment's tag.
    """
    if (owner := tags.get(OWNER_TAG)) != scope.name:
        raise DeployError(
            f"{what} exists already and is not this deployment's"
            f" (tag {OWNER_TAG}: {owner!r}, expected {scope.name!r})",
            hint="choose another --name, or remove that resource yourself",
        )
