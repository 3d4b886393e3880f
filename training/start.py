"""The network that a job begins with: drawn anew, or with what was learnt elsewhere."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import mxnet as mx

from contracts import TrainingError
from training.networks import NETWORKS, build, initialise, short_name
from training.pretrained import Pretrained, build_symbol, load, transfer

if TYPE_CHECKING:
    from photo import Preparation
    from training.environment import Environment
    from training.hyperparameters import Hyperparameters

logger = logging.getLogger(__name__)

MODEL_CHANNEL = "model"
"""Holds a former artifact, which incremental training goes on from."""

_TOLD = 3
_NORMS = ".*(gamma|beta|bias)"


@dataclass(frozen=True, slots=True)
class Start:
    """A network before its first step.

    Attributes:
        network: initialised.
        name: of it, as the model card tells.
        origin: what its weights were learnt as, or None where they are drawn.
    """

    network: Any
    name: str
    origin: Pretrained | None = None

    @property
    def keeps_network(self) -> bool:
        """Whether the network came with the weights, whatever the settings say of networks."""
        return self.origin is not None and self.origin.symbol is not None

    def prepared(self, preparation: Preparation) -> Preparation:
        """As photos are to be prepared: normalised as those that the weights were learnt on."""
        if self.origin is None or self.origin.mean is None or self.origin.std is None:
            return preparation
        return replace(preparation, mean=self.origin.mean, std=self.origin.std)


def make_start(settings: Hyperparameters, classes: int, environment: Environment) -> Start:
    """The network of the job; the same for the same `mx.random.seed` before it.

    Raises:
        TrainingError: there is no such network, or the weights to start from cannot be used.
    """
    model = environment.channel_dir(MODEL_CHANNEL)
    if model is not None:
        return _transferred(load(str(model)), settings, classes)
    if not settings.use_pretrained_model:
        return _drawn(_name(settings), settings, classes)
    address = settings.pretrained or _name(settings)
    try:
        origin = load(address, cache=environment.cache_dir)
    except TrainingError as error:
        if settings.pretrained:
            raise
        raise TrainingError(
            f"hyperparameter use_pretrained_model=1: no weights come with {address}",
            hint="name them, pretrained=FILE or URL; weights come with efficientnet-lite0 to 2",
        ) from error
    return _transferred(origin, settings, classes)


def _name(settings: Hyperparameters) -> str:
    return settings.network or short_name(settings.num_layers)


def _drawn(name: str, settings: Hyperparameters, classes: int) -> Start:
    network = build(
        name,
        classes,
        shape=settings.image_shape,
        head=settings.head,
        dropout=settings.dropout,
        stem_pooling=settings.stem_pooling,
    )
    network.check_sizes(settings.sizes)
    initialise(network, settings.image_shape)
    return Start(network, name)


def _transferred(origin: Pretrained, settings: Hyperparameters, classes: int) -> Start:
    if origin.symbol is not None:
        start = _from_symbol(origin, settings, classes)
    else:
        name = _name(settings)
        if name == ORIGINS_OWN:
            name = _known(origin)
        start = replace(_drawn(name, settings, classes), origin=origin)
    outcome = transfer(start.network, origin)
    logger.info(
        "Starting from %s: %d parameters, %d drawn anew",
        origin.source,
        len(outcome.loaded),
        len(outcome.anew),
    )
    if outcome.unused:
        first = ", ".join(outcome.unused[:_TOLD])
        logger.info("%d arrays were not needed: %s, ...", len(outcome.unused), first)
    return start


ORIGINS_OWN = "pretrained"
"""As `network`: whichever the weights belong to."""


def _known(origin: Pretrained) -> str:
    if origin.architecture not in NETWORKS:
        raise TrainingError(
            f"{origin.source} belongs to {origin.architecture}: expected one of "
            f"{', '.join(NETWORKS)}"
        )
    return origin.architecture


def _from_symbol(origin: Pretrained, settings: Hyperparameters, classes: int) -> Start:
    """A former artifact's own network."""
    network = build_symbol(origin, classes)
    network.initialize(mx.init.Xavier())
    network.collect_params(_NORMS).setattr("wd_mult", 0.0)
    size = settings.image_shape[1]
    try:
        network(mx.nd.zeros((1, 3, size, size))).wait_to_read()
    except mx.base.MXNetError as error:
        raise TrainingError(
            f"{origin.source} does not take pictures of {size} pixels",
            hint="give image_shape as it was trained with",
        ) from error
    return Start(network, "image-classification", origin)
