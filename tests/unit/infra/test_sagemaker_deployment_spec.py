"""What an endpoint's document keeps of what it serves."""

import json

from infra.sagemaker.deployment_spec import DeploymentSpec
from infra.sagemaker.variant_spec import VariantSpec

VARIANT = VariantSpec(
    name="v",
    image="i",
    artifact=None,
    environment={},
    healthy_within=None,
    weight=2.0,
    instance_count=3,
    serverless={"MemorySizeInMB": 1024, "MaxConcurrency": 1},
)


def test_a_spec_comes_back_from_its_document():
    """Through JSON, with all that it has."""
    spec = DeploymentSpec(
        (VARIANT,), {"EnableCapture": True}, {"OutputConfig": {}}, (VARIANT, VARIANT)
    )
    document = {}
    spec.write_to(document)
    assert DeploymentSpec.from_document(json.loads(json.dumps(document))) == spec


def test_an_endpoint_of_a_former_version_comes_back():
    """Its document knows of instances only."""
    former = VARIANT.as_document()
    del former["serverless"]
    spec = DeploymentSpec.from_document({"VariantSpecs": [former]})
    (variant,) = spec.everyone
    assert (variant.weight, variant.instance_count, variant.serverless) == (2.0, 3, None)
    assert (spec.capture, spec.asynchronous) == (None, None)
