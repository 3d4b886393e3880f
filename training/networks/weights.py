"""A network's weights: drawn, counted, by name; and the symbol that they belong to."""

from __future__ import annotations

import math
from typing import Any

import mxnet as mx
from mxnet.gluon import nn
from mxnet.gluon.model_zoo import vision

from training.networks.network import PHOTO_CHANNELS, Network
from training.networks.resnet import IdentityBlock, he


def initialise(network: Any, shape: tuple[int, int, int]) -> None:
    """Draw the weights by the family's rule and settle their shapes with one photo of zeros.

    The same `mx.random.seed` before it draws the same weights.

    The last scale of each residual branch of the ResNets for large pictures starts at zero, so
    that the network starts shallow (Goyal et al. 2017, section 5.1): after one epoch of 6,000
    Fashion-MNIST photos a ResNet-34 stood at 72 % instead of 17 to 39 %. Those for small pictures
    have shortcuts that end in maps of zeros, and nothing to learn from there: after 2,000 photos,
    two seeds, a ResNet-56 stood at 21 and 22 % if it started shallow, at 47 and 56 % if not.

    No weight decay on biases and batch norms: it would only pull them away from what they learn.

    Args:
        network: as `build` returns it; any other Gluon block starts as the ResNets do.
        shape: of a picture, (channels, height, width); the photo is RGB whatever the channels.

    Raises:
        TrainingError: the network was built for another size, and takes no other.
    """
    initializer = he()
    if isinstance(network, Network):
        network.check_sizes(shape[1:])
        initializer = network.family.initializer()
    photo = mx.nd.zeros((1, PHOTO_CHANNELS, *shape[1:]))
    network.infer_shape(photo)
    network.initialize(initializer)
    network(photo)
    network.apply(_start_shallow)
    network.collect_params(".*(gamma|beta|bias)").setattr("wd_mult", 0.0)
    network.hybridize(static_alloc=True, static_shape=True)


def _start_shallow(block: Any) -> None:
    if isinstance(block, IdentityBlock):
        return
    if isinstance(block, vision.BasicBlockV1 | vision.BottleneckV1):
        gamma = block.body[-1].gamma
        gamma.set_data(mx.nd.zeros_like(gamma.data()))


def parameters(network: Any) -> dict[str, Any]:
    """Every parameter and auxiliary state by name."""
    return {parameter.name: parameter.data() for parameter in network.collect_params().values()}


def count_parameters(network: Network) -> tuple[int, int]:
    """(trainable, all) numbers that the network holds, as Keras counts them.

    All includes the batch norms' running means and variances; neither includes the scale of a
    batch norm without one, which MXNet keeps as ones. Weights need not be drawn yet.
    """
    every = network.collect_params()
    if any(_unknown(parameter) for parameter in every.values()):
        network.infer_shape(mx.nd.zeros((1, PHOTO_CHANNELS, *network.shape[1:])))
    constant: set[str] = set()
    network.apply(lambda block: constant.update(_constants(block)))
    sizes = {
        name: (math.prod(parameter.shape), parameter.grad_req != "null")
        for name, parameter in every.items()
        if name not in constant
    }
    trainable = sum(size for size, learns in sizes.values() if learns)
    return trainable, sum(size for size, _ in sizes.values())


def _unknown(parameter: Any) -> bool:
    return parameter.shape is None or math.prod(parameter.shape) <= 0


def _constants(block: Any) -> list[str]:
    """Names of the scale and shift that a batch norm was told to do without."""
    if not isinstance(block, nn.BatchNorm):
        return []
    return [part.name for part in (block.gamma, block.beta) if part.grad_req == "null"]


def as_symbol(network: Any) -> Any:
    """The network up to its logits, as a function of the variable `data`."""
    return network(mx.sym.var("data"))
