"""What earlier runs made and the deployment has no use for any more."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from botocore.exceptions import ClientError

from infra.deploy.endpoints import EndpointConfigService, EndpointService, ModelService
from infra.deploy.keys import ApiKeyService
from infra.deploy.logs import LogGroupService
from infra.deploy.policies import FUNCTION_PREFIX, MODEL_PREFIX
from infra.deploy.roles import RoleService
from infra.deploy.service import is_absent
from infra.deploy.storage import delete_objects, list_objects

if TYPE_CHECKING:
    from infra.deploy.resources import Leftovers
    from infra.deploy.scope import Scope
    from infra.deploy.service import Report

Removal: TypeAlias = tuple[str, Callable[[], object]]
"""What is to go, and what deletes it."""


@dataclass(frozen=True, slots=True)
class LeftoversService:
    """Superseded models, configurations, artifacts and bundles; what another variant needed."""

    scope: Scope

    def differences(self, wanted: Leftovers) -> tuple[str, ...]:
        found = self._found(wanted, lambda _: None)
        return tuple(label for label, _ in found)

    def apply(self, wanted: Leftovers, report: Report) -> None:
        for label, delete in self._found(wanted, report):
            report(f"removing {label}")
            delete()

    def _found(self, wanted: Leftovers, report: Report) -> list[Removal]:
        """What is to go, users before what they use."""
        revisions = self._kept_revisions(wanted)
        return [
            *(self._endpoint(report) if wanted.revision is None else ()),
            *self._other_endpoints(wanted, report),
            *self._superseded(revisions),
            *self._objects(MODEL_PREFIX, self._kept_artifacts(wanted, revisions)),
            *self._objects(FUNCTION_PREFIX, self._kept_bundles(wanted)),
            *self._key(wanted),
        ]

    def _kept_revisions(self, wanted: Leftovers) -> set[str]:
        """The wanted one and the one before it, which before a switch is still in service."""
        if wanted.revision is None:
            return set()
        served = {self.scope.endpoint: wanted.revision}
        served |= {other.endpoint: other.revision for other in wanted.others}
        kept: set[str] = set()
        for endpoint, revision in served.items():
            in_service, previous = EndpointService(self.scope).generations(endpoint)
            former = previous if in_service == revision else in_service
            kept |= {revision, *([former] if former else [])}
        return kept

    def _endpoint(self, report: Report) -> list[Removal]:
        """An endpoint that is paid for by the hour, though the function holds the model now."""
        scope = self.scope
        roles = RoleService(scope)
        found: list[Removal] = []
        if EndpointService(scope).generations(scope.endpoint)[0] is not None:
            found.append(self._endpoint_itself(scope.endpoint, report))
        found.extend(self._logs(scope.endpoint))
        if roles.exists(scope.hosting_role):
            delete = functools.partial(roles.delete, scope.hosting_role)
            found.append((f"role {scope.hosting_role}", delete))
        return found

    def _other_endpoints(self, wanted: Leftovers, report: Report) -> list[Removal]:
        """Of models that the deployment has no more."""
        kept = {other.endpoint for other in wanted.others}
        return [
            removal
            for name in EndpointService(self.scope).others()
            if name not in kept
            for removal in (self._endpoint_itself(name, report), *self._logs(name))
        ]

    def _endpoint_itself(self, name: str, report: Report) -> Removal:
        delete = functools.partial(EndpointService(self.scope).delete, name, report)
        return f"endpoint {name}", delete

    def _logs(self, endpoint: str) -> list[Removal]:
        logs, group = LogGroupService(self.scope), self.scope.logs_of(endpoint)
        if not logs.exists(group):
            return []
        return [(f"log group {group}", functools.partial(logs.delete, group))]

    def _superseded(self, kept: set[str]) -> list[Removal]:
        configs, models = EndpointConfigService(self.scope), ModelService(self.scope)
        return [
            (f"{kind} {name}", functools.partial(service.delete, name))
            for kind, service in (("endpoint configuration", configs), ("model", models))
            for name in service.names()
            if name not in kept
        ]

    def _kept_artifacts(self, wanted: Leftovers, revisions: set[str]) -> set[str | None]:
        models = ModelService(self.scope)
        urls = {models.artifact_url(name) for name in revisions} - {None}
        prefix = f"s3://{self.scope.artifact_bucket}/"
        others = {other.artifact for other in wanted.others}
        return {wanted.artifact, *others, *(str(url).removeprefix(prefix) for url in urls)}

    def _kept_bundles(self, wanted: Leftovers) -> set[str | None]:
        """The function's own, and of the others the one that was uploaded last."""
        if wanted.bundle is None:
            return set()
        others = [key for key in self._stored(FUNCTION_PREFIX) if key != wanted.bundle]
        return {wanted.bundle, *others[-1:]}

    def _objects(self, folder: str, kept: set[str | None]) -> list[Removal]:
        bucket, s3 = self.scope.artifact_bucket, self.scope.client("s3")
        return [
            (key, functools.partial(delete_objects, s3, bucket, [key]))
            for key in self._stored(folder)
            if key not in kept
        ]

    def _stored(self, folder: str) -> list[str]:
        """The keys in a folder of the bucket, oldest first; none where there is no bucket yet."""
        try:
            found = list_objects(self.scope.client("s3"), self.scope.artifact_bucket, f"{folder}/")
        except ClientError as error:
            if is_absent(error):
                return []
            raise
        return [entry["Key"] for entry in sorted(found, key=lambda entry: entry["LastModified"])]

    def _key(self, wanted: Leftovers) -> list[Removal]:
        keys = ApiKeyService(self.scope)
        if wanted.has_key or not keys.exists(self.scope.api):
            return []
        return [(f"API key {self.scope.api}", lambda: keys.delete(self.scope.api))]
