"""MLflow's scoring server, photos as base64: `python mlflow_peer.py FOLDER` writes its model.

`mlflow models serve -m FOLDER --env-manager local` serves it.
"""

from __future__ import annotations

import sys
from typing import Any

import mlflow.pyfunc
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from network import Network


class Photos(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """Base64 in, probabilities out."""

    def load_context(self, context: Any) -> None:
        """Load the network in the server."""
        del context
        self.network = Network()

    def predict(self, context: Any, model_input: Any, params: Any = None) -> list[list[float]]:
        """As many photos as the request holds; it knows no batches of several requests."""
        del context, params
        texts = model_input.iloc[:, 0]
        return self.network.predict([self.network.prepare_base64(each) for each in texts])


if __name__ == "__main__":
    signature = ModelSignature(inputs=Schema([ColSpec(DataType.string, "photo")]))
    mlflow.pyfunc.save_model(sys.argv[1], python_model=Photos(), signature=signature)
