"""Optimizers by the built-in algorithm's names, and their memory as plain arrays."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import mxnet as mx
from mxnet import gluon

from training.cluster import DIST_ASYNC
from training.schedules import learning_rate

if TYPE_CHECKING:
    from training.cluster import Cluster
    from training.hyperparameters import Hyperparameters

_KEY = re.compile(r"(\d+)/(\d+|-)")


def make_trainer(network: Any, settings: Hyperparameters, cluster: Cluster, steps: int = 1) -> Any:
    """A Gluon Trainer of the job's optimizer, for all its hosts; `steps` are those of an epoch."""
    arguments: dict[str, Any] = {"wd": settings.weight_decay, **_arguments(settings)}
    if cluster.kvstore_kind == DIST_ASYNC:  # the optimizer is at the servers, out of reach
        arguments["lr_scheduler"] = AsynchronousRate(settings, steps * cluster.size)
    if settings.optimizer == "nag":
        optimizer: Any = Nesterov(**arguments)
    else:
        optimizer = mx.optimizer.create(settings.optimizer, **arguments)
    trainer = gluon.Trainer(
        network.collect_params(),
        optimizer,
        kvstore=cluster.kvstore,
        update_on_kvstore=cluster.update_on_kvstore,
    )
    if cluster.kvstore_kind == DIST_ASYNC:
        _tell_factors(trainer)
    return trainer


def _tell_factors(trainer: Any) -> None:
    """Give an optimizer that goes to servers what it would ask of parameters, which stay here.

    Without it servers take body_lr_factor for 1, and pull biases towards 0 (MXNet 1.9.1).
    """
    optimizer = trainer.optimizer
    for index, parameter in enumerate(trainer._params):  # noqa: SLF001 - in the order of its keys
        optimizer.lr_mult[index] = parameter.lr_mult
        optimizer.wd_mult[index] = parameter.wd_mult


def count_from(trainer: Any, updates: int) -> None:
    """Have servers, before the first step, go on in schedule and counts behind so many updates.

    Their memory of gradients is lost with them.
    """
    trainer.optimizer.begin_num_update = trainer.optimizer.num_update = updates


class AsynchronousRate(mx.lr_scheduler.LRScheduler):
    """The job's schedule for servers, which know nothing but how often a weight has changed."""

    def __init__(self, settings: Hyperparameters, updates: int) -> None:
        super().__init__(base_lr=settings.learning_rate)
        self._settings, self._updates = settings, updates

    def __call__(self, num_update: int) -> float:
        """The learning rate after so many updates; each host makes one a step."""
        last = math.nextafter(self._settings.epochs, 0)
        return learning_rate(self._settings, min(num_update / self._updates, last))


class Nesterov(mx.optimizer.NAG):
    """MXNet's NAG, written out: the operator that it uses gives other bits at every run (1.9.1)."""

    def _update_impl(
        self, index: int, weight: Any, grad: Any, state: Any, multi_precision: bool = False
    ) -> None:
        if state is None or multi_precision:
            super()._update_impl(index, weight, grad, state, multi_precision)
            return
        self._update_count(index)
        change = (grad * self.rescale_grad + self._get_wd(index) * weight) * self._get_lr(index)
        state[:] = self.momentum * state - change
        weight[:] += self.momentum * state - change


def _arguments(settings: Hyperparameters) -> dict[str, float]:
    if settings.optimizer in ("sgd", "nag"):
        return {"momentum": settings.momentum}
    if settings.optimizer == "adam":
        return {"beta1": settings.beta_1, "beta2": settings.beta_2, "epsilon": settings.eps}
    return {"gamma1": settings.gamma, "epsilon": settings.eps}


def memory(trainer: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the optimizer remembers: arrays by name, and its counts of steps as JSON.

    Gluon's own `save_states` pickles; a checkpoint comes back from a bucket that others write to.
    """
    (updater,) = trainer._updaters  # noqa: SLF001 - there is no public way to plain arrays
    arrays = {}
    for index, state in updater.states.items():
        several = isinstance(state, tuple)
        for place, one in enumerate(state if several else (state,)):
            if one is not None:
                arrays[f"{index}/{place if several else '-'}"] = one.asnumpy()
    optimizer = trainer.optimizer
    counts = {str(i): n for i, n in optimizer._index_update_count.items()}  # noqa: SLF001
    return arrays, {"counts": counts, "steps": optimizer.num_update}


def restore_memory(trainer: Any, arrays: dict[str, Any], counts: dict[str, Any]) -> None:
    """Give a new trainer the memory of `memory`.

    Raises:
        ValueError: a name is not one that `memory` gives.
    """
    (updater,) = trainer._updaters  # noqa: SLF001
    several: dict[int, dict[int, Any]] = {}
    for name, array in arrays.items():
        match = _KEY.fullmatch(name)
        if match is None:
            raise ValueError(f"{name!r} is no part of an optimizer's memory")
        index = int(match[1])
        if match[2] == "-":
            updater.states[index] = mx.nd.array(array, dtype=array.dtype)
        else:
            several.setdefault(index, {})[int(match[2])] = mx.nd.array(array, dtype=array.dtype)
    for index, parts in several.items():
        updater.states[index] = tuple(parts[place] for place in sorted(parts))
    updater.states_synced.update(dict.fromkeys(updater.states, True))
    optimizer = trainer.optimizer
    optimizer._index_update_count.update({int(i): n for i, n in counts["counts"].items()})  # noqa: SLF001
    optimizer.num_update = counts["steps"]
