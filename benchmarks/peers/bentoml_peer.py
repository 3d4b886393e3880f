"""BentoML with its adaptive batching, photos as base64: `bentoml serve bentoml_peer:Photos`."""

from __future__ import annotations

import bentoml
from network import MAX_BATCH, Network


@bentoml.service(workers=1, traffic={"timeout": 60})
class Photos:
    """Base64 in, probabilities out."""

    def __init__(self) -> None:
        self.network = Network()

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH, max_latency_ms=1000)
    def classify(self, photos: list[str]) -> list[list[float]]:
        """Those of several requests come together."""
        return self.network.predict([self.network.prepare_base64(each) for each in photos])
