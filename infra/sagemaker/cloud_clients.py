"""How the plane itself reaches the cloud around it."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

SECRET_KEY = "test"  # noqa: S105 - everybody's on loopback clouds
"""Checked by none, but presigned addresses are signed with it: it must be the clients' own."""

STEADY = Config(
    s3={"addressing_style": "path"},  # no DNS is needed
    retries={"mode": "standard", "total_max_attempts": 3},
    connect_timeout=5,
)
"""For what a job or a client waits for."""

ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=10)
"""For what is kept and offered again later."""


def cloud_client(
    service: str, endpoint_url: str, config: Config, *, region: str, account: str
) -> Any:
    """A boto3 client; loopback clouds take a 12-digit access key for the account."""
    make: Any = boto3.client  # its overloads take service names only as literals
    return make(
        service,
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id=account,
        aws_secret_access_key=SECRET_KEY,
        config=config,
    )
