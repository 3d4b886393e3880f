"""The API's key, and the usage plan that says how often it opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.deploy.gateway import find_api
from infra.deploy.scope import OWNER_TAG, STAGE
from infra.deploy.service import is_absent, unlike

if TYPE_CHECKING:
    from infra.deploy.resources import ApiKey
    from infra.deploy.scope import Scope
    from infra.deploy.service import Report


@dataclass(frozen=True, slots=True)
class ApiKeyService:
    """One key and one usage plan, both by the deployment's name and tag."""

    scope: Scope

    def differences(self, wanted: ApiKey) -> tuple[str, ...] | None:
        key, plan = self._key(wanted.name), self._plan(wanted.name)
        if key is None:
            return None
        if plan is None:
            return ("usage plan (missing)",)
        joined = () if self._is_joined(plan["id"], key["id"]) else ("usage plan without the key",)
        return (*unlike(_limits(plan), self._wanted_limits(wanted)), *joined)

    def apply(self, wanted: ApiKey, report: Report) -> None:  # noqa: ARG002 (takes no time)
        gateway = self.scope.client("apigateway")
        key = self._key(wanted.name) or gateway.create_api_key(
            name=wanted.name, enabled=True, tags=self.scope.tags
        )
        plan = self._plan(wanted.name)
        if plan is not None and unlike(_limits(plan), self._wanted_limits(wanted)):
            self._delete_plan(plan)  # changing one takes a patch operation for each field
            plan = None
        if plan is None:
            plan = gateway.create_usage_plan(
                name=wanted.name, tags=self.scope.tags, **self._plan_settings(wanted)
            )
        if not self._is_joined(plan["id"], key["id"]):
            gateway.create_usage_plan_key(
                usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY"
            )

    def delete(self, name: str) -> bool:
        """Delete key and plan; whether one was there."""
        key, plan = self._key(name), self._plan(name)
        if plan is not None:
            self._delete_plan(plan)
        if key is not None:
            self.scope.client("apigateway").delete_api_key(apiKey=key["id"])
        return key is not None or plan is not None

    def exists(self, name: str) -> bool:
        """Whether a key or a plan of this deployment stands."""
        return self._key(name) is not None or self._plan(name) is not None

    def value(self, name: str) -> str | None:
        """The key itself; None where there is none."""
        key = self._key(name)
        if key is None:
            return None
        gateway = self.scope.client("apigateway")
        found: str = gateway.get_api_key(apiKey=key["id"], includeValue=True)["value"]
        return found

    def _key(self, name: str) -> dict[str, Any] | None:
        pages = self.scope.client("apigateway").get_paginator("get_api_keys")
        return self._ours(pages.paginate(nameQuery=name), name)

    def _plan(self, name: str) -> dict[str, Any] | None:
        pages = self.scope.client("apigateway").get_paginator("get_usage_plans")
        return self._ours(pages.paginate(), name)

    def _ours(self, pages: Any, name: str) -> dict[str, Any] | None:
        """Names are not unique: the tag decides."""
        return next(
            (
                item
                for page in pages
                for item in page["items"]
                if item["name"] == name and item.get("tags", {}).get(OWNER_TAG) == self.scope.name
            ),
            None,
        )

    def _is_joined(self, plan_id: str, key_id: str) -> bool:
        try:
            self.scope.client("apigateway").get_usage_plan_key(usagePlanId=plan_id, keyId=key_id)
        except ClientError as error:
            if is_absent(error):
                return False
            raise
        return True

    def _delete_plan(self, plan: dict[str, Any]) -> None:
        """API Gateway deletes no plan that still has a stage."""
        gateway = self.scope.client("apigateway")
        stages = [f"{stage['apiId']}:{stage['stage']}" for stage in plan.get("apiStages", [])]
        if stages:
            gateway.update_usage_plan(
                usagePlanId=plan["id"],
                patchOperations=[
                    {"op": "remove", "path": "/apiStages", "value": stage} for stage in stages
                ],
            )
        gateway.delete_usage_plan(usagePlanId=plan["id"])

    def _plan_settings(self, wanted: ApiKey) -> dict[str, Any]:
        limits = wanted.limits
        quota = {} if limits.quota is None else {"limit": limits.quota, "period": limits.period}
        return {
            "apiStages": [{"apiId": find_api(self.scope, wanted.api), "stage": STAGE}],
            "throttle": {"rateLimit": float(limits.rate), "burstLimit": limits.burst},
            **({"quota": quota} if quota else {}),
        }

    def _wanted_limits(self, wanted: ApiKey) -> dict[str, Any]:
        return _limits(self._plan_settings(wanted))


def _limits(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan as people read its differences."""
    throttle, quota = plan.get("throttle") or {}, plan.get("quota") or {}
    limit = quota.get("limit")
    return {
        "stage": [(stage["apiId"], stage["stage"]) for stage in plan.get("apiStages", [])],
        "rate": throttle.get("rateLimit"),
        "burst": throttle.get("burstLimit"),
        "quota": "none" if limit is None else f"{limit} a {quota['period'].lower()}",
    }
