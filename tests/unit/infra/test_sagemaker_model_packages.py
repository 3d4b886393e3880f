"""The model registry as a client sees it: groups, their versions, and what is served of them."""

import pytest
from sagemaker_memory import MemoryObjects, tar_gz
from sagemaker_plane import ROLE, AwsError, make_config, running_plane
from sagemaker_programs import SERVE_IMAGE

pytestmark = pytest.mark.anyio

ARN = "arn:aws:sagemaker:us-east-1:000000000000:"
MODEL_DATA = "s3://shelf/registry/model.tar.gz"


def specification(text="first", **container):
    """An InferenceSpecification of the tiny image, and where its artifact lies."""
    url = f"s3://shelf/registry/{text}.tar.gz"
    return {
        "Containers": [{"Image": SERVE_IMAGE, "ModelDataUrl": url, **container}],
        "SupportedContentTypes": ["image/jpeg"],
        "SupportedResponseMIMETypes": ["application/json"],
    }


async def register(client, text="first", *, group="shop", **members):
    """A version of a group whose artifact holds one text; its ARN."""
    url = f"s3://shelf/registry/{text}.tar.gz"
    client.objects.content[url] = tar_gz({"model.txt": text.encode()})
    request = {"InferenceSpecification": specification(text), **members}
    answer = await client.call("CreateModelPackage", ModelPackageGroupName=group, **request)
    return answer["ModelPackageArn"]


@pytest.fixture
async def group(client):
    """An empty group `shop`."""
    await client.call("CreateModelPackageGroup", ModelPackageGroupName="shop")


async def refused(client, operation, code="ValidationException", **parameters):
    """The words of a refusal."""
    with pytest.raises(AwsError) as error:
        await client.call(operation, **parameters)
    assert (error.value.code, error.value.status) == (code, 400)
    return error.value.message


async def listed(client, **filters):
    """The ARNs' last parts on a page of packages."""
    answer = await client.call("ListModelPackages", **filters)
    found = [one["ModelPackageArn"] for one in answer["ModelPackageSummaryList"]]
    return [arn.removeprefix(f"{ARN}model-package/") for arn in found]


@pytest.mark.usefixtures("group")
async def test_versions_count_up_and_wait_for_approval(client):
    """A version that was deleted is not given again, even after a restart of the counter's group."""
    metadata = {"accuracy": "0.99", "data": "abc"}
    metrics = {"ModelQuality": {"Statistics": {"ContentType": "json", "S3Uri": "s3://shelf/m"}}}
    first = await register(client, CustomerMetadataProperties=metadata, ModelMetrics=metrics)
    assert first == f"{ARN}model-package/shop/1"
    package = await client.call("DescribeModelPackage", ModelPackageName=first)
    assert package["ModelPackageVersion"] == 1
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert package["ModelPackageStatus"] == "Completed"
    assert package["CustomerMetadataProperties"] == metadata
    assert package["ModelMetrics"] == metrics
    second = await register(client)
    await client.call("DeleteModelPackage", ModelPackageName=second)
    assert await register(client) == f"{ARN}model-package/shop/3"
    assert await listed(client, ModelPackageGroupName="shop") == ["shop/1", "shop/3"]


@pytest.mark.usefixtures("group")
async def test_only_an_approved_version_becomes_a_model(client):
    """It serves the package's artifact, with the package's variables and the model's own."""
    arn = await register(client, InferenceSpecification=specification(Environment={"A": "1"}))
    request = {
        "ModelName": "m",
        "PrimaryContainer": {"ModelPackageName": arn, "Environment": {"B": "2"}},
        "ExecutionRoleArn": ROLE,
    }
    words = await refused(client, "CreateModel", **request)
    assert words == (
        f"Model package {arn} cannot be deployed: its ModelApprovalStatus is "
        "PendingManualApproval, not Approved."
    )
    await client.call("UpdateModelPackage", ModelPackageArn=arn, ModelApprovalStatus="Approved")
    await client.call("CreateModel", **request)
    model = await client.call("DescribeModel", ModelName="m")
    assert model["PrimaryContainer"] == request["PrimaryContainer"]
    await client.call("DeleteModelPackage", ModelPackageName=arn)  # the model does not need it
    await make_config(client, "config", ("AllTraffic", "m", 1))
    await client.call("CreateEndpoint", EndpointName="shelf", EndpointConfigName="config")
    assert (await client.endpoint("shelf"))["EndpointStatus"] == "InService"
    told = (await client.invoke("shelf")).json()
    assert told["environment"].items() >= {"A": "1", "B": "2"}.items()
    assert told["model"] == "first"


@pytest.mark.usefixtures("group")
async def test_an_update_changes_what_is_told_and_nothing_else(client):
    """Properties are merged, and some of them removed."""
    arn = await register(client, CustomerMetadataProperties={"a": "1", "b": "2"})
    await client.call(
        "UpdateModelPackage",
        ModelPackageArn=arn,
        ModelApprovalStatus="Rejected",
        ApprovalDescription="worse on shoes",
        CustomerMetadataProperties={"c": "3"},
        CustomerMetadataPropertiesToRemove=["a"],
    )
    package = await client.call("DescribeModelPackage", ModelPackageName=arn)
    assert package["ModelApprovalStatus"] == "Rejected"
    assert package["ApprovalDescription"] == "worse on shoes"
    assert package["CustomerMetadataProperties"] == {"b": "2", "c": "3"}
    assert package["InferenceSpecification"] == specification()
    assert await listed(client, ModelPackageGroupName="shop", ModelApprovalStatus="Approved") == []


async def test_packages_in_no_group_are_listed_apart(client, group):
    """As AWS does where no type is asked for."""
    await register(client)
    single = {"ModelPackageName": "single", "InferenceSpecification": specification()}
    await client.call("CreateModelPackage", **single)
    assert await listed(client) == ["single"]
    assert await listed(client, ModelPackageType="Versioned") == ["shop/1"]
    assert await listed(client, ModelPackageType="Both") == ["shop/1", "single"]
    words = await refused(client, "CreateModelPackage", **single)
    assert words == f"Model Package already exists: {ARN}model-package/single"
    changes = {"ModelPackageArn": f"{ARN}model-package/single", "ModelApprovalStatus": "Approved"}
    assert "only versions have a ModelApprovalStatus" in await refused(
        client, "UpdateModelPackage", **changes
    )


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"ModelPackageGroupName": "other"}, f"does not exist: {ARN}model-package-group/other"),
        ({"ModelPackageName": "single"}, "not both"),
        ({"ModelPackageGroupName": None}, "not neither"),
        ({"InferenceSpecification": None}, "needs an InferenceSpecification"),
        ({"InferenceSpecification": specification("gone")}, "Could not find model data at"),
        (
            {"InferenceSpecification": specification(Image="unheard-of")},
            "Requested image unheard-of not found.",
        ),
        ({"CertifyForMarketplace": True}, "CertifyForMarketplace is not supported"),
        ({"Tags": [{"Key": "a", "Value": "b"}]}, "it has its group's tags"),
    ],
)
@pytest.mark.usefixtures("group")
async def test_a_package_that_could_not_serve_is_refused(client, members, words):
    """Naming what is wrong with it."""
    client.objects.content["s3://shelf/registry/first.tar.gz"] = tar_gz({})
    request = {
        "ModelPackageGroupName": "shop",
        "InferenceSpecification": specification(),
        **members,
    }
    given = {name: value for name, value in request.items() if value is not None}
    assert words in await refused(client, "CreateModelPackage", **given)


@pytest.mark.usefixtures("group")
async def test_a_group_goes_once_it_is_empty(client):
    """Until then AWS's conflict; afterwards it is not there."""
    arn = await register(client)
    words = await refused(
        client, "DeleteModelPackageGroup", "ConflictException", ModelPackageGroupName="shop"
    )
    assert arn in words
    await client.call("DeleteModelPackage", ModelPackageName=arn)
    await client.call(
        "DeleteModelPackageGroup", ModelPackageGroupName=f"{ARN}model-package-group/shop"
    )
    words = await refused(client, "DescribeModelPackageGroup", ModelPackageGroupName="shop")
    assert words == f"Model Package Group does not exist: {ARN}model-package-group/shop"


async def test_the_registry_survives_a_restart(tmp_path):
    """Versions, their approval, and what the next one is called."""
    objects = MemoryObjects()
    async with running_plane(tmp_path, objects=objects) as client:
        await client.call("CreateModelPackageGroup", ModelPackageGroupName="shop")
        arn = await register(client)
        await client.call("UpdateModelPackage", ModelPackageArn=arn, ModelApprovalStatus="Approved")
        await client.call("AddTags", ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    async with running_plane(tmp_path, objects=objects) as client:
        package = await client.call("DescribeModelPackage", ModelPackageName=arn)
        assert package["ModelApprovalStatus"] == "Approved"
        tags = await client.call("ListTags", ResourceArn=arn)
        assert tags["Tags"] == [{"Key": "a", "Value": "b"}]
        assert await register(client) == f"{ARN}model-package/shop/2"
