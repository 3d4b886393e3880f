"""How much memory there is."""

from infra import memory


def test_a_control_groups_limit_counts_as_the_machines(monkeypatch, tmp_path):
    """In a CI container; the word `max` and files that are not there set none."""
    own = memory.machine_bytes()
    (tmp_path / "max").write_text("max\n")
    (tmp_path / "small").write_text("1000\n")
    monkeypatch.setattr(memory, "_CGROUP_LIMITS", (tmp_path / "max", tmp_path / "none"))
    assert memory.machine_bytes() >= own
    monkeypatch.setattr(memory, "_CGROUP_LIMITS", (tmp_path / "small",))
    assert memory.machine_bytes() == 1000
