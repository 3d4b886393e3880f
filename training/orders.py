"""Which photos an epoch looks at, and in what order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from training.hyperparameters import Hyperparameters


def epoch_order(settings: Hyperparameters, labels: Any, epoch: int) -> Any:
    """Positions of photos, in the order in which an epoch looks at them; the same for a seed.

    natural: each photo once. balanced: all classes equally often, photos of rare ones again and
    again, each as often as the others of its class or once more; as many photos in all. With
    epoch_photos only the first so many.

    Args:
        settings: `sampling`, `epoch_photos`, `seed`.
        labels: (N,) classes of all photos, or (N, K) with multi_label.
        epoch: from 0.
    """
    random = np.random.default_rng((settings.seed, epoch))
    count = len(labels)
    wanted = min(settings.epoch_photos or count, count)
    if settings.sampling == "balanced":
        return _balanced(random, np.asarray(labels), wanted)
    return random.permutation(count)[:wanted]


def _balanced(random: Any, labels: Any, wanted: int) -> Any:
    present = np.unique(labels)
    quotas = np.full(len(present), wanted // len(present))
    quotas[random.permutation(len(present))[: wanted % len(present)]] += 1
    chosen = []
    for label, quota in zip(present, quotas, strict=True):
        photos = np.flatnonzero(labels == label)
        rounds = [random.permutation(photos) for _ in range(-(-int(quota) // len(photos)))]
        chosen.append(np.concatenate([*rounds, photos[:0]])[:quota])
    return random.permutation(np.concatenate(chosen))
