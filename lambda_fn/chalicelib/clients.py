"""Clients of AWS, opened when they are first needed."""

from __future__ import annotations

from typing import Any


def open_client(service: str, **settings: Any) -> Any:
    """Botocore's client, with the region and credentials of the environment.

    What boto3 makes is the same; boto3 itself, which loads resources and transfers beside, would
    be a tenth of a cold start. A function that holds its model, and keeps no photos, loads neither.

    Args:
        service: botocore's name of it.
        settings: of botocore's Config.
    """
    import botocore.session
    from botocore.config import Config

    return botocore.session.get_session().create_client(service, config=Config(**settings))
