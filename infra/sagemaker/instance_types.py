"""How much memory AWS's ML instances have: what a container here is held to.

Source: SageMaker pricing page, tables of instance details, as of 2026-11-24. Within a family the
memory goes with the number of processors; what does not follow stands by itself.
"""

from __future__ import annotations

import re

from infra.memory import GIBIBYTE, machine_bytes

OUT_OF_MEMORY = (
    "ClientError: Please use an instance type with more memory, or reduce the size of job data "
    "processed on an instance., exit code: 137"
)
"""AWS's FailureReason of a job whose container the kernel has killed, its stray comma included."""

MACHINE_SHARE = 0.9
"""Of this machine's memory, the most that one container may hold: the cloud lives on it as well."""

_PER_PROCESSOR = {"c": 2.0, "m": 4.0, "r": 8.0}
"""GiB for each virtual processor of the compute, general and memory families from their fourth
generation on."""

_PROCESSORS = {"medium": 1, "large": 2, "xlarge": 4}
"""Nxlarge has N times the processors of xlarge."""

_ALONE = {
    "ml.t2.medium": 4, "ml.t2.large": 8, "ml.t2.xlarge": 16, "ml.t2.2xlarge": 32,
    "ml.t3.medium": 4, "ml.t3.large": 8, "ml.t3.xlarge": 16, "ml.t3.2xlarge": 32,
    "ml.c4.large": 3.75, "ml.c4.xlarge": 7.5, "ml.c4.2xlarge": 15, "ml.c4.4xlarge": 30,
    "ml.c4.8xlarge": 60,
    "ml.p2.xlarge": 61, "ml.p2.8xlarge": 488, "ml.p2.16xlarge": 732,
    "ml.p3.2xlarge": 61, "ml.p3.8xlarge": 244, "ml.p3.16xlarge": 488,
    "ml.g4dn.xlarge": 16, "ml.g4dn.2xlarge": 32, "ml.g4dn.4xlarge": 64, "ml.g4dn.8xlarge": 128,
    "ml.g4dn.12xlarge": 192, "ml.g4dn.16xlarge": 256,
    "ml.g5.xlarge": 16, "ml.g5.2xlarge": 32, "ml.g5.4xlarge": 64, "ml.g5.8xlarge": 128,
    "ml.g5.12xlarge": 192, "ml.g5.16xlarge": 256, "ml.g5.24xlarge": 384, "ml.g5.48xlarge": 768,
}  # fmt: skip
"""GiB."""

_REGULAR = re.compile(r"ml\.(?P<family>[cmr])[4-9][a-z]*(?:-flex)?\.(?P<times>\d*)(?P<size>\w+)")


def instance_gibibytes(instance_type: str) -> float | None:
    """The memory of an instance type; None for one that the table does not know."""
    if instance_type in _ALONE:
        return _ALONE[instance_type]
    match = _REGULAR.fullmatch(instance_type)
    if match is None or match["size"] not in _PROCESSORS:
        return None
    return _PER_PROCESSOR[match["family"]] * int(match["times"] or 1) * _PROCESSORS[match["size"]]


def memory_limit(instance_type: str) -> int:
    """Bytes that a container on such an instance may hold; never more than this machine bears."""
    known = instance_gibibytes(instance_type)
    return bearable(None if known is None else int(known * GIBIBYTE))


def bearable(wanted: int | None) -> int:
    """Bytes that a container may hold here where AWS would grant `wanted`; None: no limit known."""
    most = int(machine_bytes() * MACHINE_SHARE)
    return most if wanted is None else min(most, wanted)
