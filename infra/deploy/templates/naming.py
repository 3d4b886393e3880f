"""What templates call a plan's resources: short, and the same in every version of a deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.deploy.resources import (
    ApiKey,
    Bucket,
    Endpoint,
    EndpointConfig,
    Function,
    InvokePermission,
    LogGroup,
    Model,
    Resource,
    RestApi,
    Role,
)

if TYPE_CHECKING:
    from infra.deploy.plan import Plan, Planned

_NAMES: dict[type[Resource], str] = {
    LogGroup: "function_logs",
    Model: "model",
    EndpointConfig: "endpoint_config",
    Endpoint: "endpoint",
    Function: "function",
    RestApi: "rest_api",
    InvokePermission: "invoke_permission",
    ApiKey: "api_key",
}


def template_name(resource: Resource) -> str | None:
    """In snake case; None for what a template cannot make (files, and what goes with them)."""
    if isinstance(resource, Bucket):
        return "web" if resource.website else "artifacts"
    if isinstance(resource, Role):
        return f"{resource.name.rpartition('-')[2]}_role"
    return _NAMES.get(type(resource))


def prerequisites(planned: Planned, plan: Plan) -> list[Resource]:
    """The resources of a plan that must stand before this one, as far as templates make them."""
    by_label = {each.label: each.resource for each in plan.planned}
    found = [by_label[label] for label in planned.after]
    return [resource for resource in found if template_name(resource) is not None]
