"""EfficientNets' names in EfficientNet-PyTorch, timm and torchvision, and where they belong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from training.networks.efficientnet_scaling import VARIANTS, scaled_blocks
from training.pretrained.form import PYTORCH_EFFICIENTNET, TENSORFLOW_EFFICIENTNET, Form
from training.pretrained.resnet_names import NORM, PLAIN

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_LUKEMELAS = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.norm",
    "_se_reduce": "squeeze.reduce",
    "_se_expand": "squeeze.expand",
    "_project_conv": "project.conv",
    "_bn2": "project.norm",
}
_TIMM_SQUEEZE = {"se.conv_reduce": "squeeze.reduce", "se.conv_expand": "squeeze.expand"}
_TIMM_FIRST = {
    "conv_dw": "depthwise.conv",
    "bn1": "depthwise.norm",
    "conv_pw": "project.conv",
    "bn2": "project.norm",
} | _TIMM_SQUEEZE
_TIMM = {
    "conv_pw": "expand.conv",
    "bn1": "expand.norm",
    "conv_dw": "depthwise.conv",
    "bn2": "depthwise.norm",
    "conv_pwl": "project.conv",
    "bn3": "project.norm",
} | _TIMM_SQUEEZE
_TORCHVISION_FIRST = {
    "0.0": "depthwise.conv",
    "0.1": "depthwise.norm",
    "1.fc1": "squeeze.reduce",
    "1.fc2": "squeeze.expand",
    "2.0": "project.conv",
    "2.1": "project.norm",
}
_TORCHVISION = {
    "0.0": "expand.conv",
    "0.1": "expand.norm",
    "1.0": "depthwise.conv",
    "1.1": "depthwise.norm",
    "2.fc1": "squeeze.reduce",
    "2.fc2": "squeeze.expand",
    "3.0": "project.conv",
    "3.1": "project.norm",
}
"""Parts of a block; the first stage's have no expansion, and so other numbers."""

_ENDS = {
    "lukemelas": ("_conv_stem", "_bn0", "_conv_head", "_bn1", "_fc"),
    "timm": ("conv_stem", "bn1", "conv_head", "bn2", "classifier"),
    "torchvision": ("features.0.0", "features.0.1", "features.8.0", "features.8.1", "classifier.1"),
}
"""Stem, its batch norm, head, its batch norm, output layer."""

_BLOCK = {
    "lukemelas": re.compile(r"_blocks(?P<stage>)\.(?P<block>\d+)\.(?P<part>.+)", re.ASCII),
    "timm": re.compile(r"blocks\.(?P<stage>\d)\.(?P<block>\d+)\.(?P<part>.+)", re.ASCII),
    "torchvision": re.compile(
        r"features\.(?P<stage>[1-7])\.(?P<block>\d+)\.block\.(?P<part>.+)", re.ASCII
    ),
}
_PARTS = {
    "lukemelas": (_LUKEMELAS, _LUKEMELAS),
    "timm": (_TIMM_FIRST, _TIMM),
    "torchvision": (_TORCHVISION_FIRST, _TORCHVISION),
}
_FIRST_STAGE = {"lukemelas": "", "timm": "0", "torchvision": "1"}


def naming(names: Collection[str]) -> str | None:
    """Whose names they are: "lukemelas", "timm" or "torchvision"; None if no EfficientNet's."""
    for whose, (stem, *_) in _ENDS.items():
        if f"{stem}.weight" in names and any(_is_depthwise(whose, name) for name in names):
            return whose
    return None


def _is_depthwise(whose: str, name: str) -> bool:
    match = _BLOCK[whose].fullmatch(name.removesuffix(".weight"))
    return bool(match and _PARTS[whose][0].get(match["part"]) == "depthwise.conv")


def gluon_names(names: Collection[str]) -> dict[str, str]:
    """Each name that is known, and the one by structure in `training.networks.efficientnet`."""
    whose = naming(names)
    if whose is None:
        return {}
    order = _order(whose, names)
    ends = dict(zip(_ENDS[whose], _end_places(len(order)), strict=True))
    found = {}
    for name in names:
        layer, _, leaf = name.rpartition(".")
        place = ends.get(layer) or _block_place(whose, layer, order)
        leaves = NORM if place.endswith(".norm") else PLAIN
        if place and leaf in leaves:
            found[name] = f"{place}.{leaves[leaf]}"
    return found


def _end_places(blocks: int) -> tuple[str, ...]:
    head = f"features.{blocks + 2}"  # behind Turn, stem and blocks
    return ("features.1.conv", "features.1.norm", f"{head}.conv", f"{head}.norm", "output")


def _order(whose: str, names: Collection[str]) -> dict[tuple[str, str], int]:
    """(stage, block) and the block's number from the stem on."""
    matches = (_BLOCK[whose].fullmatch(name) for name in names)
    found = {(match["stage"], match["block"]) for match in matches if match}
    return {
        key: number for number, key in enumerate(sorted(found, key=lambda k: (k[0], int(k[1]))))
    }


def _block_place(whose: str, layer: str, order: Mapping[tuple[str, str], int]) -> str:
    match = _BLOCK[whose].fullmatch(layer)
    if not match:
        return ""
    first, other = _PARTS[whose]
    parts = first if match["stage"] == _FIRST_STAGE[whose] else other
    part = parts.get(match["part"])
    number = order[match["stage"], match["block"]]
    return f"features.{number + 2}.{part}" if part else ""


def guess(arrays: Mapping[str, Any]) -> str | None:
    """Which of VARIANTS has these layers; None if they are no EfficientNet's."""
    whose = naming(arrays)
    if whose is None:
        return None
    places = {ours: arrays[name].shape for name, ours in gluon_names(arrays).items()}
    blocks = len(_order(whose, arrays))
    channels = [
        places.get(f"features.{number + 2}.project.conv.weight", (0,))[0]
        for number in range(blocks)
    ]
    lite = not any(".squeeze." in place for place in places)
    for name, variant in VARIANTS.items():
        expected = [stage.channels for _, stage in scaled_blocks(variant)]
        if variant.lite == lite and channels == expected:
            return name
    return f"efficientnet of {blocks} blocks"


def form(arrays: Collection[str], address: str) -> Form:
    """How weights by these names were trained.

    EfficientNet-PyTorch's come from TensorFlow; of timm's, whose names are all alike, those that
    timm calls `tf_…`, which the address or the config beside the file says.
    """
    whose = naming(arrays)
    if whose == "lukemelas" or (whose == "timm" and "tf_efficientnet" in address):
        return TENSORFLOW_EFFICIENTNET
    return PYTORCH_EFFICIENTNET
