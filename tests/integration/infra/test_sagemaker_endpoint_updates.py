"""Weights and instance counts of a live endpoint, and what an update keeps of them."""

import asyncio
import collections

import pytest
from sagemaker_plane import AwsError, make_config, make_endpoint, make_model, running_plane

pytestmark = pytest.mark.anyio


async def two_variants(client):
    """An endpoint of variants a (all of the traffic) and b."""
    await make_model(client, "one", text="one")
    await make_model(client, "two", text="two")
    await make_config(client, "c", ("a", "one", 1), ("b", "two", 0))
    await client.call("CreateEndpoint", EndpointName="shelf", EndpointConfigName="c")
    await client.endpoint("shelf")


async def rescale(client, *changes):
    """UpdateEndpointWeightsAndCapacities, waited for; the endpoint's variants by name."""
    await client.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="shelf",
        DesiredWeightsAndCapacities=list(changes),
    )
    endpoint = await client.endpoint("shelf")
    return {one["VariantName"]: one for one in endpoint["ProductionVariants"]}


async def test_weights_move_the_traffic_of_a_live_endpoint(client):
    """No container is started or ended for it."""
    await two_variants(client)
    before = (await client.invoke("shelf")).json()
    variants = await rescale(
        client, {"VariantName": "a", "DesiredWeight": 0}, {"VariantName": "b", "DesiredWeight": 2}
    )
    assert (variants["a"]["CurrentWeight"], variants["a"]["DesiredWeight"]) == (0, 0)
    assert (variants["b"]["CurrentWeight"], variants["b"]["DesiredWeight"]) == (2, 2)
    answers = [(await client.invoke("shelf")).json()["model"] for _ in range(20)]
    assert set(answers) == {"two"}
    still = await client.invoke("shelf", x_amzn_sagemaker_target_variant="a")
    assert still.json()["pid"] == before["pid"]


async def test_instances_are_added_and_taken_away_without_a_lost_request(client):
    """Requests that last longer than the change are answered by the instances that leave."""
    await make_endpoint(client)
    done, pids = asyncio.Event(), collections.Counter()

    async def hammer():
        while not done.is_set():
            pids[(await client.invoke("shelf", b"wait")).json()["pid"]] += 1

    clients = [asyncio.create_task(hammer()) for _ in range(4)]
    variants = await rescale(client, {"VariantName": "AllTraffic", "DesiredInstanceCount": 3})
    assert variants["AllTraffic"]["CurrentInstanceCount"] == 3
    assert variants["AllTraffic"]["DesiredWeight"] == 1
    await asyncio.sleep(0.6)
    variants = await rescale(client, {"VariantName": "AllTraffic", "DesiredInstanceCount": 1})
    assert variants["AllTraffic"]["CurrentInstanceCount"] == 1
    done.set()
    await asyncio.gather(*clients)  # an error answer would be raised here
    assert len(pids) >= 2


async def test_what_is_desired_and_what_there_is_differ_while_it_changes(client):
    """Updating, one instance of three; a second change is refused meanwhile."""
    await make_endpoint(client)
    change = {"VariantName": "AllTraffic", "DesiredInstanceCount": 3, "DesiredWeight": 5}
    request = {"EndpointName": "shelf", "DesiredWeightsAndCapacities": [change]}
    await client.call("UpdateEndpointWeightsAndCapacities", **request)
    endpoint = await client.call("DescribeEndpoint", EndpointName="shelf")
    (variant,) = endpoint["ProductionVariants"]
    assert endpoint["EndpointStatus"] == "Updating"
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 3)
    assert (variant["CurrentWeight"], variant["DesiredWeight"]) == (1, 5)
    with pytest.raises(AwsError, match="Cannot update in-progress endpoint"):
        await client.call("UpdateEndpointWeightsAndCapacities", **request)
    await client.endpoint("shelf")


async def test_weights_and_counts_come_back_after_a_restart(tmp_path):
    """Those that were set last, not the configuration's."""
    async with running_plane(tmp_path) as client:
        await make_endpoint(client)
        change = {"VariantName": "AllTraffic", "DesiredInstanceCount": 2, "DesiredWeight": 3}
        await rescale(client, change)
        objects = client.objects
    async with running_plane(tmp_path, objects=objects) as client:
        (variant,) = (await client.endpoint("shelf"))["ProductionVariants"]
        assert (variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (2, 3)


async def test_instances_that_do_not_get_healthy_leave_all_as_it_was(client, tmp_path):
    """InService with the reason, the count of before, and the old instance serving."""
    await make_endpoint(client)
    (program,) = tmp_path.glob("tiny-serve.py")
    program.write_text("import sys; print('no licence found'); sys.exit(2)")
    await client.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="shelf",
        DesiredWeightsAndCapacities=[
            {"VariantName": "AllTraffic", "DesiredInstanceCount": 2, "DesiredWeight": 9}
        ],
    )
    endpoint = await client.endpoint("shelf")
    (variant,) = endpoint["ProductionVariants"]
    assert "no licence found" in endpoint["FailureReason"]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 1)
    assert (variant["CurrentWeight"], variant["DesiredWeight"]) == (1, 1)
    assert (await client.invoke("shelf")).json()["model"] == "first"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([{"VariantName": "nobody"}], "Variant nobody not found"),
        ([{"VariantName": "a"}, {"VariantName": "a"}], "Duplicate VariantName a"),
        ([{"VariantName": "a", "DesiredInstanceCount": 0}], "expected at least 1"),
        ([{"VariantName": "a", "DesiredWeight": 0}], "must have a weight above 0"),
    ],
)
async def test_a_change_that_cannot_be_is_refused(client, changes, words):
    """Named, before anything is touched."""
    await two_variants(client)
    with pytest.raises(AwsError, match=words) as refused:
        await rescale(client, *changes)
    assert refused.value.code == "ValidationException"
    assert (await client.endpoint("shelf"))["EndpointStatus"] == "InService"


@pytest.mark.parametrize(
    ("retained", "expected"),
    [
        ({}, (1, 1)),
        ({"RetainAllVariantProperties": True}, (2, 7)),
        (
            {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}],
            },
            (2, 1),
        ),
    ],
)
async def test_an_update_retains_what_it_is_told_to(client, retained, expected):
    """Counts and weights that were set live; the excluded ones are the configuration's."""
    await make_endpoint(client)
    change = {"VariantName": "AllTraffic", "DesiredInstanceCount": 2, "DesiredWeight": 7}
    await rescale(client, change)
    await make_model(client, "second", text="second")
    await make_config(client, "next", ("AllTraffic", "second", 1), ("other", "second", 1))
    await client.call("UpdateEndpoint", EndpointName="shelf", EndpointConfigName="next", **retained)
    variants = (await client.endpoint("shelf"))["ProductionVariants"]
    kept, other = variants
    assert (kept["CurrentInstanceCount"], kept["CurrentWeight"]) == expected
    assert (other["CurrentInstanceCount"], other["CurrentWeight"]) == (1, 1)
    assert (await client.invoke("shelf")).json()["model"] == "second"
