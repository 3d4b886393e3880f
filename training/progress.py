"""How far a training has come, and how fast: what a checkpoint holds of it besides arrays."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from training.history import Epoch

if TYPE_CHECKING:
    from training.steps import Seen


logger = logging.getLogger(__name__)


class Speed:
    """Photos a second since it was made, when `photos` had been seen."""

    def __init__(self, photos: int) -> None:
        self._photos, self._start = photos, time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since then."""
        return time.perf_counter() - self._start

    def per_second(self, photos: int) -> float:
        """The mean since then; `photos` have been seen by now."""
        return (photos - self._photos) / self.seconds


@dataclass(slots=True)
class Progress:
    """Where the training stands.

    Attributes:
        epoch: under way, from 0.
        batch: how many of its batches are done.
        right: of the epoch's photos so far, how many were answered rightly.
        among: how many had their label among the `top_k` best.
        loss: the sum of their losses.
        photos: how many.
        history: of the epochs that have ended.
    """

    epoch: int = 0
    batch: int = 0
    right: float = 0.0
    among: float = 0.0
    loss: float = 0.0
    photos: int = 0
    history: list[Epoch] = field(default_factory=list)
    _seconds_before: float = 0.0
    _began: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Of training, this run's and those that were interrupted before it."""
        return self._seconds_before + time.perf_counter() - self._began

    def seen(self, seen: Seen) -> None:
        """A batch is done."""
        self.batch += 1
        self.photos += seen.photos
        self.right += seen.right
        self.among += seen.among
        self.loss += seen.loss

    def log(self, speed: Speed) -> None:
        """Tell of the epoch under way, in the built-in algorithm's words."""
        logger.info(
            "Epoch[%d] Batch [%d]\tSpeed: %.2f samples/sec\taccuracy=%f",
            self.epoch,
            self.batch,
            speed.per_second(self.photos),
            self.right / self.photos,
        )

    def end_epoch(self, epoch: Epoch) -> None:
        """Go on to the next."""
        self.history.append(epoch)
        self.epoch += 1
        self.batch = self.photos = 0
        self.right = self.among = self.loss = 0.0

    def state(self) -> dict[str, Any]:
        """JSON-like; floats keep their bits."""
        return {
            "right": self.right,
            "among": self.among,
            "loss": self.loss,
            "photos": self.photos,
            "seconds": self.seconds,
            "history": [asdict(epoch) for epoch in self.history],
        }

    @classmethod
    def restored(cls, epoch: int, batch: int, state: dict[str, Any]) -> Progress:
        """From what `state` gave."""
        return cls(
            epoch,
            batch,
            state["right"],
            state["among"],
            state["loss"],
            state["photos"],
            [Epoch(**one) for one in state["history"]],
            state["seconds"],
        )
