"""`snapshelf classify`: photos through the API that the page uses."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import httpx

from batch.photos import PHOTO_SUFFIXES, FolderSource, LeftOut, Photo, read_file
from contracts import ANY_IMAGE, LAMBDA_PAYLOAD_BYTES, EndpointError, PhotoError, SnapshelfError
from infra.deploy.deployment import describe_deployment
from scripts.left_out import left_out_lines
from scripts.target_options import with_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.targets import Target

_EVENT_BYTES = 64 * 1024
LARGEST_PHOTO = (LAMBDA_PAYLOAD_BYTES - _EVENT_BYTES) * 3 // 4
"""Bytes: API Gateway hands a photo to Lambda in base64, inside an event of at most 6 MB."""

_TIMEOUT_SECONDS = 35  # API Gateway gives up after 29
_PATH_WIDTH = 40


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said of one photo, or why it said nothing."""

    photo: str
    reply: dict[str, Any] | None
    error: str | None = None


@click.command("classify")
@click.argument(
    "photos",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="PHOTO...",
)
@with_target
@click.option("--url", help="The API's address, instead of a deployment's name.")
@click.option("--key", help="The API's key, with --url.  [default: the deployment's own]")
@click.option("--top-k", type=click.IntRange(min=1), help="Categories to print.  [default: 1]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def classify_command(
    *,
    photos: tuple[Path, ...],
    name: str,
    target: Target,
    url: str | None,
    key: str | None,
    top_k: int | None,
    as_json: bool,
) -> None:
    """Classify each PHOTO through a deployed API: its category and probability.

    A folder stands for the photos in it, at any depth, as `batch run` finds them; what else lies
    there is counted on standard error. A file that is named is sent whatever its ending. Photos go
    as they are, of at most 4.6 MB. Where one fails, the others are answered, and the exit code
    is 1.

    \b
    Examples:
      snapshelf classify car.jpg
      snapshelf classify photos/ --top-k 3
      snapshelf classify car.jpg --url https://abc123.execute-api.eu-central-1.amazonaws.com/api
    """  # noqa: D301  # click reads the backspace
    if url is None:
        deployment = describe_deployment(name, target)
        url, key = deployment.api_url, key or deployment.api_key
    answers, left_out = [], Counter[LeftOut]()
    headers = {"x-api-key": key} if key else {}
    base = url.rstrip("/") + "/"
    with httpx.Client(base_url=base, headers=headers, timeout=_TIMEOUT_SECONDS) as api:
        for path in _files(photos, left_out):
            answers.append(_ask(api, path, top_k))
            if not as_json:
                _print_answer(answers[-1], top_k or 1)
    if as_json:
        kinds = {kind.name.lower(): left_out[kind] for kind in LeftOut}
        told = [asdict(answer) for answer in answers]
        print(json.dumps({"url": url, "photos": told, "left_out": kinds}))
    for line in left_out_lines(left_out):
        click.echo(line, err=True)
    failed = sum(answer.error is not None for answer in answers)
    if failed:
        click.echo(f"{failed} of {len(answers)} photos failed", err=True)
        click.get_current_context().exit(1)


def _files(photos: tuple[Path, ...], left_out: Counter[LeftOut]) -> Iterator[Path]:
    """The photos, those of a folder by name; counts what else lies there."""
    for path in photos:
        if not path.is_dir():
            yield path
            continue
        found = list(FolderSource(path).photos())
        left_out.update(each for each in found if isinstance(each, LeftOut))
        names = [each.name for each in found if isinstance(each, Photo)]
        if not names:
            raise PhotoError(
                f"{path} holds no photos: expected files ending in"
                f" {', '.join(sorted(PHOTO_SUFFIXES))}",
                hint="name another folder, or the photos themselves",
            )
        yield from sorted(path / name for name in names)


def _ask(api: httpx.Client, path: Path, top_k: int | None) -> Answer:
    try:
        return Answer(str(path), _classify(api, path, top_k))
    except httpx.ConnectError as error:
        raise EndpointError(
            f"{api.base_url} does not answer: {error}",
            hint="is the target up? `snapshelf status`; is it deployed? `snapshelf deploy`",
        ) from error
    except (SnapshelfError, httpx.HTTPError, OSError) as error:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Answer(str(path), None, words)


def _classify(api: httpx.Client, path: Path, top_k: int | None) -> dict[str, Any]:
    size = path.stat().st_size
    if size > LARGEST_PHOTO:
        raise PhotoError(
            f"{size:,} bytes: expected at most {LARGEST_PHOTO:,}",
            hint="make it smaller first; the page does so by itself",
        )
    query = {} if top_k is None else {"top_k": str(top_k)}
    response = api.post(
        "classify",
        content=read_file(path),
        headers={"Content-Type": ANY_IMAGE, "Accept": "application/json"},
        params=query,
    )
    try:
        reply = response.json()
    except ValueError:
        reply = None
    if isinstance(reply, dict) and not response.is_success:
        raise EndpointError(f"{response.status_code}: {reply.get('message', reply)}")
    if not isinstance(reply, dict) or "categories" not in reply:
        raise EndpointError(
            f"{response.status_code}: {response.text[:200]!r}, expected categories as JSON"
        )
    return reply


def _print_answer(answer: Answer, count: int) -> None:
    if answer.reply is None:
        click.echo(f"{answer.photo}: {answer.error}", err=True)
        return
    ranked = answer.reply["categories"][:count]
    told = "  ".join(f"{each['category']} {each['probability']:.1%}" for each in ranked)
    reason = answer.reply.get("reason")
    unsure = f"  ({reason})" if reason else ""
    print(f"{answer.photo:<{_PATH_WIDTH}}  {told}{unsure}")
