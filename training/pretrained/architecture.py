"""Which network some weights belong to, told by their names and shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from training.pretrained import efficientnet_names, resnet_names
from training.pretrained.form import PYTORCH_RESNET, Form

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

UNKNOWN = "unknown"

_OTHERS = {
    "blocks.0.attn.qkv.weight": "vit",
    "encoder.layers.encoder_layer_0.self_attention.in_proj_weight": "vit",
    "features.denseblock1.denselayer1.conv1.weight": "densenet",
    "stages.0.blocks.0.conv_dw.weight": "convnext",
    "features.1.0.block.0.weight": "convnext",
    "downsample_layers.0.0.weight": "convnext",
    "Mixed_5b.branch1x1.conv.weight": "inception_v3",
    "block1.rep.0.conv1.weight": "xception",
    "features.18.0.weight": "mobilenet_v2",
    "layers.0.blocks.0.attn.qkv.weight": "swin",
    "layer1.0.bn1.weight": "resnetv2",
}
"""A parameter that gives a network away which we have no names for (torchvision, timm)."""

_GLUON_CONVOLUTIONS = {19: "resnet18", 35: "resnet34", 52: "resnet50", 103: "resnet101"} | {
    154: "resnet152"
}
"""Of the four stages of Gluon's ResNet v1 (`gluon/model_zoo/vision/resnet.py`)."""


def guess(arrays: Mapping[str, Any]) -> str:
    """The network that arrays by these names and shapes belong to, "unknown" if none is known.

    `resnet50`, `efficientnet-b0` and the like where they can be transferred; else a name that is
    fit for a message, as `resnext50_32x4d` or `vit`.
    """
    found = resnet_names.guess(arrays) or efficientnet_names.guess(arrays)
    if found:
        return found
    for name, network in _OTHERS.items():
        if name in arrays:
            return network
    return _guess_gluon(arrays)


def gluon_names(names: Collection[str]) -> dict[str, str]:
    """Each of PyTorch's names that is known, and the one by structure in our network."""
    return efficientnet_names.gluon_names(names) or resnet_names.gluon_names(names)


def form(arrays: Mapping[str, Any], address: str) -> Form:
    """What the weights need of a network, by PyTorch's names; `address` may name timm's model."""
    if efficientnet_names.naming(arrays):
        return efficientnet_names.form(arrays, address)
    if "layer1.0.conv3.weight" in arrays:
        return PYTORCH_RESNET
    return Form()


def without_prefix(names: Collection[str]) -> dict[str, str]:
    """Gluon's names without the network's own, which is before all of them, and as they were."""
    first, last = min(names, default=""), max(names, default="")
    differ = (n for n, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1])
    length = first.rfind("_", 0, next(differ, min(len(first), len(last)))) + 1
    return {name[length:]: name for name in names}


def _guess_gluon(arrays: Mapping[str, Any]) -> str:
    short = without_prefix(arrays)
    stages = [name for name in short if name.startswith("stage") and name.endswith("_weight")]
    stages = [name for name in stages if "_conv" in name]
    if stages:
        return _GLUON_CONVOLUTIONS.get(len(stages), f"resnet of {len(stages) + 2} layers")
    units = [name for name in arrays if "features." in name and ".body." in name]
    weights = [name for name in units if name.endswith(".weight")]
    shortcuts = [name for name in arrays if name.endswith(".downsample.0.weight")]
    if weights:
        return _GLUON_CONVOLUTIONS.get(len(weights) + len(shortcuts), UNKNOWN)
    return UNKNOWN
