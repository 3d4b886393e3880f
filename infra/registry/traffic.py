"""Which registered version answers: promoted, tried on a share of requests, rolled back."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from contracts import ARTIFACT_FILE, DeployError
from infra.deploy.endpoints import PREVIOUS_TAG, VARIANT, EndpointService
from infra.deploy.executor import apply
from infra.deploy.options import DeployOptions
from infra.deploy.plan import Plan, model_plan
from infra.deploy.resources import Endpoint, EndpointConfig
from infra.deploy.scope import tag_list
from infra.deploy.service import is_absent
from infra.deploy.storage import TRANSFER
from infra.registry.refusals import refusals

if TYPE_CHECKING:
    from pathlib import Path

    from infra.deploy.executor import OnStep
    from infra.deploy.scope import Scope

CHALLENGER = "Challenger"
"""The variant that a version on trial answers from."""

_CAPTURE = "DataCaptureConfig"
_HINT = "deploy a model first: `snapshelf deploy MODEL`"


@dataclass(frozen=True, slots=True)
class Share:
    """One model that answers, or answers in the shadow.

    Attributes:
        variant: its name at the endpoint, as replies of SageMaker's runtime tell it.
        digits: the first 12 hex digits of its artifact's SHA-256.
        share: of the requests, 0 to 1; of a shadow, of those that are copied to it.
        shadow: whether its answers go to nobody.
    """

    variant: str
    digits: str
    share: float
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Traffic:
    """The endpoint of a deployment, as far as versions of its model are concerned."""

    scope: Scope

    def shares(self) -> tuple[Share, ...]:
        """Who answers now, the champion first; empty where no endpoint stands.

        Raises:
            DeployError: the target refuses.
        """
        with refusals(self.scope, "read the endpoint"):
            current, _ = self._endpoint.generations(self.scope.endpoint)
            return self._shares(current) if current else ()

    def previous(self) -> tuple[Share, ...]:
        """Who answered before; empty where there was nobody, or it is gone.

        Raises:
            DeployError: the target refuses.
        """
        with refusals(self.scope, "read the endpoint"):
            _, former = self._endpoint.generations(self.scope.endpoint)
            return self._shares(former) if former else ()

    def fetch(self, folder: Path) -> Path:
        """The artifact of what answers now, downloaded into a folder.

        Raises:
            DeployError: nothing is deployed, or the target refuses.
        """
        champion, path = self._standing()["ProductionVariants"][0], folder / ARTIFACT_FILE
        with refusals(self.scope, "fetch the model that answers"):
            url = self._container(champion["ModelName"])["ModelDataUrl"]
            bucket, _, key = url.removeprefix("s3://").partition("/")
            self.scope.client("s3").download_file(bucket, key, str(path), Config=TRANSFER)
        return path

    def promote(self, artifact: Path, on_step: OnStep) -> None:
        """Let an artifact answer every request, on the instances that stand now.

        A trial that is under way ends with it; what answered before the trial is what `rollback`
        goes back to.

        Raises:
            DeployError: nothing is deployed, or a step failed.
        """
        standing, before = self._standing(), self._before_trial()
        apply(model_plan(self.scope, self._options(artifact, standing)), on_step)
        if before:
            self._note_previous(before)

    def try_out(self, artifact: Path, share: float, on_step: OnStep, *, shadow: bool) -> None:
        """Let an artifact answer a share of the requests beside what answers now.

        Args:
            artifact: of the challenger.
            share: above 0, below 1; of a shadow also 1.
            on_step: hears of every resource.
            shadow: whether it gets copies, and its answers go to nobody.

        Raises:
            DeployError: nothing is deployed, it is the champion itself, or a step failed.
        """
        standing, before = self._standing(), self._before_trial()
        plan = model_plan(self.scope, self._options(artifact, standing))
        wanted = next(p.resource for p in plan.planned if isinstance(p.resource, EndpointConfig))
        champion = standing["ProductionVariants"][0]
        if champion["ModelName"] == wanted.model:
            raise DeployError(
                "the version on trial is the one that answers already: expected another",
                hint="see who answers: `snapshelf models list`",
            )
        kept = (Endpoint, EndpointConfig)
        model = tuple(p for p in plan.planned if not isinstance(p.resource, kept))
        apply(Plan(self.scope, model), on_step)
        with refusals(self.scope, "begin a trial"):
            name = self._make_trial(standing, wanted, share, shadow=shadow)
            self._switch(name, on_step)
        if before:  # one trial in place of another: the way back is to what answered before both
            self._note_previous(before)

    def rollback(self, on_step: OnStep) -> None:
        """Go back to what answered before; nothing is uploaded.

        Raises:
            DeployError: nothing answered before, or it is gone.
        """
        self._standing()
        with refusals(self.scope, "roll back the endpoint"):
            _, former = self._endpoint.generations(self.scope.endpoint)
            if former is None or self._config(former) is None:
                raise DeployError(
                    f"endpoint {self.scope.endpoint}: there is nothing to go back to",
                    hint="promote a version: `snapshelf models promote NUMBER`",
                )
            self._switch(former, on_step)

    @property
    def _endpoint(self) -> EndpointService:
        return EndpointService(self.scope)

    def _standing(self) -> dict[str, Any]:
        """The configuration in service."""
        with refusals(self.scope, "read the endpoint"):
            current, _ = self._endpoint.generations(self.scope.endpoint)
            found = self._config(current) if current else None
        if found is None:
            raise DeployError(
                f"no endpoint {self.scope.endpoint} stands on {self.scope.target.name}: versions"
                " answer from an endpoint",
                hint=_HINT,
            )
        return found

    def _before_trial(self) -> str | None:
        """The configuration that was in service before a trial; None where there is no trial."""
        if len(self.shares()) < 2:  # noqa: PLR2004 - champion and challenger
            return None
        return self._endpoint.generations(self.scope.endpoint)[1]

    def _options(self, artifact: Path, standing: dict[str, Any]) -> DeployOptions:
        champion = standing["ProductionVariants"][0]
        capture = standing.get(_CAPTURE, {})
        return DeployOptions(
            artifact,
            image=self._container(champion["ModelName"])["Image"],
            instance_type=champion["InstanceType"],
            instance_count=champion["InitialInstanceCount"],
            data_capture=capture.get("InitialSamplingPercentage"),
        )

    def _make_trial(
        self, standing: dict[str, Any], wanted: EndpointConfig, share: float, *, shadow: bool
    ) -> str:
        champion = standing["ProductionVariants"][0]
        members = ("ModelName", "InstanceType", "InitialInstanceCount")
        stays = {name: champion[name] for name in members} | {"VariantName": VARIANT}
        comes = stays | {"VariantName": CHALLENGER, "ModelName": wanted.model}
        stays["InitialVariantWeight"] = 1.0 if shadow else 1 - share
        comes["InitialVariantWeight"] = share
        kept = {_CAPTURE: standing[_CAPTURE]} if standing.get(_CAPTURE) else {}
        facts = json.dumps([stays, comes, shadow, *kept.values()], sort_keys=True).encode()
        name = f"{self.scope.name}-{hashlib.sha256(facts).hexdigest()[:12]}"
        if self._config(name) is None:
            kinds = {"ShadowProductionVariants": [comes]} if shadow else {}
            self.scope.client("sagemaker").create_endpoint_config(
                EndpointConfigName=name,
                ProductionVariants=[stays] if shadow else [stays, comes],
                Tags=self.scope.tag_list,
                **kinds,
                **kept,
            )
        return name

    def _switch(self, config: str, on_step: OnStep) -> None:
        label, wanted = f"endpoint {self.scope.endpoint}", Endpoint(self.scope.endpoint, config)
        self._endpoint.apply(wanted, lambda text: on_step(label, text))
        on_step(label, "changed")

    def _note_previous(self, config: str) -> None:
        with refusals(self.scope, "tag the endpoint"):
            sagemaker = self.scope.client("sagemaker")
            arn = sagemaker.describe_endpoint(EndpointName=self.scope.endpoint)["EndpointArn"]
            sagemaker.add_tags(ResourceArn=arn, Tags=tag_list({PREVIOUS_TAG: config}))

    def _shares(self, config: str) -> tuple[Share, ...]:
        found = self._config(config) or {"ProductionVariants": []}
        variants = found["ProductionVariants"]
        total = sum(one["InitialVariantWeight"] for one in variants) or 1.0
        answering = [self._share(one, one["InitialVariantWeight"] / total) for one in variants]
        shadows = [
            dataclasses.replace(self._share(one, one["InitialVariantWeight"]), shadow=True)
            for one in found.get("ShadowProductionVariants", [])
        ]
        return (*answering, *shadows)

    def _share(self, variant: dict[str, Any], share: float) -> Share:
        url = self._container(variant["ModelName"]).get("ModelDataUrl", "")
        return Share(variant["VariantName"], url.split("/")[-2] if "/" in url else "", share)

    def _container(self, model: str) -> dict[str, Any]:
        described = self.scope.client("sagemaker").describe_model(ModelName=model)
        container: dict[str, Any] = described["PrimaryContainer"]
        return container

    def _config(self, name: str) -> dict[str, Any] | None:
        sagemaker = self.scope.client("sagemaker")
        try:
            found: dict[str, Any] = sagemaker.describe_endpoint_config(EndpointConfigName=name)
        except ClientError as error:
            if is_absent(error):
                return None
            raise
        return found
