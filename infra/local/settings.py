"""Where one local cloud listens and keeps its things, and every setting that MiniStack reads."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contracts import DeployError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORT = 4566
"""LocalStack's edge port."""

DEFAULT_HOST = "127.0.0.1"
REGION = "us-east-1"
ACCOUNT = "000000000000"

SECRET_KEY = "test"  # noqa: S105 - LocalStack's convention, by which presigned addresses are signed
"""Everybody's: only presigned addresses are checked by it."""

LAMBDA_PYTHON_VARIABLE = "SNAPSHELF_LAMBDA_PYTHON"
"""Environment variable that names the Python interpreter of the Lambda functions."""

_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
_LARGEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """One local cloud: everything that it writes lies under `state`.

    Attributes:
        state: the cloud's folder, absolute.
        port: 0 lets the system choose.
        host: the address to listen on.
        lambda_python: interpreter that has awslambdaric and boto3; see `lambda_python()`.
    """

    state: Path
    port: int = DEFAULT_PORT
    host: str = DEFAULT_HOST
    lambda_python: Path = Path(sys.prefix, "lambda-runtime", "bin", "python")

    def __post_init__(self) -> None:
        if not 0 <= self.port <= _LARGEST_PORT:
            raise DeployError(
                f"port {self.port}: expected 0 to {_LARGEST_PORT}", hint="pass another --port"
            )
        if not self.state.is_absolute():
            raise DeployError(
                f"state folder {self.state}: expected an absolute path", hint="resolve it first"
            )

    @property
    def services_state(self) -> Path:
        """MiniStack's own state, one JSON file a service."""
        return self.state / "services"

    @property
    def objects(self) -> Path:
        """S3's objects, one file each."""
        return self.state / "s3"

    @property
    def plane_state(self) -> Path:
        """The SageMaker plane's jobs, models and endpoints."""
        return self.state / "sagemaker"

    @property
    def scratch(self) -> Path:
        """What no restart needs: extracted bundles, temporary files, the workers' folders."""
        return self.state / "scratch"

    @property
    def endpoint_url(self) -> str:
        """Where this machine's programs reach the cloud."""
        host = DEFAULT_HOST if self.host in ("0.0.0.0", "::", "") else self.host
        return f"http://{host}:{self.port}"

    def make_folders(self) -> None:
        """Create the folders, readable by their owner only, with the scratch folder empty."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        for folder in (self.services_state, self.objects, self.plane_state, self.scratch / "tmp"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.state.chmod(0o700)

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The cloud process's whole environment.

        Nothing of the host's goes in but what programs need to run, so that neither its secrets
        nor settings meant for another emulator reach MiniStack or a child.
        """
        kept = {name: environ[name] for name in _KEPT_VARIABLES if name in environ}
        return kept | {
            "HOME": str(self.scratch),
            "TMPDIR": str(self.scratch / "tmp"),
            "AWS_ACCESS_KEY_ID": ACCOUNT,  # MiniStack reads an account out of the key
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.services_state),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.objects),
            "ATHENA_DATA_DIR": str(self.objects),
            "DOCKER_HOST": f"unix://{self.scratch}/no-docker.sock",  # never an emulator's container
            "SFTP_ENABLED": "0",  # each of these two would listen on a port of its own
            "IOT_MTLS_ENABLED": "0",
            "LAMBDA_ACCOUNT_CONCURRENCY": "1000",  # AWS's; the pool's queue keeps the machine whole
            "LOG_LEVEL": environ.get("LOG_LEVEL", "WARNING"),
        }


def lambda_python(environ: Mapping[str, str]) -> Path:
    """The interpreter of Lambda functions: by environment variable, else beside this one's.

    Raises:
        DeployError: it does not exist.
    """
    named = environ.get(LAMBDA_PYTHON_VARIABLE)
    python = Path(named) if named else Path(sys.prefix, "lambda-runtime", "bin", "python")
    if not python.is_file():
        raise DeployError(
            f"{python}: no Python for Lambda functions is there",
            hint=f"run scripts/install, or set {LAMBDA_PYTHON_VARIABLE}",
        )
    return python
