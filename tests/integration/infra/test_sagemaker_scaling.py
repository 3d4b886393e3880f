"""Automatic scaling: targets and policies as Application Auto Scaling has them, and what they do."""

import asyncio

import pytest
from sagemaker_memory import MemoryObjects
from sagemaker_plane import AwsError, make_config, make_endpoint, make_model, running_plane

pytestmark = pytest.mark.anyio

DIMENSION = "sagemaker:variant:DesiredInstanceCount"
VARIANT = {"ResourceId": "endpoint/shelf/variant/AllTraffic", "ScalableDimension": DIMENSION}
CONCURRENCY = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
INVOCATIONS = "SageMakerVariantInvocationsPerInstance"


def policy(target=1.0, metric=INVOCATIONS, **more):
    """A target-tracking configuration without cooldowns."""
    return {
        "TargetValue": target,
        "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
        "ScaleOutCooldown": 0,
        "ScaleInCooldown": 0,
        **more,
    }


async def scale(client, configuration, least=1, most=3):
    """Register the variant and give it a policy."""
    await client.autoscale("RegisterScalableTarget", MinCapacity=least, MaxCapacity=most, **VARIANT)
    await client.autoscale(
        "PutScalingPolicy",
        PolicyName="track",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=configuration,
        **VARIANT,
    )


async def instances(client, count):
    """Wait until the endpoint has so many instances and has settled."""

    async def there():
        endpoint = await client.call("DescribeEndpoint", EndpointName="shelf")
        (variant,) = endpoint["ProductionVariants"]
        settled = endpoint["EndpointStatus"] == "InService"
        return settled and variant["CurrentInstanceCount"] == count

    await client.until(there, seconds=30)


async def test_a_variant_grows_with_its_requests_and_shrinks_without_losing_one(client):
    """By the concurrency of six clients, from one instance to three and back; each is answered."""
    await make_endpoint(client)
    await scale(client, policy(2, CONCURRENCY))
    done, answered = asyncio.Event(), 0

    async def hammer():
        nonlocal answered
        while not done.is_set():
            await client.invoke("shelf", b"wait")
            answered += 1

    clients = [asyncio.create_task(hammer()) for _ in range(6)]
    await instances(client, 3)
    done.set()
    await asyncio.gather(*clients)  # an error answer would be raised here
    await instances(client, 1)
    assert answered >= 6

    async def successful():
        found = (await client.autoscale("DescribeScalingActivities"))["ScalingActivities"]
        return found if {one["StatusCode"] for one in found} == {"Successful"} else None

    activities = await client.until(successful)
    assert activities[0]["Description"] == "Setting desired instance count to 1."
    assert f"{CONCURRENCY}: " in activities[-1]["Cause"]


async def test_a_rate_of_invocations_adds_instances(client):
    """SageMakerVariantInvocationsPerInstance, over a shortened window."""
    await make_endpoint(client)
    await scale(client, policy(30, ScaleInCooldown=3600), most=2)
    for _ in range(3):  # 90 a minute over the 2 s that the window has here
        await client.invoke("shelf")
    await instances(client, 2)


async def test_the_queue_of_an_asynchronous_endpoint_starts_instances_from_zero(client):
    """ApproximateBacklogSizePerInstance; and none is left when it is empty."""
    output = {"OutputConfig": {"S3OutputPath": "s3://shelf/out"}}
    await make_endpoint(client, config={"AsyncInferenceConfig": output})
    tracked = {
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Namespace": "AWS/SageMaker",
        "Dimensions": [{"Name": "EndpointName", "Value": "shelf"}],
        "Statistic": "Average",
    }
    configuration = {
        "TargetValue": 5,
        "CustomizedMetricSpecification": tracked,
        "ScaleOutCooldown": 0,
        "ScaleInCooldown": 0,
    }
    await scale(client, configuration, least=0)
    await instances(client, 0)
    path = "/endpoints/shelf/async-invocations"
    answer = await client.http.post(path, content=b"photo")
    assert answer.status_code == 202

    async def written():
        return answer.headers["x-amzn-sagemaker-outputlocation"] in client.objects.content

    await client.until(written)
    await instances(client, 0)


async def test_suspended_scaling_changes_nothing(client):
    """Out and in apart."""
    await make_endpoint(client)
    await scale(client, policy(0.5, CONCURRENCY))
    suspended = {"DynamicScalingOutSuspended": True}
    await client.autoscale("RegisterScalableTarget", SuspendedState=suspended, **VARIANT)
    await asyncio.gather(*(client.invoke("shelf", b"wait") for _ in range(4)))
    assert (await client.autoscale("DescribeScalingActivities"))["ScalingActivities"] == []
    (target,) = (await client.autoscale("DescribeScalableTargets"))["ScalableTargets"]
    assert target["SuspendedState"]["DynamicScalingOutSuspended"] is True
    assert target["SuspendedState"]["DynamicScalingInSuspended"] is False
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 3)


async def test_targets_and_policies_are_described_survive_a_restart_and_are_deleted(tmp_path):
    """With the members and names of the API."""
    objects = MemoryObjects()
    async with running_plane(tmp_path, objects=objects) as client:
        await make_endpoint(client)
        await scale(client, policy(70))
        await scale(client, policy(80), most=4)
    async with running_plane(tmp_path, objects=objects) as client:
        await client.endpoint("shelf")
        (target,) = (await client.autoscale("DescribeScalableTargets"))["ScalableTargets"]
        assert target["ResourceId"] == VARIANT["ResourceId"]
        assert target["MaxCapacity"] == 4
        (found,) = (await client.autoscale("DescribeScalingPolicies"))["ScalingPolicies"]
        assert found["PolicyName"] == "track"
        assert found["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 80
        assert found["PolicyARN"].endswith("resource/sagemaker/endpoint/shelf/variant/AllTraffic")
        await client.autoscale("DeleteScalingPolicy", PolicyName="track", **VARIANT)
        with pytest.raises(AwsError, match="policy name: track") as missing:
            await client.autoscale("DeleteScalingPolicy", PolicyName="track", **VARIANT)
        assert missing.value.code == "ObjectNotFoundException"
        await client.autoscale("DeregisterScalableTarget", **VARIANT)
        with pytest.raises(AwsError, match="No scalable target registered for service namespace"):
            await client.autoscale("DeregisterScalableTarget", **VARIANT)


async def test_a_target_goes_with_its_endpoint(client):
    """Of the same name there may be another one later."""
    await make_endpoint(client)
    await scale(client, policy(70))
    await client.call("DeleteEndpoint", EndpointName="shelf")

    async def gone():
        return not (await client.autoscale("DescribeScalableTargets"))["ScalableTargets"]

    await client.until(gone)


async def test_what_cannot_scale_or_is_not_offered_is_refused(client):
    """By name, with what is offered."""
    await make_endpoint(client)
    limits = {"MinCapacity": 1, "MaxCapacity": 2}
    for request, words in (
        ({**VARIANT}, "MinCapacity is required"),
        ({**VARIANT, "MinCapacity": 3, "MaxCapacity": 2}, "expected at least MinCapacity, 3"),
        ({**VARIANT, "MinCapacity": 0, "MaxCapacity": 2}, "expected at least 1"),
        ({**VARIANT, **limits, "ResourceId": "shelf"}, "expected endpoint/<name>/variant/<name>"),
        (
            {**VARIANT, **limits, "ResourceId": "endpoint/no/variant/v"},
            "Could not find endpoint",
        ),
        ({**VARIANT, **limits, "ResourceId": "endpoint/shelf/variant/v"}, "Variant v of endpoint"),
        (
            {
                **VARIANT,
                **limits,
                "ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency",
            },
            "is not supported",
        ),
        (
            {
                **limits,
                "ServiceNamespace": "ecs",
                "ResourceId": "service/a/b",
                "ScalableDimension": "ecs:service:DesiredCount",
            },
            "ServiceNamespace ecs is not supported",
        ),
    ):
        with pytest.raises(AwsError, match=words) as refused:
            await client.autoscale("RegisterScalableTarget", **request)
        assert refused.value.code == "ValidationException"


async def test_policies_that_are_not_offered_are_refused(client):
    """Step scaling, and metrics that nothing measures here."""
    await make_model(client, "m")
    await make_config(client, "c", ("AllTraffic", "m", 1))
    await client.call("CreateEndpoint", EndpointName="shelf", EndpointConfigName="c")
    with pytest.raises(AwsError, match="No scalable target registered"):
        await client.autoscale("PutScalingPolicy", PolicyName="p", **VARIANT)
    await client.autoscale("RegisterScalableTarget", MinCapacity=1, MaxCapacity=2, **VARIANT)
    tracking = {"PolicyType": "TargetTrackingScaling"}
    member = "TargetTrackingScalingPolicyConfiguration"
    for request, words in (
        ({}, "PolicyType StepScaling is not supported"),
        (tracking, f"{member} is required"),
        (
            {**tracking, member: policy(1, "ECSServiceAverageCPUUtilization")},
            "The metric ECSServiceAverageCPUUtilization is not supported",
        ),
    ):
        with pytest.raises(AwsError, match=words):
            await client.autoscale("PutScalingPolicy", PolicyName="p", **VARIANT, **request)
    await client.endpoint("shelf")
