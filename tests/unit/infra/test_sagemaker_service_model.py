"""Input checked and output shaped by botocore's service model, in AWS's words."""

import pytest
from sagemaker_plane import job_request

from infra.sagemaker.errors import (
    SerializationException,
    UnknownOperationException,
    ValidationException,
)
from infra.sagemaker.service_model import check_input, operation_model, shape_output


def test_a_complete_request_passes_unchanged():
    """What the model allows is handed on as it came."""
    assert check_input("CreateTrainingJob", job_request()) == job_request()


def test_members_that_the_model_does_not_know_are_dropped():
    """AWS ignores what a newer or older client sends."""
    request = {"ModelName": "m", "Novelty": 1}
    assert check_input("DescribeModel", request) == {"ModelName": "m"}


@pytest.mark.parametrize(
    ("operation", "changes", "words"),
    [
        (
            "DescribeModel",
            {"ModelName": "a_b"},
            (
                "1 validation error detected: Value 'a_b' at 'modelName' failed to satisfy constraint: "
                "Member must satisfy regular expression pattern: [a-zA-Z0-9]"
            ),
        ),
        (
            "DescribeModel",
            {},
            (
                "1 validation error detected: Value null at 'modelName' failed to satisfy constraint: "
                "Member must not be null"
            ),
        ),
        (
            "ListModels",
            {"MaxResults": 101},
            (
                "Value '101' at 'maxResults' failed to satisfy constraint: Member must have value less "
                "than or equal to 100"
            ),
        ),
        (
            "ListModels",
            {"SortOrder": "Up"},
            (
                "Value 'Up' at 'sortOrder' failed to satisfy constraint: Member must satisfy enum "
                "value set: [Ascending, Descending]"
            ),
        ),
        (
            "CreateEndpointConfig",
            {"EndpointConfigName": "c", "ProductionVariants": [{"ModelName": "m"}]},
            "Value null at 'productionVariants.1.member.variantName' failed",
        ),
        (
            "CreateEndpointConfig",
            {"EndpointConfigName": "c", "ProductionVariants": []},
            (
                "at 'productionVariants' failed to satisfy constraint: Member must have length greater "
                "than or equal to 1"
            ),
        ),
        (
            "DescribeTrainingJob",
            {"TrainingJobName": "j" * 64},
            "2 validation errors detected: ",
        ),
    ],
)
def test_a_broken_constraint_is_refused_in_the_words_of_aws(operation, changes, words):
    """Pattern, presence, range, enumeration, length, and several at once."""
    with pytest.raises(ValidationException) as refused:
        check_input(operation, changes)
    assert words in refused.value.message


@pytest.mark.parametrize(
    "request_",
    [{"ModelName": 1}, [], {"ModelName": ["m"]}, {"ModelName": {"a": 1}}, "text"],
)
def test_a_value_of_another_json_type_is_a_serialization_error(request_):
    """AWS tells a type apart from a constraint."""
    with pytest.raises(SerializationException):
        check_input("DescribeModel", request_)


def test_true_is_not_an_integer():
    """Python would take it for 1."""
    with pytest.raises(SerializationException, match="maxResults"):
        check_input("ListModels", {"MaxResults": True})


def test_tags_in_any_script_are_allowed():
    """The model's patterns for tags are Java's; they must compile and mean the same here."""
    tags = [{"Key": "größe", "Value": "写真 1"}]
    request = {"ResourceArn": "arn:aws:sagemaker:us-east-1:000000000000:model/m", "Tags": tags}
    assert check_input("AddTags", request) == request
    tags[0]["Key"] = "no!"
    with pytest.raises(ValidationException, match=r"tags\.1\.member\.key"):
        check_input("AddTags", request)


def test_an_operation_that_sagemaker_has_not_is_unknown():
    """The error says its name."""
    with pytest.raises(UnknownOperationException, match="BakeCake"):
        operation_model("BakeCake")


def test_an_answer_has_only_the_members_of_its_shape():
    """What the store keeps for itself, and nulls, never leave."""
    document = {
        "ModelName": "m",
        "Tags": [{"Key": "a", "Value": "b"}],
        "VpcConfig": None,
        "PrimaryContainer": {"Image": "i", "Secret": 1},
    }
    answer = shape_output("DescribeModel", document)
    assert answer == {"ModelName": "m", "PrimaryContainer": {"Image": "i"}}
