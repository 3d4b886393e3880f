"""Labels that are numbers, as lists and tables of photos have them, and their classes."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from contracts import DatasetError
from recordio_prep.sources.source import is_listable, normalised

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

MAX_CLASSES = 100_000
"""A label above is taken for something else (a product's number): ImageNet has 21,841 classes."""

_SHOWN = 5
_WHOLE = re.compile(r"([0-9]{1,18})(?:\.0*)?")


def whole_number(field: str) -> int | None:
    """What the field says, None if it is not a whole number from 0.

    `3.000000` is one: im2rec writes labels as floats.
    """
    match = _WHOLE.fullmatch(field.strip())
    return int(match[1]) if match else None


def class_names(
    labels: Collection[int], names: Sequence[str] | None, *, source: str, may_lack: bool
) -> tuple[str, ...]:
    """The class of each label, in label order: "0", "1", ... unless they have names.

    Args:
        labels: Those that occur, one at least.
        names: One for each label, those that do not occur included.
        source: What the labels are from, for the message.
        may_lack: Whether labels without names may have gaps, as those of a part of the photos.

    Raises:
        DatasetError: too few names, or names that are empty, repeated or cannot stand in `.lst`; or
            no names, and labels that begin elsewhere than at 0 or have gaps.
    """
    count = 1 + max(labels)
    if names is None:
        if not may_lack:
            _check_all_occur(labels, source)
        return tuple(map(str, range(count)))
    if count > len(names):
        raise DatasetError(
            f"{source}: label {count - 1}, expected 0 to {len(names) - 1}: {len(names)} names",
            hint="give a name for every label, in label order from 0",
        )
    names = tuple(map(normalised, names))
    unusable = [name for name in names if not name or not is_listable(name)]
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)
    if unusable or repeated:
        raise DatasetError(
            f"class names {', '.join(map(repr, unusable + repeated))},"
            " expected distinct names without control characters",
            hint="give a name for every label, in label order from 0",
        )
    return names


def _check_all_occur(labels: Collection[int], source: str) -> None:
    first, last = min(labels), max(labels)
    lacking = sorted(set(range(first, last)).difference(labels))
    if first:
        reason = f"labels {first} to {last}, none is 0"
    elif lacking:
        shown = ", ".join(map(str, lacking[:_SHOWN]))
        more = f" and {len(lacking) - _SHOWN:,} more" if len(lacking) > _SHOWN else ""
        reason = f"no photo has label {shown}{more}, expected all from 0 to {last}"
    else:
        return
    raise DatasetError(
        f"{source}: {reason}", hint="number the labels from 0, or give them names: --class-names"
    )
