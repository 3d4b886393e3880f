"""LitServe, photos as base64, batches of what has come: `python litserve_peer.py PORT`."""

from __future__ import annotations

import sys
from typing import Any

import litserve
from network import MAX_BATCH, Network


class Photos(litserve.LitAPI):
    """Base64 in, probabilities out."""

    def setup(self, device: str) -> None:
        """Load the network in the worker."""
        del device
        self.network = Network()

    def decode_request(self, request) -> Any:  # noqa: ANN001 (what is annotated becomes a query)
        """The network's input."""
        return self.network.prepare_base64(request["photos"][0])

    def batch(self, inputs: list[Any]) -> list[Any]:
        """Inputs as they are."""
        return inputs

    def predict(self, inputs: list[Any]) -> list[list[float]]:
        """All at once."""
        return self.network.predict(inputs)

    def unbatch(self, output: list[list[float]]) -> list[list[float]]:
        """An answer for each."""
        return output

    def encode_response(self, output: list[float]) -> list[float]:
        """JSON makes itself."""
        return output


if __name__ == "__main__":
    api = Photos(max_batch_size=MAX_BATCH, batch_timeout=0.001)
    server = litserve.LitServer(api, accelerator="cpu")
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="error"
    )
