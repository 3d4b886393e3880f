"""The IAM roles that the containers and the function run under."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.deploy.policies import trust_policy
from infra.deploy.service import check_owner, is_absent, tags_of, unlike

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.deploy.resources import Role, RolePolicy
    from infra.deploy.scope import Scope
    from infra.deploy.service import Report

POLICY_NAME = "least-privilege"
_KNOWN_SECONDS = 90  # a new role takes about 10 s to be known in all of AWS
_POLL_SECONDS = 3.0
_NOT_YET_KNOWN = re.compile(
    r"must allow .* to assume the role|cannot be assumed|could not assume role"
    r"|could not access model data",
    re.IGNORECASE,
)
"""How EventBridge, Lambda and SageMaker refuse a role, or its policy, that is too new for them."""


@dataclass(frozen=True, slots=True)
class RoleService:
    """IAM roles with one inline policy each."""

    scope: Scope

    def differences(self, wanted: Role) -> tuple[str, ...] | None:
        role = self._describe(wanted.name)
        if role is None:
            return None
        standing = {
            "trust": role["AssumeRolePolicyDocument"],
            "policy": self._policy(wanted.name),
        }
        return unlike(
            standing, {"trust": trust_policy(wanted.service), "policy": json.loads(wanted.policy)}
        )

    def apply(self, wanted: Role, report: Report) -> None:  # noqa: ARG002 (takes no time)
        iam = self.scope.client("iam")
        trust = json.dumps(trust_policy(wanted.service))
        if self._describe(wanted.name) is None:
            iam.create_role(
                RoleName=wanted.name, AssumeRolePolicyDocument=trust, Tags=self.scope.tag_list
            )
        else:
            iam.update_assume_role_policy(RoleName=wanted.name, PolicyDocument=trust)
        iam.put_role_policy(
            RoleName=wanted.name, PolicyName=POLICY_NAME, PolicyDocument=wanted.policy
        )

    def delete(self, name: str) -> bool:
        """Delete the role and its policies; whether it was there."""
        if self._describe(name) is None:
            return False
        iam = self.scope.client("iam")
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)
        return True

    def exists(self, name: str) -> bool:
        """Whether the role stands.

        Raises:
            DeployError: it does, and is another's.
        """
        return self._describe(name) is not None

    def _describe(self, name: str) -> dict[str, Any] | None:
        try:
            role: dict[str, Any] = self.scope.client("iam").get_role(RoleName=name)["Role"]
        except ClientError as error:
            if is_absent(error):
                return None
            raise
        check_owner(f"role {name}", tags_of(role.get("Tags", [])), self.scope)
        return role

    def _policy(self, name: str) -> dict[str, Any] | None:
        try:
            answer = self.scope.client("iam").get_role_policy(RoleName=name, PolicyName=POLICY_NAME)
        except ClientError as error:
            if is_absent(error):
                return None
            raise
        document: dict[str, Any] = answer["PolicyDocument"]
        return document


@dataclass(frozen=True, slots=True)
class RolePolicyService:
    """Further inline policies of roles; they go with their role."""

    scope: Scope

    def differences(self, wanted: RolePolicy) -> tuple[str, ...] | None:
        try:
            answer = self.scope.client("iam").get_role_policy(
                RoleName=wanted.name, PolicyName=wanted.policy_name
            )
        except ClientError as error:
            if is_absent(error):
                return None
            raise
        return unlike({"policy": answer["PolicyDocument"]}, {"policy": json.loads(wanted.policy)})

    def apply(self, wanted: RolePolicy, report: Report) -> None:  # noqa: ARG002 (takes no time)
        self.scope.client("iam").put_role_policy(
            RoleName=wanted.name, PolicyName=wanted.policy_name, PolicyDocument=wanted.policy
        )


def until_role_is_known(create: Callable[[], object], report: Report) -> None:
    """Call `create`, again and again while it is refused only because its role is too new.

    Raises:
        ClientError: it is refused for another reason, or still after a minute and a half.
    """
    until = time.monotonic() + _KNOWN_SECONDS
    while True:
        try:
            create()
        except ClientError as error:
            if not _NOT_YET_KNOWN.search(str(error)) or time.monotonic() > until:
                raise
        else:
            return
        report("waiting for the role to be known")
        time.sleep(_POLL_SECONDS)
