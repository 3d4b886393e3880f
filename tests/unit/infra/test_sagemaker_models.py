"""Models, endpoint configurations and tags."""

import pytest
from sagemaker_memory import MemoryObjects
from sagemaker_plane import ROLE, AwsError, make_config, make_model, running_plane
from sagemaker_programs import SERVE_IMAGE

pytestmark = pytest.mark.anyio

ARN = "arn:aws:sagemaker:us-east-1:000000000000:"


async def refused(client, operation, **parameters):
    """The words of a ValidationException."""
    with pytest.raises(AwsError) as error:
        await client.call(operation, **parameters)
    assert error.value.code == "ValidationException"
    assert error.value.status == 400
    return error.value.message


async def test_a_model_is_described_listed_and_deleted(client):
    """From creation to AWS's words for what is not there."""
    await make_model(client, "m", COLOUR="red")
    model = await client.call("DescribeModel", ModelName="m")
    assert model["ModelArn"] == f"{ARN}model/m"
    assert model["PrimaryContainer"]["Environment"] == {"COLOUR": "red"}
    assert [one["ModelName"] for one in (await client.call("ListModels"))["Models"]] == ["m"]
    await client.call("DeleteModel", ModelName="m")
    for operation in ("DescribeModel", "DeleteModel"):
        words = await refused(client, operation, ModelName="m")
        assert words == f'Could not find model "{ARN}model/m".'


async def test_a_second_model_of_a_name_is_refused(client):
    """In AWS's words."""
    await make_model(client, "m")
    words = await refused(
        client, "CreateModel", ModelName="m", PrimaryContainer={"Image": SERVE_IMAGE}
    )
    assert words == f'Cannot create already existing model "{ARN}model/m".'


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({"Image": "unheard-of"}, "Requested image unheard-of not found."),
        (
            {"Image": SERVE_IMAGE, "ModelDataUrl": "s3://shelf/none.tar.gz"},
            "Could not find model data at s3://shelf/none.tar.gz.",
        ),
        ({"Image": SERVE_IMAGE, "ModelDataUrl": "https://a/b"}, "expected s3://bucket/key"),
        ({"Image": SERVE_IMAGE, "Mode": "MultiModel"}, "Mode MultiModel is not supported"),
        ({"ModelPackageName": "p"}, f"ModelPackage {ARN}model-package/p does not exist."),
        ({"ModelDataUrl": "s3://shelf/m"}, "A container needs an Image."),
    ],
)
async def test_a_model_that_could_not_serve_is_refused(client, container, words):
    """When it is made, not when an endpoint fails."""
    message = await refused(
        client, "CreateModel", ModelName="m", PrimaryContainer=container, ExecutionRoleArn=ROLE
    )
    assert words in message


async def test_a_model_without_a_container_is_refused(client):
    """The service model leaves both kinds optional."""
    assert "PrimaryContainer" in await refused(client, "CreateModel", ModelName="m")


async def test_an_endpoint_configuration_is_described_listed_and_deleted(client):
    """A variant's weight is 1 by default."""
    await make_model(client, "m")
    variant = {
        "VariantName": "v",
        "ModelName": "m",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }
    await client.call("CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant])
    config = await client.call("DescribeEndpointConfig", EndpointConfigName="c")
    assert config["ProductionVariants"] == [{**variant, "InitialVariantWeight": 1.0}]
    listed = await client.call("ListEndpointConfigs", NameContains="C")
    assert [one["EndpointConfigName"] for one in listed["EndpointConfigs"]] == ["c"]
    await client.call("DeleteEndpointConfig", EndpointConfigName="c")
    words = await refused(client, "DescribeEndpointConfig", EndpointConfigName="c")
    assert words == f'Could not find endpoint configuration "{ARN}endpoint-config/c".'


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ModelName": "nobody"}, f'Could not find model "{ARN}model/nobody".'),
        ({"InitialInstanceCount": 0}, "Member must have value greater than or equal to 1"),
        ({"InitialInstanceCount": None}, "InitialInstanceCount is required"),
        ({"InitialVariantWeight": 0}, "At least one variant must have a weight above 0"),
        (
            {"ManagedInstanceScaling": {"Status": "ENABLED"}},
            "variant v: ManagedInstanceScaling is not supported",
        ),
    ],
)
async def test_a_variant_that_could_not_serve_is_refused(client, changes, words):
    """By the name of what is wrong."""
    await make_model(client, "m")
    variant = {
        "VariantName": "v",
        "ModelName": "m",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
        **changes,
    }
    variant = {key: value for key, value in variant.items() if value is not None}
    message = await refused(
        client, "CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant]
    )
    assert words in message


async def test_two_variants_of_one_name_are_refused(client):
    """A request could not name either."""
    await make_model(client, "m")
    with pytest.raises(AwsError, match="Duplicate VariantName"):
        await make_config(client, "c", ("v", "m", 1), ("v", "m", 1))


async def test_tags_are_added_replaced_listed_and_deleted(client):
    """On a resource that was made with tags."""
    await client.call(
        "CreateModel",
        ModelName="m",
        PrimaryContainer={"Image": SERVE_IMAGE},
        Tags=[{"Key": "team", "Value": "a"}],
    )
    arn = f"{ARN}model/m"
    await client.call(
        "AddTags", ResourceArn=arn, Tags=[{"Key": "team", "Value": "b"}, {"Key": "x", "Value": ""}]
    )
    tags = (await client.call("ListTags", ResourceArn=arn))["Tags"]
    assert tags == [{"Key": "team", "Value": "b"}, {"Key": "x", "Value": ""}]
    await client.call("DeleteTags", ResourceArn=arn, TagKeys=["team", "absent"])
    assert (await client.call("ListTags", ResourceArn=arn))["Tags"] == [{"Key": "x", "Value": ""}]
    assert "Could not find resource" in await refused(client, "ListTags", ResourceArn=arn + "2")
    many = [{"Key": str(number), "Value": ""} for number in range(50)]
    assert "Tag limit" in await refused(client, "AddTags", ResourceArn=arn, Tags=many)


async def test_documents_survive_a_restart(tmp_path):
    """Tags too; what a killed write left behind does not."""
    objects = MemoryObjects()
    async with running_plane(tmp_path, objects=objects) as client:
        await make_model(client, "m")
        tags = [{"Key": "k", "Value": "v"}]
        await client.call("AddTags", ResourceArn=f"{ARN}model/m", Tags=tags)
    (tmp_path / "state/model/half.part").write_text('{"Mod')
    async with running_plane(tmp_path, objects=objects) as client:
        assert (await client.call("ListTags", ResourceArn=f"{ARN}model/m"))["Tags"] == tags
        assert not (tmp_path / "state/model/half.part").exists()


async def test_an_operation_that_is_not_offered_says_what_is(client):
    """One that SageMaker has, one that it has not, and no operation at all."""
    for operation, words in (
        ("CreateNotebookInstance", "is not offered by this local SageMaker, which has AddTags"),
        ("BakeCake", "no operation 'BakeCake'"),
    ):
        with pytest.raises(AwsError, match=words) as error:
            await client.call(operation)
        assert error.value.code == "UnknownOperationException"
    answer = await client.http.get("/")
    assert answer.status_code == 400
    assert "expected SageMaker.<Operation>" in answer.json()["message"]


async def test_a_body_that_is_not_json_is_a_serialization_error(client):
    """As AWS names it."""
    answer = await client.http.post(
        "/", content=b"{", headers={"x-amz-target": "SageMaker.ListModels"}
    )
    assert answer.status_code == 400
    assert answer.json()["__type"] == "SerializationException"
