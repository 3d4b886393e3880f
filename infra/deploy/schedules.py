"""EventBridge Scheduler's schedules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from contracts import DeployError
from infra.deploy.roles import until_role_is_known
from infra.deploy.scope import OWNER_TAG
from infra.deploy.service import is_absent, unlike

if TYPE_CHECKING:
    from infra.deploy.resources import Schedule
    from infra.deploy.scope import Scope
    from infra.deploy.service import Report

_ATTEMPTS = 3
"""Of one start that Lambda refuses; AWS's own default is 185 over a day, behind the next night."""


@dataclass(frozen=True, slots=True)
class ScheduleService:
    """Schedules of the default group. They bear no tags: the description says whose they are."""

    scope: Scope

    def differences(self, wanted: Schedule) -> tuple[str, ...] | None:
        standing = self._describe(wanted.name)
        if standing is None:
            return None
        return unlike(_flat(standing), _flat(self._request(wanted)))

    def apply(self, wanted: Schedule, report: Report) -> None:
        client = self.scope.client("scheduler")
        request = self._request(wanted)
        if self._describe(wanted.name) is None:
            until_role_is_known(lambda: client.create_schedule(**request), report)
        else:
            client.update_schedule(**request)

    def delete(self, name: str) -> bool:
        """Delete the schedule; whether it was there."""
        if self._describe(name) is None:
            return False
        self.scope.client("scheduler").delete_schedule(Name=name)
        return True

    def _describe(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.scope.client("scheduler").get_schedule(Name=name)
        except ClientError as error:
            if is_absent(error):
                return None
            raise
        if found.get("Description") != self._description:
            raise DeployError(
                f"schedule {name} exists already and is not this deployment's"
                f" (description {found.get('Description')!r}, expected {self._description!r})",
                hint="choose another --name, or remove that schedule yourself",
            )
        return found

    @property
    def _description(self) -> str:
        return f"{OWNER_TAG}={self.scope.name}"

    def _request(self, wanted: Schedule) -> dict[str, Any]:
        return {
            "Name": wanted.name,
            "Description": self._description,
            "ScheduleExpression": wanted.expression,
            "ScheduleExpressionTimezone": wanted.timezone,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "State": "ENABLED",
            "Target": {
                "Arn": wanted.function_arn,
                "RoleArn": wanted.role_arn,
                "Input": wanted.event,
                "RetryPolicy": {"MaximumRetryAttempts": _ATTEMPTS},
            },
        }


def _flat(schedule: dict[str, Any]) -> dict[str, Any]:
    """The schedule as people read its differences."""
    target = schedule["Target"]
    return {
        "expression": schedule["ScheduleExpression"],
        "time zone": schedule.get("ScheduleExpressionTimezone", "UTC"),
        "state": schedule.get("State", "ENABLED"),
        "function": target["Arn"],
        "role": target["RoleArn"],
        "event": target.get("Input"),
    }
