"""What every peer serves: the artifact of PEER_MODEL, photos prepared and run as hosting does it.

Only `contracts` and `photo` of the project are used, which a peer's environment need not install:
the project's root is on its PYTHONPATH.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from photo import Preparation

MAX_BATCH = 32


class Network:
    """The network, with as many threads as PEER_THREADS says."""

    def __init__(self) -> None:
        folder = Path(os.environ["PEER_MODEL"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["PEER_THREADS"])
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        card = json.loads((folder / "model-card.json").read_text())
        self._preparation = Preparation.from_dict(card["photo"])

    def prepare(self, photo: bytes) -> Any:
        """The network's input, (3, size, size), of a photo's bytes."""
        return self._preparation.array(photo)

    def prepare_base64(self, text: str) -> Any:
        """The same of base64."""
        return self.prepare(base64.b64decode(text))

    def predict(self, arrays: list[Any]) -> list[list[float]]:
        """Probabilities of each of some inputs."""
        found = self._session.run(["probabilities"], {"data": np.stack(arrays)})
        return found[0].tolist()  # type: ignore[no-any-return]
