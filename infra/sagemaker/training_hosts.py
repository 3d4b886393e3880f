"""The hosts of a training job: their names, their addresses, and how each learns of the others."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.sagemaker.documents import Document

MAX_HOSTS = 8
"""Each is a process (or several) on this one machine."""

NETWORK_INTERFACE = "lo"
"""Each container shares this machine's network; SageMaker's have eth0."""

ADDRESSES_VARIABLE = "SNAPSHELF_HOST_ADDRESSES"
"""`algo-1=127.4.5.1,algo-2=127.4.5.2`: for where a container cannot have an /etc/hosts of its own.

`training/environment.py` reads it under the same name; a test compares the two.
"""

_GROUP = "homogeneousCluster"
_SYSTEM_HOSTS = Path("/etc/hosts")


@dataclass(frozen=True, slots=True)
class Host:
    """One host: SageMaker's name for it, its number from 0, and its address on this machine."""

    name: str
    index: int
    address: str


def hosts_of(job: Document, *, cloud: str = "") -> tuple[Host, ...]:
    """The hosts of a job, `algo-1` first.

    `cloud` tells the clouds of one machine apart: each may have a job of the same name.

    The whole of 127.0.0.0/8 is loopback, so that each host of each job can have an address of its
    own: programs that listen on a fixed port of their host's address do not meet. The address
    follows from cloud and name, and is the same when the job is run again.
    """
    digest = hashlib.sha256(f"{cloud}/{job['TrainingJobName']}".encode()).digest()
    network = f"127.{1 + digest[0] % 254}.{digest[1]}"  # never 127.0: the machine's own services
    count = job["ResourceConfig"]["InstanceCount"]
    return tuple(Host(f"algo-{n + 1}", n, f"{network}.{n + 1}") for n in range(count))


def resource_configuration(
    host: Host, hosts: tuple[Host, ...], instance_type: str
) -> dict[str, Any]:
    """resourceconfig.json of one host.

    Source: SageMaker developer guide, *How Amazon SageMaker Provides Training Information*,
    Distributed Training Configuration.
    """
    names = [one.name for one in hosts]
    return {
        "current_host": host.name,
        "current_instance_type": instance_type,
        "current_group_name": _GROUP,
        "hosts": names,
        "instance_groups": [
            {"instance_group_name": _GROUP, "instance_type": instance_type, "hosts": names}
        ],
        "network_interface_name": NETWORK_INTERFACE,
    }


def hosts_file(hosts: tuple[Host, ...]) -> str:
    """What a container finds in /etc/hosts: this machine's own lines, and the job's hosts."""
    own = _SYSTEM_HOSTS.read_text() if _SYSTEM_HOSTS.is_file() else "127.0.0.1 localhost\n"
    return "\n".join([own.rstrip("\n"), *(f"{one.address} {one.name}" for one in hosts), ""])


def addresses(hosts: tuple[Host, ...]) -> str:
    """The value of ADDRESSES_VARIABLE."""
    return ",".join(f"{one.name}={one.address}" for one in hosts)
