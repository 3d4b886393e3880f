"""The plan of a nightly job: a function, and the schedule that starts it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contracts import DeployError
from infra.deploy.bundle import BUILD_DIR, write_entry
from infra.deploy.executor import apply, compare
from infra.deploy.model_bundle import find_modules
from infra.deploy.plan import LOG_RETENTION_DAYS, Plan, Planned
from infra.deploy.policies import nightly_policy, schedule_policy, transform_policy
from infra.deploy.resources import Function, LogGroup, Role, RolePolicy, Schedule, label
from infra.deploy.roles import RoleService
from infra.images import NIGHTLY_PROGRAM

if TYPE_CHECKING:
    from infra.deploy.executor import OnStep, Step
    from infra.deploy.scope import Scope

FUNCTION_SECONDS = 900
"""The longest that Lambda lets a function run; what takes longer, the next start goes on with."""

FUNCTION_MEMORY_MB = 512
"""For the names of some hundred thousand photos, and sixteen answers at once."""

_POLICY = "nightly"


@dataclass(frozen=True, slots=True)
class NightlyOptions:
    """A nightly job.

    Attributes:
        expression: as EventBridge Scheduler reads it.
        timezone: an IANA name, such as Europe/Berlin.
        photos: bucket and prefix of the photos.
        out: bucket and prefix of what is written.
        columns: further columns of the table.
        instance_type: what the batch transform runs on.
        build_dir: where the function's zip is kept.
    """

    expression: str
    photos: tuple[str, str]
    out: tuple[str, str]
    timezone: str = "UTC"
    columns: tuple[str, ...] = ()
    instance_type: str = "ml.m5.large"
    build_dir: Path = BUILD_DIR


def schedule_nightly(scope: Scope, options: NightlyOptions, on_step: OnStep) -> tuple[Step, ...]:
    """Put the job in place, beside the deployment whose endpoint it asks.

    Raises:
        DeployError: the deployment has no endpoint, or a step failed.
    """
    return apply(nightly_plan(scope, options), on_step)


def compare_nightly(scope: Scope, options: NightlyOptions) -> tuple[Step, ...]:
    """What `schedule_nightly` would do; nothing is changed."""
    return compare(nightly_plan(scope, options))


def nightly_plan(scope: Scope, options: NightlyOptions) -> Plan:
    """Function, schedule, and what each role may do.

    Raises:
        DeployError: the local cloud is asked for another time zone than UTC, or there is no
            deployment with an endpoint of that name.
    """
    _check(scope, options)
    role = Role(scope.nightly_role, "lambda", nightly_policy(scope, options.photos, options.out))
    logs = LogGroup(scope.nightly_logs, LOG_RETENTION_DAYS)
    reading = RolePolicy(
        scope.hosting_role, _POLICY, transform_policy(scope, options.photos, options.out)
    )
    function = _function(scope, options)
    starting = Role(scope.schedule_role, "scheduler", schedule_policy(scope))
    schedule = Schedule(
        scope.nightly,
        options.expression,
        options.timezone,
        scope.arn("lambda", f"function:{scope.nightly}"),
        scope.arn("iam", f"role/{scope.schedule_role}"),
        _event(scope, options),
    )
    return Plan(
        scope,
        (
            Planned(role),
            Planned(logs),
            Planned(reading),
            Planned(function, after=(label(role), label(logs), label(reading))),
            Planned(starting, after=(label(function),)),
            Planned(schedule, after=(label(starting),)),
        ),
    )


def _check(scope: Scope, options: NightlyOptions) -> None:
    if scope.target.name == "local" and options.timezone != "UTC":
        raise DeployError(
            f"time zone {options.timezone}: the local cloud's schedules know UTC alone",
            hint="give the time in UTC, and leave --timezone out",
        )
    if not RoleService(scope).exists(scope.hosting_role):
        raise DeployError(
            f"deployment {scope.name} has no endpoint whose model a batch transform could ask",
            hint="`snapshelf deploy MODEL` first, without --lambda-only",
        )


def _function(scope: Scope, options: NightlyOptions) -> Function:
    package = build_nightly_bundle(options.build_dir)
    digest = hashlib.sha256(package.read_bytes()).digest()
    return Function(
        scope.nightly,
        package,
        base64.b64encode(digest).decode(),
        scope.arn("iam", f"role/{scope.nightly_role}"),
        environment=(),
        description="photos of a night through a batch transform",
        handler=f"{NIGHTLY_PROGRAM}.handler",
        timeout_seconds=FUNCTION_SECONDS,
        memory_mb=FUNCTION_MEMORY_MB,
    )


def _event(scope: Scope, options: NightlyOptions) -> str:
    event = {
        "photos": f"s3://{'/'.join(options.photos)}",
        "out": f"s3://{'/'.join(options.out)}",
        "endpoint": scope.endpoint,
        "columns": list(options.columns),
        "instance_type": options.instance_type,
    }
    return json.dumps(event)


def build_nightly_bundle(build_dir: Path) -> Path:
    """The function's zip, built once for the same files: the program's modules and nothing else."""
    modules = find_modules(NIGHTLY_PROGRAM)
    digest = hashlib.sha256()
    for name, path in sorted(modules.items()):
        digest.update(f"\0{name}\0".encode() + path.read_bytes())
    package = build_dir / f"nightly-{digest.hexdigest()[:16]}" / "deployment.zip"
    if package.is_file():
        return package
    build_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build_dir, prefix="nightly-") as scratch:
        out = Path(scratch, "out")
        out.mkdir()
        with zipfile.ZipFile(out / package.name, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, path in sorted(modules.items()):
                write_entry(archive, name, path.read_bytes())
        with contextlib.suppress(OSError):  # another run built the same, and was first
            out.rename(package.parent)
    return package
