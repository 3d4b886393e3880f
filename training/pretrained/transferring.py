"""Weights into a network: everything by name, every shape compared, everything accounted for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mxnet as mx
import numpy as np
from mxnet.gluon import nn

from contracts import TrainingError
from training.networks.efficientnet import Turn
from training.pretrained import architecture
from training.pretrained.form import adapt
from training.pretrained.symbol_network import SymbolNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from training.pretrained.weights import Pretrained

    Arrays = dict[str, np.ndarray[Any, Any]]

HEAD = ("output.weight", "output.bias")
"""Of the last fully-connected layer, which belongs to the classes rather than to pictures."""

_COUNTER = ".num_batches_tracked"
"""PyTorch's batch norms count their updates; nothing reads it."""

_KERNEL_AXES = 4
_COLOURS = 3


@dataclass(frozen=True, slots=True)
class Transferred:
    """What became of the parameters, and of the file.

    Attributes:
        loaded: the network's parameters that were copied.
        anew: those that keep their drawn values: the head's, where the classes are others.
        zeroed: biases that the trained network did without.
        unused: names in the file that were not needed.
    """

    loaded: tuple[str, ...]
    anew: tuple[str, ...]
    zeroed: tuple[str, ...]
    unused: tuple[str, ...]


def transfer(network: Any, pretrained: Pretrained, *, head: bool = True) -> Transferred:
    """Copy weights into a network, which is given the form that they need (`form.adapt`).

    Args:
        network: initialised, from `training.networks.build`, `training.networks.efficientnet` or
            `symbol_network.build_symbol`.
        pretrained: as `load` returns it.
        head: False draws the head anew even where the number of classes is the same.

    Raises:
        TrainingError: they belong to another network, or hold a number that is not finite. The
            network is as it was then.
    """
    targets = _targets(network)
    arrays = _by_target(network, targets, pretrained)
    zeroed = _absent_biases(targets, arrays, pretrained)
    anew = _anew(targets, arrays, keep=head)
    _check(network, targets, arrays, {*anew, *zeroed}, pretrained)
    adapt(network, pretrained.form)
    mx.nd.waitall()  # oneDNN may still be reordering the weights of a first forward pass
    turned = not pretrained.mxnet and _is_turned(network)
    used = set()
    for place, parameter in targets.items():
        if place in zeroed:
            parameter.set_data(mx.nd.zeros(parameter.shape))
        elif place not in anew:
            name, array = arrays[place]
            used.add(name)
            parameter.set_data(mx.nd.array(_turned(array) if turned else array, dtype="float32"))
    names = {place: parameter.name for place, parameter in targets.items()}
    return Transferred(
        loaded=tuple(names[p] for p in targets if p not in anew and p not in zeroed),
        anew=tuple(names[place] for place in targets if place in anew),
        zeroed=tuple(names[place] for place in targets if place in zeroed),
        unused=(*(name for name in pretrained.arrays if name not in used), *pretrained.others),
    )


def _targets(network: Any) -> dict[str, Any]:
    """The parameters by place: `features.0.weight`, `output.bias`, or a symbol's names."""
    if isinstance(network, SymbolNetwork):
        places = dict(zip(network.head, HEAD, strict=False))
        return {places.get(name, name): p for name, p in network.collect_params().items()}
    core = _core(network)
    every = core._collect_params_with_prefix()  # noqa: SLF001 - what save_parameters writes
    dense = _last_dense(core)
    ends = {dense.weight.name: HEAD[0], dense.bias.name: HEAD[1]} if dense else {}
    return {ends.get(p.name, place): p for place, p in every.items()}


def _core(network: Any) -> Any:
    """The block with `features`, perhaps behind a pooling layer."""
    if hasattr(network, "features"):
        return network
    for child in network._children.values():  # noqa: SLF001 - Gluon's only list of them
        if hasattr(child, "features"):
            return child
    raise TrainingError(f"{type(network).__name__} has no features that weights could be put into")


def _last_dense(core: Any) -> Any:
    found = []

    def look(block: Any) -> None:
        if isinstance(block, nn.Dense):
            found.append(block)

    core.apply(look)
    return found[-1] if found else None


def _by_target(
    network: Any, targets: Mapping[str, Any], pretrained: Pretrained
) -> dict[str, tuple[str, np.ndarray[Any, Any]]]:
    """The file's (name, array) by place, also for places that this network lacks."""
    if pretrained.mxnet:
        places = _gluon_places(network, targets, pretrained)
    else:
        places = architecture.gluon_names(pretrained.arrays)
    return {
        places.get(name, name): (name, array)
        for name, array in pretrained.arrays.items()
        if not name.endswith(_COUNTER)
    }


def _gluon_places(
    network: Any, targets: Mapping[str, Any], pretrained: Pretrained
) -> dict[str, str]:
    """By structure, by the parameters' full names, or by those without the network's own."""
    full = {parameter.name: place for place, parameter in targets.items()}
    known = dict(full)
    for block in () if isinstance(network, SymbolNetwork) else (network, _core(network)):
        every = block._collect_params_with_prefix()  # noqa: SLF001 - what save_parameters writes
        known |= {name: full[parameter.name] for name, parameter in every.items()}
    if known.keys() & pretrained.arrays.keys():
        return {name: known[name] for name in pretrained.arrays if name in known}
    ours = architecture.without_prefix(full)
    theirs = architecture.without_prefix(pretrained.arrays)
    return {theirs[short]: full[ours[short]] for short in ours if short in theirs}


def _absent_biases(
    targets: Mapping[str, Any], arrays: Mapping[str, Any], pretrained: Pretrained
) -> set[str]:
    """Of convolutions before a batch norm: the model zoo's bottlenecks have them, PyTorch's not."""
    if pretrained.mxnet:
        return set()
    return {
        place
        for place in targets
        if place.endswith(".bias") and ".body." in place and place not in arrays
    }


def _anew(targets: Mapping[str, Any], arrays: Mapping[str, Any], *, keep: bool) -> set[str]:
    """Everything behind the features, unless the one layer there fits the file's."""
    behind = {place for place in targets if place in HEAD or place.startswith("head.")}
    fits = all(
        place in arrays and arrays[place][1].shape == targets[place].shape for place in behind
    )
    return set() if keep and fits else behind


def _check(
    network: Any,
    targets: Mapping[str, Any],
    arrays: Mapping[str, tuple[str, np.ndarray[Any, Any]]],
    apart: set[str],
    pretrained: Pretrained,
) -> None:
    _check_colours(targets, pretrained)
    for fault in _faults(targets, arrays, apart):
        raise TrainingError(
            f"{pretrained.source} seems to be {pretrained.architecture}, which does not fit the "
            f"network {_name(network)}: {fault}",
            hint=_hint(pretrained.architecture),
        )
    for name, array in arrays.values():
        if not np.isfinite(array).all():
            raise TrainingError(f"{pretrained.source}: {name} holds a number that is not finite")


def _hint(found: str) -> str:
    if found == architecture.UNKNOWN:
        return "expected a ResNet-18 to -152, an EfficientNet, or a former artifact with its symbol"
    return f"train a network {found} from it, or take weights of the network that is to be trained"


def _faults(
    targets: Mapping[str, Any],
    arrays: Mapping[str, tuple[str, np.ndarray[Any, Any]]],
    apart: set[str],
) -> Iterable[str]:
    for place, parameter in targets.items():
        if place in apart:
            continue
        if place not in arrays:
            yield f"it has nothing for {parameter.name}"
        elif arrays[place][1].shape != parameter.shape:
            name, array = arrays[place]
            yield f"{name} has shape {array.shape}, expected {parameter.shape}"
    for place, (name, _) in arrays.items():
        if place not in targets and place not in HEAD:
            yield f"nothing in the network takes {name}"


def _check_colours(targets: Mapping[str, Any], pretrained: Pretrained) -> None:
    first = next((p for p in targets.values() if len(p.shape or ()) == _KERNEL_AXES), None)
    if first is not None and not pretrained.mxnet and first.shape[1] != _COLOURS:
        raise TrainingError(
            f"{pretrained.source} takes photos of 3 channels, the network of {first.shape[1]}",
            hint="set image_shape to 3,height,width",
        )


def _name(network: Any) -> str:
    if isinstance(network, SymbolNetwork):
        return "of the symbol"
    core = _core(network)
    return getattr(core, "short_name", "") or core.prefix.rstrip("_")


def _is_turned(network: Any) -> bool:
    """Whether kernels stand the other way round in it (`training.networks.efficientnet.Turn`)."""
    found = []

    def look(block: Any) -> None:
        if isinstance(block, Turn):
            found.append(block.active)

    network.apply(look)
    return any(found)


def _turned(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array[:, :, ::-1, ::-1] if array.ndim == _KERNEL_AXES else array
