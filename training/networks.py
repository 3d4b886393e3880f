"""The networks, from Gluon's model zoo, ready to train or to draw as a symbol."""

from __future__ import annotations

from typing import Any

import mxnet as mx
from mxnet.gluon import nn
from mxnet.gluon.model_zoo import vision


def build(num_layers: int, num_classes: int, *, stem_pooling: int = 1) -> Any:
    """A ResNet v1 with `num_classes` logits for pictures (N, C, H, W), H = W >= 28 * stem_pooling.

    v1 rather than v2: each of its batch norms follows a convolution, so that an inference runtime
    folds it away, and published PyTorch weights have the same form. Global pooling makes it take
    any picture size.

    Args:
        num_layers: 18, 34, 50, 101 or 152.
        num_classes: length of a row of logits.
        stem_pooling: side of the squares of pixels that are averaged before the first convolution:
            2 quarters the work, for photos whose detail is no finer.
    """
    resnet = vision.get_resnet(1, num_layers, classes=num_classes, prefix=f"resnet{num_layers}_")
    if stem_pooling == 1:
        return resnet
    network = nn.HybridSequential(prefix="")
    network.add(nn.AvgPool2D(stem_pooling), resnet)
    return network


def initialise(network: Any, shape: tuple[int, int, int]) -> None:
    """Draw the weights (He et al. 2015) and settle their shapes with one picture of zeros.

    The last scale of each residual branch starts at zero, so that the network starts shallow
    (Goyal et al. 2017, section 5.1): after one epoch of 6,000 Fashion-MNIST photos a ResNet-34
    stood at 72 % instead of 17 to 39 %. No weight decay on biases and batch norms: it would only
    pull them away from what they learn.
    """
    network.initialize(mx.init.MSRAPrelu(factor_type="out", slope=0))
    network(mx.nd.zeros((1, *shape)))
    network.apply(_start_shallow)
    network.collect_params(".*(gamma|beta|bias)").setattr("wd_mult", 0.0)
    network.hybridize(static_alloc=True, static_shape=True)


def _start_shallow(block: Any) -> None:
    if isinstance(block, vision.BasicBlockV1 | vision.BottleneckV1):
        gamma = block.body[-1].gamma
        gamma.set_data(mx.nd.zeros_like(gamma.data()))


def parameters(network: Any) -> dict[str, Any]:
    """Every parameter and auxiliary state by name."""
    return {parameter.name: parameter.data() for parameter in network.collect_params().values()}


def as_symbol(network: Any) -> Any:
    """The network up to its logits, as a function of the variable `data`."""
    return network(mx.sym.var("data"))
