"""What a deployment is made of: each resource as plain, frozen data, equal when it is the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

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
class EndpointConfig:
    """A SageMaker endpoint configuration with one variant. Never changed, only replaced."""

    name: str
    model: str
    instance_type: str
    instance_count: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A SageMaker endpoint, in service with its configuration."""

    name: str
    config: str


@dataclass(frozen=True, slots=True)
class Function:
    """A Lambda function; `code_sha256` is its zip's, in base64 as Lambda reports it."""

    name: str
    package: Path
    code_sha256: str
    role_arn: str
    environment: tuple[tuple[str, str], ...]
    runtime: str = "python3.11"
    handler: str = "app.app"
    timeout_seconds: int = 30
    memory_mb: int = 256


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
class PageConfig:
    """The page's `config.json`, which names the REST API's address; `name` is the bucket's."""

    name: str
    api: str


Resource: TypeAlias = (
    Bucket
    | Files
    | Role
    | LogGroup
    | Model
    | EndpointConfig
    | Endpoint
    | Function
    | RestApi
    | InvokePermission
    | PageConfig
)

_KINDS: dict[type[Resource], str] = {
    Bucket: "bucket",
    Files: "files of",
    Role: "role",
    LogGroup: "log group",
    Model: "model",
    EndpointConfig: "endpoint configuration",
    Endpoint: "endpoint",
    Function: "function",
    RestApi: "REST API",
    InvokePermission: "invoke permission",
    PageConfig: "page configuration",
}


def label(resource: Resource) -> str:
    """How people are told of a resource, such as `bucket snapshelf-web-…`; unique in a plan."""
    return f"{_KINDS[type(resource)]} {resource.name}"
