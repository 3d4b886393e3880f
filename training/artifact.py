"""The model artifact: SageMaker's built-in layout, an ONNX model and a model card beside it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
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

    from evaluation.trust import Trust
    from photo import Preparation
    from training.hyperparameters import Hyperparameters

VERSION_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Trained:
    """A network that has been trained, and what it takes to use it.

    Attributes:
        network: the Gluon network that `weights` belong to.
        name: of the network.
        weights: parameters and auxiliary states by name.
        epoch: that they are of, from 0; it names the .params file.
        classes: names in output order.
        settings: of the job.
        preparation: how a photo becomes the network's input.
        trust: what its answers are worth.
        metrics: of the job, JSON-like; copied into the card.
        tree: each class's levels in a tree of categories, from the top down, where there is one.
        data: which photos it was trained on, where dataset.json tells.
        job: how to run the job again: its hyperparameters as they came, and whether it went on
            from a former artifact; None of what no job has trained.
    """

    network: Any
    name: str
    weights: dict[str, Any]
    epoch: int
    classes: tuple[str, ...]
    settings: Hyperparameters
    preparation: Preparation
    trust: Trust
    metrics: dict[str, Any]
    tree: dict[str, list[str]] | None = None
    data: dict[str, Any] | None = None
    job: dict[str, Any] | None = None


def write_artifact(model_dir: Path, trained: Trained) -> dict[str, Any]:
    """Write what becomes model.tar.gz into a folder, made if missing, and return the model card."""
    model_dir.mkdir(parents=True, exist_ok=True)
    logits = as_symbol(trained.network)
    # The label's variable is `softmax_label` in either case, as the built-in algorithm has it.
    several = trained.settings.multi_label
    ending = mx.sym.LogisticRegressionOutput if several else mx.sym.SoftmaxOutput
    ending(logits, name="softmax").save(str(model_dir / SYMBOL_FILE))
    params = model_dir / PARAMS_FILE.format(epoch=trained.epoch)
    save_params(params, trained.network, trained.weights)
    size = trained.settings.image_shape[1]
    shape = (PHOTO_CHANNELS, size, size)  # grey is made inside the network
    (model_dir / SHAPES_FILE).write_text(json.dumps([{"name": "data", "shape": [1, *shape]}]))
    return write_served(model_dir, trained)


def write_served(model_dir: Path, trained: Trained) -> dict[str, Any]:
    """Write what hosting reads of an artifact, ONNX model and model card; returns the card."""
    size = trained.settings.image_shape[1]
    onnx = export_onnx(
        as_symbol(trained.network),
        {name: mx.nd.array(value) for name, value in trained.weights.items()},
        (PHOTO_CHANNELS, size, size),
        temperature=trained.trust.temperature,
        multi_label=trained.settings.multi_label,
    )
    (model_dir / ONNX_FILE).write_bytes(onnx)
    card = _card(trained, hashlib.sha256(onnx).hexdigest()[:VERSION_DIGITS])
    (model_dir / MODEL_CARD_FILE).write_text(json.dumps(card, indent=1, ensure_ascii=False))
    return card


def _card(trained: Trained, version: str) -> dict[str, Any]:
    return {
        "format": 1,
        "version": version,
        "network": trained.name,
        "classes": list(trained.classes),
        "multi_label": trained.settings.multi_label,
        **({"tree": trained.tree} if trained.tree else {}),
        **({"data": trained.data} if trained.data else {}),
        **({"job": trained.job} if trained.job else {}),
        "photo": trained.preparation.to_dict(),
        "threshold": trained.trust.default,
        **(trained.trust.to_card() if trained.trust.fitted else {}),
        "metrics": trained.metrics,
        "hyperparameters": trained.settings.document(),
    }


def save_params(path: Path, network: Any, weights: dict[str, Any]) -> None:
    """Weights as `mx.model.load_checkpoint` expects them: `arg:` or `aux:` before each name."""
    states = set(as_symbol(network).list_auxiliary_states())
    tagged = {
        f"{'aux' if name in states else 'arg'}:{name}": mx.nd.array(value)
        for name, value in weights.items()
    }
    mx.nd.save(str(path), tagged)
