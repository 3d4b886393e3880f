"""`snapshelf models retrain`: a new version, once people have named enough photos."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.deploy.plan import image_uri
from infra.deploy.scope import scope_of
from infra.images import INFERENCE_IMAGE
from infra.registry.feedback import Feedback
from infra.registry.traffic import Traffic
from infra.registry.versions import APPROVED, Registry
from recordio_prep.sources.opening import Opening, open_source
from scripts.locks import sole_use
from scripts.photo_sources import CACHE_FOLDER
from scripts.registered import accuracy_of, document_of, facts_of, print_result, read_card
from scripts.target_options import tell_step, with_json, with_target
from scripts.training_process import tell_log

if TYPE_CHECKING:
    from infra.deploy.scope import Scope
    from infra.registry.versions import Version
    from infra.targets import Target
    from recordio_prep.sources.source import Source
    from scripts.comparing import Result
    from scripts.retraining import Gathered, Given, Live

_LIVE = "live"


@click.command("retrain")
@click.argument("photos")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Named photos, records and model go there; made if absent.",
)
@click.option(
    "--when",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    metavar="N",
    help="Do nothing before people have named so many photos since the last time.",
)
@click.option("--validation", help="Photos of the same categories, for validation as a whole.")
@click.option(
    "--test",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Category folders that the live model and the new one are compared on.",
)
@click.option("--max-minutes", type=click.FloatRange(min=0, min_open=True), help="Time to train.")
@click.option(
    "--promote",
    is_flag=True,
    help="Let it answer at once if it has as many of --test right as the live model, or more.",
)
@with_target
@with_json
def retrain_command(
    *,
    photos: str,
    out: Path,
    when: int,
    validation: str | None,
    test: Path | None,
    max_minutes: float | None,
    promote: bool,
    name: str,
    target: Target,
    as_json: bool,
) -> None:
    """Train the live model again, once people have named enough photos.

    PHOTOS is what it was trained on: a folder of category folders, or anything else that
    `snapshelf prepare` takes. Photos that people named through the API (`snapshelf deploy
    --feedback`) are added; what shows the same as a photo of --test is not trained on. Size,
    network and hyperparameters are those of the live model. The new one is registered as a version,
    and waits for approval. Made for a nightly crontab: with too few photos the command ends at
    once, and a run that was broken off goes on.

    \b
    Example:
      snapshelf models retrain photos/train --test photos/test --when 100 --out retrained
    """  # noqa: D301  # click reads the backspace
    from scripts.retraining import Given, Live, gather, table

    if promote and test is None:
        raise click.UsageError("--promote needs --test: is the new model as good?")
    scope = scope_of(name, target)
    with tempfile.TemporaryDirectory() as folder, sole_use(out, ".retraining"):
        artifact = Traffic(scope).fetch(Path(folder))
        live = Live(artifact, read_card(artifact))
        gathered = gather(Feedback(scope), Registry(scope).versions(), live)
        document: dict[str, Any] = {**gathered.document(), "when": when, "retrained": False}
        _tell(table(gathered))
        if gathered.new < when:
            print_result(document, as_json, f"fewer than {when}: nothing is trained")
            return
        given = Given(
            open_source(photos, Opening(out / CACHE_FOLDER)),
            out,
            _opened(validation, out),
            _opened(str(test) if test else None, out),
            max_minutes,
        )
        version = _train(scope, given, live, gathered)
        result = _compare(live.artifact, out / "model", test)
    promoted = promote and result is not None and _is_as_good(result)
    if promoted:
        _promote(scope, version)
    document |= {
        "retrained": True,
        "version": document_of(version),
        "comparison": result and result.document(),
        "promoted": promoted,
    }
    print_result(
        document, as_json, "\n".join(_told(version, result, promoted=promoted, asked=promote))
    )


def _opened(address: str | None, out: Path) -> Source | None:
    return open_source(address, Opening(out / CACHE_FOLDER, may_lack=True)) if address else None


def _train(scope: Scope, given: Given, live: Live, gathered: Gathered) -> Version:
    from scripts.retraining import retrain

    new = retrain(given, live, gathered, Feedback(scope), tell_log)
    return Registry(scope).register(
        given.out / "model" / "model.tar.gz",
        image=image_uri(scope, INFERENCE_IMAGE),
        facts=facts_of(new) | gathered.facts,
        metrics=new.get("metrics") or {},
        description=f"trained again with {len(gathered.photos)} photos that people named",
    )


def _compare(live: Path, new: Path, test: Path | None) -> Result | None:
    if test is None:
        return None
    from scripts.comparing import compare_models

    return compare_models(live, new, test, None)


def _is_as_good(result: Result) -> bool:
    return result.comparison.second >= result.comparison.first


def _promote(scope: Scope, version: Version) -> None:
    registry = Registry(scope)
    with tempfile.TemporaryDirectory() as folder:
        artifact = registry.fetch(version, Path(folder))
        registry.decide(version, APPROVED)
        Traffic(scope).promote(artifact, tell_step)


def _told(version: Version, result: Result | None, *, promoted: bool, asked: bool) -> list[str]:
    from scripts.comparing import summary

    number = str(version.number)
    lines = [f"version {number}{accuracy_of(version)}"]
    if result:
        lines.append(summary(result, _LIVE, number, None))
    if promoted:
        lines.append(f"version {number} answers every request")
    elif asked:
        lines.append(f"version {number} has fewer photos right and was not promoted")
    else:
        lines.append(f"when you have looked at it: `snapshelf models promote {number}`")
    return lines


def _tell(lines: list[str]) -> None:
    for line in lines:
        click.echo(line, err=True)
