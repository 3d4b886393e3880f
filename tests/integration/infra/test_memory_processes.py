"""Memory limits: what a child's processes hold together, and the end of one that holds too much."""

import asyncio
import subprocess
import sys

from infra.memory import GIBIBYTE, MEBIBYTE, MemoryWatch
from infra.sagemaker.containers import Container, ContainerSpec, LayoutMode

HOLD = """
import os, sys, time
held = bytearray(int(sys.argv[1]))
for at in range(0, len(held), 4096):
    held[at] = 1
children = int(sys.argv[2])
for _ in range(children):  # they share the parent's pages, and hold none of their own
    if os.fork() == 0:
        time.sleep(30)
print("held", flush=True)
time.sleep(float(sys.argv[3]))
os.killpg(0, 15) if children else None
"""


def spec(tmp_path, megabytes, *, limit, children=0, seconds=30):
    """A container whose program holds that much and lives that long."""
    argv = (sys.executable, "-c", HOLD, str(megabytes * MEBIBYTE), str(children), str(seconds))
    return ContainerSpec(argv, tmp_path / "c", {}, LayoutMode.BASE_DIR, limit * MEBIBYTE)


async def run(one):
    """The container, once it has ended."""
    container = Container(one, one.folder.parent / "log")
    await container.wait()
    return container


def test_a_container_that_holds_more_than_its_limit_is_killed_and_told(tmp_path):
    """Its log says so, for whoever reads nothing else."""
    container = asyncio.run(run(spec(tmp_path, 150, limit=100)))
    assert container.out_of_memory
    assert container.exit_code == -9
    assert "its processes held more than 0.0977 GiB of memory" in container.log.read_text()


def test_pages_that_processes_share_count_once(tmp_path):
    """Three children of 60 MB that is all their parent's are not 240 MB."""
    container = asyncio.run(run(spec(tmp_path, 60, limit=120, children=3, seconds=1)))
    assert "held" in container.log.read_text()
    assert not container.out_of_memory


def test_what_children_hold_counts(tmp_path):
    """Of the two processes neither is over the limit alone."""
    code = (
        "import subprocess, sys; "
        f"subprocess.run([sys.executable, '-c', {HOLD!r}, str(70 << 20), '0', '30'], check=False)"
    )
    argv = (sys.executable, "-c", f"held = b'x' * (70 << 20); {code}")
    one = ContainerSpec(argv, tmp_path / "c", {}, LayoutMode.BASE_DIR, 120 * MEBIBYTE)
    assert asyncio.run(run(one)).out_of_memory


def test_a_watch_without_limits_has_no_thread_and_begins_again():
    """It costs nothing while no container runs."""
    watch = MemoryWatch()
    for _ in range(2):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        limit = watch.add(child.pid, 10 * GIBIBYTE)
        thread = watch._thread
        assert thread is not None
        watch.remove(limit)
        child.communicate(b"\n")
        thread.join(5)
        assert watch._thread is None
        assert not limit.exceeded
