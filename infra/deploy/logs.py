"""CloudWatch log groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.deploy.service import is_absent, unlike

if TYPE_CHECKING:
    from infra.deploy.resources import LogGroup
    from infra.deploy.scope import Scope
    from infra.deploy.service import Report


@dataclass(frozen=True, slots=True)
class LogGroupService:
    """CloudWatch log groups with an end to what they keep."""

    scope: Scope

    def differences(self, wanted: LogGroup) -> tuple[str, ...] | None:
        group = self._describe(wanted.name)
        if group is None:
            return None
        return unlike(
            {"retention": group.get("retentionInDays")}, {"retention": wanted.retention_days}
        )

    def apply(self, wanted: LogGroup, report: Report) -> None:  # noqa: ARG002 (takes no time)
        logs = self.scope.client("logs")
        if self._describe(wanted.name) is None:
            logs.create_log_group(logGroupName=wanted.name, tags=self.scope.tags)
        logs.put_retention_policy(logGroupName=wanted.name, retentionInDays=wanted.retention_days)

    def delete(self, name: str) -> bool:
        """Delete the log group; whether it was there."""
        if self._describe(name) is None:
            return False
        self.scope.client("logs").delete_log_group(logGroupName=name)
        return True

    def exists(self, name: str) -> bool:
        """Whether the log group stands."""
        return self._describe(name) is not None

    def _describe(self, name: str) -> dict[str, Any] | None:
        answer = self.scope.client("logs").describe_log_groups(logGroupNamePrefix=name)
        return next((g for g in answer["logGroups"] if g["logGroupName"] == name), None)

    def delete_streams(self, name: str, prefix: str) -> int:
        """Delete the streams of a shared group that begin with `prefix`; how many there were."""
        logs = self.scope.client("logs")
        pages = logs.get_paginator("describe_log_streams").paginate(
            logGroupName=name, logStreamNamePrefix=prefix
        )
        try:
            streams = [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
        except ClientError as error:
            if is_absent(error):
                return 0
            raise
        for stream in streams:
            logs.delete_log_stream(logGroupName=name, logStreamName=stream)
        return len(streams)
