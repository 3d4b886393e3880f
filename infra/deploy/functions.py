"""The Lambda function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from contracts import DeployError
from infra.deploy.roles import until_role_is_known
from infra.deploy.service import check_owner, is_absent, unlike

if TYPE_CHECKING:
    from infra.deploy.resources import Function
    from infra.deploy.scope import Scope
    from infra.deploy.service import Report

_WAITER = {"Delay": 1, "MaxAttempts": 300}


_ABSENT = "(none)"


@dataclass(frozen=True, slots=True)
class FunctionService:
    """Lambda functions from a zip."""

    scope: Scope

    def differences(self, wanted: Function) -> tuple[str, ...] | None:
        standing = self._describe(wanted.name)
        if standing is None:
            return None
        code = unlike({"code": standing["CodeSha256"]}, {"code": wanted.code_sha256})
        return (*code, *_differences(standing, _configuration(wanted)))

    def apply(self, wanted: Function, report: Report) -> None:
        client = self.scope.client("lambda")
        standing = self._describe(wanted.name)
        if standing is None:
            self._create(wanted, report)
            return
        if standing["CodeSha256"] != wanted.code_sha256:
            client.update_function_code(FunctionName=wanted.name, **_code(wanted))
            self._wait("function_updated_v2", wanted.name)
        if _differences(standing, _configuration(wanted)):
            client.update_function_configuration(FunctionName=wanted.name, **_configuration(wanted))
            self._wait("function_updated_v2", wanted.name)

    def delete(self, name: str) -> bool:
        """Delete the function; whether it was there."""
        if self._describe(name) is None:
            return False
        self.scope.client("lambda").delete_function(FunctionName=name)
        return True

    def _create(self, wanted: Function, report: Report) -> None:
        client = self.scope.client("lambda")

        def create() -> None:
            client.create_function(
                FunctionName=wanted.name,
                Code=_code(wanted),
                Tags=self.scope.tags,
                **_configuration(wanted),
            )

        until_role_is_known(create, report)
        self._wait("function_active_v2", wanted.name)

    def _wait(self, waiter: str, name: str) -> None:
        self.scope.client("lambda").get_waiter(waiter).wait(FunctionName=name, WaiterConfig=_WAITER)

    def _describe(self, name: str) -> dict[str, Any] | None:
        try:
            answer = self.scope.client("lambda").get_function(FunctionName=name)
        except ClientError as error:
            if is_absent(error):
                return None
            raise
        check_owner(f"function {name}", answer.get("Tags", {}), self.scope)
        configuration: dict[str, Any] = answer["Configuration"]
        if configuration.get("State") == "Failed":
            raise DeployError(
                f"function {name} is in state Failed: {configuration.get('StateReason')}",
                hint="`snapshelf destroy`, then deploy again",
            )
        return configuration


def _code(wanted: Function) -> dict[str, Any]:
    """Where Lambda takes the zip from; a request of its API holds 50 MB of it at most."""
    if wanted.stored is None:
        return {"ZipFile": wanted.package.read_bytes()}
    bucket, key = wanted.stored
    return {"S3Bucket": bucket, "S3Key": key}


def _configuration(wanted: Function) -> dict[str, Any]:
    return {
        "Description": wanted.description,
        "Runtime": wanted.runtime,
        "Handler": wanted.handler,
        "Role": wanted.role_arn,
        "Timeout": wanted.timeout_seconds,
        "MemorySize": wanted.memory_mb,
        "Environment": {"Variables": dict(wanted.environment)},
    }


def _differences(standing: dict[str, Any], wanted: dict[str, Any]) -> tuple[str, ...]:
    """What is not as wanted, each variable of the environment by its name, those to go too."""
    before, after = map(_environment, (standing, wanted))
    gone = {name: _ABSENT for name in before if name not in after}
    return unlike(_flat(standing), _flat(wanted)) + unlike(
        {f"environment {name}": before.get(name, _ABSENT) for name in {**after, **gone}},
        {f"environment {name}": value for name, value in {**after, **gone}.items()},
    )


def _environment(configuration: dict[str, Any]) -> dict[str, str]:
    variables: dict[str, str] = configuration.get("Environment", {}).get("Variables", {})
    return variables


def _flat(configuration: dict[str, Any]) -> dict[str, Any]:
    names = ("Runtime", "Handler", "Role", "Timeout", "MemorySize")
    return {
        "description": configuration.get("Description", ""),
        **{name.lower(): configuration.get(name) for name in names},
    }
