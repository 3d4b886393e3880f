"""A folder from which others make a deployment: templates, and what goes into the buckets."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import boto3

from contracts import DeployError
from infra.deploy.page import PAGE_CONFIG
from infra.deploy.plan import Plan, Planned, build_plan
from infra.deploy.policies import FUNCTION_PREFIX
from infra.deploy.resources import Bucket, Files, Function, PageConfig, StoredFile, label
from infra.deploy.scope import Scope
from infra.deploy.storage import FOR_EVER
from infra.deploy.templates import cloudformation, terraform
from infra.targets import Target

if TYPE_CHECKING:
    from pathlib import Path

    from infra.deploy.options import DeployOptions

Format = Literal["cloudformation", "terraform"]
FORMATS: tuple[Format, ...] = ("cloudformation", "terraform")

UPLOAD, PAGE = "upload", "page"
"""Folders: what goes into the artifact bucket, and what the page consists of."""

SCRIPT = "apply.sh"


@dataclass(frozen=True, slots=True)
class Package:
    """What was written: the templates, and the command that applies them."""

    templates: tuple[Path, ...]
    command: str


def write_package(
    name: str, region: str, options: DeployOptions, format_: Format, out: Path
) -> Package:
    """Write templates and files into `out`; no credentials are needed, and nothing is asked of AWS.

    Raises:
        DeployError: `out` holds something else already, or the options are not valid.
    """
    if options.models:
        raise DeployError(
            f"model {options.models[0][0]}: expected no further models, templates hold one",
            hint="write a package of each model under a --name of its own",
        )
    account = cloudformation.ACCOUNT if format_ == "cloudformation" else terraform.ACCOUNT
    scope = Scope(name, Target("aws", region), account, _partition(region))
    plan = _with_stored_function(build_plan(scope, options))
    module = cloudformation if format_ == "cloudformation" else terraform
    texts = module.render(plan)
    _make_empty(out, {*texts, UPLOAD, PAGE, SCRIPT})
    for file, text in texts.items():
        (out / file).write_text(text, encoding="utf-8")
    for planned in plan.planned:
        if isinstance(planned.resource, Files):
            _copy(planned.resource, out / (PAGE if _is_page(planned.resource, scope) else UPLOAD))
    if format_ == "terraform":
        command = f"terraform -chdir={out} init && terraform -chdir={out} apply"
    else:
        (out / SCRIPT).write_text(_script(plan), encoding="utf-8")
        command = f"sh {out / SCRIPT}"
    return Package(tuple(out / file for file in texts), command)


def _partition(region: str) -> str:
    found: str = boto3.Session().get_partition_for_region(region)
    return found


def _with_stored_function(plan: Plan) -> Plan:
    """The plan with the function's zip in the bucket: a template holds no bytes."""
    planned: list[Planned] = []
    for each in plan.planned:
        function = each.resource
        if not isinstance(function, Function) or function.stored is not None:
            planned.append(each)
            continue
        bucket = plan.scope.artifact_bucket
        sha256 = function.code_sha256_hex
        key = f"{FUNCTION_PREFIX}/{sha256[:12]}/{function.package.name}"
        stored = StoredFile(key, function.package, sha256, "application/zip", FOR_EVER)
        zipped = Files(f"function {sha256[:12]}", bucket, (stored,))
        planned.append(Planned(zipped, after=(f"bucket {bucket}",)))
        moved = dataclasses.replace(function, stored=(bucket, key))
        planned.append(Planned(moved, after=(*each.after, label(zipped))))
    return Plan(plan.scope, tuple(planned))


def _make_empty(out: Path, ours: set[str]) -> None:
    """An empty folder; what a former run wrote into it goes."""
    out.mkdir(parents=True, exist_ok=True)
    if foreign := sorted(path.name for path in out.iterdir() if path.name not in ours):
        raise DeployError(
            f"{out} holds {foreign[0]}: expected an empty folder, or one that was written before",
            hint="pass another --out",
        )
    for path in out.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _is_page(files: Files, scope: Scope) -> bool:
    return files.bucket == scope.web_bucket


def _copy(files: Files, folder: Path) -> None:
    for stored in files.files:
        target = folder / stored.key
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(stored.source, target)


def _script(plan: Plan) -> str:
    """Shell: the buckets, what lies in them, the service, and the page that knows its address."""
    scope = plan.scope
    buckets = [each.resource.name for each in plan.planned if isinstance(each.resource, Bucket)]
    artifacts, web = (bucket.replace(scope.account_id, "$account") for bucket in buckets)
    config = next(each.resource for each in plan.planned if isinstance(each.resource, PageConfig))
    asks = {"apiKey": "ask"} if config.asks_for_key else {}
    content = json.dumps({"apiUrl": "%s", **asks})
    return f"""#!/bin/sh
# Makes or changes the deployment {scope.name} in {scope.target.region}; needs the aws command.
set -eu
cd "$(dirname "$0")"
export AWS_DEFAULT_REGION={scope.target.region}
account=$(aws sts get-caller-identity --query Account --output text)
aws cloudformation deploy --no-fail-on-empty-changeset \\
  --stack-name {scope.name}-buckets --template-file {cloudformation.BUCKETS}
aws s3 sync {UPLOAD} "s3://{artifacts}"
aws cloudformation deploy --no-fail-on-empty-changeset --capabilities CAPABILITY_NAMED_IAM \\
  --s3-bucket "{artifacts}" --s3-prefix templates \\
  --stack-name {scope.name} --template-file {cloudformation.SERVICE}
url=$(aws cloudformation describe-stacks --stack-name {scope.name} --output text \\
  --query "Stacks[0].Outputs[?OutputKey=='ApiUrl'].OutputValue")
aws s3 sync {PAGE} "s3://{web}" --delete --exclude {PAGE_CONFIG} --cache-control no-cache
printf '{content}' "$url" |
  aws s3 cp - "s3://{web}/{PAGE_CONFIG}" --content-type application/json --cache-control no-cache
echo "API    $url"
echo "page   {scope.website_url.replace(scope.account_id, "$account")}"
"""
