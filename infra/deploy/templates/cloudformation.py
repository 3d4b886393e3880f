"""A plan as CloudFormation: the buckets in a template of their own, since files come in between.

CloudFormation uploads nothing: a model has to lie in its bucket before SageMaker is told of it.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from infra.deploy.endpoints import data_capture, variant
from infra.deploy.policies import trust_policy
from infra.deploy.resources import (
    ApiKey,
    Bucket,
    Endpoint,
    EndpointConfig,
    Function,
    InvokePermission,
    LogGroup,
    Model,
    RestApi,
    Role,
)
from infra.deploy.roles import POLICY_NAME
from infra.deploy.scope import STAGE, tag_list
from infra.deploy.storage import ENCRYPTION, access_block, public_read
from infra.deploy.templates.naming import prerequisites, template_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.deploy.plan import Plan
    from infra.deploy.resources import Resource
    from infra.deploy.scope import Scope

ACCOUNT = "${AWS::AccountId}"
"""Stands for the account in every name and ARN, until CloudFormation fills it in."""

BUCKETS, SERVICE = "buckets.json", "service.json"
_VERSION = "2010-09-09"
Made = dict[str, dict[str, Any]]
"""Resources by logical id."""


def render(plan: Plan) -> dict[str, str]:
    """The templates' texts, by file name."""
    buckets: Made = {}
    service: Made = {}
    for planned in plan.planned:
        resource = planned.resource
        if template_name(resource) is None:
            continue
        made = _MAKERS[type(resource)](resource, plan.scope)
        if isinstance(resource, Bucket):
            buckets |= made
            continue
        before = [logical_id(each) for each in prerequisites(planned, plan)]
        first = next(iter(made.values()))
        text = json.dumps(first)  # what is referred to is waited for anyway
        if depends := [n for n in before if n in service and f"${{{n}}}" not in text]:
            first["DependsOn"] = depends
        service |= made
    stage = f"https://${{RestApi}}.execute-api.{plan.scope.target.region}.${{AWS::URLSuffix}}"
    outputs = {
        "ApiUrl": {"Value": {"Fn::Sub": f"{stage}/{STAGE}"}},
        "PageUrl": {"Value": substituted(plan.scope.website_url)},
    }
    if "ApiKey" in service:
        outputs["ApiKeyId"] = {"Value": {"Ref": "ApiKey"}}
    return {
        BUCKETS: _template(f"{plan.scope.name}: the buckets", buckets),
        SERVICE: _template(f"{plan.scope.name}: photo classification", service, outputs),
    }


def _template(
    description: str, resources: Made, outputs: dict[str, dict[str, Any]] | None = None
) -> str:
    document: dict[str, Any] = {
        "AWSTemplateFormatVersion": _VERSION,
        "Description": description,
        "Resources": resources,
        **({"Outputs": outputs} if outputs else {}),
    }
    return json.dumps(document, indent=1) + "\n"


def logical_id(resource: Resource) -> str:
    """`hosting_role` -> `HostingRole`."""
    return "".join(word.capitalize() for word in str(template_name(resource)).split("_"))


def substituted(value: Any) -> Any:
    """The value with each text that names the account under Fn::Sub."""
    if isinstance(value, str):
        return {"Fn::Sub": value} if ACCOUNT in value else value
    if isinstance(value, dict):
        return {name: substituted(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [substituted(item) for item in value]
    return value


def _one(resource: Resource, kind: str, properties: dict[str, Any]) -> Made:
    return {logical_id(resource): {"Type": kind, "Properties": substituted(properties)}}


def _bucket(wanted: Bucket, scope: Scope) -> Made:
    encryption = {
        "ServerSideEncryptionConfiguration": [
            {"ServerSideEncryptionByDefault": rule["ApplyServerSideEncryptionByDefault"]}
            for rule in ENCRYPTION["Rules"]
        ]
    }
    website = {"IndexDocument": "index.html", "ErrorDocument": "index.html"}
    properties = {
        "BucketName": wanted.name,
        "BucketEncryption": encryption,
        "PublicAccessBlockConfiguration": access_block(wanted),
        "Tags": scope.tag_list,
        **({"WebsiteConfiguration": website} if wanted.website else {}),
    }
    made = _one(wanted, "AWS::S3::Bucket", properties)
    if wanted.website:
        name = logical_id(wanted)
        policy = substituted(public_read(scope, wanted.name))
        made[f"{name}Policy"] = {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {"Bucket": {"Ref": name}, "PolicyDocument": policy},
        }
    return made


def _role(wanted: Role, scope: Scope) -> Made:
    policy = {"PolicyName": POLICY_NAME, "PolicyDocument": json.loads(wanted.policy)}
    properties = {
        "RoleName": wanted.name,
        "AssumeRolePolicyDocument": trust_policy(wanted.service),
        "Policies": [policy],
        "Tags": scope.tag_list,
    }
    return _one(wanted, "AWS::IAM::Role", properties)


def _log_group(wanted: LogGroup, scope: Scope) -> Made:
    properties = {
        "LogGroupName": wanted.name,
        "RetentionInDays": wanted.retention_days,
        "Tags": scope.tag_list,
    }
    return _one(wanted, "AWS::Logs::LogGroup", properties)


def _model(wanted: Model, scope: Scope) -> Made:
    properties = {
        "ModelName": wanted.name,
        "PrimaryContainer": {"Image": wanted.image, "ModelDataUrl": wanted.artifact_url},
        "ExecutionRoleArn": wanted.role_arn,
        "Tags": scope.tag_list,
    }
    return _one(wanted, "AWS::SageMaker::Model", properties)


def _endpoint_config(wanted: EndpointConfig, scope: Scope) -> Made:
    properties = {
        "EndpointConfigName": wanted.name,
        "ProductionVariants": [variant(wanted)],
        "Tags": scope.tag_list,
        **({"DataCaptureConfig": data_capture(wanted.capture)} if wanted.capture else {}),
    }
    return _one(wanted, "AWS::SageMaker::EndpointConfig", properties)


def _endpoint(wanted: Endpoint, scope: Scope) -> Made:
    properties = {
        "EndpointName": wanted.name,
        "EndpointConfigName": wanted.config,
        "Tags": scope.tag_list,
    }
    return _one(wanted, "AWS::SageMaker::Endpoint", properties)


def _function(wanted: Function, scope: Scope) -> Made:
    bucket, key = wanted.stored or ("", "")
    properties = {
        "FunctionName": wanted.name,
        "Description": wanted.description,
        "Code": {"S3Bucket": bucket, "S3Key": key},
        "Runtime": wanted.runtime,
        "Handler": wanted.handler,
        "Role": wanted.role_arn,
        "Timeout": wanted.timeout_seconds,
        "MemorySize": wanted.memory_mb,
        "Environment": {"Variables": dict(wanted.environment)},
        "Tags": scope.tag_list,
    }
    return _one(wanted, "AWS::Lambda::Function", properties)


def _rest_api(wanted: RestApi, scope: Scope) -> Made:
    """The API, and a deployment whose name follows the document, so that a change is deployed."""
    properties = {
        "Name": wanted.name,
        "Body": json.loads(wanted.swagger),
        "EndpointConfiguration": {"Types": ["REGIONAL"]},
        "Tags": scope.tag_list,
    }
    digest = hashlib.sha256(wanted.swagger.encode()).hexdigest()[:12]
    deployment = f"Deployment{digest}"
    return {
        **_one(wanted, "AWS::ApiGateway::RestApi", properties),
        deployment: {
            "Type": "AWS::ApiGateway::Deployment",
            "Properties": {"RestApiId": {"Ref": "RestApi"}},
        },
        "Stage": {
            "Type": "AWS::ApiGateway::Stage",
            "Properties": {
                "RestApiId": {"Ref": "RestApi"},
                "DeploymentId": {"Ref": deployment},
                "StageName": STAGE,
                "Tags": tag_list(scope.tags),
            },
        },
    }


def _permission(wanted: InvokePermission, scope: Scope) -> Made:
    source = scope.arn("execute-api", "${RestApi}/*")
    properties = {
        "FunctionName": wanted.name,
        "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": {"Fn::Sub": source},
    }
    name = logical_id(wanted)
    return {name: {"Type": "AWS::Lambda::Permission", "Properties": properties}}


def _api_key(wanted: ApiKey, scope: Scope) -> Made:
    limits = wanted.limits
    quota = {} if limits.quota is None else {"Limit": limits.quota, "Period": limits.period}
    plan = {
        "UsagePlanName": wanted.name,
        "ApiStages": [{"ApiId": {"Ref": "RestApi"}, "Stage": {"Ref": "Stage"}}],
        "Throttle": {"RateLimit": limits.rate, "BurstLimit": limits.burst},
        "Tags": scope.tag_list,
        **({"Quota": quota} if quota else {}),
    }
    key = {"Name": wanted.name, "Enabled": True, "Tags": scope.tag_list}
    joined = {"KeyId": {"Ref": "ApiKey"}, "KeyType": "API_KEY", "UsagePlanId": {"Ref": "UsagePlan"}}
    return {
        "ApiKey": {"Type": "AWS::ApiGateway::ApiKey", "Properties": key},
        "UsagePlan": {"Type": "AWS::ApiGateway::UsagePlan", "Properties": plan},
        "UsagePlanKey": {"Type": "AWS::ApiGateway::UsagePlanKey", "Properties": joined},
    }


_MAKERS: dict[type[Resource], Callable[[Any, Scope], Made]] = {
    Bucket: _bucket,
    Role: _role,
    LogGroup: _log_group,
    Model: _model,
    EndpointConfig: _endpoint_config,
    Endpoint: _endpoint,
    Function: _function,
    RestApi: _rest_api,
    InvokePermission: _permission,
    ApiKey: _api_key,
}
