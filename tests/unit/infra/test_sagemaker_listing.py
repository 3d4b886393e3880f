"""Filters, order and pages of the List operations."""

import pytest

from infra.sagemaker.errors import ValidationException
from infra.sagemaker.listing import page


def models(*times):
    """Documents `model-0`, `model-1`, ... made at these times."""
    return [
        {
            "ModelName": f"model-{number}",
            "ModelArn": f"arn:model-{number}",
            "CreationTime": float(time),
        }
        for number, time in enumerate(times)
    ]


def names(documents, request, order="Descending"):
    """The names on a page."""
    answer = page(documents, request, kind="Model", member="Models", default_order=order)
    return [one["ModelName"][-1] for one in answer["Models"]]


def walk(documents, request):
    """The names on all pages, each page a string."""
    pages = []
    while True:
        answer = page(documents, request, kind="Model", member="Models", default_order="Ascending")
        pages.append("".join(one["ModelName"][-1] for one in answer["Models"]))
        if "NextToken" not in answer:
            return pages
        request = {**request, "NextToken": answer["NextToken"]}


def test_order_is_by_time_in_the_default_direction_of_the_operation():
    """Without SortBy and SortOrder."""
    documents = models(20, 10, 30)
    assert names(documents, {}) == ["2", "0", "1"]
    assert names(documents, {}, order="Ascending") == ["1", "0", "2"]


def test_order_by_name():
    """With SortBy and SortOrder."""
    request = {"SortBy": "Name", "SortOrder": "Descending"}
    assert names(models(20, 10, 30), request) == ["2", "1", "0"]


def test_pages_hold_every_item_once_even_where_times_are_equal():
    """The token continues after the last item, not after a time."""
    assert walk(models(5, 5, 5, 5, 5), {"MaxResults": 2}) == ["01", "23", "4"]


def test_an_exactly_full_last_page_has_no_token():
    """There is no empty page behind it."""
    assert walk(models(1, 2, 3, 4), {"MaxResults": 2}) == ["01", "23"]


def test_a_page_holds_ten_by_default():
    """AWS's default."""
    assert len(names(models(*range(11)), {})) == 10


def test_items_made_between_two_pages_do_not_repeat_others():
    """A page number would shift; a position does not."""
    documents = models(1, 2, 3)
    request = {"MaxResults": 2, "SortOrder": "Descending"}
    first = page(documents, request, kind="Model", member="Models", default_order="Ascending")
    documents.append({"ModelName": "model-9", "ModelArn": "arn:model-9", "CreationTime": 9.0})
    request["NextToken"] = first["NextToken"]
    assert names(documents, request) == ["0"]


def test_name_contains_ignores_case():
    """As AWS's does."""
    assert names(models(1, 2), {"NameContains": "MODEL-1"}) == ["1"]


def test_times_are_bounds_that_are_not_included():
    """CreationTimeAfter and CreationTimeBefore."""
    request = {"CreationTimeAfter": 1, "CreationTimeBefore": 3}
    assert names(models(1, 2, 3), request) == ["1"]


def test_status_equals():
    """Only where the resource has a status."""
    jobs = [
        {
            "EndpointName": name,
            "EndpointArn": f"arn:{name}",
            "EndpointStatus": status,
            "CreationTime": 1.0,
        }
        for name, status in (("a", "Failed"), ("b", "InService"))
    ]
    answer = page(
        jobs,
        {"StatusEquals": "Failed"},
        kind="Endpoint",
        member="Endpoints",
        default_order="Ascending",
    )
    assert [one["EndpointName"] for one in answer["Endpoints"]] == ["a"]


@pytest.mark.parametrize("token", ["nonsense", "e30=", "WzEsMl0=", "WyJhIiwgImIiXQ=="])
def test_a_token_that_is_not_ours_or_of_another_order_is_refused(token):
    """`WyJhIiwgImIiXQ==` is ["a", "b"]: a token of the order by name."""
    with pytest.raises(ValidationException, match="Invalid NextToken"):
        names(models(1), {"NextToken": token})
