"""`snapshelf evaluate`: what a model is worth on a folder of photos."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from contracts import PAD, DatasetError, PhotoError
from photo import prepare_photo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evaluation.answers import Answers
    from hosting.model import Model
    from scripts.asking import Reply

_THUMBNAIL = 168


@click.command("evaluate", short_help="Measure a model on photos.")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.argument("photos", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where metrics.json, predictions.csv and report.html go; made if absent.",
)
@click.option(
    "--top-k",
    multiple=True,
    type=click.IntRange(min=1),
    metavar="K",
    default=(1, 3, 5),
    show_default=True,
    help="Count a photo as found among the best K; may be repeated.",
)
@click.option(
    "--wanted-precision",
    type=click.FloatRange(min=0, max=1, min_open=True),
    metavar="P",
    help="Choose thresholds by the precision they give, 0 to 1, in place of the best F1.",
)
@click.option(
    "--positive", metavar="CATEGORY", help="Also measure this category against all others."
)
@click.option("--json", "as_json", is_flag=True, help="Print metrics.json on stdout.")
def evaluate_command(
    *,
    model: Path,
    photos: Path,
    out: Path,
    top_k: tuple[int, ...],
    wanted_precision: float | None,
    positive: str | None,
    as_json: bool,
) -> None:
    """Measure MODEL on PHOTOS/<category>/, photo by photo, with the runtime that serves it.

    MODEL is a model.tar.gz or the folder that holds one. A photo that cannot be read counts
    neither way; it is listed, with its reason, in predictions.csv. report.html is one page with
    plots and the surest mistakes, and metrics.json holds the same for programs.

    \b
    Examples:
      snapshelf evaluate model photos/test --out report
      snapshelf evaluate model photos/test --out report --positive mobile --wanted-precision 0.99
    """  # noqa: D301 (click wants the character \b itself before lines that stay as they are)
    from evaluation.report import write_report
    from evaluation.trust import Trust
    from scripts.asking import as_answers, ask, find_photos, load_model
    from scripts.predictions import write_predictions

    _make(out)
    loaded = load_model(model)
    trust = Trust.from_card(loaded.card)
    _check_one_category(loaded)
    found = find_photos(photos, loaded.classes)
    _check_positive(positive, loaded)
    start = time.perf_counter()
    replies = list(tqdm(ask(loaded, photos, found), total=len(found), unit="photo", disable=None))
    seconds = time.perf_counter() - start
    write_predictions(out, replies, loaded.classes, trust)
    _check_read(replies)
    answers = as_answers(replies, loaded.classes, trust.temperature)
    metrics = write_report(
        out,
        answers,
        title=f"{loaded.card.get('network') or 'Model'} on {photos.name or photos}",
        history=_history(loaded),
        tree=loaded.card.get("tree"),
        thumbnails=_thumbnails(photos, answers),
        seconds=seconds,
        calibration=trust,
        wanted_precision=wanted_precision,
        positive=positive,
        top_k=sorted({1, *top_k}),
        facts={"model_version": loaded.version, "unreadable": len(replies) - len(answers)},
    )
    click.echo(json.dumps(metrics, ensure_ascii=False) if as_json else _summary(metrics, out))


def _check_one_category(model: Model) -> None:
    """A folder tells one category a photo, and the figures are those of a softmax."""
    if model.card.get("multi_label"):
        raise DatasetError(
            "multi_label true in the model card: expected a model of one category a photo",
            hint="the training of such a model writes a report of its own beside it",
        )


def _check_positive(positive: str | None, model: Model) -> None:
    """Refuse an unknown category before hours of asking, not after."""
    if positive is not None and positive not in model.classes:
        raise DatasetError(
            f"--positive {positive}: unknown category,"
            f" expected one of {', '.join(sorted(model.classes))}",
            hint="name a category as the model does",
        )


def _check_read(replies: Sequence[Reply]) -> None:
    if all(reply.error for reply in replies):
        raise DatasetError(
            "none of the photos could be read", hint="the reasons: predictions.csv in --out"
        )


def _history(model: Model) -> list[dict[str, Any]]:
    """The epochs that the model card tells of, if it does."""
    metrics = model.card.get("metrics")
    epochs = metrics.get("epochs") if isinstance(metrics, dict) else None
    return [epoch for epoch in epochs or [] if isinstance(epoch, dict)]


def _thumbnails(root: Path, answers: Answers) -> Callable[[int], bytes | None]:
    """A small picture of a photo, by its index; None if it is gone since it was asked about."""
    names = answers.names or ()

    def thumbnail(number: int) -> bytes | None:
        try:
            image = prepare_photo((root / names[number]).read_bytes(), _THUMBNAIL, PAD)
        except (PhotoError, OSError):
            return None
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85)
        return buffer.getvalue()

    return thumbnail


def _summary(metrics: dict[str, Any], out: Path) -> str:
    lines = [
        f"accuracy {metrics['accuracy']:.2%} ({metrics['right']} of {metrics['photos']})",
        f"macro F1 {metrics['averages']['macro']['f1']:.3f}, log loss {metrics['log_loss']:.3f}",
    ]
    if "positive" in metrics:
        lines.append(_positive_line(metrics["positive"]))
    lines.append(f"{metrics['unreadable']} unreadable; {metrics['photos_per_second']:.0f} photos/s")
    return "\n".join([*lines, f"report: {out / 'report.html'}"])


def _positive_line(positive: dict[str, Any]) -> str:
    limit = positive["threshold"]
    where = "it is never named" if limit is None else f"from {limit:.3f}"
    return f"{positive['category']} or not: {positive['accuracy']:.2%} right ({where})"


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(
            f"{out}: {error.strerror}", hint="give a folder that can be written to"
        ) from error
