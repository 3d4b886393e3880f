"""A model artifact, loaded: photos in, class probabilities out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from contracts import (
    DEFAULT_THRESHOLD,
    MODEL_CARD_FILE,
    RUNTIME_FILES,
    ArtifactError,
    SnapshelfError,
)
from evaluation.trust import Trust
from evaluation.verdict import Verdict, energies, verdict
from hosting.onnx_runtime import DEPLOY
from hosting.runtimes import choose_runtime, open_runtime
from photo import Preparation

if TYPE_CHECKING:
    from pathlib import Path

    from hosting.heatmap import HeatMap
    from hosting.runtimes import Runtime

_AGAIN = "train the model again"
PROBABILITIES, LOGITS, EMBEDDING = "probabilities", "logits", "embedding"

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"


class BrokenModelError(ArtifactError):
    """The network answers with numbers that are none, which JSON could not even tell."""

    code = "broken_model"


class NoEmbeddingError(SnapshelfError):
    """The network does not tell its last features."""

    code = "no_embedding"
    status = 400


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of one photo.

    Attributes:
        probabilities: of each class, 0..1, calibrated if the artifact is.
        energy: how familiar the photo is, see `evaluation.verdict`; None if the network tells none.
        embedding: (F,), the network's last features, if asked for.
        heatmap: where in the photo the answer lies, if asked for.
    """

    probabilities: list[float]
    energy: float | None = None
    embedding: Array | None = None
    heatmap: HeatMap | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A network with what it needs to be asked: its classes and how a photo is prepared.

    `runtime_name`, one of RUNTIME_FILES, says what `runtime` is.
    """

    classes: tuple[str, ...]
    preparation: Preparation
    threshold: float
    trust: Trust
    version: str
    card: dict[str, Any]
    runtime: Runtime
    runtime_name: str

    @classmethod
    def load(
        cls, model_dir: Path, *, threads: int, runtime: str = "", forked: bool = False
    ) -> Model:
        """Load an artifact's network and model card.

        Args:
            model_dir: the extracted model.tar.gz.
            threads: for one prediction.
            runtime: one of RUNTIME_FILES; empty takes what the card says.
            forked: whether processes that are forked from this one are to answer.

        Raises:
            ArtifactError: a file is missing or damaged, or the two do not belong together.
            RuntimeChoiceError: `runtime` is unknown, or cannot be had here.
        """
        card = _read_card(model_dir / MODEL_CARD_FILE)
        name = choose_runtime(card, runtime, forked=forked)
        opened = open_runtime(name, model_dir, threads)
        try:
            classes = tuple(str(name) for name in card["classes"])
            preparation = Preparation.from_dict(card["photo"])
            threshold = float(card.get("threshold", DEFAULT_THRESHOLD))
            version = str(card["version"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"{MODEL_CARD_FILE}: {error!r}, expected classes, photo, threshold and version",
                hint=_AGAIN,
            ) from error
        trust = Trust.from_card(card)
        model = cls(classes, preparation, threshold, trust, version, card, opened, name)
        model._check()
        return model

    def predict(self, arrays: Array) -> Any:
        """Probabilities (N, classes) float32, rows adding up to 1, of pictures (N, 3, H, W)."""
        return self.predict_both(arrays)[0]

    def predict_both(self, arrays: Array) -> tuple[Any, Any]:
        """Probabilities, and the logits (N, classes) float32 before any temperature.

        The logits are None where the network tells none: its first output are probabilities.

        Raises:
            BrokenModelError: one of them is infinite or no number.
        """
        found = self.outputs(arrays)
        return found[PROBABILITIES], found.get(LOGITS)

    def outputs(self, arrays: Array, *more: str) -> dict[str, Any]:
        """What the network answers to pictures (N, 3, H, W), by name.

        Args:
            arrays: of the pictures.
            more: outputs beside PROBABILITIES and, where the network has them, LOGITS.

        Raises:
            BrokenModelError: a value is infinite or no number.
        """
        names = self.runtime.outputs
        asked = [PROBABILITIES if PROBABILITIES in names else names[0]]
        asked += [LOGITS] if LOGITS in names else []
        asked += more
        found = self.runtime.run(asked, arrays)
        for name, values in zip(asked, found, strict=True):
            self._check_finite(name, values)
        return dict(zip([PROBABILITIES, *asked[1:]], found, strict=True))

    @property
    def file(self) -> str:
        """The artifact's file that the runtime has read."""
        return RUNTIME_FILES[self.runtime_name]

    @property
    def multi_label(self) -> bool:
        """Whether a photo may be of several categories, each answered apart."""
        return bool(self.card.get("multi_label"))

    def classify(self, photo: bytes) -> list[float]:
        """The probability of each class for one photo's bytes.

        Raises:
            PhotoError: the bytes are not a photo that can be decoded within the limits.
            BrokenModelError: the network's answer is infinite or no number.
        """
        return self.answer(photo).probabilities

    def answer(self, photo: bytes) -> Answer:
        """As `classify`, and the photo's energy where the network tells its logits."""
        (answer,) = self.answers(self.preparation.array(photo)[np.newaxis])
        return answer

    def answers(self, arrays: Array, *, embedding: bool = False) -> list[Answer]:
        """As `answer`, of pictures (N, 3, H, W) that are prepared already.

        Args:
            arrays: of the pictures.
            embedding: whether to tell the network's last features too.

        Raises:
            NoEmbeddingError: the network does not tell them.
        """
        if embedding:
            self.check_embedding()
        found = self.outputs(arrays, *([EMBEDDING] if embedding else []))
        nothing = [None] * len(arrays)
        logits = found.get(LOGITS)
        energy = nothing if logits is None else energies(logits).tolist()
        features = found[EMBEDDING] if embedding else nothing
        return list(map(Answer, found[PROBABILITIES].tolist(), energy, features))

    def named(self, answer: Answer) -> list[str]:
        """Every category whose probability reaches its threshold, in class order."""
        pairs = zip(self.classes, answer.probabilities, strict=True)
        limits = {name: self.trust.thresholds.get(name, self.threshold) for name in self.classes}
        return [
            name
            for name, probability in pairs
            if (limit := limits[name]) is not None and probability >= limit
        ]

    def check_embedding(self) -> None:
        """Refuse to tell what the network does not.

        Raises:
            NoEmbeddingError: it has no such output.
        """
        if EMBEDDING not in self.runtime.outputs:
            raise NoEmbeddingError(
                f"the network of model {self.version} tells no {EMBEDDING}: expected an output of "
                "that name",
                hint=f"leave {EMBEDDING} out, or train the model again: newer artifacts have one",
            )

    def verdict(self, answer: Answer) -> Verdict:
        """The category that the answer names, or none and why."""
        return verdict(
            self.classes,
            answer.probabilities,
            thresholds=self.trust.thresholds,
            default=self.threshold,
            energy=answer.energy,
            bound=self.trust.bound,
        )

    def _check_finite(self, name: str, values: Any) -> None:
        broken = values[~np.isfinite(values)]
        if broken.size:
            raise BrokenModelError(
                f"{self.file} answers {name} of {broken[0]}: expected finite numbers",
                hint="its weights are damaged, or its training diverged: " + _AGAIN,
            )

    def _check(self) -> None:
        """Ask once, which warms the runtime up and shows how many classes there are."""
        size = self.preparation.size
        try:
            found = self.predict(np.zeros((1, 3, size, size), np.float32)).shape[1]
        except BrokenModelError:
            raise
        except Exception as error:  # the runtimes' own exceptions share no base of their own
            raise ArtifactError(
                f"{self.file} does not take a picture of 3 x {size} x {size}: {error}",
                hint=_AGAIN,
            ) from error
        if found != len(self.classes):
            raise ArtifactError(
                f"{self.file} has {found} classes, {MODEL_CARD_FILE} names {len(self.classes)}",
                hint="both must come from one training",
            )


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise ArtifactError(f"{path.name} is missing from the artifact", hint=DEPLOY) from error
    except ValueError as error:
        raise ArtifactError(f"{path.name} is not JSON: {error}", hint=_AGAIN) from error
    if not isinstance(card, dict):
        raise ArtifactError(
            f"{path.name} holds {type(card).__name__}, expected an object", hint=_AGAIN
        )
    return card
