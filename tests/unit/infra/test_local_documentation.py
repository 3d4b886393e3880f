"""The tables of docs/local-cloud.md name modules and tests that there are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs/local-cloud.md").read_text()


@pytest.mark.parametrize("module", sorted(set(re.findall(r"`(infra/[a-z_/]+\.py)`", TEXT))))
def test_every_module_that_the_tables_name_is_there(module):
    """A mend that moved is found here."""
    assert (ROOT / module).is_file()


def test_every_test_that_the_tables_name_is_there():
    """So that each limit can be seen to be held."""
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", TEXT))
    written = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_[a-z0-9_]+)\(", path.read_text())
    }
    assert len(named) > 20
    assert named <= written
