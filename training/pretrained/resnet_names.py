"""The names of ResNets in torchvision and timm, and where in Gluon's ResNetV1 they belong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "running_mean",
    "running_var": "running_var",
}
PLAIN = {"weight": "weight", "bias": "bias"}
"""Last part of a parameter's name in PyTorch, and in Gluon."""

_UNIT = re.compile(r"layer([1-4])\.(\d+)\.(?:(conv|bn)([1-3])|downsample\.([01]))", re.ASCII)

LAYERS: dict[tuple[bool, tuple[int, ...]], int] = {
    (False, (2, 2, 2, 2)): 18,
    (False, (3, 4, 6, 3)): 34,
    (True, (3, 4, 6, 3)): 50,
    (True, (3, 4, 23, 3)): 101,
    (True, (3, 8, 36, 3)): 152,
}
"""By whether units are bottlenecks, and units a stage (He et al. 2015, table 1)."""

_BOTTLENECK_WIDTH = 64


def gluon_names(names: Collection[str]) -> dict[str, str]:
    """Each name that is known, and the one by structure in ResNetV1: `features.0.weight`."""
    found = {}
    for name in names:
        layer, _, leaf = name.rpartition(".")
        place, leaves = _place(layer)
        if leaf in leaves:
            found[name] = f"{place}.{leaves[leaf]}"
    return found


def _place(layer: str) -> tuple[str, dict[str, str]]:
    if layer == "conv1":
        return "features.0", PLAIN
    if layer == "bn1":
        return "features.1", NORM
    if layer == "fc":
        return "output", PLAIN
    match = _UNIT.fullmatch(layer)
    if not match:
        return "", {}
    stage, unit, kind, number, part = match.groups()
    place = f"features.{int(stage) + 3}.{unit}"
    if part:
        return f"{place}.downsample.{part}", NORM if part == "1" else PLAIN
    first = 3 * (int(number) - 1)  # convolution, batch norm, activation
    return (
        (f"{place}.body.{first}", PLAIN) if kind == "conv" else (f"{place}.body.{first + 1}", NORM)
    )


def guess(arrays: Mapping[str, Any]) -> str | None:
    """Which network of torchvision's or timm's ResNet family it is, None if of none."""
    if not {"conv1.weight", "layer1.0.conv1.weight", "layer4.0.conv2.weight"} <= arrays.keys():
        return "resnet of timm's own stem" if "layer1.0.conv1.weight" in arrays else None
    bottleneck = "layer1.0.conv3.weight" in arrays
    units = tuple(
        len({name.split(".")[1] for name in arrays if name.startswith(f"layer{stage}.")})
        for stage in (1, 2, 3, 4)
    )
    layers = LAYERS.get((bottleneck, units))
    name = f"resnet{layers}" if layers else f"resnet of {units} units"
    if any(".se." in each for each in arrays):
        return f"se{name}"
    width, groups = _width_and_groups(arrays, bottleneck=bottleneck)
    if groups > 1:
        return name.replace("resnet", "resnext") + f"_{groups}x{width // groups}d"
    return name if width == _BOTTLENECK_WIDTH else f"wide_{name}_{width // _BOTTLENECK_WIDTH}"


def _width_and_groups(arrays: Mapping[str, Any], *, bottleneck: bool) -> tuple[int, int]:
    if not bottleneck:
        return _BOTTLENECK_WIDTH, 1
    channels, inputs = arrays["layer1.0.conv2.weight"].shape[:2]
    return channels, max(1, channels // max(1, inputs))
