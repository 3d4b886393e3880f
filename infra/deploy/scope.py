"""Whose resources, and where: a deployment's name on a target, and all names that follow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts import DeployError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.targets import Target

OWNER_TAG = "snapshelf:name"
"""The tag that every resource of a deployment carries; its value is the deployment's name."""

STAGE = "api"
"""The REST API's stage, which is also the path that its address ends in."""

_NAME = re.compile(r"[a-z][a-z0-9-]{1,23}[a-z0-9]")  # 25, so that bucket names stay within 63


@dataclass(frozen=True, slots=True)
class Scope:
    """A deployment's name, its target, and the account that STS names there.

    Raises:
        DeployError: the name is not 3 to 25 lower-case letters, digits and hyphens, a letter first.
    """

    name: str
    target: Target
    account_id: str
    partition: str = "aws"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise DeployError(
                f"deployment name {self.name!r}: expected 3 to 25 lower-case letters, digits and"
                " hyphens, the first a letter, the last no hyphen",
                hint="choose another --name",
            )

    def client(self, service: str) -> Any:
        return self.target.client(service)

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource in this account; IAM's names no region, S3's no account either."""
        region = "" if service in {"iam", "s3"} else self.target.region
        account = "" if service == "s3" else self.account_id
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"

    @property
    def tags(self) -> dict[str, str]:
        return {OWNER_TAG: self.name}

    @property
    def tag_list(self) -> list[dict[str, str]]:
        """The same tags in the form of S3, IAM and SageMaker."""
        return tag_list(self.tags)

    @property
    def artifact_bucket(self) -> str:
        return f"{self.name}-artifacts-{self.account_id}-{self.target.region}"

    @property
    def web_bucket(self) -> str:
        return f"{self.name}-web-{self.account_id}-{self.target.region}"

    @property
    def training_role(self) -> str:
        return f"{self.name}-{self.target.region}-training"

    @property
    def hosting_role(self) -> str:
        return f"{self.name}-{self.target.region}-hosting"

    @property
    def lambda_role(self) -> str:
        return f"{self.name}-{self.target.region}-lambda"

    @property
    def function(self) -> str:
        return f"{self.name}-api"

    @property
    def function_logs(self) -> str:
        return f"/aws/lambda/{self.function}"

    @property
    def endpoint(self) -> str:
        return self.name

    @property
    def endpoint_logs(self) -> str:
        return self.logs_of(self.endpoint)

    def endpoint_of(self, model: str) -> str:
        """The endpoint of a further model."""
        return f"{self.endpoint}-{model}"

    def logs_of(self, endpoint: str) -> str:
        """The log group of an endpoint's containers."""
        return f"/aws/sagemaker/Endpoints/{endpoint}"

    @property
    def training_job_prefix(self) -> str:
        return f"{self.name}-train-"

    @property
    def api(self) -> str:
        return self.name

    @property
    def nightly(self) -> str:
        """The nightly job's function and schedule."""
        return f"{self.name}-nightly"

    @property
    def nightly_logs(self) -> str:
        return f"/aws/lambda/{self.nightly}"

    @property
    def nightly_role(self) -> str:
        return f"{self.name}-{self.target.region}-nightly"

    @property
    def schedule_role(self) -> str:
        return f"{self.name}-{self.target.region}-schedule"

    @property
    def training_role_arn(self) -> str:
        return self.arn("iam", f"role/{self.training_role}")

    @property
    def hosting_role_arn(self) -> str:
        return self.arn("iam", f"role/{self.hosting_role}")

    @property
    def lambda_role_arn(self) -> str:
        return self.arn("iam", f"role/{self.lambda_role}")

    @property
    def function_arn(self) -> str:
        return self.arn("lambda", f"function:{self.function}")

    def is_revision(self, name: str) -> bool:
        """Whether a model or endpoint configuration of that name is one of this deployment's."""
        return re.fullmatch(rf"{re.escape(self.name)}-[0-9a-f]{{12}}", name) is not None

    def api_url(self, api_id: str) -> str:
        """Where the REST API answers, without a trailing slash."""
        if self.target.endpoint_url is not None:
            return f"{self.target.endpoint_url}/restapis/{api_id}/{STAGE}/_user_request_"
        return f"https://{api_id}.execute-api.{self.target.region}.{self._domain}/{STAGE}"

    @property
    def website_url(self) -> str:
        """Where S3's website endpoint shows the page: `index.html` stands for the folder."""
        if self.target.endpoint_url is not None:
            port = self.target.endpoint_url.rsplit(":", 1)[-1]
            return f"http://{self.web_bucket}.s3-website.localhost:{port}/"
        # Regions before 2014 take a hyphen after s3-website, later ones a dot:
        # https://docs.aws.amazon.com/general/latest/gr/s3.html#s3_website_region_endpoints
        joint = "-" if self.target.region in _HYPHEN_WEBSITES else "."
        host = f"s3-website{joint}{self.target.region}.{self._domain}"
        return f"http://{self.web_bucket}.{host}/"

    @property
    def object_url(self) -> str:
        """The page's address as an object: any HTTP client resolves this host."""
        if self.target.endpoint_url is not None:
            return f"{self.target.endpoint_url}/{self.web_bucket}/index.html"
        return f"https://{self.web_bucket}.s3.{self.target.region}.{self._domain}/index.html"

    @property
    def allowed_origin(self) -> str:
        """The origin that browsers may call the API from.

        The page of a local cloud stands at two addresses and has no other caller than this
        machine, so there any origin may; elsewhere only the page's own.
        """
        return "*" if self.target.endpoint_url is not None else self.website_url.rstrip("/")

    @property
    def _domain(self) -> str:
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags in the form of S3, IAM and SageMaker."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


_HYPHEN_WEBSITES = frozenset(
    {
        "us-east-1",
        "us-west-1",
        "us-west-2",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-northeast-1",
        "eu-west-1",
        "sa-east-1",
        "us-gov-west-1",
    }
)


def scope_of(name: str, target: Target) -> Scope:
    """The scope of a deployment; asks STS once.

    Raises:
        DeployError: the name is not valid, or the target cannot be reached.
    """
    caller = target.caller()
    return Scope(name, target, caller.account_id, caller.partition)
