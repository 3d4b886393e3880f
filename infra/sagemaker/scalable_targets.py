"""Application Auto Scaling for endpoint variants: targets, policies and what came of them."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from infra.sagemaker.deployment_spec import DeploymentSpec
from infra.sagemaker.documents import SCALABLE_TARGET, Document, now
from infra.sagemaker.endpoints import find_endpoint
from infra.sagemaker.errors import ObjectNotFoundException, ValidationException, not_implemented
from infra.sagemaker.scaling_policies import check_configuration

if TYPE_CHECKING:
    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.operations import Operations

NAMESPACE = "sagemaker"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
TARGET_TRACKING = "TargetTrackingScaling"

_RESOURCE = re.compile(r"endpoint/(?P<endpoint>[^/]+)/variant/(?P<variant>[^/]+)")


class ScalableTargets:
    """The control operations of Application Auto Scaling that concern endpoint variants.

    A target's document holds its policies (`Policies`, by name) and its last activities.
    """

    def __init__(self, context: PlaneContext) -> None:
        self._context = context

    def operations(self) -> Operations:
        """The operations that this class answers."""
        return {
            "RegisterScalableTarget": self.register,
            "DescribeScalableTargets": self.describe_targets,
            "DeregisterScalableTarget": self.deregister,
            "PutScalingPolicy": self.put_policy,
            "DescribeScalingPolicies": self.describe_policies,
            "DeleteScalingPolicy": self.delete_policy,
            "DescribeScalingActivities": self.describe_activities,
        }

    async def register(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make a variant's instance count scalable, or change the limits."""
        endpoint, variant = variant_of(request)
        name = target_name(endpoint, variant)
        known = self._context.store.get(SCALABLE_TARGET, name)
        spec = self._spec_of(endpoint, variant)
        document = {
            "CreationTime": now(),
            "ScalableTargetARN": self._arn(f"scalable-target/{uuid.uuid4().hex}"),
            "RoleARN": self._service_role(),
            "Policies": {},
            "Activities": [],
            **(known or {}),
            **request,
        }
        _check_capacities(document, at_least=0 if spec.asynchronous is not None else 1)
        document["SuspendedState"] = _NOT_SUSPENDED | document.get("SuspendedState", {})
        self._context.store.put(SCALABLE_TARGET, name, document)
        return {"ScalableTargetARN": document["ScalableTargetARN"]}

    async def describe_targets(self, request: dict[str, Any]) -> dict[str, Any]:
        """The targets, filtered."""
        wanted = request.get("ResourceIds")
        found = [one for one in self._all(request) if not wanted or one["ResourceId"] in wanted]
        return _page("ScalableTargets", found, request)

    async def deregister(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget a target and its policies; the instances stay as they are."""
        name, _ = self._target_of(request)
        self._context.store.delete(SCALABLE_TARGET, name)
        return {}

    async def put_policy(self, request: dict[str, Any]) -> dict[str, Any]:
        """Store a target-tracking policy; one of the same name is replaced."""
        name, target = self._target_of(request)
        kind = request.get("PolicyType", "StepScaling")
        if kind != TARGET_TRACKING:
            raise not_implemented(f"PolicyType {kind}", f"offered is {TARGET_TRACKING}")
        configuration = request.get("TargetTrackingScalingPolicyConfiguration")
        if configuration is None:
            raise ValidationException("TargetTrackingScalingPolicyConfiguration is required.")
        check_configuration(configuration)
        former = target["Policies"].get(request["PolicyName"], {})
        resource = f"resource/{NAMESPACE}/{request['ResourceId']}"
        arn = self._arn(f"scalingPolicy:{uuid.uuid4()}:{resource}")
        policy = {"PolicyARN": arn, "CreationTime": now(), **former, **request, "Alarms": []}
        target["Policies"][request["PolicyName"]] = policy
        self._context.store.put(SCALABLE_TARGET, name, target)
        return {"PolicyARN": policy["PolicyARN"], "Alarms": []}

    async def describe_policies(self, request: dict[str, Any]) -> dict[str, Any]:
        """The policies, filtered."""
        names = request.get("PolicyNames")
        policies = [
            policy
            for target in self._all(request)
            for policy in target["Policies"].values()
            if not names or policy["PolicyName"] in names
        ]
        return _page("ScalingPolicies", policies, request)

    async def delete_policy(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget a policy."""
        name, target = self._target_of(request)
        if target["Policies"].pop(request["PolicyName"], None) is None:
            raise ObjectNotFoundException(
                f"No scaling policy found for {_described(request)}, policy name: "
                f"{request['PolicyName']}"
            )
        self._context.store.put(SCALABLE_TARGET, name, target)
        return {}

    async def describe_activities(self, request: dict[str, Any]) -> dict[str, Any]:
        """What scaling has done, the last first."""
        found = [one for target in self._all(request) for one in reversed(target["Activities"])]
        return _page("ScalingActivities", found, request)

    def _all(self, request: dict[str, Any]) -> list[Document]:
        """The targets that a Describe operation concerns, by resource."""
        _check_namespace(request)
        members = [one for one in ("ResourceId", "ScalableDimension") if one in request]
        return [
            one
            for one in sorted(
                self._context.store.all(SCALABLE_TARGET), key=lambda one: one["ResourceId"]
            )
            if all(one[member] == request[member] for member in members)
        ]

    def _target_of(self, request: dict[str, Any]) -> tuple[str, Document]:
        name = target_name(*variant_of(request))
        target = self._context.store.get(SCALABLE_TARGET, name)
        if target is None:
            raise ObjectNotFoundException(
                f"No scalable target registered for {_described(request)}"
            )
        return name, target

    def _spec_of(self, endpoint: str, variant: str) -> DeploymentSpec:
        spec = DeploymentSpec.from_document(find_endpoint(self._context, endpoint))
        found = [one for one in spec.variants if one.name == variant]
        if not found:
            known = ", ".join(one.name for one in spec.variants)
            raise ValidationException(
                f"Variant {variant} of endpoint {endpoint} not found; it has {known}."
            )
        if found[0].serverless is not None:
            raise not_implemented("Auto scaling of a serverless variant", "it scales by itself")
        return spec

    def _arn(self, resource: str) -> str:
        region, account = self._context.region, self._context.account
        kind = "autoscaling" if resource.startswith("scalingPolicy") else "application-autoscaling"
        return f"arn:aws:{kind}:{region}:{account}:{resource}"

    def _service_role(self) -> str:
        role = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
        path = "aws-service-role/sagemaker.application-autoscaling.amazonaws.com"
        return f"arn:aws:iam::{self._context.account}:role/{path}/{role}"


_NOT_SUSPENDED = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}


def target_name(endpoint: str, variant: str) -> str:
    """The name of a target's document; neither part can hold a dot."""
    return f"{endpoint}.{variant}"


def _check_namespace(request: dict[str, Any]) -> None:
    if request["ServiceNamespace"] != NAMESPACE:
        raise not_implemented(
            f"ServiceNamespace {request['ServiceNamespace']}", f"what scales here is {NAMESPACE}"
        )


def variant_of(request: dict[str, Any]) -> tuple[str, str]:
    """Endpoint and variant of a request or a target.

    Raises:
        ValidationException: it names something else.
    """
    _check_namespace(request)
    if request["ScalableDimension"] != DIMENSION:
        raise not_implemented(
            f"ScalableDimension {request['ScalableDimension']}", f"what scales here is {DIMENSION}"
        )
    match = _RESOURCE.fullmatch(request["ResourceId"])
    if match is None:
        raise ValidationException(
            f"Unsupported service namespace, resource type or scalable dimension: ResourceId "
            f"{request['ResourceId']}: expected endpoint/<name>/variant/<name>."
        )
    return match["endpoint"], match["variant"]


def _check_capacities(target: Document, *, at_least: int) -> None:
    for member in ("MinCapacity", "MaxCapacity"):
        if member not in target:
            raise ValidationException(f"{member} is required for a new scalable target.")
    least, most = target["MinCapacity"], target["MaxCapacity"]
    if least > most:
        raise ValidationException(f"MaxCapacity {most}: expected at least MinCapacity, {least}.")
    if least < at_least:
        raise ValidationException(
            f"MinCapacity {least}: expected at least {at_least}; only variants of asynchronous "
            "endpoints scale to zero."
        )


def _described(request: dict[str, Any]) -> str:
    return (
        f"service namespace: {request['ServiceNamespace']}, resource ID: {request['ResourceId']}, "
        f"scalable dimension: {request['ScalableDimension']}"
    )


def _page(member: str, found: list[Document], request: dict[str, Any]) -> dict[str, Any]:
    """A page; NextToken is the place of the next one in the list."""
    try:
        start = int(request.get("NextToken", 0))
    except ValueError:
        raise ValidationException("Invalid NextToken.") from None
    end = start + request.get("MaxResults", 50)
    more = {"NextToken": str(end)} if end < len(found) else {}
    return {member: found[start:end], **more}
