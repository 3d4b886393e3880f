"""The record of a running cloud: right for the living, blind to the dead and to strangers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from infra.local import launch, record
from infra.local.settings import CloudSettings

if TYPE_CHECKING:
    from pathlib import Path


def test_a_running_process_is_found_by_its_record(tmp_path: Path) -> None:
    """What is written for this process is read back, with its address."""
    record.write(CloudSettings(tmp_path, port=4567))
    found = record.read(tmp_path)
    assert found is not None
    assert (found.pid, found.port) == (os.getpid(), 4567)
    assert found.endpoint_url == "http://127.0.0.1:4567"
    assert found.state == tmp_path


def test_no_record_is_no_cloud(tmp_path: Path) -> None:
    """A folder without a record, or with half of one, has no cloud."""
    assert record.read(tmp_path) is None
    (tmp_path / "cloud.json").write_text('{"pid": 1')
    assert record.read(tmp_path) is None


def test_a_stale_record_never_names_a_stranger(tmp_path: Path) -> None:
    """A living process that started at another time is not the cloud, and stop leaves it alone."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        record.write(CloudSettings(tmp_path))
        document = json.loads((tmp_path / "cloud.json").read_text())
        document |= {"pid": stranger.pid, "started": 1}
        (tmp_path / "cloud.json").write_text(json.dumps(document))
        assert record.read(tmp_path) is None
        assert launch.stop(tmp_path) is False
        assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_an_ended_process_has_no_start_time() -> None:
    """Neither a reaped process nor a zombie counts as running."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert record.start_time(child.pid) is None
    child.wait()
    assert record.start_time(child.pid) is None
    assert record.start_time(os.getpid()) is not None
