"""An artifact gets the temperature, thresholds and bound of the familiar that photos tell."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import numpy_helper

from contracts import INT8_ONNX_FILE, MODEL_CARD_FILE, ONNX_FILE, ArtifactError
from evaluation.fitting import fit_trust
from evaluation.report import evaluate

if TYPE_CHECKING:
    from pathlib import Path

    from evaluation.answers import Answers
    from evaluation.trust import Trust

VERSION_DIGITS = 12
_TEMPERATURE, _LOGITS, _DIVISION = "temperature", "logits", "Div"


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What was fitted, and the expected calibration error, 0..1, without and with a temperature.

    The second is cross-fitted: either half of the photos with the temperature of the other.
    """

    trust: Trust
    before: float
    after: float


def calibrate(
    model_dir: Path, answers: Answers, *, wanted_precision: float | None = None
) -> Calibrated:
    """Fit on validation photos, and write what was fitted into the network and the card.

    The most probable category of a photo stays what it was. What `optimise` has noted goes, since
    it was measured with other verdicts.

    Args:
        model_dir: of the unpacked artifact.
        answers: to photos that the network was not trained on, with its own logits.
        wanted_precision: of the thresholds; None takes the best F1.

    Raises:
        ArtifactError: the network does not divide its logits by a temperature.
        TrainingError: `wanted_precision` is out of range.
    """
    trust = fit_trust(answers, wanted_precision=wanted_precision)
    errors = evaluate(answers)["calibration"]
    before, after = (errors[key]["error_equal_width"] for key in ("before", "after"))
    network = set_temperature((model_dir / ONNX_FILE).read_bytes(), trust.temperature)
    path = model_dir / MODEL_CARD_FILE
    card = json.loads(path.read_text())
    for former in ("familiarity", "runtimes"):
        card.pop(former, None)
    card |= {"version": hashlib.sha256(network).hexdigest()[:VERSION_DIGITS], **trust.to_card()}
    (model_dir / ONNX_FILE).write_bytes(network)
    (model_dir / INT8_ONNX_FILE).unlink(missing_ok=True)
    path.write_text(json.dumps(card, indent=1, ensure_ascii=False))
    return Calibrated(trust, before, after)


def set_temperature(network: bytes, temperature: float) -> bytes:
    """The network with another temperature in the place of the one that it has.

    Raises:
        ArtifactError: it has none.
    """
    model = onnx.load_from_string(network)
    divided = {
        node.input[1]
        for node in model.graph.node
        if node.op_type == _DIVISION and node.input[0] == _LOGITS
    }
    found = [tensor for tensor in model.graph.initializer if tensor.name in divided]
    if len(found) != 1:
        raise ArtifactError(
            f"{ONNX_FILE} divides {_LOGITS} by no {_TEMPERATURE}: expected a network as "
            "`snapshelf train` or `convert` writes it",
            hint="convert SageMaker's own artifact again, or train the model again",
        )
    value = np.array(temperature, np.float32)
    found[0].CopyFrom(numpy_helper.from_array(value, found[0].name))
    serialised: bytes = model.SerializeToString()
    return serialised
