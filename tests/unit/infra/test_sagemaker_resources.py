"""What all kinds of resource share: lists with filters and pages, and tags, over the wire."""

import pytest
from sagemaker_plane import running_plane

from infra.sagemaker.documents import (
    ENDPOINT,
    ENDPOINT_CONFIG,
    MODEL,
    MODEL_PACKAGE,
    MODEL_PACKAGE_GROUP,
    TRAINING_JOB,
    TRANSFORM_JOB,
)

pytestmark = pytest.mark.anyio

KINDS = {
    # kind: prefix of its members, operation, member of the answer, default order
    TRAINING_JOB: ("TrainingJob", "ListTrainingJobs", "TrainingJobSummaries", "Ascending"),
    TRANSFORM_JOB: ("TransformJob", "ListTransformJobs", "TransformJobSummaries", "Descending"),
    MODEL: ("Model", "ListModels", "Models", "Descending"),
    MODEL_PACKAGE_GROUP: (
        "ModelPackageGroup",
        "ListModelPackageGroups",
        "ModelPackageGroupSummaryList",
        "Ascending",
    ),
    MODEL_PACKAGE: (
        "ModelPackage",
        "ListModelPackages",
        "ModelPackageSummaryList",
        "Ascending",
    ),
    ENDPOINT_CONFIG: ("EndpointConfig", "ListEndpointConfigs", "EndpointConfigs", "Descending"),
    ENDPOINT: ("Endpoint", "ListEndpoints", "Endpoints", "Descending"),
}
WITH_STATUS = (TRAINING_JOB, TRANSFORM_JOB, ENDPOINT)


@pytest.fixture(scope="module")
def anyio_backend():
    """The plane stands on asyncio."""
    return "asyncio"


@pytest.fixture(scope="module")
async def client(tmp_path_factory):
    """A plane with five resources of each kind, `one-a` to `two-e`, and its client."""
    async with running_plane(tmp_path_factory.mktemp("plane")) as one:
        for kind in KINDS:
            for number, name in enumerate(("one-a", "two-b", "one-c", "two-d", "two-e")):
                put(one, kind, name, number)
        yield one


def put(client, kind, name, number):
    """Put the document of a resource that was made at 10 x number and changed at 100 - number."""
    store, prefix = client.plane._context.store, KINDS[kind][0]
    document = {
        f"{prefix}Name": name,
        f"{prefix}Arn": store.arn(kind, name),
        f"{prefix}Status": "Failed" if name.startswith("one") else "Creating",
        "CreationTime": float(10 * number),
        "LastModifiedTime": float(100 - number),
        "SecondaryStatus": "Failed",
    }
    store.put(kind, name, document)


async def letters(client, kind, **request):
    """The last letters of the names on one page, and whether there is another."""
    prefix, operation, member, _ = KINDS[kind]
    answer = await client.call(operation, **request)
    return "".join(one[f"{prefix}Name"][-1] for one in answer[member]), "NextToken" in answer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, "abcde"),
        ({"SortOrder": "Descending"}, "edcba"),
        ({"SortBy": "Name"}, "acbde"),
        ({"SortBy": "Name", "SortOrder": "Descending"}, "edbca"),
        ({"NameContains": "One"}, "ac"),
        ({"CreationTimeAfter": 10}, "cde"),
        ({"CreationTimeBefore": 30}, "abc"),
        ({"CreationTimeAfter": 0, "CreationTimeBefore": 40, "NameContains": "two"}, "bd"),
    ],
)
async def test_every_list_has_the_same_filters_and_orders(client, kind, request_, expected):
    """By time in the operation's own direction where the request gives none."""
    if not {"SortBy", "SortOrder"} & request_.keys() and KINDS[kind][3] == "Descending":
        expected = expected[::-1]
    elif "SortBy" in request_:
        request_ = {"SortOrder": "Ascending", **request_}
    assert await letters(client, kind, **request_) == (expected, False)


@pytest.mark.parametrize("kind", WITH_STATUS)
async def test_what_has_a_status_is_listed_by_it_and_by_its_last_change(client, kind):
    """StatusEquals, SortBy Status, LastModifiedTimeAfter and -Before."""
    up = {"SortOrder": "Ascending"}
    assert (await letters(client, kind, StatusEquals="Failed", **up))[0] == "ac"
    assert (await letters(client, kind, LastModifiedTimeAfter=97, **up))[0] == "abc"
    assert (await letters(client, kind, LastModifiedTimeBefore=98, **up))[0] == "de"
    assert (await letters(client, kind, SortBy="Status", **up))[0] == "bdeac"


@pytest.mark.parametrize(
    ("kind", "sort_by"),
    [
        *[(kind, order) for kind in KINDS for order in ("Name", "CreationTime")],
        *[(kind, "Status") for kind in WITH_STATUS],
    ],
)
async def test_pages_hold_every_item_once(client, kind, sort_by):
    """MaxResults and NextToken, in every order."""
    request = {"SortBy": sort_by, "MaxResults": 2}
    _, operation, member, _ = KINDS[kind]
    whole = await client.call(operation, SortBy=sort_by)
    found = []
    for size in (2, 2, 1):
        answer = await client.call(operation, **request)
        assert len(answer[member]) == size
        found += answer[member]
        request["NextToken"] = answer.get("NextToken")
    assert request["NextToken"] is None
    assert found == whole[member]


@pytest.mark.parametrize(
    "request_", [{"WarmPoolStatusEquals": "InUse"}, {"TrainingPlanArnEquals": "arn:aws:sagemaker:us-east-1:000000000000:training-plan/p"}]
)  # fmt: skip
async def test_no_job_here_has_a_warm_pool_or_a_training_plan(client, request_):
    """A filter by one finds none, rather than all."""
    assert await letters(client, TRAINING_JOB, **request_) == ("", False)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_resource_has_tags(client, kind):
    """Added, listed and deleted by its ARN."""
    arn = client.plane._context.store.arn(kind, "one-a")
    tags = [{"Key": "team", "Value": "a"}, {"Key": "cost", "Value": "b"}]
    await client.call("AddTags", ResourceArn=arn, Tags=tags)
    await client.call("DeleteTags", ResourceArn=arn, TagKeys=["team"])
    assert (await client.call("ListTags", ResourceArn=arn))["Tags"] == tags[1:]
