"""List operations: filters, order and pages, the same for every kind of resource."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from infra.sagemaker.errors import ValidationException

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.sagemaker.documents import Document

DEFAULT_PAGE = 10
"""MaxResults where the request gives none."""


def page(
    documents: Iterable[Document],
    request: dict[str, Any],
    *,
    kind: str,
    member: str,
    default_order: str,
) -> dict[str, Any]:
    """One page of `documents` under the answer's `member`, with NextToken if there are more.

    Args:
        documents: all of one kind.
        request: the checked input of the List operation.
        kind: prefix of the members `<kind>Name` and `<kind>Status`.
        member: the answer's list, e.g. `Models`.
        default_order: the operation's own default of SortOrder.
    """
    sort_by = request.get("SortBy", "CreationTime")
    descending = request.get("SortOrder", default_order) == "Descending"

    def sort_key(document: Document) -> list[Any]:
        value = document[sort_by if sort_by == "CreationTime" else f"{kind}{sort_by}"]
        return [value, document[f"{kind}Arn"]]  # versions of a model package have one name

    matching = [one for one in documents if _matches(one, request, kind)]
    matching.sort(key=sort_key, reverse=descending)
    if token := request.get("NextToken"):
        last = _decode(token, sort_key_of=sort_by)
        matching = [one for one in matching if _is_after(sort_key(one), last, descending)]
    size = request.get("MaxResults", DEFAULT_PAGE)
    answer: dict[str, Any] = {member: matching[:size]}
    if len(matching) > size:
        answer["NextToken"] = _encode(sort_key(matching[size - 1]))
    return answer


_OF_NO_RESOURCE = ("WarmPoolStatusEquals", "TrainingPlanArnEquals")
"""Filters by what nothing here has."""


def _matches(document: Document, request: dict[str, Any], kind: str) -> bool:
    if any(name in request for name in _OF_NO_RESOURCE):
        return False
    if request.get("NameContains", "").lower() not in document[f"{kind}Name"].lower():
        return False
    status = request.get("StatusEquals")
    if status is not None and document[f"{kind}Status"] != status:
        return False
    for time in ("CreationTime", "LastModifiedTime"):
        after, before = request.get(f"{time}After"), request.get(f"{time}Before")
        if after is not None and document[time] <= after:
            return False
        if before is not None and document[time] >= before:
            return False
    return True


def _is_after(key: list[Any], last: list[Any], descending: bool) -> bool:
    return key < last if descending else key > last


def _encode(key: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def _decode(token: str, *, sort_key_of: str) -> list[Any]:
    """The sort key of the last item of the page before."""
    try:
        value, name = json.loads(base64.urlsafe_b64decode(token))
    except ValueError:
        raise ValidationException("Invalid NextToken.") from None
    expected = float if sort_key_of == "CreationTime" else str
    if not isinstance(value, expected) or not isinstance(name, str):
        raise ValidationException("Invalid NextToken: it belongs to another order.")
    return [value, name]
