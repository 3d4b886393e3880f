"""`snapshelf batch run`: its options, its locks and its exit codes."""

from __future__ import annotations

import json
import signal
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import httpx
from tqdm import tqdm

from batch.accuracy import accuracy_lines
from batch.journal import Journal
from batch.packing import MOST_IMAGES
from batch.photos import LeftOut, open_source
from batch.run import MOST_AT_ONCE, RunSettings, run_batch
from batch.sending import TIMEOUT_SECONDS, Sender
from batch.table import COLUMNS, DETAILED_COLUMNS
from infra.deploy.deployment import describe_deployment
from scripts.batch_places import check_move
from scripts.key_file import KeyFile
from scripts.left_out import left_out_lines
from scripts.locks import InUseError, sole_reading, sole_use
from scripts.output_file import OutputFile
from scripts.target_options import with_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batch.outcomes import Outcome
    from batch.photos import Source
    from batch.run import Summary
    from infra.targets import Target

SOME_FAILED = 1
IN_USE = 3
"""Exit codes beside 0, and 2 for wrong usage."""

BEGAN = "%Y-%m-%dT%H%M%S"


class Columns(click.ParamType[tuple[str, ...]]):
    """`label,confidence`: further columns of the table, in the order wanted."""

    name = "COLUMN,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        given = tuple(filter(None, (each.strip() for each in str(value).split(","))))
        if unknown := [each for each in given if each not in COLUMNS]:
            self.fail(f"{unknown[0]!r}: expected some of {', '.join(COLUMNS)}", param, ctx)
        return tuple(dict.fromkeys(given))


@click.command("run")
@click.option(
    "--in",
    "source",
    required=True,
    metavar="DIR|s3://...",
    help="Where the photos are, at any depth.",
)
@click.option(
    "--out",
    required=True,
    type=OutputFile(),
    help="The table; a journal is kept beside it.",
)
@click.option("--api", help="The API's address, instead of a deployment's name.")
@click.option("--key", help="The API's key, with --api.  [default: the deployment's own]")
@click.option("--key-file", type=KeyFile(), help="A file of mode 600 with that key, in its place.")
@click.option(
    "--columns",
    type=Columns(),
    default=(),
    help=f"Beside filename and prediction: some of {', '.join(COLUMNS)}.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, MOST_IMAGES),
    default=64,
    show_default=True,
    help="Photos in one request, at most.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, MOST_AT_ONCE),
    default=4,
    show_default=True,
    help="Requests at once.",
)
@click.option("--move-done", metavar="DIR|s3://...", help="Where answered photos go in the end.")
@click.option(
    "--again",
    type=click.Choice(["passing", "failed", "all"]),
    default="passing",
    show_default=True,
    help="What an earlier run had is sent again: failures that may have passed, all failures, or"
    " everything.",
)
@click.option("--dated", is_flag=True, help="Put the run's beginning into the table's name.")
@click.option(
    "--report",
    type=OutputFile(),
    help="Also write the morning report: one HTML page with the photos.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@with_target
@click.pass_context
def run_command(context: click.Context, /, *, source: str, as_json: bool, **options: Any) -> None:
    """Classify every photo below --in through a deployed API, into a table.

    Photos go in batches that fit into a request, several at once. Where the API is busy or fails,
    it is asked again after random waits that grow. A run that is broken off, even by a kill, goes
    on where it was when the same command is given again: no photo is lost, and only those are sent
    twice whose answers were on their way. A photo that was answered is not sent again by later
    runs either, until its content changes.

    Exit codes: 0, every photo has its prediction; 1, some have none, or the job failed; 2, wrong
    usage; 3, another run holds the photos or the table.

    \b
    Examples:
      snapshelf batch run --in photos --out predictions.csv
      snapshelf batch run --in s3://returns/today/ --out predictions.csv --columns label,confidence
      snapshelf batch run --in photos --out predictions.csv --move-done done --report morning.html
    """  # noqa: D301  # click reads the backspace
    try:
        summary = _run(source, **options)
    except InUseError as error:
        click.echo(f"ERROR {error.message}\nHINT  {error.hint}", err=True)
        context.exit(IN_USE)
    wanted = DETAILED_COLUMNS.intersection(options["columns"]) or options["report"]
    if as_json:
        pairs = {"failures": dict(summary.failures), "renames": dict(summary.renames)}
        click.echo(json.dumps({**summary.to_dict(), **pairs}))
    else:
        click.echo("\n".join(_lines(summary, tells_labels=bool(wanted))))
    if summary.failed:
        context.exit(SOME_FAILED)


def _run(
    address: str,
    *,
    out: Path,
    api: str | None,
    key: str | None,
    key_file: str | None,
    name: str,
    target: Target,
    report: Path | None,
    **options: Any,
) -> Summary:
    settings = RunSettings(_identity(address), out, **options)
    source = open_source(address, lambda: target.client("s3"))
    check_move(address, settings.move_done)
    if key and key_file:
        raise click.UsageError("--key and --key-file: expected one of them")
    key = key or key_file
    if api is None:
        deployment = describe_deployment(name, target)
        api, key = deployment.api_url, key or deployment.api_key
    stop = threading.Event()
    with ExitStack() as stack:
        lock = sole_use(
            out.absolute().parent, f".{out.name}.lock", held=out, instead="another --out"
        )
        stack.enter_context(lock)
        if not address.startswith("s3:"):
            stack.enter_context(sole_reading(Path(address)))
        stack.enter_context(_ending_on_sigterm(stop))
        client = stack.enter_context(_client(api, key, settings.concurrency))
        journal = stack.enter_context(Journal(settings.journal))
        bar = stack.enter_context(tqdm(unit="photo", disable=None))
        return run_batch(
            source,
            journal,
            Sender(client, stop=stop).send,
            settings,
            began=datetime.now().astimezone().strftime(BEGAN),
            on_progress=partial(_show, bar),
            on_table=partial(_write_report, report, source, address),
        )


def _identity(address: str) -> str:
    """By which the journal knows the photos' place, whatever the current folder."""
    return address if address.startswith("s3:") else str(Path(address).resolve())


def _client(api: str, key: str | None, concurrency: int) -> httpx.Client:
    return httpx.Client(
        base_url=api.rstrip("/") + "/",
        headers={"x-api-key": key} if key else {},
        timeout=TIMEOUT_SECONDS,
        limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
    )


@contextmanager
def _ending_on_sigterm(stop: threading.Event) -> Iterator[None]:
    """Let SIGTERM end the run as Ctrl-C does: answers that are there are still written down."""

    def end(*_: object) -> None:
        stop.set()
        raise KeyboardInterrupt

    former = [(number, signal.signal(number, end)) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        yield
    finally:
        for number, handler in former:
            signal.signal(number, handler)


def _show(bar: Any, done: int, of: int) -> None:
    bar.total = of
    bar.update(done - bar.n)


def _write_report(
    path: Path | None, source: Source, address: str, outcomes: Iterator[tuple[str, Outcome]]
) -> None:
    if path is None:
        return
    from batch.report import write_report
    from batch.table import Row

    rows = (
        Row(name, each.prediction, each.label, each.confidence, each.verdict, each.error)
        for name, each in outcomes
    )
    write_report(path, rows, source, title=f"Photos of {address}")


def _lines(summary: Summary, *, tells_labels: bool) -> Iterator[str]:
    told = asdict(summary)
    yield (
        "{photos:,} photos: {answered:,} answered ({earlier:,} of them earlier), {failed:,} failed;"
        " {seconds:,.1f} s".format_map(told)
    )
    if summary.sent_again:
        yield (
            f"{summary.sent_again:,} sent a second time: the run before was broken off while their"
            " answers were on their way"
        )
    if tells_labels and summary.unlabelled:
        yield (
            f"{summary.unlabelled:,} answers have no label, confidence and verdict: the API told"
            " numbers alone; --again all asks it anew"
        )
    yield from left_out_lines(
        {
            LeftOut.OTHER: summary.other_files,
            LeftOut.HIDDEN: summary.hidden_files,
            LeftOut.FOLDER_LINK: summary.linked_folders,
        }
    )
    for name, reason in summary.failures:
        yield f"  {name}: {reason}"
    if (more := summary.failed - len(summary.failures)) > 0:
        yield f"  and {more:,} more (--columns error has all)"
    yield from _put_away_lines(summary)
    if summary.accuracy is not None:
        yield from accuracy_lines(summary.accuracy)
    yield f"table: {summary.table}"


def _put_away_lines(summary: Summary) -> Iterator[str]:
    if summary.renamed:
        yield f"{summary.renamed:,} moved under another name, since other photos had theirs"
    for name, new in summary.renames:
        yield f"  {name}: now {new}"
    if (more := summary.renamed - len(summary.renames)) > 0:
        yield f"  and {more:,} more"
    if summary.replaced:
        yield (
            f"{summary.replaced:,} not moved: other photos have taken their places meanwhile; the"
            " next run asks about them"
        )
