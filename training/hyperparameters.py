"""The job's hyperparameters: strings on arrival, checked and typed before anything is loaded.

Names, types, ranges and defaults of the first group are those of SageMaker's built-in Image
Classification (developer guide, *Image Classification Hyperparameters*); the rest are our own.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training.effects import check_effects
from training.settings import Declared, check, out_of_range, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

NUM_LAYERS = (18, 34, 50, 101, 152, 200, 20, 32, 44, 56, 110)
"""Of the ResNets: six for photos, and five for pictures of 28 x 28 and the like."""

AUGMENTATION_TYPES = ("none", "crop", "crop_color", "crop_color_transform")
OPTIMIZERS = ("sgd", "adam", "rmsprop", "nag")
KV_STORES = ("", "dist_sync", "dist_async")
LR_SCHEDULES = (
    "exponential",
    "constant",
    "step",
    "polynomial",
    "cosine",
    "cyclical",
    "cyclical_exponential",
    "plateau",
)
HEAD_RULES = ("regression", "means")
HEADS = ("pool", "flatten", "conv")
LOSSES = ("cross_entropy", "focal")
SAMPLINGS = ("natural", "balanced")
WEIGHTINGS = ("none", "balanced")

MAX_SEED = 2**30
COLOURS = (1, 3)
SIZES = range(28, 1025)
"""Sides of a picture, in pixels, that models are made for."""

EARLIER_SIZES = range(8, 1025)
"""Sides in the first epochs; the network has the last word on them."""

_PLENTY = 1e6


def _shape(text: str) -> tuple[int, int, int]:
    channels, height, width = (int(part) for part in text.split(","))
    return channels, height, width


def _pairs(text: str) -> tuple[tuple[int, int], ...]:
    pairs = [part.split(":") for part in text.split(",") if part]
    return tuple((int(size), int(epochs)) for size, epochs in pairs)


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part.strip())


_builtin, _own = Declared(builtin=True), Declared(builtin=False)


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """One training job's settings, valid by construction; 0 or nothing leaves an option out.

    `num_classes` and `num_training_samples`, which the built-in algorithm requires, may be left
    out: the records know better.
    """

    num_classes: int = _builtin.whole(0, 0, "Classes; 0: as many as the records have.")
    num_training_samples: int = _builtin.whole(0, 0, "Photos to train on; counted in any case.")
    num_layers: int = _builtin.choice(152, NUM_LAYERS, "Layers of the ResNet.")
    image_shape: tuple[int, int, int] = _builtin.other(
        (3, 224, 224),
        _shape,
        "channels,height,width, as in 3,112,112",
        "Colours (1: grey), height and width of a picture, the last two alike.",
    )
    resize: int = _builtin.whole(
        0, 0, "Pixels of the shorter side before cropping; `fit` of the records tells the rest."
    )
    epochs: int = _builtin.whole(30, 1, "Times that every photo is looked at.")
    mini_batch_size: int = _builtin.whole(32, 1, "Photos in a step; with several hosts, on each.")
    optimizer: str = _builtin.choice("sgd", OPTIMIZERS, "How weights follow their gradients.")
    learning_rate: float = _builtin.number(0.1, "At its highest.")
    lr_scheduler_factor: float = _builtin.number(0.1, "Of `step` and `plateau`: what is left.")
    lr_scheduler_step: tuple[int, ...] = _builtin.other(
        (), _integers, "epochs, as in 10,20", "Epochs of `step`; setting it chooses that schedule."
    )
    momentum: float = _builtin.number(0.9, "Of `sgd` and `nag`.")
    weight_decay: float = _builtin.number(0.0001, "Pull of weights towards 0, biases excepted.")
    beta_1: float = _builtin.number(0.9, "Of `adam`: memory of gradients.")
    beta_2: float = _builtin.number(0.999, "Of `adam`: memory of their squares.")
    eps: float = _builtin.number(1e-8, "Of `adam` and `rmsprop`: keeps divisors above 0.")
    gamma: float = _builtin.number(0.9, "Of `rmsprop`: memory of squared gradients.")
    augmentation_type: str = _builtin.choice(
        "none", AUGMENTATION_TYPES, "Random changes to photos that are trained on."
    )
    use_pretrained_model: bool = _builtin.flag("Start from `pretrained`.")
    multi_label: bool = _builtin.flag("A photo may show several classes, or none.")
    use_weighted_loss: bool = _builtin.flag("Multi-label: weigh classes by how rare they are.")
    early_stopping: bool = _builtin.flag("End where validation accuracy no longer improves.")
    early_stopping_min_epochs: int = _builtin.whole(10, 1, "Epochs before that may happen.")
    early_stopping_patience: int = _builtin.whole(5, 1, "Epochs to wait for an improvement.")
    early_stopping_tolerance: float = _builtin.number(
        0.0, "Relative improvement that counts as one."
    )
    checkpoint_frequency: int = _builtin.whole(
        0, 0, "Epochs between weights that are kept in the artifact; 0: the best epoch's alone."
    )
    kv_store: str = _builtin.choice("", KV_STORES, "How several hosts join their gradients.")
    precision_dtype: str = _builtin.choice(
        "float32", ("float32", "float16"), "Of weights; on a CPU float32 whatever is said."
    )
    top_k: int = _builtin.whole(0, 0, "Report also how often the label is among the k best.")

    network: str = _own.other("", str, "a network's name", "In place of `num_layers`' ResNet.")
    head: str = _own.choice("pool", HEADS, "What joins the last picture to the classes.")
    dropout: float = _own.number(
        0.0, "Share of the head's inputs that a step leaves out.", high=0.9
    )
    stem_pooling: int = _own.whole(1, 1, "Side of the squares of pixels that are averaged first.")
    pretrained: str = _own.other(
        "", str, "a name, file or https URL", "Weights to start from: a name, file or URL."
    )
    frozen_layers: int = _own.whole(0, 0, "Layers, from the first, that keep their weights.")
    freeze_epochs: int = _own.whole(0, 0, "Epochs in which only the head is trained.")
    head_start: bool = _own.flag("The head begins with what it can learn at once.")
    head_rule: str = _own.choice(
        "regression", HEAD_RULES, "Of `head_start`: what the head begins as."
    )
    body_lr_factor: float = _own.number(1.0, "Learning rate of all but the head, as a share.")
    freeze_statistics: bool = _own.flag("Batch norms keep the statistics that they came with.")
    lr_schedule: str = _own.choice("exponential", LR_SCHEDULES, "How the learning rate changes.")
    lr_decay: float = _own.number(0.05, "Of the exponentials: exp(-lr_decay) is left an epoch.")
    lr_min: float = _own.number(0.0, "Where `polynomial`, `cosine` and the cyclical ones end.")
    lr_power: float = _own.number(2.0, "Of `polynomial`.", high=10)
    lr_cycle_epochs: float = _own.number(4.0, "Length of a cycle, up and down.", high=_PLENTY)
    lr_patience: int = _own.whole(2, 1, "Of `plateau`: epochs without improvement.")
    warmup_epochs: float = _own.number(0.0, "In which the rate rises from 0.", high=_PLENTY)
    label_smoothing: float = _own.number(0.0, "Share of a label spread over all classes.", high=0.9)
    mixup: float = _own.number(0.0, "Alpha of the beta distribution that blends photos.", high=10)
    weight_average: float = _own.number(
        0.0,
        "Share of the weights' running average that a step leaves; the average is the model.",
        high=0.9999,
    )
    loss: str = _own.choice("cross_entropy", LOSSES, "What is made small.")
    focal_gamma: float = _own.number(2.0, "Of `focal`: how little easy photos count.", high=10)
    class_weights: str = _own.choice("none", WEIGHTINGS, "`balanced`: rare classes count more.")
    sampling: str = _own.choice("natural", SAMPLINGS, "`balanced`: all classes equally often.")
    min_area: float = _own.number(0.0, "Smallest share of a photo that `crop` leaves; 0: a half.")
    padding: int = _own.whole(
        0, 0, "Pixels of its own reflection around a photo that a crop may reach into.", high=64
    )
    mirror: bool = _own.flag("Every other photo is mirrored, as `crop` does.")
    colour_jitter: float = _own.number(0.0, "Largest change of brightness, contrast, saturation.")
    rotation: float = _own.number(0.0, "Largest turn, in degrees.", high=180)
    random_erasing: float = _own.number(0.0, "Probability that a part of a photo is blotted out.")
    random_grey: float = _own.number(0.0, "Probability that a photo loses its colours.")
    random_blur: float = _own.number(0.0, "Probability that a photo is blurred.")
    picture_sizes: tuple[tuple[int, int], ...] = _own.other(
        (), _pairs, "size:epochs pairs, as in 28:4,112:2", "Smaller pictures in the first epochs."
    )
    epoch_photos: int = _own.whole(0, 0, "Photos, drawn anew each time, of an epoch; 0: all.")
    max_minutes: float = _own.number(0.0, "Time after which training ends.", high=_PLENTY)
    checkpoint_minutes: float = _own.number(
        1.0, "Between two checkpoints within an epoch.", high=_PLENTY
    )
    threshold: float = _own.number(
        0.0, "Probability below which the verdict is `none`; 0: each class has its own."
    )
    wanted_precision: float = _own.number(
        0.0, "That each class's own threshold reaches on validation photos; 0: the best F1."
    )
    tracking: str = _own.choice(
        "", ("", "tensorboard", "mlflow"), "Where figures are written besides the log."
    )
    seed: int = _own.whole(0, 0, "Of everything that is random.", high=MAX_SEED - 1)

    def __post_init__(self) -> None:
        check(self)
        self._check_pictures()
        for name, holds, expected in self._joint_rules():
            if not holds:
                raise out_of_range(name, getattr(self, name), expected)

    def _check_pictures(self) -> None:
        channels, height, width = self.image_shape
        if channels not in COLOURS or height != width or height not in SIZES:
            raise out_of_range(
                "image_shape",
                self.image_shape,
                f"3,SIZE,SIZE or 1,SIZE,SIZE with SIZE from {min(SIZES)} to {max(SIZES)}, "
                "as in 3,112,112",
            )
        if not self.picture_sizes:
            return
        total = sum(epochs for _, epochs in self.picture_sizes)
        in_range = all(size in EARLIER_SIZES and epochs > 0 for size, epochs in self.picture_sizes)
        if not in_range or total != self.epochs or self.picture_sizes[-1][0] != height:
            raise out_of_range(
                "picture_sizes",
                self.picture_sizes,
                f"size:epochs pairs whose epochs add up to epochs={self.epochs} and whose last "
                f"size is the image_shape's {height}, as in 28:4,{height}:2",
            )

    def _joint_rules(self) -> tuple[tuple[str, bool, str], ...]:
        """What one setting asks of another: (name, whether it holds, what is expected)."""
        size = self.image_shape[1]
        steps = self.lr_scheduler_step
        return (
            (
                "stem_pooling",
                size // self.stem_pooling >= min(SIZES),
                f"1, or as much as leaves {min(SIZES)} of the picture's {size} pixels",
            ),
            ("resize", not 0 < self.resize < size, f"{size} or more, or none"),
            (
                "lr_scheduler_step",
                (self.lr_schedule != "step" or bool(steps))
                and all(step > 0 for step in steps)
                and list(steps) == sorted(set(steps)),
                "epochs that rise, as in 10,20",
            ),
            ("checkpoint_frequency", self.checkpoint_frequency <= self.epochs, "epochs at most"),
            ("top_k", self.top_k != 1, "an integer above 1"),
            (
                "lr_schedule",
                not (self.lr_schedule == "plateau" and self.kv_store == "dist_async"),
                "another than plateau with kv_store=dist_async, whose servers see no accuracy",
            ),
            ("head_start", not (self.head_start and self.multi_label), "0 with multi_label=1"),
            ("mixup", not (self.mixup and self.multi_label), "0 with multi_label=1"),
            (
                "sampling",
                not (self.sampling == "balanced" and self.multi_label),
                "natural with multi_label=1",
            ),
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """The picture's side in pixels for each epoch."""
        if not self.picture_sizes:
            return (self.image_shape[1],) * self.epochs
        return tuple(size for size, epochs in self.picture_sizes for _ in range(epochs))

    @classmethod
    def parse(cls, strings: Mapping[str, str]) -> Hyperparameters:
        """Type and check the strings of hyperparameters.json.

        Names that begin with an underscore are SageMaker's own (`_tuning_objective_metric` of a
        tuning job) and are left out.

        Raises:
            TrainingError: a name is unknown, a value is outside its type or range, or it has no
                effect beside the others.
        """
        values = parsed(cls, {k: v for k, v in strings.items() if not k.startswith("_")})
        if values.get("lr_scheduler_step"):
            values.setdefault("lr_schedule", "step")
        if values.get("pretrained"):
            values.setdefault("use_pretrained_model", True)
            if "num_layers" not in values:
                values.setdefault("network", "pretrained")
        settings = cls(**values)
        check_effects(settings, strings)
        return settings

    def document(self) -> dict[str, Any]:
        """The settings as JSON can hold them."""
        return dataclasses.asdict(self)
