"""The options by which a person says what kind of source the photos come from."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from recordio_prep.one_against_rest import REST
from recordio_prep.sources.opening import FORMATS, Opening, open_source
from recordio_prep.sources.together import Together, sources_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from recordio_prep.sources.source import Source

Command = TypeVar("Command", bound="Callable[..., Any]")

CACHE_FOLDER = ".sources"
"""In the output folder: what was fetched and unpacked, kept for the next run."""

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)

_OPTIONS = (
    click.option(
        "--add",
        "added",
        multiple=True,
        metavar="PHOTOS",
        help="Further photos of the same categories, as those that people named; any number of"
        " times.",
    ),
    click.option(
        "--format",
        "source_format",
        type=click.Choice(FORMATS),
        help="What PHOTOS is, where its name does not tell.",
    ),
    click.option("--root", type=_FOLDER, help="Of the photos that a .lst names.  [its folder]"),
    click.option(
        "--class-names",
        help="Names in label order for a .lst, IDX or pixel file: a text file with one a line,"
        " or fashion-mnist.",
    ),
    click.option(
        "--category-table",
        type=_FILE,
        help="CSV of the category tree for a .bson.  [category_names.csv beside it]",
    ),
    click.option("--labels", type=_FILE, help="Labels of an IDX file.  [the file beside it]"),
    click.option(
        "--allow-private",
        is_flag=True,
        help="Let links lead to this machine and its own network.",
    ),
    click.option(
        "--retry-failed",
        is_flag=True,
        help="Ask again for links that failed for good in an earlier run.",
    ),
    click.option(
        "--cache",
        type=_FOLDER,
        help=f"Keeps what is fetched and unpacked.  [OUT/{CACHE_FOLDER}]",
    ),
)
_NAMES = (
    "source_format",
    "root",
    "class_names",
    "category_table",
    "labels",
    "allow_private",
    "retry_failed",
    "cache",
)


_HEEDED_BY = {
    "root": {"Listing"},
    "class_names": {"Listing", "Idx", "Pixels"},
    "category_table": {"Cdiscount"},
    "labels": {"Idx"},
    "allow_private": {"Links"},
    "retry_failed": {"Links"},
}
"""Which sources make use of an option."""


def source_options(command: Command) -> Command:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def given_place(_context: click.Context, _option: click.Parameter, value: Any) -> Any:
    """Refuse an empty --out, as an unset variable gives it: it would be the current folder."""
    if value == "":
        raise click.BadParameter("empty, expected a folder")
    return value


def open_given(
    given: Mapping[str, str | None], out: Path, options: Mapping[str, Any], added: Sequence[str]
) -> tuple[dict[str, Source], dict[str, Any]]:
    """Open every source that was given; also returns the options that are not about sources.

    Args:
        given: the sources by part; `photos` is always there.
        out: the folder that the cache lies in.
        options: of the command.
        added: sources whose photos are packed together with those of `photos`.

    Raises:
        DatasetError: a source cannot be opened.
    """
    chosen = {name: options[name] for name in _NAMES}
    rest = {name: value for name, value in options.items() if name not in chosen}
    opening = {
        "format": chosen.pop("source_format"),
        "cache": chosen.pop("cache") or out / CACHE_FOLDER,
        "class_names": _class_names(chosen.pop("class_names")),
        **chosen,
    }
    sources = {
        part: open_source(address, _opening_of(part, opening))
        for part, address in given.items()
        if address is not None
    }
    if added:
        opening |= {"format": None}  # that of PHOTOS; the others' is told by their names
        further = tuple(open_source(each, _opening_of("added", opening)) for each in added)
        also = frozenset({REST} if options.get("positive") else ())
        sources["photos"] = Together(sources["photos"], further, also)
    _refuse_idle(options, sources)
    return sources, rest


def _opening_of(part: str, opening: Mapping[str, Any]) -> Opening:
    """The labels that are named are those of PHOTOS; other sources have theirs beside them."""
    if part == "photos":
        return Opening(**opening)
    return Opening(**{**opening, "labels": None, "may_lack": True})


def _refuse_idle(options: Mapping[str, Any], sources: Mapping[str, Source]) -> None:
    """An option that none of the sources heeds is a mistake, and not to be passed over."""
    kinds = {
        type(getattr(each, "inner", each)).__name__
        for source in sources.values()
        for each in sources_of(source)
    }
    for name, heeding in _HEEDED_BY.items():
        if options[name] and not kinds & heeding:
            raise click.UsageError(
                f"--{name.replace('_', '-')} is for {' and '.join(sorted(heeding))},"
                f" and the photos come from {' and '.join(sorted(kinds))}"
            )


def _class_names(given: str | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    if given == "fashion-mnist":
        from scripts.fashion_mnist import CATEGORIES  # with all that downloads them

        return CATEGORIES
    try:
        if not Path(given).is_file():
            raise FileNotFoundError(errno.ENOENT, "not a file")
        lines = Path(given).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(
            f"{given}: {error}, expected a text file with a name a line, or fashion-mnist",
            param_hint="--class-names",
        ) from error
    return tuple(line.strip() for line in lines if line.strip())
