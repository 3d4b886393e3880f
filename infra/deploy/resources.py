"""What a deployment is made of: each resource as plain, frozen data, equal when it is the same."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from contracts import DeployError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Bucket:
    """An S3 bucket, encrypted; `website` ones show their objects to everyone, others to no one."""

    name: str
    website: bool = False


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file to be kept in a bucket; `sha256` is its content's, in hex."""

    key: str
    source: Path
    sha256: str
    content_type: str
    cache_control: str


@dataclass(frozen=True, slots=True)
class Files:
    """Files in one folder of a bucket, or `complete`: all that it holds, but for keys in `keep`."""

    name: str
    bucket: str
    files: tuple[StoredFile, ...]
    complete: bool = False
    keep: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """An IAM role that one AWS service may take, with one inline policy (both JSON documents)."""

    name: str
    service: str
    policy: str


@dataclass(frozen=True, slots=True)
class RolePolicy:
    """A further inline policy (a JSON document) of a role that stands; `name` is the role's."""

    name: str
    policy_name: str
    policy: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule of EventBridge Scheduler that starts a function.

    Attributes:
        expression: such as `cron(0 19 * * ? *)`.
        timezone: the IANA name of the zone in which that is read.
        event: JSON that the function gets.
    """

    name: str
    expression: str
    timezone: str
    function_arn: str
    role_arn: str
    event: str


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A CloudWatch log group."""

    name: str
    retention_days: int


@dataclass(frozen=True, slots=True)
class Model:
    """A SageMaker model: an artifact and the image that serves it. Never changed, only replaced."""

    name: str
    image: str
    artifact_url: str
    role_arn: str


@dataclass(frozen=True, slots=True)
class Capture:
    """SageMaker's data capture: what an endpoint was asked and answered, kept in S3.

    Attributes:
        percent: of the requests, 1 to 100.
        url: the prefix that it writes below, without a slash at its end.
    """

    percent: int
    url: str


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """A SageMaker endpoint configuration with one variant. Never changed, only replaced."""

    name: str
    model: str
    instance_type: str
    instance_count: int
    capture: Capture | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A SageMaker endpoint, in service with its configuration."""

    name: str
    config: str


@dataclass(frozen=True, slots=True)
class Function:
    """A Lambda function.

    Attributes:
        package: its zip.
        code_sha256: the zip's, in base64 as Lambda reports it.
        stored: the bucket and key of the same zip where it goes by way of S3, as it must above
            50 MB; None where it goes with the request.
        description: what Lambda shows beside the name.
    """

    name: str
    package: Path
    code_sha256: str
    role_arn: str
    environment: tuple[tuple[str, str], ...]
    stored: tuple[str, str] | None = None
    description: str = ""
    runtime: str = "python3.11"
    handler: str = "app.app"
    timeout_seconds: int = 30
    memory_mb: int = 256

    @property
    def code_sha256_hex(self) -> str:
        """The zip's SHA-256 as keys in the bucket have it."""
        return base64.b64decode(self.code_sha256).hex()


@dataclass(frozen=True, slots=True)
class RestApi:
    """A REST API and its one stage, deployed from a Swagger document (JSON)."""

    name: str
    swagger: str


@dataclass(frozen=True, slots=True)
class InvokePermission:
    """That the REST API may invoke the function; `name` is the function's."""

    name: str
    api: str


@dataclass(frozen=True, slots=True)
class UsageLimits:
    """How much the holder of an API key may ask.

    Attributes:
        rate: requests a second in the long run, above 0.
        burst: requests at once, 1 or more.
        quota: requests in a `period`; None for any number.
        period: DAY, WEEK or MONTH.

    Raises:
        DeployError: a value outside these.
    """

    rate: float = 10.0
    burst: int = 20
    quota: int | None = None
    period: str = "DAY"

    def __post_init__(self) -> None:
        wrong = [
            f"{name} {value!r}: expected {expected}"
            for name, value, expected, right in (
                ("rate", self.rate, "a number above 0", self.rate > 0),
                ("burst", self.burst, "1 or more", self.burst >= 1),
                ("quota", self.quota, "1 or more", self.quota is None or self.quota >= 1),
                ("period", self.period, " or ".join(QUOTA_PERIODS), self.period in QUOTA_PERIODS),
            )
            if not right
        ]
        if wrong:
            raise DeployError("; ".join(wrong), hint="for example --rate 10 --quota 1000/day")


QUOTA_PERIODS = ("DAY", "WEEK", "MONTH")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that requests to the REST API must carry, and the usage plan that limits it.

    API Gateway draws the key; it stays the same while the deployment stands.
    """

    name: str
    api: str
    limits: UsageLimits


@dataclass(frozen=True, slots=True)
class PageConfig:
    """The page's `config.json`, which names the REST API's address; `name` is the bucket's.

    Attributes:
        asks_for_key: whether the page has to ask its visitor for an API key.
    """

    name: str
    api: str
    asks_for_key: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """What a further model's endpoint needs: its revision, and the artifact's key in the bucket."""

    endpoint: str
    revision: str
    artifact: str


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What earlier runs made and this plan has no use for; comes last, once all else is in service.

    The generation before the one in service is kept, so that it can be brought back at once.

    Attributes:
        revision: of the model and configuration in service; None where no endpoint is wanted.
        artifact: the key of the model's artifact in the bucket, likewise.
        bundle: the key of the function's zip in the bucket; None where it is not kept there.
        has_key: whether the API asks for a key.
        others: further models that stay in service.
    """

    name: str
    revision: str | None = None
    artifact: str | None = None
    bundle: str | None = None
    has_key: bool = False
    others: tuple[Served, ...] = ()


Resource: TypeAlias = (
    Bucket
    | Files
    | Role
    | RolePolicy
    | Schedule
    | LogGroup
    | Model
    | EndpointConfig
    | Endpoint
    | Function
    | RestApi
    | InvokePermission
    | ApiKey
    | PageConfig
    | Leftovers
)

_KINDS: dict[type[Resource], str] = {
    Bucket: "bucket",
    Files: "files of",
    Role: "role",
    RolePolicy: "further policy of role",
    Schedule: "schedule",
    LogGroup: "log group",
    Model: "model",
    EndpointConfig: "endpoint configuration",
    Endpoint: "endpoint",
    Function: "function",
    RestApi: "REST API",
    InvokePermission: "invoke permission",
    ApiKey: "API key",
    PageConfig: "page configuration",
    Leftovers: "leftovers of",
}


def label(resource: Resource) -> str:
    """How people are told of a resource, such as `bucket snapshelf-web-…`; unique in a plan."""
    return f"{_KINDS[type(resource)]} {resource.name}"
