"""SageMaker's training container as this program finds it, read once at the start."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

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
class Environment:
    """Where a training job finds its input and leaves its output.

    Source: SageMaker developer guide, *Use your own training algorithms*.
    """

    base_dir: Path
    job_name: str
    threads: int
    host_addresses: Mapping[str, str] = field(default_factory=dict)
    cluster_port: int | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Environment:
        """Read the variables that SageMaker sets; OMP_NUM_THREADS defaults to every core."""
        return cls(
            base_dir=Path(environ.get(BASE_DIR_VARIABLE, BASE_DIR)),
            job_name=environ.get("TRAINING_JOB_NAME", ""),
            threads=int(environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0))),
            host_addresses=_addresses(environ.get(ADDRESSES_VARIABLE, "")),
            cluster_port=_port(environ.get(PORT_VARIABLE, "")),
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
        path = self.base_dir / "input" / "config" / "hyperparameters.json"
        try:
            document = json.loads(path.read_text()) if path.exists() else {}
        except json.JSONDecodeError as error:
            raise TrainingError(f"{path.name} is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise TrainingError(f"{path.name} holds {type(document).__name__}, not an object")
        return {str(name): str(value) for name, value in document.items()}

    def channel_dir(self, name: str) -> Path | None:
        """The folder of an input channel, or None where the job has no such channel."""
        folder = self.base_dir / "input" / "data" / name
        return folder if folder.is_dir() else None


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
