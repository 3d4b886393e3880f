"""Carries a plan out on its target: compares, makes what lacks, changes what differs, goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from contracts import DeployError
from infra.deploy.endpoints import EndpointConfigService, EndpointService, ModelService
from infra.deploy.functions import FunctionService
from infra.deploy.gateway import InvokePermissionService, RestApiService
from infra.deploy.keys import ApiKeyService
from infra.deploy.leftovers import LeftoversService
from infra.deploy.logs import LogGroupService
from infra.deploy.model_packages import ModelPackageService
from infra.deploy.resources import (
    ApiKey,
    Bucket,
    Endpoint,
    EndpointConfig,
    Files,
    Function,
    InvokePermission,
    Leftovers,
    LogGroup,
    Model,
    PageConfig,
    Resource,
    RestApi,
    Role,
    RolePolicy,
    Schedule,
)
from infra.deploy.roles import RolePolicyService, RoleService
from infra.deploy.schedules import ScheduleService
from infra.deploy.service import Settling
from infra.deploy.storage import BucketService, FilesService, PageConfigService

if TYPE_CHECKING:
    from infra.deploy.plan import Plan, Planned
    from infra.deploy.scope import Scope
    from infra.deploy.service import Service

OnStep: TypeAlias = Callable[[str, str], None]
"""Takes a resource's label and what became of it, or how it is going on with it."""

TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"
"""The log group of all training jobs in an account; a job's streams begin with its name."""

_SERVICES: dict[type[Resource], Callable[[Scope], Service[Any]]] = {
    Bucket: BucketService,
    Files: FilesService,
    Role: RoleService,
    RolePolicy: RolePolicyService,
    Schedule: ScheduleService,
    LogGroup: LogGroupService,
    Model: ModelService,
    EndpointConfig: EndpointConfigService,
    Endpoint: EndpointService,
    Function: FunctionService,
    RestApi: RestApiService,
    InvokePermission: InvokePermissionService,
    ApiKey: ApiKeyService,
    PageConfig: PageConfigService,
    Leftovers: LeftoversService,
}
_FAILURES = (BotoCoreError, ClientError, Boto3Error, DeployError, OSError)


class Action(StrEnum):
    """What a step does, or did, with its resource."""

    MAKE = "make"
    CHANGE = "change"
    WAIT = "wait"
    REMOVE = "remove"
    KEEP = "unchanged"


DELETED = "deleted"
_PAST = {
    Action.MAKE: "made",
    Action.CHANGE: "changed",
    Action.WAIT: "unchanged",
    Action.REMOVE: "removed",
    Action.KEEP: "unchanged",
}
OUTCOMES = frozenset({*_PAST.values(), DELETED})
"""The last words that an `OnStep` hears of a resource; all others tell how it is going on."""


@dataclass(frozen=True, slots=True)
class Step:
    """A resource and what is to be done with it; `differences` say what a change is about."""

    label: str
    action: Action
    differences: tuple[str, ...] = ()


def compare(plan: Plan) -> tuple[Step, ...]:
    """What `apply` would do, read from the target; nothing is changed.

    Raises:
        DeployError: the target does not answer, or a resource of that name is someone else's.
    """
    steps = (_guarded(planned, _step, plan.scope, planned) for planned in plan.planned)
    return tuple(step for step in steps if step is not None)


def apply(plan: Plan, on_step: OnStep) -> tuple[Step, ...]:
    """Carry the plan out, in order; a second time changes nothing.

    Raises:
        DeployError: a step failed. The message names it and what stands; what stands is right, so
            that the next run goes on at the step that failed.
    """
    done: list[Step] = []
    for planned in plan.planned:
        standing = [step.label for step in done]
        step = _guarded(planned, _carry_out, plan.scope, planned, on_step, standing=standing)
        done.extend([step] if step else [])
    return tuple(done)


def destroy(scope: Scope, on_step: OnStep) -> tuple[str, ...]:
    """Delete all that a deployment of that name could have made; the labels of what was there.

    What is deleted follows from the name alone, so that a half-made or half-deleted deployment
    goes as well. The order is the plan's, backwards.

    Raises:
        DeployError: a deletion failed; the next run goes on there.
    """
    deleted: list[str] = []
    for label, delete in _deletions(scope, on_step):
        try:
            gone = delete()
        except _FAILURES as error:
            raise DeployError(
                f"{label} could not be deleted: {error}",
                hint="run the same command again: it goes on from there",
            ) from error
        if gone:
            deleted.append(label)
            on_step(label, DELETED)
    return tuple(deleted)


def _deletions(scope: Scope, on_step: OnStep) -> list[tuple[str, Callable[[], object]]]:
    buckets, logs, roles = BucketService(scope), LogGroupService(scope), RoleService(scope)
    endpoint = f"endpoint {scope.endpoint}"

    def delete_endpoint() -> bool:
        return EndpointService(scope).delete(scope.endpoint, lambda text: on_step(endpoint, text))

    return [
        *_nightly_deletions(scope),
        (f"bucket {scope.web_bucket}", lambda: buckets.delete(scope.web_bucket)),
        (f"API key {scope.api}", lambda: ApiKeyService(scope).delete(scope.api)),
        (f"REST API {scope.api}", lambda: RestApiService(scope).delete(scope.api)),
        (f"function {scope.function}", lambda: FunctionService(scope).delete(scope.function)),
        (f"log group {scope.function_logs}", lambda: logs.delete(scope.function_logs)),
        (f"role {scope.lambda_role}", lambda: roles.delete(scope.lambda_role)),
        (endpoint, delete_endpoint),
        (f"log group {scope.endpoint_logs}", lambda: logs.delete(scope.endpoint_logs)),
        ("endpoints of other models", lambda: _delete_others(scope, on_step)),
        ("endpoint configurations", EndpointConfigService(scope).delete_all),
        ("models", ModelService(scope).delete_all),
        ("registered versions", ModelPackageService(scope).delete_all),
        (
            "training logs",
            lambda: logs.delete_streams(TRAINING_LOGS, scope.training_job_prefix),
        ),
        (f"role {scope.hosting_role}", lambda: roles.delete(scope.hosting_role)),
        (f"role {scope.training_role}", lambda: roles.delete(scope.training_role)),
        (f"bucket {scope.artifact_bucket}", lambda: buckets.delete(scope.artifact_bucket)),
    ]


def _nightly_deletions(scope: Scope) -> list[tuple[str, Callable[[], object]]]:
    """Of the nightly job; the photos and tables, which lie in buckets of others, stay."""
    logs, roles = LogGroupService(scope), RoleService(scope)
    return [
        (f"schedule {scope.nightly}", lambda: ScheduleService(scope).delete(scope.nightly)),
        (f"function {scope.nightly}", lambda: FunctionService(scope).delete(scope.nightly)),
        (f"log group {scope.nightly_logs}", lambda: logs.delete(scope.nightly_logs)),
        (f"role {scope.schedule_role}", lambda: roles.delete(scope.schedule_role)),
        (f"role {scope.nightly_role}", lambda: roles.delete(scope.nightly_role)),
    ]


def _delete_others(scope: Scope, on_step: OnStep) -> list[str]:
    """Delete the endpoints of all models but the default one, and their logs; their names."""
    endpoints, logs = EndpointService(scope), LogGroupService(scope)
    names = endpoints.others()
    for name in names:
        endpoints.delete(name, lambda text, name=name: on_step(f"endpoint {name}", text))  # type: ignore[misc]  # bound now, not when called
        logs.delete(scope.logs_of(name))
    return names


def _step(scope: Scope, planned: Planned) -> Step | None:
    """What is to be done with a resource; None for leftovers of which there are none."""
    service = _SERVICES[type(planned.resource)](scope)
    differences = service.differences(planned.resource)
    if differences is None:
        return Step(planned.label, Action.MAKE)
    if isinstance(planned.resource, Leftovers):
        return Step(planned.label, Action.REMOVE, differences) if differences else None
    if not differences:
        return Step(planned.label, Action.KEEP)
    waits = isinstance(service, Settling) and service.is_under_way(planned.resource)
    return Step(planned.label, Action.WAIT if waits else Action.CHANGE, differences)


def _carry_out(scope: Scope, planned: Planned, on_step: OnStep) -> Step | None:
    service = _SERVICES[type(planned.resource)](scope)

    def report(text: str) -> None:
        on_step(planned.label, text)

    step = _step(scope, planned)
    if step and step.action is Action.WAIT and isinstance(service, Settling):
        service.settle(planned.resource, report)
        step = _step(scope, planned)
    if step is None:
        return None
    if step.action is not Action.KEEP:
        service.apply(planned.resource, report)
    on_step(step.label, _PAST[step.action])
    return step


def _guarded(
    planned: Planned,
    act: Callable[..., Step | None],
    *arguments: object,
    standing: list[str] | None = None,
) -> Step | None:
    try:
        return act(*arguments)
    except _FAILURES as error:
        told = str(error)
        cause = told if told.startswith(planned.label) else f"{planned.label}: {told}"
        stands = "" if standing is None else f" (standing: {', '.join(standing) or 'nothing'})"
        raise DeployError(
            f"{cause}{stands}",
            hint=getattr(error, "hint", "")
            or "mend the cause and run the same command again: it goes on from there",
        ) from error
