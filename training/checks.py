"""What must hold of a job's settings, its photos and its hosts before it trains."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from contracts import TrainingError

if TYPE_CHECKING:
    from training.channels import Channel
    from training.cluster import Cluster
    from training.hyperparameters import Hyperparameters
    from training.progress import Progress

logger = logging.getLogger(__name__)


def classes(settings: Hyperparameters, named: tuple[str, ...]) -> tuple[str, ...]:
    """The class names, numbers where nothing names them.

    Raises:
        TrainingError: neither settings nor records tell how many there are, or they disagree.
    """
    if not named and not settings.num_classes:
        raise TrainingError(
            "hyperparameter num_classes is required for records without a dataset.json",
            hint="`snapshelf prepare` writes one",
        )
    if settings.num_classes and named and settings.num_classes != len(named):
        raise TrainingError(
            f"hyperparameter num_classes={settings.num_classes}: the records hold {len(named)} "
            f"classes ({', '.join(named[:_TOLD])}{', ...' if len(named) > _TOLD else ''})"
        )
    return named or tuple(str(label) for label in range(settings.num_classes))


def labels(channel: Channel, count: int) -> None:
    """Refuse labels that have no output; MXNet would train them as the last class, in silence.

    Raises:
        TrainingError: a label is beyond the classes.
    """
    if channel.highest_label >= count:
        raise TrainingError(
            f"channel {channel.name} holds label {channel.highest_label}: expected 0 to "
            f"{count - 1}, as there are {count} classes",
            hint="num_classes counts the classes of all channels",
        )


def samples(settings: Hyperparameters, channel: Channel) -> None:
    """Say so where `num_training_samples` is wrong; the records are believed.

    Raises:
        TrainingError: a batch is larger than all photos.
    """
    if settings.num_training_samples not in (0, channel.photos):
        logger.warning(
            "num_training_samples=%d, but %s holds %d photos: using those",
            settings.num_training_samples,
            channel.records.name,
            channel.photos,
        )
    if settings.mini_batch_size > channel.photos:
        raise TrainingError(
            f"hyperparameter mini_batch_size={settings.mini_batch_size} is larger than the "
            f"{channel.photos} photos of {channel.records.name}",
            hint=f"mini_batch_size={channel.photos} or less",
        )


def same_job(cluster: Cluster, identity: str) -> None:
    """Refuse hosts with other things to do: they would wait for each other for ever.

    Raises:
        TrainingError: the identities differ.
    """
    if len(set(cluster.gathered(identity))) > 1:
        raise TrainingError(
            "the hosts have other hyperparameters or other photos, expected the same on all",
            hint="S3DataDistributionType FullyReplicated: each host takes its part by itself",
        )


def same_place(cluster: Cluster, progress: Progress) -> None:
    """Refuse hosts that would begin at other places of the training.

    Raises:
        TrainingError: the places differ.
    """
    places = cluster.gathered([progress.epoch, progress.batch])
    if any(place != places[0] for place in places):
        told = "; ".join(f"epoch {epoch}, batch {batch}" for epoch, batch in places)
        raise TrainingError(
            f"the hosts' checkpoints are of {told}: expected the same on all",
            hint="give all hosts the checkpoint folder of the first, or none",
        )


_TOLD = 20
