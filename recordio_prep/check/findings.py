"""What a check of the photos finds: plain values, ready for JSON, the page and `--strict`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Severity: TypeAlias = Literal["error", "warning", "note"]

FORMAT_VERSION = 1
"""Of check.json: raised where a key changes its meaning or goes, not where one is added."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person should know before training.

    Attributes:
        code: Stable, for scripts.
        severity: An error falsifies labels or the measured accuracy, a warning likely harms the
            network, a note is for information.
        count: Photos, families or categories concerned; `message` says which.
        message: What was found.
        hint: What to do about it.
    """

    code: str
    severity: Severity
    count: int
    message: str
    hint: str

    @property
    def is_grave(self) -> bool:
        """Whether `--strict` minds it."""
        return self.severity != "note"


@dataclass(frozen=True, slots=True)
class Example:
    """A photo that shows a finding; `remark` says in words what it is about."""

    id: int
    part: str
    path: str
    categories: tuple[str, ...]
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a histogram, or one row of a table of counts."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Balance:
    """How photos spread over categories (or over the names of one level of their tree).

    Attributes:
        bars: All names with their photos in the source that is divided, most photos first.
        ratio: Largest to smallest; 0 where there is nothing.
        effective: Of how many equally large categories the entropy would be the same, 1 to
            len(bars): exp(-sum p ln p).
    """

    bars: tuple[Bar, ...]
    ratio: float
    effective: float


@dataclass(frozen=True, slots=True)
class SplitRow:
    """Records of one category, by split."""

    category: str
    records: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Shapes:
    """Sizes of the photos as they stand upright.

    Attributes:
        sides: Histogram of the shorter side, pixels.
        ratios: Histogram of width to height.
        formats: Photos by file format.
        upscaled: Photos with a side shorter than the prepared size.
        extreme: Photos more than MAX_ASPECT times as wide as high, or as high as wide.
    """

    sides: tuple[Bar, ...]
    ratios: tuple[Bar, ...]
    formats: tuple[Bar, ...]
    upscaled: int
    extreme: int
    upscaled_examples: tuple[Example, ...]
    extreme_examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """Files left out for one reason: how many, and the first of them."""

    kind: str
    reason: str
    count: int
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """Photos that show the same; `exact` if all are the same bytes."""

    exact: bool
    count: int
    members: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Copies:
    """Families of one kind.

    Attributes:
        exact: Families whose photos are all the same bytes.
        near: Families in which some were saved another way.
        photos: Photos in all of these families.
        examples: The largest first; of a large one the first few members.
    """

    exact: int
    near: int
    photos: int
    examples: tuple[Family, ...]

    @property
    def families(self) -> int:
        return self.exact + self.near


@dataclass(frozen=True, slots=True)
class Found:
    """Photos of one kind: how many, and some of them."""

    count: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """All findings about one source, or several (photos, validation, test).

    Attributes:
        size: Side of a prepared photo, pixels.
        listed: Photos by part, those that cannot be read left aside.
        records: Records by split; empty where none were written.
        left_out: Entries by kind: other, unreadable, dropped.
        multi_label: Whether a photo shows several categories.
        levels: Balance by level of the category tree, from the top; empty where it is flat.
        splits: Records by category; empty where none were written.
        within: Families inside one category and part.
        conflicts: Families whose photos have different categories.
        leaks: Families with photos in more than one of photos, validation and test.
        similar_names: Pairs of categories that differ in case, punctuation or a plural only.
        unknown: Categories of validation or test without a photo to learn from.
        uncompared: Pairs of photos that look alike at first sight, and were not compared further.
        pictures: JPEG by photos.id, for the page only.
    """

    size: int
    listed: Mapping[str, int]
    records: Mapping[str, int]
    left_out: Mapping[str, int]
    multi_label: bool
    balance: Balance
    levels: tuple[Balance, ...]
    splits: tuple[SplitRow, ...]
    shapes: Shapes
    reasons: tuple[Reason, ...]
    within: Copies
    conflicts: Copies
    leaks: Copies
    single_colour: Found
    odd: Found
    similar_names: tuple[tuple[str, str], ...]
    unknown: tuple[str, ...]
    uncompared: int = 0
    problems: tuple[Problem, ...] = ()
    pictures: Mapping[int, bytes] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, the same for the same photos: no times, pictures or catalog numbers."""
        document: dict[str, Any] = _without_ids(asdict(self))
        del document["pictures"]
        return {"format": FORMAT_VERSION, **document}


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_ids(inner) for key, inner in value.items() if key != "id"}
    if isinstance(value, list | tuple):
        return [_without_ids(inner) for inner in value]
    return value
