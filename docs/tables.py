"""Writes the tables of docs/training.md from the code that they describe: `python -m docs.tables`.

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`; the rest of the page is
written by hand.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.drawings import DRAWINGS
from training.hyperparameters import SIZES, Hyperparameters
from training.networks import FAMILIES, build, count_parameters
from training.networks.efficientnet_scaling import VARIANTS
from training.settings import rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from training.networks import Family

PAGE = Path(__file__).with_name("training.md")

CLASSES = 10
"""Of the networks whose parameters are counted."""

_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)

_FAMILY_FACTS = {
    "resnet18": (224, 3, "He et al. 2015; MXNet's model zoo, v1"),
    "resnet20": (32, 3, "He et al. 2015, section 4.2, option A"),
    "resnet9": (32, 3, "Page 2018 (DAWNBench); w: channels of its first layer, 64 as published"),
    "refund_cnn": (28, 1, "the refund department's, for Fashion-MNIST"),
    "contest_cnn": (28, 1, "the contest's, for Fashion-MNIST"),
    "inception_v3": (299, 3, "Szegedy et al. 2015, as Keras has it"),
    "xception": (299, 3, "Chollet 2017"),
    "efficientnet-lite0": (224, 3, "Tan and Le 2019; TensorFlow's reference"),
}
"""By a family's first network: the side it was published for, its colours, and where it is from."""


def filled(text: str) -> str:
    """The page with every table made anew.

    Raises:
        ValueError: a table is missing, or one that nobody makes is asked for.
    """
    asked = [name for _, name, _ in _BLOCK.findall(text)]
    if sorted(asked) != sorted(TABLES):
        raise ValueError(f"the page has tables {asked}, expected each of {sorted(TABLES)} once")
    return _BLOCK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}", text)


@functools.cache
def networks() -> str:
    """Every network; parameters are those that are trained."""
    rows = [_network(family, name) for family in FAMILIES for name in family.networks]
    return _table(("network", "parameters", "pictures", "published for", "source"), rows)


def _network(family: Family, name: str) -> tuple[str, ...]:
    side, colours, source = _FAMILY_FACTS[family.networks[0]]
    if name in VARIANTS:
        side = VARIANTS[name].size
    shape = (colours, family.smallest, family.smallest)
    trained, _ = count_parameters(build(name, CLASSES, shape=shape))
    one_size = family.smallest == family.largest
    smallest = max(family.smallest, min(SIZES))  # what a job may ask for
    sizes = f"{smallest}" if one_size else f"{smallest} to {family.largest}"
    return f"`{name}`", f"{trained:,}", sizes, f"{side}{', grey' * (colours == 1)}", source


def builtin_hyperparameters() -> str:
    """Those that SageMaker's Image Classification has too."""
    return _hyperparameters(builtin=True)


def own_hyperparameters() -> str:
    """The others."""
    return _hyperparameters(builtin=False)


def _hyperparameters(*, builtin: bool) -> str:
    rows = [
        (f"`{name}`", _default(default), rule.expected, rule.about)
        for name, (rule, default) in rules(Hyperparameters).items()
        if rule.builtin == builtin
    ]
    return _table(("name", "default", "range", "what it does"), rows)


def _default(value: Any) -> str:
    """As it would be written behind `--set name=`."""
    if value in ("", ()):
        return "none"
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`"
    return f"`{value:g}`" if isinstance(value, bool | int | float) else f"`{value}`"


def schedules() -> str:
    """Every drawing, beside what it was drawn with."""
    rows = [
        (
            f"`{name}`",
            "<br>".join(f"`{key}={value}`" for key, value in drawing.settings.items()),
            f'<img src="schedules/{name}.svg" width="300" alt="{_alternative(name)}">',
        )
        for name, drawing in DRAWINGS.items()
    ]
    return _table(("schedule", "drawn with", "learning rate over 20 epochs"), rows)


def _alternative(name: str) -> str:
    """What the curve does, for who does not see it: its rate at five places."""
    epochs, rates = DRAWINGS[name].curve()
    last = len(epochs) - 1
    told = [f"{rates[last * part // 4]:.3f}" for part in range(5)]
    return f"{name}: from first to last epoch in quarters {', '.join(told)}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


TABLES: dict[str, Callable[[], str]] = {
    "networks": networks,
    "builtin_hyperparameters": builtin_hyperparameters,
    "own_hyperparameters": own_hyperparameters,
    "schedules": schedules,
}
"""By the name in the marker: what makes it."""


def main() -> None:
    """Write the tables into the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
