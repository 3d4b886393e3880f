"""The names and addresses that follow from a deployment's name."""

from __future__ import annotations

import pytest

from contracts import DeployError
from infra.deploy.scope import Scope
from infra.targets import Target

LOCAL = Target("local", "us-east-1", "http://127.0.0.1:4577")


def on_aws(name: str = "shelf", region: str = "eu-central-1") -> Scope:
    return Scope(name, Target("aws", region), "123456789012")


@pytest.mark.parametrize("name", ["abc", "my-shop-2", "a" * 25])
def test_names_that_aws_takes_everywhere(name: str) -> None:
    """The longest name still gives bucket names within S3's 63 characters."""
    scope = on_aws(name, "ap-southeast-2")
    assert max(len(scope.artifact_bucket), len(scope.web_bucket)) <= 63


@pytest.mark.parametrize("name", ["", "ab", "a" * 26, "Shop", "2shop", "shop-", "my_shop", "a\n"])
def test_other_names_are_refused(name: str) -> None:
    """The error repeats the name and says what was expected."""
    with pytest.raises(DeployError, match="expected 3 to 25 lower-case letters"):
        on_aws(name)


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("s3", "arn:aws:s3:::thing"),
        ("iam", "arn:aws:iam::123456789012:thing"),
        ("lambda", "arn:aws:lambda:eu-central-1:123456789012:thing"),
    ],
)
def test_arns_name_region_and_account_where_the_service_does(service: str, expected: str) -> None:
    """IAM is global, and S3's names are unique in the whole partition."""
    assert on_aws().arn(service, "thing") == expected


def test_revisions_of_another_deployment_are_not_ours() -> None:
    """A name that only begins like ours is told apart."""
    scope = on_aws("shop")
    assert scope.is_revision("shop-0123456789ab")
    assert not scope.is_revision("shop-two-0123456789ab")
    assert not scope.is_revision("shop-0123456789abc")
    assert not scope.is_revision("my-shop-0123456789ab")


def test_addresses_on_aws() -> None:
    """API Gateway's and the website endpoint's host names, in both of S3's spellings."""
    assert on_aws().api_url("id") == "https://id.execute-api.eu-central-1.amazonaws.com/api"
    assert on_aws().website_url == (
        "http://shelf-web-123456789012-eu-central-1.s3-website.eu-central-1.amazonaws.com/"
    )
    assert ".s3-website-us-east-1.amazonaws.com" in on_aws(region="us-east-1").website_url


def test_addresses_on_the_local_cloud() -> None:
    """Everything is on its one port."""
    scope = Scope("shelf", LOCAL, "000000000000")
    assert scope.api_url("id") == "http://127.0.0.1:4577/restapis/id/api/_user_request_"
    assert scope.website_url == (
        "http://shelf-web-000000000000-us-east-1.s3-website.localhost:4577/"
    )
    assert scope.object_url == ("http://127.0.0.1:4577/shelf-web-000000000000-us-east-1/index.html")


def test_only_the_page_may_call_the_api_on_aws() -> None:
    """An origin has no trailing slash; the local cloud's page has two addresses."""
    assert on_aws().allowed_origin == on_aws().website_url.removesuffix("/")
    assert Scope("shelf", LOCAL, "000000000000").allowed_origin == "*"
