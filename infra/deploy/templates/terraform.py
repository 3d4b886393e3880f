"""A plan as Terraform, in its JSON form: buckets, files, roles, model, endpoint, function, API.

Source of the types and arguments: the AWS provider's documentation, version 5.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from infra.deploy.endpoints import VARIANT, data_capture
from infra.deploy.page import PAGE_CONFIG, REVALIDATE
from infra.deploy.policies import trust_policy
from infra.deploy.resources import (
    ApiKey,
    Bucket,
    Endpoint,
    EndpointConfig,
    Files,
    Function,
    InvokePermission,
    LogGroup,
    Model,
    PageConfig,
    RestApi,
    Role,
)
from infra.deploy.roles import POLICY_NAME
from infra.deploy.scope import STAGE
from infra.deploy.storage import access_block, public_read
from infra.deploy.templates.naming import prerequisites, template_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.deploy.plan import Plan, Planned
    from infra.deploy.resources import Capture, Resource
    from infra.deploy.scope import Scope

ACCOUNT = "${data.aws_caller_identity.current.account_id}"
"""Stands for the account in every name and ARN, until Terraform fills it in."""

FILE = "main.tf.json"
_API = "${aws_api_gateway_rest_api.rest_api.id}"
Made = dict[str, dict[str, dict[str, Any]]]
"""Resources by type and name."""

_MAIN_TYPES: dict[type[Resource], str] = {
    Bucket: "aws_s3_bucket",
    Role: "aws_iam_role",
    LogGroup: "aws_cloudwatch_log_group",
    Model: "aws_sagemaker_model",
    EndpointConfig: "aws_sagemaker_endpoint_configuration",
    Endpoint: "aws_sagemaker_endpoint",
    Function: "aws_lambda_function",
    RestApi: "aws_api_gateway_rest_api",
    InvokePermission: "aws_lambda_permission",
    ApiKey: "aws_api_gateway_api_key",
}


def render(plan: Plan) -> dict[str, str]:
    """The template's text, by its file's name.

    Files are taken from the folders `upload` (the artifact bucket's) and `page` beside it.
    """
    resources: Made = {}
    for planned in plan.planned:
        maker = _MAKERS.get(type(planned.resource))
        if maker is not None:
            _merge(resources, maker(planned.resource, plan.scope), _addresses(planned, plan))
    document = {
        "terraform": {
            "required_providers": {"aws": {"source": "hashicorp/aws", "version": "~> 5.0"}}
        },
        "provider": {
            "aws": {"region": plan.scope.target.region, "default_tags": {"tags": plan.scope.tags}}
        },
        "data": {"aws_caller_identity": {"current": {}}},
        "resource": resources,
        "output": _outputs(plan),
    }
    return {FILE: json.dumps(document, indent=1) + "\n"}


def _outputs(plan: Plan) -> dict[str, Any]:
    outputs: dict[str, Any] = {
        "api_url": {"value": "${aws_api_gateway_stage.stage.invoke_url}"},
        "page_url": {"value": plan.scope.website_url},
    }
    if any(isinstance(each.resource, ApiKey) for each in plan.planned):
        key = "${aws_api_gateway_api_key.api_key.value}"
        outputs["api_key"] = {"value": key, "sensitive": True}
    return outputs


def _merge(resources: Made, made: Made, depends_on: list[str]) -> None:
    for kind, by_name in made.items():
        for name, arguments in by_name.items():
            needs = [each for each in depends_on if each != f"{kind}.{name}"]
            whole = {**arguments, **({"depends_on": needs} if needs else {})}
            resources.setdefault(kind, {})[name] = whole


def _addresses(planned: Planned, plan: Plan) -> list[str]:
    """What must stand before, files included."""
    labels = {each.label: each.resource for each in plan.planned}
    files = [labels[label] for label in planned.after if isinstance(labels[label], Files)]
    stored = [
        f"aws_s3_object.{_file_name(each.bucket, stored.key, plan.scope)}"
        for each in files
        if isinstance(each, Files)
        for stored in each.files
    ]
    made = [
        f"{_MAIN_TYPES[type(resource)]}.{template_name(resource)}"
        for resource in prerequisites(planned, plan)
    ]
    return [*made, *stored]


def _bucket(wanted: Bucket, scope: Scope) -> Made:
    name = str(template_name(wanted))
    bucket = f"${{aws_s3_bucket.{name}.id}}"
    block = {
        "block_public_acls": access_block(wanted)["BlockPublicAcls"],
        "ignore_public_acls": access_block(wanted)["IgnorePublicAcls"],
        "block_public_policy": access_block(wanted)["BlockPublicPolicy"],
        "restrict_public_buckets": access_block(wanted)["RestrictPublicBuckets"],
    }
    encryption = {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
    made: Made = {
        "aws_s3_bucket": {name: {"bucket": wanted.name, "force_destroy": True}},
        "aws_s3_bucket_public_access_block": {name: {"bucket": bucket, **block}},
        "aws_s3_bucket_server_side_encryption_configuration": {
            name: {"bucket": bucket, "rule": encryption}
        },
    }
    if wanted.website:
        pages = {
            "index_document": {"suffix": "index.html"},
            "error_document": {"key": "index.html"},
        }
        policy = json.dumps(public_read(scope, wanted.name))
        opened = [f"aws_s3_bucket_public_access_block.{name}"]
        made["aws_s3_bucket_website_configuration"] = {name: {"bucket": bucket, **pages}}
        made["aws_s3_bucket_policy"] = {
            name: {"bucket": bucket, "policy": policy, "depends_on": opened}
        }
    return made


def _files(wanted: Files, scope: Scope) -> Made:
    folder = "page" if wanted.bucket == scope.web_bucket else "upload"
    return {
        "aws_s3_object": {
            _file_name(wanted.bucket, stored.key, scope): {
                "bucket": wanted.bucket,
                "key": stored.key,
                "source": f"${{path.module}}/{folder}/{stored.key}",
                "source_hash": stored.sha256,
                "content_type": stored.content_type,
                "cache_control": stored.cache_control,
            }
            for stored in wanted.files
        }
    }


def _file_name(bucket: str, key: str, scope: Scope) -> str:
    """A name for Terraform, which takes letters, digits and underscores."""
    where = "page" if bucket == scope.web_bucket else "upload"
    plain = "".join(letter if letter.isalnum() else "_" for letter in key)
    return f"{where}_{plain}"


def _page_config(wanted: PageConfig, _scope: Scope) -> Made:
    asks = {"apiKey": "ask"} if wanted.asks_for_key else {}
    content = {"apiUrl": "${aws_api_gateway_stage.stage.invoke_url}", **asks}
    arguments = {
        "bucket": wanted.name,
        "key": PAGE_CONFIG,
        "content": json.dumps(content),
        "content_type": "application/json",
        "cache_control": REVALIDATE,
    }
    return {"aws_s3_object": {"page_configuration": arguments}}


def _role(wanted: Role, _scope: Scope) -> Made:
    name = str(template_name(wanted))
    trust = json.dumps(trust_policy(wanted.service))
    role = f"${{aws_iam_role.{name}.name}}"
    policy = {"name": POLICY_NAME, "role": role, "policy": wanted.policy}
    return {
        "aws_iam_role": {name: {"name": wanted.name, "assume_role_policy": trust}},
        "aws_iam_role_policy": {name: policy},
    }


def _log_group(wanted: LogGroup, _scope: Scope) -> Made:
    return _one(wanted, name=wanted.name, retention_in_days=wanted.retention_days)


def _model(wanted: Model, _scope: Scope) -> Made:
    container = {"image": wanted.image, "model_data_url": wanted.artifact_url}
    return _one(
        wanted,
        name=wanted.name,
        execution_role_arn=wanted.role_arn,
        primary_container=container,
        lifecycle={"create_before_destroy": True},
    )


def _endpoint_config(wanted: EndpointConfig, _scope: Scope) -> Made:
    variant = {
        "variant_name": VARIANT,
        "model_name": wanted.model,
        "instance_type": wanted.instance_type,
        "initial_instance_count": wanted.instance_count,
        "initial_variant_weight": 1.0,
    }
    return _one(
        wanted,
        name=wanted.name,
        production_variants=variant,
        **({"data_capture_config": _data_capture(wanted.capture)} if wanted.capture else {}),
        lifecycle={"create_before_destroy": True},
    )


def _data_capture(capture: Capture) -> dict[str, Any]:
    config = data_capture(capture)
    modes = [{"capture_mode": option["CaptureMode"]} for option in config["CaptureOptions"]]
    return {
        "enable_capture": config["EnableCapture"],
        "initial_sampling_percentage": capture.percent,
        "destination_s3_uri": capture.url,
        "capture_options": modes,
        "capture_content_type_header": {
            "json_content_types": config["CaptureContentTypeHeader"]["JsonContentTypes"]
        },
    }


def _endpoint(wanted: Endpoint, _scope: Scope) -> Made:
    return _one(wanted, name=wanted.name, endpoint_config_name=wanted.config)


def _function(wanted: Function, _scope: Scope) -> Made:
    bucket, key = wanted.stored or ("", "")
    return _one(
        wanted,
        function_name=wanted.name,
        description=wanted.description,
        s3_bucket=bucket,
        s3_key=key,
        source_code_hash=wanted.code_sha256,
        runtime=wanted.runtime,
        handler=wanted.handler,
        role=wanted.role_arn,
        timeout=wanted.timeout_seconds,
        memory_size=wanted.memory_mb,
        environment={"variables": dict(wanted.environment)},
    )


def _rest_api(wanted: RestApi, _scope: Scope) -> Made:
    digest = hashlib.sha256(wanted.swagger.encode()).hexdigest()
    made = _one(
        wanted,
        name=wanted.name,
        body=wanted.swagger,
        endpoint_configuration={"types": ["REGIONAL"]},
    )
    made["aws_api_gateway_deployment"] = {
        "deployment": {
            "rest_api_id": _API,
            "triggers": {"redeployment": digest},
            "lifecycle": {"create_before_destroy": True},
        }
    }
    made["aws_api_gateway_stage"] = {
        "stage": {
            "rest_api_id": _API,
            "deployment_id": "${aws_api_gateway_deployment.deployment.id}",
            "stage_name": STAGE,
        }
    }
    return made


def _permission(wanted: InvokePermission, _scope: Scope) -> Made:
    return _one(
        wanted,
        function_name=wanted.name,
        action="lambda:InvokeFunction",
        principal="apigateway.amazonaws.com",
        source_arn="${aws_api_gateway_rest_api.rest_api.execution_arn}/*",
    )


def _api_key(wanted: ApiKey, _scope: Scope) -> Made:
    limits = wanted.limits
    quota = {} if limits.quota is None else {"limit": limits.quota, "period": limits.period}
    plan = {
        "name": wanted.name,
        "api_stages": {"api_id": _API, "stage": "${aws_api_gateway_stage.stage.stage_name}"},
        "throttle_settings": {"rate_limit": limits.rate, "burst_limit": limits.burst},
        **({"quota_settings": quota} if quota else {}),
    }
    joined = {
        "key_id": "${aws_api_gateway_api_key.api_key.id}",
        "key_type": "API_KEY",
        "usage_plan_id": "${aws_api_gateway_usage_plan.usage_plan.id}",
    }
    return {
        **_one(wanted, name=wanted.name),
        "aws_api_gateway_usage_plan": {"usage_plan": plan},
        "aws_api_gateway_usage_plan_key": {"usage_plan_key": joined},
    }


def _one(resource: Resource, **arguments: Any) -> Made:
    return {_MAIN_TYPES[type(resource)]: {str(template_name(resource)): arguments}}


_MAKERS: dict[type[Resource], Callable[[Any, Scope], Made]] = {
    Bucket: _bucket,
    Files: _files,
    Role: _role,
    LogGroup: _log_group,
    Model: _model,
    EndpointConfig: _endpoint_config,
    Endpoint: _endpoint,
    Function: _function,
    RestApi: _rest_api,
    InvokePermission: _permission,
    ApiKey: _api_key,
    PageConfig: _page_config,
}
