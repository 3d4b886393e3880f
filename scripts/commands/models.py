"""`snapshelf models`: versions of a model, compared, promoted, tried out and taken back."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contracts import DeployError
from infra.deploy.options import find_artifact
from infra.deploy.plan import image_uri
from infra.deploy.scope import scope_of
from infra.images import INFERENCE_IMAGE
from infra.registry.traffic import Traffic
from infra.registry.versions import APPROVED, REJECTED, Registry
from scripts.models_asked import compare_command, drift_command
from scripts.models_retrain import retrain_command
from scripts.registered import (
    accuracy_of,
    document_of,
    facts_of,
    print_result,
    read_card,
    refuse_other_categories,
    table,
)
from scripts.target_options import tell_step, with_json, with_target

if TYPE_CHECKING:
    from infra.registry.versions import Version
    from infra.targets import Target

_LONGEST = 1024  # ModelPackageDescription and ApprovalDescription in the service model


class OneLine(click.ParamType[str]):
    """A text that SageMaker takes as a description: one line of at most 1,024 characters."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, if it is one."""
        text = str(value)
        if not text.isprintable() or len(text) > _LONGEST:
            self.fail(
                f"{len(text):,} characters: expected one line of {_LONGEST:,} at most", param, ctx
            )
        return text


_with_other_categories = click.option(
    "--other-categories",
    is_flag=True,
    help="Though it knows other categories, or in another order, than what answers now.",
)


@click.group("models")
def models_group() -> None:
    """Versions of the model that a deployment serves.

    They are kept in SageMaker's own model registry, in a group that bears the deployment's name,
    with their figures, the fingerprint of the photos that they were trained on, and the code's
    version.

    \b
    Examples:
      snapshelf models register model
      snapshelf models compare live 2 photos/test
      snapshelf models try 2 --share 10
      snapshelf models promote 2
      snapshelf models rollback
    """  # noqa: D301  # click reads the backspace


@models_group.command("register")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@with_target
@click.option("--image", help="That serves it.  [default: ours]")
@click.option("--note", type=OneLine(), default="", help="What there is to say of it.")
@with_json
def register_command(
    *, model: Path, name: str, target: Target, image: str | None, note: str, as_json: bool
) -> None:
    """Store MODEL as a version, which waits for approval.

    MODEL is a model.tar.gz, or the folder that `snapshelf train` wrote it to. An artifact that is
    registered already keeps its version.
    """
    scope, artifact = scope_of(name, target), find_artifact(model)
    card = read_card(artifact)
    registry = Registry(scope)
    version = registry.register(
        artifact,
        image=image or image_uri(scope, INFERENCE_IMAGE),
        facts=facts_of(card),
        metrics=card.get("metrics") or {},
        description=note,
    )
    if note and version.description != note:
        _warn(f"registered before, and the note stays: {version.description or '(none)'}")
    if not Traffic(scope).shares():
        _warn(f"no endpoint of {name} stands on {target.name}: nothing answers yet")
    print_result(
        document_of(version), as_json, f"version {version.number} of {name}{accuracy_of(version)}"
    )


@models_group.command("list")
@with_target
@with_json
def list_command(*, name: str, target: Target, as_json: bool) -> None:
    """Show every version, the newest first, and which of them answer."""
    scope = scope_of(name, target)
    traffic = Traffic(scope)
    versions, now, before = Registry(scope).versions(), traffic.shares(), traffic.previous()
    document = {
        "versions": [document_of(version) for version in versions],
        "answering": [asdict(share) for share in now],
        "before": [asdict(share) for share in before],
    }
    known = {version.digits for version in versions}
    others = [
        f"{one.digits} answers and is not registered" for one in now if one.digits not in known
    ]
    told = table(versions, now, before) if versions else [f"no version of {name} is registered"]
    print_result(document, as_json, "\n".join([*told, *others]))


@models_group.command("promote")
@click.argument("number", type=click.IntRange(min=1))
@_with_other_categories
@with_target
@with_json
def promote_command(
    *, number: int, other_categories: bool, name: str, target: Target, as_json: bool
) -> None:
    """Approve version NUMBER and let it answer every request.

    No request is lost. What answered before is kept for `snapshelf models rollback`.
    """
    scope = scope_of(name, target)
    registry = Registry(scope)
    version = _acceptable(registry, number)
    with tempfile.TemporaryDirectory() as folder:
        artifact = registry.fetch(version, Path(folder))
        if not other_categories:
            refuse_other_categories(scope, version, artifact)
        registry.decide(version, APPROVED)
        Traffic(scope).promote(artifact, tell_step)
    told = f"version {number} answers every request{accuracy_of(version)}"
    print_result(document_of(registry.find(number)), as_json, told)


@models_group.command("try")
@click.argument("number", type=click.IntRange(min=1))
@with_target
@click.option(
    "--share",
    type=click.FloatRange(0, 100, min_open=True),
    default=10,
    show_default=True,
    metavar="PERCENT",
    help="Of the requests that it answers; with --shadow, that are copied to it.",
)
@click.option("--shadow", is_flag=True, help="Its answers go to nobody: to metrics and capture.")
@_with_other_categories
@with_json
def try_command(
    *,
    number: int,
    name: str,
    target: Target,
    share: float,
    shadow: bool,
    other_categories: bool,
    as_json: bool,
) -> None:
    """Let version NUMBER answer a share of the requests, beside what answers now.

    Replies of SageMaker's runtime name the variant that answered, CloudWatch has metrics of each.
    The trial ends with `promote` or `rollback`.
    """
    if share == 100 and not shadow:  # noqa: PLR2004 - per cent
        raise click.UsageError("--share 100 is no trial: promote the version")
    scope = scope_of(name, target)
    registry = Registry(scope)
    version = _acceptable(registry, number)
    with tempfile.TemporaryDirectory() as folder:
        artifact = registry.fetch(version, Path(folder))
        if not (shadow or other_categories):
            refuse_other_categories(scope, version, artifact)
        Traffic(scope).try_out(artifact, share / 100, tell_step, shadow=shadow)
    what = "gets a copy of" if shadow else "answers"
    print_result(
        document_of(version), as_json, f"version {number} {what} {share:g} % of the requests"
    )


@models_group.command("rollback")
@with_target
@with_json
def rollback_command(*, name: str, target: Target, as_json: bool) -> None:
    """Go back to what answered before; given again, it goes forth again."""
    scope = scope_of(name, target)
    traffic = Traffic(scope)
    traffic.rollback(tell_step)
    numbers = {version.digits: version.number for version in Registry(scope).versions()}
    (champion, *_) = traffic.shares()
    number = numbers.get(champion.digits)
    what = f"version {number}" if number else f"artifact {champion.digits}"
    print_result({**asdict(champion), "number": number}, as_json, f"{what} answers again")


@models_group.command("approve")
@click.argument("number", type=click.IntRange(min=1))
@with_target
@click.option("--reason", type=OneLine(), default="", help="Why.")
@with_json
def approve_command(*, number: int, name: str, target: Target, reason: str, as_json: bool) -> None:
    """Approve version NUMBER without promoting it."""
    _decide(Registry(scope_of(name, target)), number, APPROVED, reason, as_json=as_json)


@models_group.command("reject")
@click.argument("number", type=click.IntRange(min=1))
@with_target
@click.option("--reason", type=OneLine(), default="", help="Why.")
@with_json
def reject_command(*, number: int, name: str, target: Target, reason: str, as_json: bool) -> None:
    """Reject version NUMBER, so that nobody promotes or tries it by mistake.

    It goes on answering where it does so already, and the command says so.
    """
    scope = scope_of(name, target)
    registry = Registry(scope)
    _decide(registry, number, REJECTED, reason, as_json=as_json)
    if registry.find(number).digits in {share.digits for share in Traffic(scope).shares()}:
        _warn(f"version {number} still answers: `snapshelf models rollback`")


models_group.add_command(compare_command)
models_group.add_command(drift_command)
models_group.add_command(retrain_command)


def _acceptable(registry: Registry, number: int) -> Version:
    version = registry.find(number)
    if version.status == REJECTED:
        raise DeployError(
            f"version {number} of {registry.scope.name} was rejected: expected one that was not",
            hint=f"think again, and `snapshelf models approve {number}`",
        )
    return version


def _decide(registry: Registry, number: int, status: str, reason: str, *, as_json: bool) -> None:
    registry.decide(registry.find(number), status, reason)
    told = f"version {number} is {status.lower()}"
    print_result(document_of(registry.find(number)), as_json, told)


def _warn(text: str) -> None:
    click.echo(text, err=True)
