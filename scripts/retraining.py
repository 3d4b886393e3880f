"""The live model trained again, in the same way, with the photos that people named since."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from contracts import DatasetError, TrainingError
from infra.registry.feedback import Feedback, by_category
from recordio_prep import prepare
from recordio_prep.one_against_rest import REST
from recordio_prep.sources.folders import Folders
from recordio_prep.sources.together import Together
from scripts.training_process import train

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from infra.registry.feedback import Named
    from infra.registry.versions import Version
    from recordio_prep.sources.source import Source

NAMED, UNTIL = "named", "named_until"
"""Facts of a version: how many named photos it was trained with, and when the newest came."""

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_BINARY = 2


@dataclass(frozen=True, slots=True)
class Gathered:
    """What people have named, as far as the live model knows the categories.

    Attributes:
        photos: all of them.
        new: how many came since the last training with named photos.
        since: when the newest photo of that training came; None where there was none.
        unknown: photos by category that the model does not know; they are not trained on.
    """

    photos: Sequence[Named]
    new: int
    since: datetime | None
    unknown: Mapping[str, int] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, str]:
        """What the registry keeps of them."""
        newest = max(photo.moment for photo in self.photos)
        return {NAMED: str(len(self.photos)), UNTIL: newest.isoformat()}

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "named": len(self.photos),
            "new": self.new,
            "since": self.since.isoformat() if self.since else None,
            "by_category": by_category(self.photos),
            "unknown": dict(self.unknown),
        }


@dataclass(frozen=True, slots=True)
class Live:
    """What answers now: its artifact, and the model card in it."""

    artifact: Path
    card: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Given:
    """What a person gives to a retraining.

    Attributes:
        photos: what the live model was trained on, or better.
        validation: photos of the same categories, held out; None to divide `photos`.
        test: likewise, for the final test.
        out: the folder for named photos, records and model.
        max_minutes: time to train; None for no bound.
    """

    photos: Source
    out: Path
    validation: Source | None = None
    test: Source | None = None
    max_minutes: float | None = None


def gather(feedback: Feedback, versions: Sequence[Version], live: Live) -> Gathered:
    """The photos that people named, and how many are new.

    Args:
        feedback: of the deployment.
        versions: of the registry; what each was trained with counts, promoted or not.
        live: whose categories count.

    Raises:
        DeployError: the target refuses.
    """
    classes, found = set(_classes(live.card)), feedback.named()
    photos = [photo for photo in found if photo.category in classes]
    unknown = [photo for photo in found if photo.category not in classes]
    told = [datetime.fromisoformat(v.facts[UNTIL]) for v in versions if v.facts.get(UNTIL)]
    since = max(told, default=None)
    new = sum(photo.moment > (since or _BEGINNING) for photo in photos)
    return Gathered(photos, new, since, by_category(unknown))


def retrain(
    given: Given,
    live: Live,
    gathered: Gathered,
    feedback: Feedback,
    on_log: Callable[[str], None],
) -> dict[str, Any]:
    """Train as the live model was, on `given.photos` and those that people named.

    A run that was broken off goes on.

    Args:
        given: what a person gives.
        live: how it was trained, and what the new one goes on from if it did so itself.
        gathered: the photos that people named.
        feedback: fetches them.
        on_log: takes the lines of the job's log.

    Returns:
        The new model's card; its artifact is `given.out / "model"`.

    Raises:
        SnapshelfError: the card does not tell how the model was trained, photos cannot be used, or
            the training failed.
    """
    job = _job(live.card)
    named = given.out / "named"
    with tqdm(total=len(gathered.photos), desc="Named photos", unit="", disable=None) as bar:
        feedback.bring(gathered.photos, named, bar.update)
    settings = _settings(live.card, given)
    also = frozenset({REST} if "positive" in settings else ())
    prepare(
        Together(given.photos, (Folders(named, may_lack=True),), also),
        given.out / "records",
        validation=given.validation,
        test=given.test,
        drop_duplicates=True,  # who names a photo may do it twice, or name one of the test's
        **settings,
    )
    minutes = {} if given.max_minutes is None else {"max_minutes": str(given.max_minutes)}
    return train(
        given.out / "records",
        given.out / "model",
        {**job["hyperparameters"], **minutes},
        on_log,
        model=live.artifact if job["goes_on"] else None,
    )


def table(gathered: Gathered) -> list[str]:
    """The gathered photos as lines for a person."""
    since = f" since {gathered.since:%Y-%m-%d %H:%M}" if gathered.since else ""
    told = ", ".join(f"{count} {name}" for name, count in by_category(gathered.photos).items())
    lines = [
        f"{gathered.new} photos named{since}, {len(gathered.photos)} in all ({told or 'none'})"
    ]
    lines += [
        f"{count} named {name!r}, which the model does not know, are left out"
        for name, count in gathered.unknown.items()
    ]
    return lines


def _job(card: Mapping[str, Any]) -> Mapping[str, Any]:
    job: Mapping[str, Any] | None = card.get("job")
    if not job or "hyperparameters" not in job or "goes_on" not in job:
        raise TrainingError(
            f"the live model {card.get('version', '')} does not tell how it was trained",
            hint="train and deploy it once with this version: `snapshelf train`, then"
            " `snapshelf models register` and `promote`",
        )
    return job


def _settings(card: Mapping[str, Any], given: Given) -> dict[str, Any]:
    """How the live model's photos were prepared, as far as it tells."""
    data, classes = card.get("data") or {}, _classes(card)
    if data.get("train_ratio") == 1 and given.validation is None:
        raise DatasetError(
            "the live model was trained on all of its photos and validated on others, or on none",
            hint="give --validation PHOTOS",
        )
    settings: dict[str, Any] = {"size": card["photo"]["size"], "fit": card["photo"]["fit"]}
    settings |= {name: data[name] for name in ("seed", "train_ratio") if name in data}
    if REST in classes and len(classes) == _BINARY:
        settings["positive"] = next(name for name in classes if name != REST)
    return settings


def _classes(card: Mapping[str, Any]) -> list[str]:
    classes = card.get("classes")
    if not isinstance(classes, list) or not classes:
        raise DatasetError("the live model's card names no categories", hint="deploy another model")
    return classes
