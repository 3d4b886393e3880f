"""The layers of a network in order, and which of them learn, and how fast."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mxnet.gluon import nn

from contracts import TrainingError
from training.networks import as_symbol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from training.hyperparameters import Hyperparameters

_WEIGHTED = ("Convolution", "FullyConnected")


def layers(network: Any) -> list[list[str]]:
    """Parameter names, grouped: each convolution or dense layer with the norms behind it."""
    groups: list[list[str]] = []
    for operator, names in _operators(network):
        if operator in _WEIGHTED or not groups:
            groups.append([])
        groups[-1].extend(names)
    return [group for group in groups if group]


def _operators(network: Any) -> Iterator[tuple[str, list[str]]]:
    """Each operator that has parameters, in the order of the graph: (its kind, their names)."""
    nodes = json.loads(as_symbol(network).tojson())["nodes"]
    known = set(network.collect_params())
    for node in nodes:
        names = [nodes[entry[0]]["name"] for entry in node["inputs"]]
        own = [name for name in names if name in known]
        if own:
            yield node["op"], own


class LearningPlan:
    """Sets for each epoch which parameters learn: none that is frozen, the body at its own rate.

    Args:
        network: initialised.
        settings: `frozen_layers`, `freeze_epochs` and `body_lr_factor`.

    Raises:
        TrainingError: there are no layers left to learn.
    """

    def __init__(self, network: Any, settings: Hyperparameters) -> None:
        self._network = network
        self._settings = settings
        found = layers(network)
        if settings.frozen_layers >= len(found):
            raise TrainingError(
                f"hyperparameter frozen_layers={settings.frozen_layers}: the network has "
                f"{len(found)} layers, expected fewer than that",
                hint=f"frozen_layers={len(found) - 1} trains the last one alone",
            )
        self._frozen = {name for layer in found[: settings.frozen_layers] for name in layer}
        self._body = {name for layer in found[:-1] for name in layer}
        self._fixed: frozenset[str] | None = None
        self._weights = {
            name
            for name, parameter in network.collect_params().items()
            if parameter.grad_req != "null"
        }
        for name in self._body & self._weights:
            network.collect_params()[name].lr_mult = settings.body_lr_factor

    def begin(self, epoch: int) -> None:
        """Make the network ready for an epoch; what is fixed costs no gradient."""
        held = self._body if epoch < self._settings.freeze_epochs else self._frozen
        fixed = frozenset(held & self._weights)
        if fixed == self._fixed:
            return
        for name, parameter in self._network.collect_params().items():
            if name in self._weights:
                parameter.grad_req = "null" if name in fixed else "write"
        hold_statistics(self._network, self._body if self._settings.freeze_statistics else held)
        self._network.hybridize(static_alloc=True, static_shape=True)  # builds its graph anew
        self._fixed = fixed


def hold_statistics(network: Any, held: set[str] | frozenset[str] = frozenset()) -> None:
    """Have batch norms whose parameters are held use, and keep, what they once learnt.

    A batch's own statistics would change what the fixed layers hand on.
    """

    def visit(block: Any) -> None:
        if isinstance(block, nn.BatchNorm):
            block._kwargs["use_global_stats"] = block.gamma.name in held  # noqa: SLF001

    network.apply(visit)
