"""What the roles of a deployment may do, and nothing more."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from contracts import FEEDBACK_FOLDER, TO_LABEL_FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.deploy.scope import Scope

MODEL_PREFIX = "models"
"""The folder of the artifact bucket that endpoints read."""

CAPTURE_PREFIX = "captured"
"""The folder of the artifact bucket that endpoints write requests and answers to, if told so."""

FUNCTION_PREFIX = "functions"
"""The folder of the artifact bucket that Lambda takes zips from: a request holds 50 MB of one."""

_ECR_IMAGE = re.compile(
    r"(?P<account>\d{12}|\$\{[\w.:]+\})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?"
    r"/(?P<repository>[a-z0-9._/-]+)(?:[:@].+)?"
)


def trust_policy(service: str) -> dict[str, Any]:
    """That one AWS service may take the role."""
    principal = {"Service": f"{service}.amazonaws.com"}
    return _document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


def function_policy(
    scope: Scope, *, endpoints: Sequence[str], feedback: bool = False, capture: bool = False
) -> str:
    """Writing to the function's one log group, asking these endpoints, and keeping photos.

    Args:
        scope: the deployment's.
        endpoints: none where the function holds the model.
        feedback: whether photos that people name are kept.
        capture: whether photos that the model is unsure of are.

    Returns:
        A JSON document.
    """
    asked = [scope.arn("sagemaker", f"endpoint/{name}") for name in endpoints]
    asking = [_allow(["sagemaker:InvokeEndpoint"], asked[0] if len(asked) == 1 else asked)]
    logs = scope.arn("logs", f"log-group:{scope.function_logs}:*")
    bucket = scope.arn("s3", scope.artifact_bucket)
    kept = [f"{bucket}/{FEEDBACK_FOLDER}/*"] * feedback + [
        f"{bucket}/{TO_LABEL_FOLDER}/*"
    ] * capture
    return json.dumps(
        _document(
            *(asking if asked else []),
            _allow(["logs:CreateLogStream", "logs:PutLogEvents"], logs),
            *([_allow(["s3:PutObject"], kept)] if kept else []),
        )
    )


def training_policy(scope: Scope, image: str) -> str:
    """Records from the bucket, artifacts and checkpoints into it, and what any container needs.

    Source: SageMaker developer guide, *CreateTrainingJob API: execution role permissions* (JSON).
    """
    bucket = scope.arn("s3", scope.artifact_bucket)
    return json.dumps(
        _document(
            _allow(["s3:ListBucket"], bucket),
            _allow(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], f"{bucket}/*"),
            *_container(scope, image),
        )
    )


def hosting_policy(scope: Scope, image: str, *, capture: bool = False) -> str:
    """Models from the bucket, what any container needs, and writing what is captured.

    Source: SageMaker developer guide, *CreateModel API: execution role permissions* (JSON).
    """
    bucket = scope.arn("s3", scope.artifact_bucket)
    models = f"{bucket}/{MODEL_PREFIX}/*"
    captured = [_allow(["s3:PutObject"], f"{bucket}/{CAPTURE_PREFIX}/*")] if capture else []
    return json.dumps(
        _document(_allow(["s3:GetObject"], models), *captured, *_container(scope, image))
    )


def nightly_policy(scope: Scope, photos: tuple[str, str], out: tuple[str, str]) -> str:
    """What the nightly function needs: its log, photos listed, answers read, transforms begun.

    Args:
        scope: the deployment's.
        photos: bucket and prefix of the photos.
        out: bucket and prefix of what it writes.

    Returns:
        A JSON document.
    """
    jobs = scope.arn("sagemaker", f"transform-job/{scope.nightly}-*")
    return json.dumps(
        _document(
            _allow(
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                scope.arn("logs", f"log-group:{scope.nightly_logs}:*"),
            ),
            _allow(
                ["s3:ListBucket"], sorted({scope.arn("s3", photos[0]), scope.arn("s3", out[0])})
            ),
            _allow(["s3:GetObject", "s3:PutObject"], f"{scope.arn('s3', out[0])}/{out[1]}*"),
            _allow(["sagemaker:CreateTransformJob", "sagemaker:DescribeTransformJob"], jobs),
            _allow(
                ["sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig"],
                [
                    scope.arn("sagemaker", f"endpoint/{scope.endpoint}"),
                    scope.arn("sagemaker", f"endpoint-config/{scope.name}-*"),
                ],
            ),
        )
    )


def transform_policy(scope: Scope, photos: tuple[str, str], out: tuple[str, str]) -> str:
    """What the model's role needs for a batch transform: photos and manifests in, answers out."""
    reads, writes = scope.arn("s3", photos[0]), scope.arn("s3", out[0])
    return json.dumps(
        _document(
            _allow(["s3:ListBucket"], sorted({reads, writes})),
            _allow(["s3:GetObject"], [f"{reads}/{photos[1]}*", f"{writes}/{out[1]}*"]),
            _allow(["s3:PutObject"], f"{writes}/{out[1]}*"),
        )
    )


def schedule_policy(scope: Scope) -> str:
    """Starting the nightly function, and nothing else."""
    function = scope.arn("lambda", f"function:{scope.nightly}")
    return json.dumps(_document(_allow(["lambda:InvokeFunction"], function)))


def _container(scope: Scope, image: str) -> list[dict[str, Any]]:
    """Logs and metrics of SageMaker's, and pulling the image where it is in ECR."""
    logs = ["CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents"]
    metrics = _allow(["cloudwatch:PutMetricData"], "*")  # knows no resources, only namespaces
    namespaces = {"StringLike": {"cloudwatch:namespace": "*aws/sagemaker/*"}}
    return [
        _allow(
            [f"logs:{action}" for action in logs],
            scope.arn("logs", "log-group:/aws/sagemaker/*"),
        ),
        {**metrics, "Condition": namespaces},
        *_pull(scope, image),
    ]


def _pull(scope: Scope, image: str) -> list[dict[str, Any]]:
    found = _ECR_IMAGE.fullmatch(image)
    if found is None:
        return []
    actions = ["BatchCheckLayerAvailability", "GetDownloadUrlForLayer", "BatchGetImage"]
    repository = (
        f"arn:{scope.partition}:ecr:{found['region']}:{found['account']}"
        f":repository/{found['repository']}"
    )
    return [
        _allow(["ecr:GetAuthorizationToken"], "*"),  # knows no resources
        _allow([f"ecr:{action}" for action in actions], repository),
    ]


def _allow(actions: list[str], resource: str | list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource}


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}
