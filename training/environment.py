"""SageMaker's training container as this program finds it, read once at the start."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts import BASE_DIR, BASE_DIR_VARIABLE, TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping


ADDRESSES_VARIABLE = "SNAPSHELF_HOST_ADDRESSES"
"""`algo-1=10.0.0.1,algo-2=10.0.0.2`: for where the names of hosts are not known to DNS."""

PORT_VARIABLE = "SNAPSHELF_CLUSTER_PORT"
"""The port at which a job's hosts meet, in place of the one that follows from the job's name."""


@dataclass(frozen=True, slots=True)
class Resources:
    """The hosts that run the job, and which of them this is."""

    current_host: str = "algo-1"
    hosts: tuple[str, ...] = ("algo-1",)
    network_interface: str = "eth0"


@dataclass(frozen=True, slots=True)
class ChannelInput:
    """How a channel's data arrives, as `InputDataConfig` of the job says.

    Attributes:
        content_type: the media type in lower case, without parameters; empty where none is given.
        label_format: the parameter `label-format` of it: "multi-hot", "class-id" or empty.
        is_pipe: whether the data comes through FIFOs, one for each epoch, and not as files.
        record_wrapper: "RecordIO" where every attribute of a line is a record, else "None".
    """

    content_type: str = ""
    label_format: str = ""
    is_pipe: bool = False
    record_wrapper: str = "None"

    @classmethod
    def of(cls, configuration: Mapping[str, Any]) -> ChannelInput:
        """One channel of inputdataconfig.json."""
        content_type, *parameters = str(configuration.get("ContentType", "")).lower().split(";")
        pairs = dict(text.strip().partition("=")[::2] for text in parameters)
        return cls(
            content_type=content_type.strip(),
            label_format=pairs.get("label-format", "").strip(' "'),
            is_pipe=configuration.get("TrainingInputMode") == "Pipe",
            record_wrapper=str(configuration.get("RecordWrapperType", "None")),
        )


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a training job finds its input and leaves its output.

    Source: SageMaker developer guide, *Use your own training algorithms*.
    """

    base_dir: Path
    job_name: str
    threads: int
    host_addresses: Mapping[str, str] = field(default_factory=dict)
    cluster_port: int | None = None
    cache_dir: Path = field(default_factory=lambda: Path.home() / ".cache" / "snapshelf")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Environment:
        """Read the variables that SageMaker sets; OMP_NUM_THREADS defaults to every core."""
        return cls(
            base_dir=Path(environ.get(BASE_DIR_VARIABLE, BASE_DIR)),
            job_name=environ.get("TRAINING_JOB_NAME", ""),
            threads=int(environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0))),
            host_addresses=_addresses(environ.get(ADDRESSES_VARIABLE, "")),
            cluster_port=_port(environ.get(PORT_VARIABLE, "")),
            cache_dir=Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "snapshelf",
        )

    @property
    def model_dir(self) -> Path:
        """What is in here at the end becomes model.tar.gz."""
        return self.base_dir / "model"

    @property
    def output_data_dir(self) -> Path:
        """What is in here at the end becomes output.tar.gz."""
        return self.base_dir / "output" / "data"

    @property
    def failure_file(self) -> Path:
        """Its first 1,024 characters become the job's FailureReason."""
        return self.base_dir / "output" / "failure"

    @property
    def checkpoints_dir(self) -> Path:
        """Mirrored to S3 while the job runs."""
        return self.base_dir / "checkpoints"

    @property
    def scratch_dir(self) -> Path:
        """For what the job makes of its input; no other program looks there."""
        return self.base_dir / "scratch"

    def resources(self) -> Resources:
        """The job's hosts; one, where there is no resourceconfig.json.

        Source: SageMaker developer guide, *Distributed Training Configuration*.

        Raises:
            TrainingError: resourceconfig.json does not name this host and all others.
        """
        path = self.base_dir / "input" / "config" / "resourceconfig.json"
        if not path.exists():
            return Resources()
        expected = 'expected {"current_host": "algo-1", "hosts": ["algo-1", ...]}'
        try:
            document = json.loads(path.read_text())
            current, hosts = str(document["current_host"]), tuple(map(str, document["hosts"]))
        except (ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{path.name}: {error!r}; {expected}") from error
        if current not in hosts or len(set(hosts)) != len(hosts):
            raise TrainingError(f"{path.name}: {current} and hosts {list(hosts)}; {expected}")
        interface = str(document.get("network_interface_name", "eth0"))
        return Resources(current, tuple(sorted(hosts, key=_host_order)), interface)

    def hyperparameters(self) -> dict[str, str]:
        """The job's hyperparameters as they arrive, all strings.

        Raises:
            TrainingError: hyperparameters.json is not a JSON object.
        """
        document = self._configuration("hyperparameters.json")
        return {str(name): str(value) for name, value in document.items()}

    def channel_inputs(self) -> dict[str, ChannelInput]:
        """How each of the job's channels arrives, by name.

        Raises:
            TrainingError: inputdataconfig.json is not a JSON object of objects.
        """
        document = self._configuration("inputdataconfig.json")
        for name, configuration in document.items():
            if not isinstance(configuration, dict):
                raise TrainingError(
                    f"inputdataconfig.json: {name} is {configuration!r}, expected an object"
                )
        return {name: ChannelInput.of(configuration) for name, configuration in document.items()}

    def _configuration(self, name: str) -> dict[str, Any]:
        path = self.base_dir / "input" / "config" / name
        try:
            document = json.loads(path.read_text()) if path.exists() else {}
        except json.JSONDecodeError as error:
            raise TrainingError(f"{path.name} is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise TrainingError(f"{path.name} holds {type(document).__name__}, not an object")
        return document

    def channel_dir(self, name: str) -> Path | None:
        """The folder of an input channel, or None where the job has no such channel."""
        folder = self.base_dir / "input" / "data" / name
        return folder if folder.is_dir() else None

    def has_channel(self, name: str) -> bool:
        """Whether the job has an input channel of this name, as files or as pipes."""
        return self.channel_dir(name) is not None or name in self.channel_inputs()

    def pipe(self, name: str, epoch: int) -> Path:
        """The FIFO through which a channel in Pipe mode comes in an epoch, counted from 0."""
        return self.base_dir / "input" / "data" / f"{name}_{epoch}"


def _host_order(host: str) -> tuple[int, str]:
    """`algo-2` before `algo-10`: SageMaker promises no order, and all hosts must have the same."""
    return len(host), host


def _addresses(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    if bad := [name for name, _, address in pairs if not (name and address)]:
        raise TrainingError(f"{ADDRESSES_VARIABLE}={text}: {bad[0]!r}; expected name=address,...")
    return {name: address for name, _, address in pairs}


def _port(text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) < 65_536:  # noqa: PLR2004 - TCP's ports
        raise TrainingError(f"{PORT_VARIABLE}={text}: expected a port, 1 to 65535")
    return int(text)
