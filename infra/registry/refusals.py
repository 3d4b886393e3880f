"""What a target's refusal becomes: an error that says what was being done."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from contracts import DeployError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.deploy.scope import Scope


@contextlib.contextmanager
def refusals(scope: Scope, doing: str) -> Iterator[None]:
    """Turn what AWS's libraries raise into a DeployError.

    Args:
        scope: whose target is asked.
        doing: as in "could not <doing>".
    """
    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error) as error:
        raise DeployError(
            f"could not {doing} of {scope.name} on {scope.target.name}: {error}",
            hint="is the target up, and may your credentials do that?",
        ) from error
