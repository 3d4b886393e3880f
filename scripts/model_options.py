"""Options that say what is to be deployed: the model, and how it is served."""

from __future__ import annotations

import functools
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contracts import ONNX_FILE, SYMBOL_FILE, DeployError
from infra.deploy.options import (
    LARGEST_MEMORY_MB,
    SMALLEST_MEMORY_MB,
    DeployOptions,
    find_artifact,
)
from infra.deploy.resources import QUOTA_PERIODS, UsageLimits

if TYPE_CHECKING:
    from collections.abc import Callable


def with_model(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `options`, what is to be deployed, from MODEL and the options about it."""

    @functools.wraps(command)
    def wrapped(
        *,
        model: Path,
        image: str | None,
        instance_type: str,
        instance_count: int,
        lambda_only: bool,
        memory: int | None,
        api_key: bool,
        rate: float | None,
        burst: int | None,
        quota: tuple[int, str] | None,
        models: tuple[tuple[str, Path], ...],
        feedback: bool,
        capture_below: float | None,
        data_capture: int | None,
        **others: Any,
    ) -> None:
        options = DeployOptions(
            model,
            image=image,
            instance_type=instance_type,
            instance_count=instance_count,
            lambda_only=lambda_only,
            memory_mb=_only_with(lambda_only, memory, "--memory", "--lambda-only"),
            limits=_limits(api_key=api_key, rate=rate, burst=burst, quota=quota),
            models=models,
            feedback=feedback,
            capture_below=capture_below,
            data_capture=data_capture,
        )
        if image is None:  # another's may read what it likes
            for artifact in (model, *(path for _, path in models)):
                refuse_bare(find_artifact(artifact))
        command(options=options, **others)

    for option in reversed(_MODEL_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


class Quota(click.ParamType[tuple[int, str]]):
    """`1000/day`: a number of requests, and the period in which they may be made."""

    name = "N/day|week|month"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, str]:
        """`1000/day` -> (1000, "DAY")."""
        number, _, period = str(value).partition("/")
        if not number.isdecimal() or period.upper() not in QUOTA_PERIODS:
            self.fail(f"{value!r}: expected a number and a period, as 1000/day", param, ctx)
        return int(number), period.upper()


class NamedModel(click.ParamType[tuple[str, Path]]):
    """`refund=models/refund`: what the API calls a model, and where it lies."""

    name = "NAME=PATH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        """`refund=models/refund` -> ("refund", Path("models/refund"))."""
        name, equals, path = str(value).partition("=")
        if not (name and equals and path):
            self.fail(f"{value!r}: expected NAME=PATH, as refund=models/refund", param, ctx)
        return name, Path(path)


_MODEL_OPTIONS = (
    click.argument("model", type=click.Path(exists=True, path_type=Path)),
    click.option("--image", help="Inference image.  [default: ours; on AWS, in the account's ECR]"),
    click.option(
        "--instance-type",
        default="ml.m5.large",
        show_default=True,
        help="Of the endpoint's machines, on AWS.",
    ),
    click.option(
        "--instance-count",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="How many serve it.",
    ),
    click.option(
        "--lambda-only", is_flag=True, help="The function holds the model: no endpoint to pay for."
    ),
    click.option(
        "--memory",
        type=click.IntRange(SMALLEST_MEMORY_MB, LARGEST_MEMORY_MB),
        help="Of the function, in MB, with --lambda-only.  [default: what the model needs]",
    ),
    click.option("--api-key", is_flag=True, help="Requests must carry a key, which is printed."),
    click.option("--rate", type=float, help="Requests a second, by key.  [default: 10]"),
    click.option("--burst", type=int, help="Requests at once, by key.  [default: 20]"),
    click.option("--quota", type=Quota(), help="Requests in a time, by key, such as 1000/day."),
    click.option(
        "--model",
        "models",
        type=NamedModel(),
        multiple=True,
        help="A further model, which answers below /models/NAME. Any number of times.",
    ),
    click.option("--feedback", is_flag=True, help="Keep photos that people name, with consent."),
    click.option(
        "--capture-below",
        type=click.FloatRange(0, 1, min_open=True),
        metavar="P",
        help="Keep photos whose best category is less probable than P, for labelling.",
    ),
    click.option(
        "--data-capture",
        type=click.IntRange(1, 100),
        metavar="PERCENT",
        help="Keep that share of requests and answers, for `snapshelf models drift`.",
    ),
)


def _only_with(given: bool, value: Any, option: str, other: str) -> Any:
    """The value of an option that has a meaning only beside another.

    Raises:
        click.UsageError: it is given without that one.
    """
    if value is not None and not given:
        raise click.UsageError(f"{option} has a meaning with {other} only")
    return value


def _limits(
    *,
    api_key: bool,
    rate: float | None,
    burst: int | None,
    quota: tuple[int, str] | None,
) -> UsageLimits | None:
    given = {"rate": rate, "burst": burst, "quota": quota}
    for name, value in given.items():
        _only_with(api_key, value, f"--{name}", "--api-key")
    if not api_key:
        return None
    of_time = {} if quota is None else {"quota": quota[0], "period": quota[1]}
    chosen: dict[str, Any] = {"rate": rate, "burst": burst, **of_time}
    return UsageLimits(**{name: value for name, value in chosen.items() if value is not None})


def refuse_bare(artifact: Path) -> None:
    """Say before anything is uploaded that SageMaker's own artifact is to be converted.

    Raises:
        DeployError: it holds MXNet's files alone.
    """
    try:
        with tarfile.open(artifact, "r:gz") as archive:
            names = {name.rpartition("/")[2] for name in archive.getnames()}
    except (tarfile.TarError, OSError, EOFError):
        return  # the endpoint tells what is wrong with it
    if SYMBOL_FILE in names and ONNX_FILE not in names:
        raise DeployError(
            f"{artifact} holds no {ONNX_FILE}: it is an artifact of SageMaker's own algorithm",
            hint="`snapshelf convert MODEL --classes a,b,... --out DIR`, then deploy DIR",
        )
