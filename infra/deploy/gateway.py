"""The REST API, its deployed stage, and the permission to invoke the function."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.deploy.scope import OWNER_TAG, STAGE
from infra.deploy.service import is_absent

if TYPE_CHECKING:
    from infra.deploy.resources import InvokePermission, RestApi
    from infra.deploy.scope import Scope
    from infra.deploy.service import Report

_STATEMENT = "rest-api"


@dataclass(frozen=True, slots=True)
class RestApiService:
    """The REST API. A deployment's description tells which Swagger document it was made from."""

    scope: Scope

    def differences(self, wanted: RestApi) -> tuple[str, ...] | None:
        api_id = find_api(self.scope, wanted.name)
        if api_id is None:
            return None
        deployed = self._deployed_description(api_id)
        return () if deployed == _description(wanted) else ("routes and settings",)

    def apply(self, wanted: RestApi, report: Report) -> None:
        gateway = self.scope.client("apigateway")
        api_id = find_api(self.scope, wanted.name)
        if api_id is None:
            made = gateway.create_rest_api(
                name=wanted.name,
                endpointConfiguration={"types": ["REGIONAL"]},
                tags=self.scope.tags,
            )
            api_id = made["id"]
        report("importing the routes")
        gateway.put_rest_api(restApiId=api_id, mode="overwrite", body=wanted.swagger.encode())
        # The description goes with the deployment, so a run that ends before it is seen to.
        gateway.create_deployment(
            restApiId=api_id, stageName=STAGE, description=_description(wanted)
        )

    def delete(self, name: str) -> bool:
        """Delete the API and all that belongs to it; whether it was there."""
        api_id = find_api(self.scope, name)
        if api_id is not None:
            self.scope.client("apigateway").delete_rest_api(restApiId=api_id)
        return api_id is not None

    def _deployed_description(self, api_id: str) -> str | None:
        gateway = self.scope.client("apigateway")
        try:
            stage = gateway.get_stage(restApiId=api_id, stageName=STAGE)
            deployment = gateway.get_deployment(
                restApiId=api_id, deploymentId=stage["deploymentId"]
            )
        except ClientError as error:
            if is_absent(error):
                return None
            raise
        description: str | None = deployment.get("description")
        return description


@dataclass(frozen=True, slots=True)
class InvokePermissionService:
    """The statement in the function's policy that names the REST API."""

    scope: Scope

    def differences(self, wanted: InvokePermission) -> tuple[str, ...] | None:
        statement = self._statement(wanted.name)
        if statement is None:
            return None
        source = statement.get("Condition", {}).get("ArnLike", {}).get("AWS:SourceArn")
        return () if source == self._source_arn(wanted) else ("REST API",)

    def apply(self, wanted: InvokePermission, report: Report) -> None:  # noqa: ARG002 (no time)
        client = self.scope.client("lambda")
        if self._statement(wanted.name) is not None:
            client.remove_permission(FunctionName=wanted.name, StatementId=_STATEMENT)
        client.add_permission(
            FunctionName=wanted.name,
            StatementId=_STATEMENT,
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=self._source_arn(wanted),
        )

    def _statement(self, function: str) -> dict[str, Any] | None:
        try:
            answer = self.scope.client("lambda").get_policy(FunctionName=function)
        except ClientError as error:
            if is_absent(error):
                return None
            raise
        statements = json.loads(answer["Policy"])["Statement"]
        return next((each for each in statements if each.get("Sid") == _STATEMENT), None)

    def _source_arn(self, wanted: InvokePermission) -> str | None:
        api_id = find_api(self.scope, wanted.api)
        return self.scope.arn("execute-api", f"{api_id}/*") if api_id else None


def find_api(scope: Scope, name: str) -> str | None:
    """The id of this deployment's REST API. Names are not unique: the tag decides."""
    pages = scope.client("apigateway").get_paginator("get_rest_apis").paginate()
    for page in pages:
        for api in page["items"]:
            if api["name"] == name and api.get("tags", {}).get(OWNER_TAG) == scope.name:
                api_id: str = api["id"]
                return api_id
    return None


def _description(wanted: RestApi) -> str:
    return f"swagger sha256 {hashlib.sha256(wanted.swagger.encode()).hexdigest()}"
