"""What the two roles of a deployment may do, and nothing more."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.deploy.scope import Scope

_ECR_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?"
    r"/(?P<repository>[a-z0-9._/-]+)(?:[:@].+)?"
)


def trust_policy(service: str) -> dict[str, Any]:
    """That one AWS service may take the role."""
    principal = {"Service": f"{service}.amazonaws.com"}
    return _document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


def function_policy(scope: Scope) -> str:
    """Asking the one endpoint, and writing to the function's one log group (JSON)."""
    endpoint = scope.arn("sagemaker", f"endpoint/{scope.endpoint}")
    logs = scope.arn("logs", f"log-group:{scope.function_logs}:*")
    return json.dumps(
        _document(
            _allow(["sagemaker:InvokeEndpoint"], endpoint),
            _allow(["logs:CreateLogStream", "logs:PutLogEvents"], logs),
        )
    )


def container_policy(scope: Scope, images: tuple[str, ...]) -> str:
    """Reading and writing the one bucket, logs and metrics of SageMaker, pulling the images (JSON).

    Source: SageMaker developer guide, *SageMaker AI Roles*, *CreateTrainingJob API* and
    *CreateModel API: execution role permissions*.
    """
    bucket = scope.arn("s3", scope.artifact_bucket)
    return json.dumps(
        _document(
            _allow(["s3:ListBucket", "s3:GetBucketLocation"], bucket),
            _allow(["s3:GetObject", "s3:PutObject"], f"{bucket}/*"),
            _allow(
                [
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                ],
                scope.arn("logs", "log-group:/aws/sagemaker/*"),
            ),
            {
                **_allow(["cloudwatch:PutMetricData"], "*"),  # knows no resources, only namespaces
                "Condition": {"StringLike": {"cloudwatch:namespace": "*aws/sagemaker/*"}},
            },
            *_pull(scope, images),
        )
    )


def _pull(scope: Scope, images: tuple[str, ...]) -> list[dict[str, Any]]:
    found = [match for image in images if (match := _ECR_IMAGE.fullmatch(image))]
    if not found:
        return []
    actions = ["BatchCheckLayerAvailability", "GetDownloadUrlForLayer", "BatchGetImage"]
    repositories = [
        f"arn:{scope.partition}:ecr:{image['region']}:{image['account']}"
        f":repository/{image['repository']}"
        for image in found
    ]
    return [
        _allow(["ecr:GetAuthorizationToken"], "*"),  # knows no resources
        _allow([f"ecr:{action}" for action in actions], sorted(set(repositories))),
    ]


def _allow(actions: list[str], resource: str | list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource}


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}
