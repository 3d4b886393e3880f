"""`snapshelf calibrate`: probabilities that can be taken literally, for a model without."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from contracts import DEFAULT_RUNTIME, ArtifactError, DatasetError
from scripts.rewriting import rewritten

if TYPE_CHECKING:
    from evaluation.answers import Answers
    from hosting.model import Model
    from optimisation.calibrating import Calibrated

logger = logging.getLogger(__name__)


@click.command("calibrate", short_help="Give a model calibrated probabilities.")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--photos",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Category folders of photos that the model was not trained on.",
)
@click.option(
    "--wanted-precision",
    type=click.FloatRange(min=0, max=1, min_open=True),
    metavar="P",
    help="Choose thresholds by the precision they give, 0 to 1, in place of the best F1.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the new model.tar.gz goes; made if absent.  [default: in place]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def calibrate_command(
    *,
    model: Path,
    photos: Path,
    wanted_precision: float | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Fit MODEL's temperature, thresholds and bound of the familiar on PHOTOS.

    Training does so by itself, on the validation photos. This is for an artifact of SageMaker's own
    algorithm, once `snapshelf convert` has been over it, and for photos from elsewhere. A photo's
    most probable category stays what it was. Measure the result on others than PHOTOS.

    \b
    Example:
      snapshelf calibrate shop --photos photos/validation
    """  # noqa: D301  # click reads the backspace
    from hosting.model import Model
    from optimisation.calibrating import calibrate

    with rewritten(model, out) as contents:
        loaded = Model.load(contents, threads=1, runtime=DEFAULT_RUNTIME)
        answers = _ask(loaded, photos)
        found = calibrate(contents, answers, wanted_precision=wanted_precision)
    for note in found.trust.notes:
        logger.warning("%s", note)
    click.echo(_as_json(found, answers) if as_json else _summary(found, answers))


def _ask(model: Model, photos: Path) -> Answers:
    """The model's answers to the photos that can be read; the others are told.

    Raises:
        ArtifactError: it tells no logits.
        DatasetError: a photo may be of several categories, or none of the photos can be read.
    """
    from scripts.asking import as_answers, ask, find_photos

    if model.multi_label:
        raise DatasetError(
            "multi_label true in the model card: expected a model of one category a photo",
            hint="the training of such a model calibrates it",
        )
    found = find_photos(photos, model.classes)
    replies = list(tqdm(ask(model, photos, found), total=len(found), unit="photo", disable=None))
    for reply in replies:
        if reply.error:
            logger.warning("%s: left out: %s", photos / reply.path, reply.error)
    if all(reply.error for reply in replies):
        raise DatasetError("none of the photos could be read", hint="give folders of photos")
    answers = as_answers(replies, model.classes)
    if not answers.has_energy:
        raise ArtifactError(
            "the network tells probabilities alone: expected an output logits",
            hint="convert SageMaker's own artifact again, or train the model again",
        )
    return answers


def _as_json(found: Calibrated, answers: Answers) -> str:
    errors = {"before": found.before, "after": found.after}
    told = {**found.trust.to_card(), "calibration_error": errors, "photos": len(answers)}
    return json.dumps(told, ensure_ascii=False)


def _summary(found: Calibrated, answers: Answers) -> str:
    return (
        f"temperature {found.trust.temperature:.3f}, fitted on {len(answers)} photos\n"
        f"expected calibration error {found.before:.2%} before, {found.after:.2%} after (each half "
        "with the other's temperature)"
    )
