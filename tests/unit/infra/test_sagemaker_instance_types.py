"""The memory of AWS's instance types, and how much of it a container gets here."""

import pytest

from infra.memory import GIBIBYTE
from infra.sagemaker.instance_types import instance_gibibytes, memory_limit


@pytest.mark.parametrize(
    ("instance_type", "gibibytes"),
    [
        ("ml.m5.large", 8),
        ("ml.m4.10xlarge", 160),
        ("ml.c5.xlarge", 8),
        ("ml.c4.xlarge", 7.5),
        ("ml.c5.9xlarge", 72),
        ("ml.r6i.large", 16),
        ("ml.m7i-flex.2xlarge", 32),
        ("ml.m8g.medium", 4),
        ("ml.t2.medium", 4),
        ("ml.g4dn.xlarge", 16),
        ("ml.p9.huge", None),
        ("ml.m5.huge", None),
    ],
)
def test_an_instance_type_has_the_memory_that_aws_gives_it(instance_type, gibibytes):
    """Figures of AWS's own tables; unknown types have none."""
    assert instance_gibibytes(instance_type) == gibibytes


def test_a_limit_is_never_more_than_the_machine_bears(monkeypatch):
    """A large instance's memory, and that of one which nobody knows, are the machine's."""
    monkeypatch.setattr("infra.sagemaker.instance_types.machine_bytes", lambda: 20 * GIBIBYTE)
    assert memory_limit("ml.m5.large") == 8 * GIBIBYTE
    assert memory_limit("ml.m5.24xlarge") == memory_limit("") == 18 * GIBIBYTE
