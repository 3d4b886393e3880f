"""Which hyperparameters have an effect only beside others, and what is said where they have none.

A job for SageMaker's built-in Image Classification may carry what the algorithm then passes over:
such names are warned of, since the job is to run. Of our own names nobody carries any by habit, so
that one without effect is a mistake: it is refused.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts import TrainingError
from training.settings import rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from training.hyperparameters import Hyperparameters

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Situation:
    """What a job has besides its hyperparameters.

    Attributes:
        goes_on: whether a channel `model` holds a former artifact.
        keeps_network: whether the weights came with a network of their own.
        validates: whether it has validation photos.
        hosts: how many.
    """

    goes_on: bool = False
    keeps_network: bool = False
    validates: bool = True
    hosts: int = 1


@dataclass(frozen=True, slots=True)
class Condition:
    """When some settings have an effect.

    Attributes:
        names: of the settings.
        holds: whether they have one.
        otherwise: why they have none, behind "has no effect".
    """

    names: tuple[str, ...]
    holds: Callable[[Hyperparameters, Situation], bool]
    otherwise: str


def _with(names: str, other: str, *values: str) -> Condition:
    """Settings that are read only where `other` has one of some values."""
    return Condition(
        tuple(names.split()),
        lambda settings, _: getattr(settings, other) in values,
        f"without {other}={' or '.join(values)}",
    )


def _with_flag(names: str, flag: str, *, is_set: bool = True) -> Condition:
    return Condition(
        tuple(names.split()),
        lambda settings, _: getattr(settings, flag) == is_set,
        f"{'without' if is_set else 'beside'} {flag}=1",
    )


_CYCLICAL = ("cyclical", "cyclical_exponential")

AMONG_SETTINGS: tuple[Condition, ...] = (
    _with("momentum", "optimizer", "sgd", "nag"),
    _with("beta_1 beta_2", "optimizer", "adam"),
    _with("eps", "optimizer", "adam", "rmsprop"),
    _with("gamma", "optimizer", "rmsprop"),
    _with("lr_scheduler_step", "lr_schedule", "step"),
    Condition(
        ("lr_scheduler_step",),
        lambda settings, _: settings.lr_scheduler_step[0] < settings.epochs,
        "where it begins behind the last of the epochs",
    ),
    _with("lr_scheduler_factor", "lr_schedule", "step", "plateau"),
    _with("lr_decay", "lr_schedule", "exponential", "cyclical_exponential"),
    _with("lr_min", "lr_schedule", "polynomial", "cosine", *_CYCLICAL),
    _with("lr_power", "lr_schedule", "polynomial"),
    _with("lr_cycle_epochs", "lr_schedule", *_CYCLICAL),
    _with("lr_patience", "lr_schedule", "plateau"),
    _with_flag(
        "early_stopping_min_epochs early_stopping_patience early_stopping_tolerance",
        "early_stopping",
    ),
    Condition(
        ("early_stopping",),
        lambda settings, _: (
            settings.epochs
            > max(settings.early_stopping_min_epochs, settings.early_stopping_patience)
        ),
        "without more epochs than early_stopping_min_epochs and early_stopping_patience",
    ),
    _with_flag("head_rule", "head_start"),
    _with_flag("use_weighted_loss", "multi_label"),
    _with_flag("top_k", "multi_label", is_set=False),
    Condition(
        ("class_weights",),
        lambda settings, _: not settings.multi_label,
        "beside multi_label=1, whose classes use_weighted_loss=1 weighs",
    ),
    Condition(
        ("mirror",),
        lambda settings, _: settings.augmentation_type == "none",
        "beside augmentation_type, each of which mirrors",
    ),
    _with("focal_gamma", "loss", "focal"),
    Condition(("num_layers",), lambda settings, _: not settings.network, "beside network"),
    _with_flag("pretrained", "use_pretrained_model"),
    Condition(
        ("body_lr_factor",),
        lambda settings, _: settings.freeze_epochs < settings.epochs,
        "where freeze_epochs lets the head alone learn to the end",
    ),
    Condition(
        ("wanted_precision",),
        lambda settings, _: not settings.threshold,
        "beside threshold, which is that of all classes",
    ),
)
"""What the hyperparameters tell alone."""

IN_A_JOB: tuple[Condition, ...] = (
    Condition(
        ("frozen_layers", "freeze_epochs", "freeze_statistics", "head_start"),
        lambda settings, job: settings.use_pretrained_model or job.goes_on,
        "without pretrained weights or a model channel: all has yet to learn",
    ),
    Condition(
        ("use_pretrained_model", "pretrained"),
        lambda _, job: not job.goes_on,
        "beside a model channel, which the job goes on from",
    ),
    Condition(
        ("num_layers", "network", "head", "dropout", "stem_pooling"),
        lambda _, job: not job.keeps_network,
        "where the weights to start from come with their own network",
    ),
    Condition(
        ("early_stopping", "wanted_precision"),
        lambda _, job: job.validates,
        "without validation photos",
    ),
    Condition(
        ("lr_schedule", "lr_patience"),
        lambda settings, job: job.validates or settings.lr_schedule != "plateau",
        "without validation photos, whose accuracy a plateau is of",
    ),
    Condition(("kv_store",), lambda _, job: job.hosts > 1, "on a single host"),
)
"""What shows once the job's channels, hosts and weights are known."""


def check_effects(
    settings: Hyperparameters,
    given: Iterable[str],
    situation: Situation | None = None,
) -> None:
    """Warn of settings of the built-in algorithm, and refuse our own, that have no effect.

    One that is left out by its value (0, nothing, none) is not meant to have any.

    Args:
        settings: valid.
        given: names that the job sets; others have their defaults.
        situation: of the job, where it is what may take the effect away.

    Raises:
        TrainingError: one of our own is given in vain.
    """
    table = AMONG_SETTINGS if situation is None else IN_A_JOB
    asked = {name: getattr(settings, name) for name in given if _is_asked_for(settings, name)}
    known = rules(type(settings))
    for condition in table:
        for name in condition.names:
            if name in asked and not condition.holds(settings, situation or Situation()):
                _tell(name, asked, condition.otherwise, builtin=known[name][0].builtin)


def _is_asked_for(settings: Hyperparameters, name: str) -> bool:
    known = rules(type(settings))
    if name not in known:  # SageMaker's own, `_tuning_objective_metric`
        return False
    value, default = getattr(settings, name), known[name][1]
    return bool(value != default or (default and default != "none"))


def _tell(name: str, values: Mapping[str, Any], otherwise: str, *, builtin: bool) -> None:
    told = f"hyperparameter {name}={values[name]!r} has no effect {otherwise}"
    if builtin:
        logger.warning(told)
        return
    raise TrainingError(told, hint=f"leave {name} out, or give it what it needs")
