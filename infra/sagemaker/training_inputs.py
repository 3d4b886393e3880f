"""What a training container finds under /opt/ml: configuration files, channels, checkpoints."""

from __future__ import annotations

import contextlib
import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from infra.sagemaker.object_store import S3Location, StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from infra.sagemaker.documents import Document
    from infra.sagemaker.object_store import ObjectStore

HOST = "algo-1"
NETWORK_INTERFACE = "lo"
"""Each container shares this machine's network; SageMaker's have eth0."""


def write_configuration(base: Path, job: Document) -> None:
    """Write the three files of /opt/ml/input/config, and make the folders that must exist.

    Source of the formats: SageMaker developer guide, *How Amazon SageMaker Provides Training
    Information*.
    """
    for folder in ("input/config", "input/data", "model", "output/data", "checkpoints"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    files = {
        "hyperparameters.json": job.get("HyperParameters", {}),
        "inputdataconfig.json": {
            channel["ChannelName"]: _channel_configuration(channel, job)
            for channel in job.get("InputDataConfig", [])
        },
        "resourceconfig.json": _resource_configuration(job["ResourceConfig"]["InstanceType"]),
    }
    for name, content in files.items():
        (base / "input/config" / name).write_text(json.dumps(content))


def _channel_configuration(channel: dict[str, Any], job: Document) -> dict[str, str]:
    mode = job["AlgorithmSpecification"]["TrainingInputMode"]
    source = channel["DataSource"]["S3DataSource"]
    configuration = {
        "TrainingInputMode": channel.get("InputMode", mode),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    if content_type := channel.get("ContentType"):
        configuration["ContentType"] = content_type
    return configuration


def _resource_configuration(instance_type: str) -> dict[str, Any]:
    group = "homogeneousCluster"
    return {
        "current_host": HOST,
        "current_instance_type": instance_type,
        "current_group_name": group,
        "hosts": [HOST],
        "instance_groups": [
            {"instance_group_name": group, "instance_type": instance_type, "hosts": [HOST]}
        ],
        "network_interface_name": NETWORK_INTERFACE,
    }


def channel_location(channel: dict[str, Any]) -> S3Location:
    """The S3 prefix that a channel reads."""
    return S3Location.parse(channel["DataSource"]["S3DataSource"]["S3Uri"])


def download_channel(objects: ObjectStore, channel: dict[str, Any], base: Path) -> None:
    """Copy all objects under the channel's prefix to /opt/ml/input/data/<channel>.

    Raises:
        StorageError: nothing is there, or S3 refuses.
    """
    prefix = channel_location(channel)
    folder = base / "input/data" / channel["ChannelName"]
    folder.mkdir(parents=True, exist_ok=True)
    if not download_prefix(objects, prefix, folder):
        raise StorageError(
            f'No S3 objects found under S3 URL "{prefix}" given in input data source'
        )


def download_prefix(
    objects: ObjectStore, prefix: S3Location, folder: Path, *, replace: bool = True
) -> int:
    """Copy every object whose key begins with `prefix` into `folder`; how many there were.

    With `replace` false, files that exist are kept as they are.
    """
    count = 0
    for key in objects.keys(prefix):
        if key.endswith("/"):  # a console's marker for an empty folder
            continue
        path = folder / relative_path(key, prefix.key)
        count += 1
        if replace or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            objects.download(S3Location(prefix.bucket, key), path)
    return count


def relative_path(key: str, prefix: str) -> PurePosixPath:
    """Where an object lands in its channel's folder.

    Relative to the prefix where that is a folder (`train` or `train/` of `train/a.rec`); else
    relative to the folder that the prefix is in (`data/tr` of `data/train/a.rec` and of
    `data/train.rec`).

    Raises:
        StorageError: the key would leave the folder.
    """
    folder = prefix.rstrip("/") + "/"
    if not key.startswith(folder):
        folder = prefix.rpartition("/")[0] + "/"
    path = PurePosixPath(key.removeprefix(folder).lstrip("/"))
    if ".." in path.parts:
        raise StorageError(f"{key}: expected a key without `..`")
    return path


class CheckpointMirror:
    """Keeps CheckpointConfig.S3Uri equal to /opt/ml/checkpoints. Its calls block."""

    def __init__(self, objects: ObjectStore, folder: Path, location: S3Location) -> None:
        self._objects, self._folder, self._location = objects, folder, location
        self._stored: dict[str, tuple[int, int]] = {}

    def restore(self) -> None:
        """Fetch what is stored and not here.

        What a run that was interrupted on this machine left is newer than what is stored of it.
        """
        prefix = self._location.child("")
        folder = S3Location(prefix.bucket, f"{prefix.key}/" if prefix.key else "")
        download_prefix(self._objects, folder, self._folder, replace=False)

    def store(self) -> None:
        """Upload what is new or changed, delete what is gone."""
        present = self._scan()
        for name, signature in present.items():
            if self._stored.get(name) != signature:
                with contextlib.suppress(FileNotFoundError):  # gone since; so is its turn
                    self._objects.upload(self._folder / name, self._location.child(name))
                    self._stored[name] = signature
        for name in self._stored.keys() - present.keys():
            self._objects.delete(self._location.child(name))
            del self._stored[name]

    def _scan(self) -> dict[str, tuple[int, int]]:
        """Size and time of modification of each file, by path relative to the folder."""
        found: dict[str, tuple[int, int]] = {}
        for path in self._folder.rglob("*"):
            try:
                status = path.stat()
            except FileNotFoundError:  # renamed into place, or pruned, while we looked
                continue
            if path.is_file():
                found[path.relative_to(self._folder).as_posix()] = (
                    status.st_size,
                    status.st_mtime_ns,
                )
        return found
