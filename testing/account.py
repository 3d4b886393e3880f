"""A mocked AWS account in this process: no request of boto3 reaches a network."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING
from unittest.mock import patch

from moto import mock_aws

from infra.deploy.executor import apply
from infra.deploy.options import DeployOptions
from infra.deploy.plan import Plan, Planned, model_plan
from infra.deploy.resources import Bucket
from infra.deploy.scope import Scope, scope_of
from infra.targets import Target
from testing import endpoint_answers
from testing.moto_mends import mended

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGION = "us-east-1"

_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_LEADING_ELSEWHERE = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME",
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
)


@contextlib.contextmanager
def mocked_account(region: str = REGION) -> Iterator[Target]:
    """An empty account, and credentials that open nothing; the target by which it is reached.

    Within the block endpoints with our inference image answer from their real model.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _LEADING_ELSEWHERE}
    environment = {**kept, **_CREDENTIALS, "AWS_DEFAULT_REGION": region}
    with (
        patch.dict(os.environ, environment, clear=True),
        mended(endpoint_answers.answer),
        mock_aws(),
    ):
        yield Target("aws", region)


def put_model_into_service(target: Target, artifact: Path, name: str = "snapshelf") -> Scope:
    """Lay out buckets, role, artifact, model, configuration and endpoint, as `deploy` does.

    Args:
        target: of `mocked_account`.
        artifact: a model.tar.gz.
        name: the deployment's, and so the endpoint's.
    """
    scope = scope_of(name, target)
    plan = model_plan(scope, DeployOptions(artifact))
    page = Planned(Bucket(scope.web_bucket, website=True))
    apply(Plan(scope, (*plan.planned, page)), lambda *_: None)
    return scope
