"""Messages to SNS topics, behind a seam that tests fill with memory."""

from __future__ import annotations

from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from contracts import DeployError
from infra.sagemaker.cloud_clients import STEADY, cloud_client


class NotificationError(DeployError):
    """SNS refused a message, or cannot be reached."""

    code = "notification"


class Topics(Protocol):
    """Where messages go. The call blocks: make it in a thread."""

    def publish(self, topic_arn: str, message: str) -> None:
        """Send a message to a topic.

        Raises:
            NotificationError: SNS refused it, or cannot be reached.
        """


class SnsTopics:
    """SNS, wherever `endpoint_url` says it is."""

    def __init__(self, endpoint_url: str, *, region: str, account: str) -> None:
        self._client: Any = cloud_client(
            "sns", endpoint_url, STEADY, region=region, account=account
        )

    def publish(self, topic_arn: str, message: str) -> None:
        """See Topics."""
        try:
            self._client.publish(TopicArn=topic_arn, Message=message)
        except (BotoCoreError, ClientError) as error:
            raise NotificationError(f"{topic_arn}: {error}") from error
