"""Registered models as commands know them: found, described, and shown to a person."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contracts import MODEL_CARD_FILE, DeployError
from infra.deploy.options import find_artifact
from infra.deploy.scope import scope_of
from infra.registry.traffic import Traffic
from infra.registry.versions import Registry
from infra.sagemaker.artifacts import unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from infra.deploy.scope import Scope
    from infra.registry.traffic import Share
    from infra.registry.versions import Version
    from infra.targets import Target

_SHOWN = 5  # categories in a message
_HERE = Path(__file__).parent
_FORMATS = "{:>3}  {:<16}  {:<8}  {:<18}  {:>8}  {:<10}  {:<12}  {:<18}  {}"
_HEADS = ("no.", "registered", "status", "network", "accuracy", "on", "artifact", "answers", "note")
_STATUS = {"PendingManualApproval": "pending", "Approved": "approved", "Rejected": "rejected"}


def find_model(given: str, name: str, target: Target, folder: Path) -> Path:
    """The artifact that a person means.

    Args:
        given: a version's number, `live` for what answers now, or a path.
        name: of the deployment.
        target: where it stands.
        folder: made, to download it into.

    Raises:
        DeployError: there is no such model, or the target refuses.
    """
    if not given.isdecimal() and given != "live":
        return find_artifact(Path(given))
    scope = scope_of(name, target)
    folder.mkdir()
    registry = Registry(scope)
    if given.isdecimal():
        return registry.fetch(registry.find(int(given)), folder)
    return Traffic(scope).fetch(folder)


def refuse_other_categories(scope: Scope, version: Version, artifact: Path) -> None:
    """Keep a version from answering whose categories are not those that clients know by number.

    Raises:
        DeployError: they differ from those of what answers now; or nothing does.
    """
    with tempfile.TemporaryDirectory() as folder:
        live = read_card(Traffic(scope).fetch(Path(folder))).get("classes", [])
    comes = read_card(artifact).get("classes", [])
    if live and comes != live:
        gone, new = ([n for n in a if n not in b] for a, b in ((live, comes), (comes, live)))
        told = [f"without {_some(gone)}"] * bool(gone) + [f"with {_some(new)}"] * bool(new)
        raise DeployError(
            f"version {version.number} knows other categories than what answers now: "
            + (", ".join(told) or "the same in another order"),
            hint="clients that know them by number would misunderstand it; if that is meant,"
            " --other-categories",
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def read_card(artifact: Path) -> dict[str, Any]:
    """An artifact's model card; empty where it has none.

    Raises:
        DeployError: the card is damaged.
    """
    with tempfile.TemporaryDirectory() as folder:
        unpack(artifact, Path(folder))
        path = Path(folder) / MODEL_CARD_FILE
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise DeployError(f"{artifact}: {MODEL_CARD_FILE} is not JSON: {error}") from error
    return card if isinstance(card, dict) else {}


def facts_of(card: Mapping[str, Any]) -> dict[str, str]:
    """What a model card tells, and the code that registers it, as short texts.

    The accuracy is that on test photos, else on validation photos.
    """
    metrics = card.get("metrics") or {}
    split = next((s for s in ("test", "validation") if f"{s}_accuracy" in metrics), "")
    photos = (metrics.get("photos") or {}).get("train")
    return {
        "model_version": str(card.get("version", "")),
        "network": str(card.get("network") or ""),
        "categories": str(len(card.get("classes", []))),
        "accuracy": f"{metrics[f'{split}_accuracy']:.4f}" if split else "",
        "accuracy_on": split,
        "trained_on": f"{photos} photos" if photos else "",
        "data": str((card.get("data") or {}).get("fingerprint", "")),
        "code": code_version(),
    }


def code_version() -> str:
    """Snapshelf's version, and in a checkout its commit, with `dirty` where files were changed."""
    version = f"snapshelf {metadata.version('snapshelf')}"
    describe = ["git", "-C", str(_HERE), "describe", "--always", "--dirty=-dirty", "--abbrev=12"]
    try:
        found = subprocess.run(describe, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return version
    return f"{version} {found.stdout.strip()}"


def table(versions: Sequence[Version], now: Iterable[Share], before: Iterable[Share]) -> list[str]:
    """One line a version under a line of heads."""
    answering, former = list(now), {share.digits for share in before}
    lines = [_FORMATS.format(*_HEADS)]
    for version in versions:
        facts = version.facts
        lines.append(
            _FORMATS.format(
                version.number,
                f"{version.created:%Y-%m-%d %H:%M}",
                _STATUS.get(version.status, version.status),
                facts.get("network", "")[:18],
                percent(facts.get("accuracy", "")),
                facts.get("accuracy_on", ""),
                version.digits,
                _role(version.digits, answering, former),
                version.description,
            ).rstrip()
        )
    return lines


def document_of(version: Version) -> dict[str, Any]:
    """A version as JSON has it."""
    return {**asdict(version), "created": version.created.isoformat(), "facts": dict(version.facts)}


def accuracy_of(version: Version) -> str:
    """A version's accuracy as the end of a sentence; empty where it tells none."""
    accuracy = version.facts.get("accuracy", "")
    return f", {percent(accuracy)} on {version.facts.get('accuracy_on')} photos" if accuracy else ""


def print_result(document: dict[str, Any], as_json: bool, text: str) -> None:
    """What a command came to, for a program or for a person."""
    click.echo(json.dumps(document, ensure_ascii=False) if as_json else text)


def percent(accuracy: str) -> str:
    """An accuracy of 0 to 1, as a fact has it, in per cent."""
    return f"{float(accuracy):.2%}" if accuracy else ""


def _role(digits: str, now: Sequence[Share], former: set[str]) -> str:
    for share in now:
        if share.digits == digits:
            if share.shadow:
                return f"{share.share:.0%} in the shadow"
            return "all" if share.share == 1 else f"{share.share:.0%}"
    return "before" if digits in former else ""
