"""What a worker of a Lambda function is made from: its spec, its folders, its environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.local.settings import SECRET_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """All that decides what a worker of the function is; another spec needs another worker.

    Attributes:
        timeout: seconds.
        memory: megabytes.
        bundles: the zips, the function's first, then its layers'.
    """

    name: str
    version: str
    account: str
    region: str
    runtime: str
    handler: str
    timeout: int
    memory: int
    variables: tuple[tuple[str, str], ...]
    bundles: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class WorkerFolders:
    """Where a worker finds its code and keeps its files.

    Attributes:
        code: the function's bundle, extracted: /var/task.
        layers: the layers, extracted: /opt.
        home: the worker's own folder, removed at its end.
    """

    code: Path
    layers: tuple[Path, ...]
    home: Path


def worker_environment(
    spec: FunctionSpec,
    folders: WorkerFolders,
    runtime_api: str,
    endpoint_url: str,
    log_stream: str,
) -> Mapping[str, str]:
    """The worker's whole environment: the function's variables and Lambda's, none of the host's.

    Source: AWS Lambda developer guide, *Defined runtime environment variables*. The function's own
    AWS_ENDPOINT_URL wins, Lambda's reserved names do not yield.
    """
    layers = [p for layer in folders.layers for p in (layer / "python",) if p.is_dir()]
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        **dict(spec.variables),
        "PATH": _PATH,
        "HOME": str(folders.home),
        "TMPDIR": str(folders.home / "tmp"),
        "PYTHONPATH": os.pathsep.join(str(path) for path in layers),
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_VERSION": spec.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{spec.runtime}",
        "AWS_REGION": spec.region,
        "AWS_DEFAULT_REGION": spec.region,
        "AWS_ACCESS_KEY_ID": spec.account,  # by which the cloud knows the account
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_SESSION_TOKEN": "local",
        "AWS_EC2_METADATA_DISABLED": "true",
        "LAMBDA_TASK_ROOT": str(folders.code),
        "_HANDLER": spec.handler,
    }
