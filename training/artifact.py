"""The model artifact: SageMaker's built-in layout, an ONNX model and a model card beside it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import mxnet as mx

from contracts import (
    MODEL_CARD_FILE,
    ONNX_FILE,
    PARAMS_FILE,
    SHAPES_FILE,
    SYMBOL_FILE,
)
from training.networks import PHOTO_CHANNELS, as_symbol
from training.onnx_export import export_onnx

if TYPE_CHECKING:
    from pathlib import Path

    from photo import Preparation
    from training.hyperparameters import Hyperparameters

VERSION_DIGITS = 12


def write_artifact(
    model_dir: Path,
    network: Any,
    weights: dict[str, Any],
    *,
    epoch: int,
    classes: tuple[str, ...],
    settings: Hyperparameters,
    preparation: Preparation,
    metrics: dict[str, Any],
) -> dict[str, Any]:
    """Write what becomes model.tar.gz, and return the model card.

    Args:
        model_dir: a folder, made if missing.
        network: the Gluon network that `weights` belong to.
        weights: parameters and auxiliary states by name.
        epoch: the best one, from 0; it names the .params file.
        classes: names in output order.
        settings: of the job.
        preparation: how a photo becomes the network's input.
        metrics: of the job, JSON-like; copied into the card.
    """
    model_dir.mkdir(parents=True, exist_ok=True)
    logits = as_symbol(network)
    mx.sym.SoftmaxOutput(logits, name="softmax").save(str(model_dir / SYMBOL_FILE))
    mx.nd.save(str(model_dir / PARAMS_FILE.format(epoch=epoch)), _tagged(logits, weights))
    photo_shape = (PHOTO_CHANNELS, *settings.image_shape[1:])  # grey is made inside the network
    shapes = [{"name": "data", "shape": [1, *photo_shape]}]
    (model_dir / SHAPES_FILE).write_text(json.dumps(shapes))
    probabilities = mx.sym.softmax(logits, name="softmax")
    onnx = export_onnx(probabilities, weights, photo_shape)
    (model_dir / ONNX_FILE).write_bytes(onnx)
    card = {
        "format": 1,
        "version": hashlib.sha256(onnx).hexdigest()[:VERSION_DIGITS],
        "network": network.short_name,
        "classes": list(classes),
        "photo": preparation.to_dict(),
        "threshold": settings.threshold,
        "metrics": metrics,
        "hyperparameters": settings.document(),
    }
    (model_dir / MODEL_CARD_FILE).write_text(json.dumps(card, indent=1, ensure_ascii=False))
    return card


def _tagged(symbol: Any, weights: dict[str, Any]) -> dict[str, Any]:
    """The names that `mx.model.load_checkpoint` expects: `arg:` or `aux:` before each."""
    states = set(symbol.list_auxiliary_states())
    return {f"{'aux' if name in states else 'arg'}:{name}": w for name, w in weights.items()}
