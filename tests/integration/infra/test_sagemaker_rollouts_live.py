"""Blue/green updates of a live endpoint: a canary, a rollback, and what is told meanwhile."""

import collections

import pytest
from sagemaker_plane import AwsError, make_config, make_endpoint, make_model

pytestmark = pytest.mark.anyio


async def update(client, kind="CANARY", wait=3600, alarms=(), **policy):
    """UpdateEndpoint to a second model; nothing is waited for."""
    await make_model(client, "second", text="second")
    await make_config(client, "next", ("AllTraffic", "second", 1))
    routing = {"Type": kind, "WaitIntervalInSeconds": wait}
    if kind == "CANARY":
        routing["CanarySize"] = {"Type": "CAPACITY_PERCENT", "Value": 50}
    blue_green = {"TrafficRoutingConfiguration": routing, **policy}
    deployment = {"BlueGreenUpdatePolicy": blue_green}
    if alarms:
        named = [{"AlarmName": name} for name in alarms]
        deployment["AutoRollbackConfiguration"] = {"Alarms": named}
    await client.call(
        "UpdateEndpoint",
        EndpointName="shelf",
        EndpointConfigName="next",
        DeploymentConfig=deployment,
    )


async def pending(client):
    """Wait until the new deployment gets traffic; its summary."""

    async def described():
        endpoint = await client.call("DescribeEndpoint", EndpointName="shelf")
        return endpoint.get("PendingDeploymentSummary")

    return await client.until(described)


async def models(client, count):
    """Which models answered so many requests."""
    answers = [(await client.invoke("shelf")).json()["model"] for _ in range(count)]
    return collections.Counter(answers)


async def test_a_canary_gets_its_share_until_an_alarm_takes_it_back(client):
    """Half of the traffic, then none; in service as before, with the alarm's name."""
    client.alarms.state["errors"] = "OK"
    await make_endpoint(client)
    await update(client, alarms=["errors"])
    summary = await pending(client)
    assert summary["EndpointConfigName"] == "next"
    (variant,) = summary["ProductionVariants"]
    assert variant["VariantStatus"] == [{"Status": "ActivatingTraffic"}]
    shared = await models(client, 60)
    assert 14 < shared["second"] < 46  # 30 expected; 4 sigma is 15
    endpoint = await client.call("DescribeEndpoint", EndpointName="shelf")
    assert endpoint["EndpointStatus"] == "Updating"
    client.alarms.state["errors"] = "ALARM"
    endpoint = await client.endpoint("shelf")
    assert endpoint["FailureReason"] == (
        "One or more alarms are in ALARM: errors. All traffic is with the old fleet again."
    )
    assert endpoint["EndpointConfigName"] == "shelf-config"
    assert "PendingDeploymentSummary" not in endpoint
    assert await models(client, 10) == {"first": 10}


async def test_a_canary_that_does_well_takes_all_of_the_traffic(client):
    """And the configuration is told, which RetainDeploymentConfig uses again."""
    client.alarms.state["errors"] = "OK"
    await make_endpoint(client)
    await update(client, wait=0, alarms=["errors"])
    endpoint = await client.endpoint("shelf")
    assert endpoint["EndpointConfigName"] == "next"
    assert await models(client, 5) == {"second": 5}
    routing = endpoint["LastDeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert routing["TrafficRoutingConfiguration"]["Type"] == "CANARY"
    client.alarms.state["errors"] = "ALARM"
    await client.call(
        "UpdateEndpoint",
        EndpointName="shelf",
        EndpointConfigName="shelf-config",
        RetainDeploymentConfig=True,
    )
    endpoint = await client.endpoint("shelf")
    assert "errors" in endpoint["FailureReason"]


async def test_the_old_fleet_may_stay_for_a_while(client):
    """TerminationWaitInSeconds: in service, and nobody asks the old process."""
    await make_endpoint(client)
    await update(client, "ALL_AT_ONCE", 0, TerminationWaitInSeconds=3600)
    assert (await client.endpoint("shelf"))["EndpointConfigName"] == "next"
    assert await models(client, 5) == {"second": 5}
    work = client.plane._context.work / "endpoint"
    assert len(list(work.iterdir())) == 2


async def test_an_alarm_that_is_not_there_is_refused(client):
    """Before anything is started."""
    await make_endpoint(client)
    with pytest.raises(AwsError, match="Could not find alarms: errors") as refused:
        await update(client, alarms=["errors"])
    assert refused.value.code == "ValidationException"
    assert (await client.endpoint("shelf"))["EndpointStatus"] == "InService"


async def test_a_plane_that_stops_during_a_canary_ends_both_fleets(client):
    """The fixture's end would wait for a process that is left."""
    await make_endpoint(client)
    await update(client)
    await pending(client)
    await client.plane.stop()
    assert client.plane._live.sessions() == {("shelf", "AllTraffic"): []}
    assert list((client.plane._context.work / "endpoint").iterdir()) == []
