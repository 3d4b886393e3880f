"""The files that a channel's records are in: one, or the shards that manifest.json lists."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from contracts import MANIFEST_FILE, TrainingError

if TYPE_CHECKING:
    from pathlib import Path


def record_files(channel: str, folder: Path) -> tuple[Path, ...]:
    """A channel's `.rec` files in order; shards are held to their sizes and SHA-256.

    Raises:
        TrainingError: there is none, several without a manifest, one is missing or not listed, or
            is not the file that was written.
    """
    found = sorted(folder.glob("*.rec"))
    manifest = folder / MANIFEST_FILE
    if len(found) == 1 and not manifest.exists():
        return tuple(found)
    if not found or not manifest.exists():
        raise TrainingError(
            f"channel {channel} holds {len(found)} .rec files, expected one",
            hint=f"or shards, with the {MANIFEST_FILE} that `snapshelf prepare` writes beside them",
        )
    shards = _shards(channel, manifest)
    for file in found:
        if file.stem not in shards:
            raise TrainingError(
                f"channel {channel} holds {file.name}, which {MANIFEST_FILE} does not list"
            )
    # The manifest lists every split's shards, the channel holds one split's, or more.
    splits = {shards[file.stem].get("split") for file in found}
    wanted = [shard for shard in shards.values() if shard.get("split") in splits]
    for shard in wanted:
        _check(channel, folder / f"{shard['name']}.rec", shard)
    return tuple(folder / f"{shard['name']}.rec" for shard in wanted)


def _shards(channel: str, manifest: Path) -> dict[str, dict[str, Any]]:
    try:
        listed = json.loads(manifest.read_text(encoding="utf-8"))["shards"]
        return {str(shard["name"]): dict(shard) for shard in listed}
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"channel {channel}: {manifest.name}: {error!r}, expected shards"
        ) from error


def _check(channel: str, file: Path, shard: dict[str, Any]) -> None:
    if not file.exists():
        raise TrainingError(
            f"channel {channel}: {file.name} is not there, {MANIFEST_FILE} lists it"
        )
    size = file.stat().st_size
    if size != shard.get("bytes"):
        raise TrainingError(
            f"channel {channel}: {file.name} has {size} bytes, expected {shard.get('bytes')}"
        )
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != shard.get("sha256"):
        raise TrainingError(
            f"channel {channel}: {file.name} has SHA-256 {digest}, expected {shard.get('sha256')}",
            hint="it was damaged on its way: upload it again",
        )
