"""What a training container finds under /opt/ml/input: configuration, and channels as files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from infra.sagemaker.training_hosts import resource_configuration
from infra.sagemaker.training_sources import stored_objects

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.sagemaker.documents import Document
    from infra.sagemaker.object_store import ObjectStore
    from infra.sagemaker.training_hosts import Host
    from infra.sagemaker.training_sources import ChannelSource


def write_configuration(base: Path, job: Document, host: Host, hosts: tuple[Host, ...]) -> None:
    """Write the three files of /opt/ml/input/config, and make the folders that must exist.

    Source of the formats: SageMaker developer guide, *How Amazon SageMaker Provides Training
    Information*.
    """
    for folder in ("input/config", "input/data", "model", "output/data", "checkpoints"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    instance_type = job["ResourceConfig"]["InstanceType"]
    files = {
        "hyperparameters.json": job.get("HyperParameters", {}),
        "inputdataconfig.json": {
            channel["ChannelName"]: _channel_configuration(channel, job)
            for channel in job.get("InputDataConfig", [])
        },
        "resourceconfig.json": resource_configuration(host, hosts, instance_type),
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


def download_channel(
    objects: ObjectStore,
    source: ChannelSource,
    base: Path,
    *,
    host: Host,
    hosts: int,
    on_piece: Callable[[], None] | None = None,
) -> None:
    """Copy the host's share of a channel's objects to /opt/ml/input/data/<channel>.

    `on_piece` is called whenever some more has come; what it raises ends the copying.

    Raises:
        StorageError: nothing is there, a manifest is malformed, or S3 refuses.
    """
    folder = base / "input/data" / source.name
    folder.mkdir(parents=True, exist_ok=True)
    found = stored_objects(objects, source)
    for one in source.share(found, epoch=0, host=host.index, hosts=hosts):
        path = folder / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        objects.download(one.location, path, on_piece)
