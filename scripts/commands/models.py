"""`snapshelf models`: versions of a model, compared, promoted, tried out and taken back."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contracts import DatasetError, DeployError
from infra.deploy.options import find_artifact
from infra.deploy.plan import image_uri
from infra.deploy.scope import scope_of
from infra.images import INFERENCE_IMAGE
from infra.registry.traffic import Traffic
from infra.registry.versions import APPROVED, REJECTED, Registry
from scripts.models_retrain import retrain_command
from scripts.registered import accuracy_of, document_of, facts_of, find_model, read_card, table
from scripts.target_options import tell_step, with_target

if TYPE_CHECKING:
    from infra.targets import Target


_with_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout."
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
@click.option("--note", default="", help="What there is to say of it.")
@_with_json
def register_command(
    *, model: Path, name: str, target: Target, image: str | None, note: str, as_json: bool
) -> None:
    """Store MODEL as a version, which waits for approval.

    MODEL is a model.tar.gz, or the folder that `snapshelf train` wrote it to. An artifact that is
    registered already keeps its version.
    """
    scope, artifact = scope_of(name, target), find_artifact(model)
    card = read_card(artifact)
    version = Registry(scope).register(
        artifact,
        image=image or image_uri(scope, INFERENCE_IMAGE),
        facts=facts_of(card),
        metrics=card.get("metrics") or {},
        description=note,
    )
    _print(
        document_of(version), as_json, f"version {version.number} of {name}{accuracy_of(version)}"
    )


@models_group.command("list")
@with_target
@_with_json
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
    _print(document, as_json, "\n".join([*told, *others]))


@models_group.command("promote")
@click.argument("number", type=click.IntRange(min=1))
@with_target
@_with_json
def promote_command(*, number: int, name: str, target: Target, as_json: bool) -> None:
    """Approve version NUMBER and let it answer every request.

    No request is lost. What answered before is kept for `snapshelf models rollback`.
    """
    scope = scope_of(name, target)
    registry = Registry(scope)
    version = registry.find(number)
    if version.status == REJECTED:
        raise DeployError(
            f"version {number} of {name} was rejected: expected one that was not",
            hint=f"think again, and `snapshelf models approve {number}`",
        )
    with tempfile.TemporaryDirectory() as folder:
        artifact = registry.fetch(version, Path(folder))
        registry.decide(version, APPROVED)
        Traffic(scope).promote(artifact, tell_step)
    told = f"version {number} answers every request{accuracy_of(version)}"
    _print(document_of(registry.find(number)), as_json, told)


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
@_with_json
def try_command(
    *, number: int, name: str, target: Target, share: float, shadow: bool, as_json: bool
) -> None:
    """Let version NUMBER answer a share of the requests, beside what answers now.

    Replies of SageMaker's runtime name the variant that answered, CloudWatch has metrics of each.
    The trial ends with `promote` or `rollback`.
    """
    if share == 100 and not shadow:  # noqa: PLR2004 - per cent
        raise click.UsageError("--share 100 is no trial: promote the version")
    scope = scope_of(name, target)
    registry = Registry(scope)
    version = registry.find(number)
    with tempfile.TemporaryDirectory() as folder:
        artifact = registry.fetch(version, Path(folder))
        Traffic(scope).try_out(artifact, share / 100, tell_step, shadow=shadow)
    what = "gets a copy of" if shadow else "answers"
    _print(document_of(version), as_json, f"version {number} {what} {share:g} % of the requests")


@models_group.command("rollback")
@with_target
@_with_json
def rollback_command(*, name: str, target: Target, as_json: bool) -> None:
    """Go back to what answered before; given again, it goes forth again."""
    scope = scope_of(name, target)
    traffic = Traffic(scope)
    traffic.rollback(tell_step)
    numbers = {version.digits: version.number for version in Registry(scope).versions()}
    (champion, *_) = traffic.shares()
    number = numbers.get(champion.digits)
    what = f"version {number}" if number else f"artifact {champion.digits}"
    _print({**asdict(champion), "number": number}, as_json, f"{what} answers again")


@models_group.command("approve")
@click.argument("number", type=click.IntRange(min=1))
@with_target
@click.option("--reason", default="", help="Why.")
@_with_json
def approve_command(*, number: int, name: str, target: Target, reason: str, as_json: bool) -> None:
    """Approve version NUMBER without promoting it."""
    _decide(Registry(scope_of(name, target)), number, APPROVED, reason, as_json=as_json)


@models_group.command("reject")
@click.argument("number", type=click.IntRange(min=1))
@with_target
@click.option("--reason", default="", help="Why.")
@_with_json
def reject_command(*, number: int, name: str, target: Target, reason: str, as_json: bool) -> None:
    """Reject version NUMBER, so that nobody promotes it by mistake."""
    _decide(Registry(scope_of(name, target)), number, REJECTED, reason, as_json=as_json)


@models_group.command("compare")
@click.argument("first", metavar="FIRST")
@click.argument("second", metavar="SECOND")
@click.argument("photos", type=click.Path(exists=True, file_okay=False, path_type=Path))
@with_target
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where differences.csv goes: the photos that the two name otherwise.",
)
@_with_json
def compare_command(
    *,
    first: str,
    second: str,
    photos: Path,
    name: str,
    target: Target,
    out: Path | None,
    as_json: bool,
) -> None:
    """Ask two models about the same PHOTOS/<category>/, and say whether one is better.

    FIRST and SECOND are version numbers, `live` for what answers now, or paths of models.
    """
    from scripts.comparing import compare_models, summary

    with tempfile.TemporaryDirectory() as folder:
        paths = [
            find_model(given, name, target, Path(folder) / side)
            for given, side in ((first, "first"), (second, "second"))
        ]
        result = compare_models(paths[0], paths[1], photos, out)
    _print(result.document(), as_json, summary(result, first, second, out))


@models_group.command("drift")
@click.argument("model", metavar="MODEL")
@click.argument("incoming", required=False)
@click.option(
    "--reference",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Photos that MODEL was validated or tested on.",
)
@click.option(
    "--days",
    type=click.FloatRange(0, min_open=True),
    help="Only what came in within so many days, by the time of change.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=5000,
    show_default=True,
    help="Most photos of INCOMING that are looked at.",
)
@with_target
@click.option("--strict", is_flag=True, help="End with 1 if something has drifted.")
@_with_json
def drift_command(
    *,
    model: str,
    incoming: str | None,
    reference: Path,
    days: float | None,
    sample: int,
    name: str,
    target: Target,
    strict: bool,
    as_json: bool,
) -> None:
    """Say whether the photos in INCOMING are still like those that MODEL was made for.

    Compares what the network saw (brightness, contrast, colour) and what it answered (confidence,
    energy, categories). MODEL is a version number, `live`, or a path. INCOMING is a folder or
    s3://bucket/prefix/ of photos, with or without categories, or of what SageMaker's data capture
    wrote; left out, it is what `snapshelf deploy --data-capture` kept of this deployment.
    """
    from scripts.asking import load_model
    from scripts.drifting import find_drift
    from scripts.drifting import table as drift_table
    from scripts.incoming import Photos, find_incoming, places_in

    came = find_incoming(incoming, name, target, days)
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_model(find_model(model, name, target, Path(folder) / "model"))
    drift = find_drift(loaded, came, Photos(str(reference), places_in(reference)), sample)
    _print(drift.document(), as_json, "\n".join(drift_table(drift)))
    if strict and drift.size != "none":
        raise DatasetError(
            f"{came.name} has drifted from {reference}: {drift.size}",
            hint="look at the photos, name some of them, and train again",
        )


models_group.add_command(retrain_command)


def _decide(registry: Registry, number: int, status: str, reason: str, *, as_json: bool) -> None:
    registry.decide(registry.find(number), status, reason)
    told = f"version {number} is {status.lower()}"
    _print(document_of(registry.find(number)), as_json, told)


def _print(document: dict[str, Any], as_json: bool, text: str) -> None:
    click.echo(json.dumps(document, ensure_ascii=False) if as_json else text)
