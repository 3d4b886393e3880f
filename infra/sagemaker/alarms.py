"""CloudWatch's alarms, behind a seam that tests fill with memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from contracts import DeployError
from infra.sagemaker.cloud_clients import STEADY, cloud_client

if TYPE_CHECKING:
    from collections.abc import Sequence

RINGING = "ALARM"


class AlarmError(DeployError):
    """CloudWatch does not tell how its alarms are."""

    code = "alarm"


class Alarms(Protocol):
    """How alarms are. The call blocks: make it in a thread."""

    def states(self, names: Sequence[str]) -> dict[str, str]:
        """OK, ALARM or INSUFFICIENT_DATA by name; those that do not exist are left out.

        Raises:
            AlarmError: CloudWatch refused, or cannot be reached.
        """


class CloudWatchAlarms:
    """CloudWatch, wherever `endpoint_url` says it is."""

    def __init__(self, endpoint_url: str, *, region: str, account: str) -> None:
        self._client: Any = cloud_client(
            "cloudwatch", endpoint_url, STEADY, region=region, account=account
        )

    def states(self, names: Sequence[str]) -> dict[str, str]:
        """See Alarms."""
        try:
            answer = self._client.describe_alarms(
                AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
            )
        except (BotoCoreError, ClientError) as error:
            raise AlarmError(f"alarms {', '.join(names)}: {error}") from error
        found = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
        return {alarm["AlarmName"]: alarm["StateValue"] for alarm in found}
