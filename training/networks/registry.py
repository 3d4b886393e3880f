"""Every network by its short name; a line in FAMILIES adds a family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts import TrainingError
from training.networks import efficientnet, fashion_mnist, inception_v3, resnet, resnet9, xception

if TYPE_CHECKING:
    from training.networks.family import Family

FAMILIES: tuple[Family, ...] = (
    resnet.LARGE_PICTURES,
    resnet.SMALL_PICTURES,
    resnet9.FAMILY,
    fashion_mnist.REFUND,
    fashion_mnist.CONTEST,
    inception_v3.FAMILY,
    xception.FAMILY,
    efficientnet.FAMILY,
)

NETWORKS = {network: family for family in FAMILIES for network in family.networks}
"""The family of each short name."""

LAYERED = "resnet"
"""The family that num_layers belongs to, SageMaker's built-in Image Classification's only one."""


def short_name(name: str | int, num_layers: int | None = None) -> str:
    """The one name of a network: `resnet34` for `resnet` and 34, or for 34 alone.

    Args:
        name: a short name, `resnet`, or a number of layers as in the built-in algorithm.
        num_layers: of a ResNet; None with a name that says all.

    Raises:
        TrainingError: there is no such network, or num_layers contradicts the name.
    """
    if isinstance(name, int):
        return short_name(LAYERED, name)
    if name == LAYERED:
        if num_layers is None:
            raise TrainingError(
                f"network {name!r} without num_layers: expected one of {_layers()}",
                hint=f"or a short name, as in {LAYERED}34",
            )
        found = f"{LAYERED}{num_layers}"
        if found not in NETWORKS:
            raise TrainingError(f"num_layers={num_layers}: expected one of {_layers()}")
        return found
    if name not in NETWORKS:
        raise TrainingError(f"network {name!r}: expected one of {', '.join(NETWORKS)}")
    if num_layers is not None and name != f"{LAYERED}{num_layers}":
        raise TrainingError(
            f"num_layers={num_layers} with network {name!r}: expected no num_layers",
            hint=f"it belongs to network {LAYERED!r}",
        )
    return name


def _layers() -> str:
    names = (name for family in FAMILIES if family.name == LAYERED for name in family.networks)
    return ", ".join(name.removeprefix(LAYERED) for name in names)
