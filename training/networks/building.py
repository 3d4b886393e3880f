"""From a name and settings to a network whose weights are yet to be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts import TrainingError
from training.networks.family import POOL
from training.networks.heads import build_head
from training.networks.network import Network
from training.networks.registry import FAMILIES, NETWORKS, short_name

if TYPE_CHECKING:
    from training.networks.family import Family

DEFAULT_SHAPE = (3, 224, 224)
"""SageMaker's built-in Image Classification's default of image_shape."""

COLOURS = (1, 3)


def build(
    name: str | int,
    num_classes: int,
    *,
    shape: tuple[int, int, int] = DEFAULT_SHAPE,
    num_layers: int | None = None,
    head: str = POOL,
    dropout: float = 0.0,
    stem_pooling: int = 1,
) -> Network:
    """A network with `num_classes` logits for photos (N, 3, H, W), float32, normalised RGB.

    Args:
        name: a short name of `registry.NETWORKS`, `resnet` with num_layers, or a number of layers
            alone, as the built-in algorithm names its networks.
        num_classes: length of a row of logits.
        shape: of a picture, (1 or 3, height, width); 1 makes the network turn photos to grey.
        num_layers: of a ResNet; the number also says whether it is one for small pictures.
        head: `pool`, which is the published end, or `flatten` or `conv` (`heads.build_head`).
        dropout: share of values, from 0 to below 1, dropped before the last layer in training.
        stem_pooling: side of the squares of pixels that are averaged before the first convolution:
            2 quarters the work, for photos whose detail is no finer.

    Raises:
        TrainingError: there is no such network, or it is not to be had with these settings.
    """
    found = short_name(name, num_layers)
    family = NETWORKS[found]
    check_settings(
        found, num_classes, shape=shape, head=head, dropout=dropout, stem_pooling=stem_pooling
    )
    if family.end:
        end = family.end(found, num_classes)
    else:
        end = build_head(head, found, num_classes, dropout)
    return Network(
        found,
        family,
        end,
        shape=shape,
        stem_pooling=stem_pooling,
        any_size=family.any_size(head),
    )


def check_settings(
    name: str,
    num_classes: int,
    *,
    shape: tuple[int, int, int],
    head: str = POOL,
    dropout: float = 0.0,
    stem_pooling: int = 1,
) -> None:
    """Refuse what `build` cannot build, without building it; `name` is a short name.

    Raises:
        TrainingError: a setting is out of its range, or this network does not take it.
    """
    family = NETWORKS[name]
    if num_classes < 1:
        raise TrainingError(f"num_classes={num_classes}: expected an integer above 0")
    if shape[0] not in COLOURS:
        raise TrainingError(
            f"image_shape={','.join(map(str, shape))}: expected 1 channel (grey) or 3 (RGB)",
            hint="photos are read as RGB either way",
        )
    if stem_pooling < 1:
        raise TrainingError(f"stem_pooling={stem_pooling}: expected an integer above 0")
    for side in shape[1:]:
        hint = _alternatives(family, side // stem_pooling)
        family.check_side(name, side, stem_pooling, hint=hint)
    _check_head(name, family, head, dropout)


def _check_head(name: str, family: Family, head: str, dropout: float) -> None:
    if head not in family.heads:
        raise TrainingError(f"head={head!r} with {name}: expected {' or '.join(family.heads)}")
    if not 0 <= dropout < 1:
        raise TrainingError(f"dropout={dropout}: expected a number from 0 to below 1")
    if dropout and family.end:
        raise TrainingError(
            f"dropout={dropout} with {name}: expected 0, as the network has its own"
        )


def _alternatives(family: Family, side: int) -> str:
    """The networks for pictures of `side` pixels, if possible those of the same name alone."""
    fitting = [each for each in FAMILIES if each.smallest <= side <= each.largest]
    kin = [each for each in fitting if each.name == family.name] or fitting
    names = [name for each in kin for name in each.networks]
    return f"for {side} pixels there are {', '.join(names)}" if names else "another image_shape"
