"""Where a deployment lives: the local cloud, LocalStack or AWS, each reached through boto3."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from localstack_client import config as localstack
from localstack_client.session import Session as LocalstackSession

from contracts import DeployError
from infra.local.settings import DEFAULT_PORT, REGION

if TYPE_CHECKING:
    from collections.abc import Mapping

TargetName = Literal["local", "localstack", "aws"]
TARGETS: tuple[TargetName, ...] = ("local", "localstack", "aws")

_LOCAL_ACCESS_KEY, _LOCAL_SECRET_KEY = "test", "test"  # the local cloud checks neither
_SAGEMAKER_SERVICES = ("sagemaker", "sagemaker-runtime")
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=70,  # InvokeEndpoint answers within 60 s
    retries={"mode": "standard", "max_attempts": 4},
    s3={"addressing_style": "path"},
)
_AWS_CONFIG = Config(retries={"mode": "standard", "max_attempts": 8})


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose account a target's resources are made in, as STS answers."""

    account_id: str
    partition: str


@dataclass(frozen=True, slots=True)
class Target:
    """One cloud: its name, region and, unless it is AWS, the addresses that stand in for AWS's."""

    name: TargetName
    region: str = REGION
    endpoint_url: str | None = None
    sagemaker_endpoint_url: str | None = None

    def __post_init__(self) -> None:
        if self.name not in TARGETS:
            raise DeployError(
                f"target {self.name!r}: expected one of {', '.join(TARGETS)}",
                hint="pass --target local, localstack or aws",
            )
        if (self.endpoint_url is None) != (self.name == "aws"):
            raise DeployError(
                f"target {self.name} with endpoint {self.endpoint_url!r}:"
                " only AWS goes without an address of its own",
                hint="make a target with resolve_target()",
            )

    def client(self, service: str) -> Any:
        """The boto3 client of an AWS service (its botocore name, such as `s3`) on this target.

        The same target and service give the same client: making one takes a tenth of a second.
        """
        return _connect(self, service)

    def caller(self) -> Caller:
        """Ask STS for the account and partition.

        Raises:
            DeployError: nothing answers at the target, or the credentials are missing or refused.
        """
        try:
            identity = self.client("sts").get_caller_identity()
        except (BotoCoreError, ClientError) as error:
            raise DeployError(
                f"target {self.name} ({self._address}) cannot be reached: {error}",
                hint=self._hint,
            ) from error
        return Caller(identity["Account"], identity["Arn"].split(":")[1])

    @property
    def account_id(self) -> str:
        """The 12-digit account number, by STS; see `caller` for what it raises."""
        return self.caller().account_id

    @property
    def _address(self) -> str:
        return self.endpoint_url or self.region

    @property
    def _hint(self) -> str:
        return {
            "local": "start the local cloud with `snapshelf up`, with the same --port",
            "localstack": "start LocalStack, and set AWS_ENDPOINT_URL where it is not on port 4566",
            "aws": "set credentials that boto3 finds (`aws configure`), and check the connection",
        }[self.name]


@functools.cache
def _connect(target: Target, service: str) -> Any:
    if target.name == "aws":
        return boto3.client(service, region_name=target.region, config=_AWS_CONFIG)  # type: ignore[call-overload]
    is_sagemaker = service in _SAGEMAKER_SERVICES
    if target.name == "localstack" and not is_sagemaker:
        return LocalstackSession(region_name=target.region).client(service, config=_CONFIG)
    return boto3.client(  # type: ignore[call-overload]
        service,
        region_name=target.region,
        config=_CONFIG,
        aws_access_key_id=_LOCAL_ACCESS_KEY,
        aws_secret_access_key=_LOCAL_SECRET_KEY,
        endpoint_url=(target.sagemaker_endpoint_url if is_sagemaker else None)
        or target.endpoint_url,
    )


def forget_clients() -> None:
    """Make new clients from here on: those of before keep the credentials that they found."""
    _connect.cache_clear()


def resolve_target(
    name: TargetName,
    *,
    port: int = DEFAULT_PORT,
    region: str | None = None,
    environ: Mapping[str, str],
) -> Target:
    """The target of that name.

    Args:
        name: local, localstack or aws.
        port: where the local cloud listens on loopback; the other targets have no use for it.
        region: by default AWS_REGION, AWS_DEFAULT_REGION, for AWS the one of boto3's configuration,
            or us-east-1. The local cloud lives in us-east-1 whatever is set for AWS.
        environ: the process's environment, read at the entry point.

    Raises:
        DeployError: the name is none of the three.
    """
    if name == "local":
        return Target(name, region or REGION, f"http://127.0.0.1:{port}")
    region = region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if name == "localstack":
        plane = environ.get("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME")
        plane = environ.get("AWS_ENDPOINT_URL_SAGEMAKER") or plane
        return Target(name, region or REGION, localstack.get_service_endpoint("s3"), plane)
    return Target(name, region or boto3.Session().region_name or REGION)
