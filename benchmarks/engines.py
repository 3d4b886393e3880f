"""Ray, Dask and Spark beside this machine's own processes: the same photos on two workers each.

    python benchmarks/engines.py PHOTOS [--python ENGINE=INTERPRETER ...] [--photos 2000]

PHOTOS holds category folders. An engine runs under the interpreter given for it, so that each can
have an environment of its own, in which the project's dependencies of the extra `prepare` are
installed beside it (`ray`; `distributed`; `pyspark`, which wants Java 17). Without one, this
interpreter is used; an engine that cannot be imported there is named, and left out.

Every engine encodes the chunks that `snapshelf prepare` would make, with the look-ahead that it
would have, twice: undisturbed, and with a worker that is killed (SIGKILL) as soon as an eighth of
the chunks is done. Figures: seconds until the first, tiny tasks are back; photos a second after
that; the largest sum of proportional set sizes (PSS) of all processes, in MB; what the kill cost.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recordio_prep.chunks import Chunk

WORKERS = 2
AHEAD = 2
ENGINES = {"processes": "recordio_prep", "ray": "ray", "dask": "distributed", "spark": "pyspark"}
"""Each with the module that has to be there."""

MARK = "SNAPSHELF_TRIAL"
"""In the environment of every process of a trial, so that they are found wherever they hang."""

PHOTOS_IN_A_CHUNK = 31
WARM_UP_CHUNKS = 8
PASSES = 3
"""Over the photos: small ones are through in a second."""

SAMPLE_SECONDS = 0.5
STUCK_SECONDS = 90

Done = tuple[int, int, int]
"""A chunk's number, how many of its photos were encoded, and the process that did it."""


def main() -> None:
    """Run the trials and print the table as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, metavar="PHOTOS")
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--python", action="append", default=[], metavar="ENGINE=INTERPRETER")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--trial", help=argparse.SUPPRESS)
    parser.add_argument("--kill", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.trial:
        print(json.dumps(trial(arguments)))
        return
    interpreters = dict(given.split("=", 1) for given in arguments.python)
    print("| engine | ready, s | photos/s | CPU, s | peak PSS, MB | with a kill, photos/s | |")
    print("|---|---|---|---|---|---|---|")
    for engine in arguments.engines.split(","):
        python = interpreters.get(engine, sys.executable)
        print(row(engine, python, arguments), flush=True)


def row(engine: str, python: str, arguments: argparse.Namespace) -> str:
    """An engine's line of the table; what failed is told in it."""
    module = ENGINES[engine]
    if subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode:  # noqa: PLW1510
        return f"| {engine} | {module} is not installed for {python}: left out ||||||"
    calm, killed = (run_trial(python, engine, arguments, options) for options in ([], ["--kill"]))
    if "error" in calm:
        return f"| {engine} | {calm['error']} ||||||"
    after = killed.get("error") or f"{killed['photos']} of {calm['photos']} photos"
    return (
        f"| {engine} | {calm['ready']:.1f} | {calm['rate']:.0f} | {calm['cpu']:.1f} |"
        f" {calm['peak']:.0f} | {killed.get('rate', 0):.0f} | {after} |"
    )


def run_trial(
    python: str, engine: str, arguments: argparse.Namespace, options: list[str]
) -> dict[str, Any]:
    """One trial in a process of its own, with the memory that all of its processes took."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    root = str(Path(__file__).parents[1])
    environment = os.environ | {MARK: mark, "PYTHONPATH": root, "PYSPARK_PYTHON": python}
    command = [python, __file__, str(arguments.source), f"--photos={arguments.photos}"]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [*command, f"--trial={engine}", *options],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        peak, cpu = 0.0, {}
        while process.poll() is None:
            alive = marked(mark)
            peak = max(peak, sum(map(pss, alive)))
            cpu |= {one: cpu_seconds(one, cpu.get(one, 0.0)) for one in alive}
            time.sleep(SAMPLE_SECONDS)
        output = process.stdout.read() if process.stdout else b""
        errors.seek(0)
        told = errors.read().decode(errors="replace").strip().splitlines()
    end_left_behind(mark)
    if process.returncode:
        return {"error": f"failed: {told[-1] if told else process.returncode}"}
    return json.loads(output.splitlines()[-1]) | {"peak": peak, "cpu": sum(cpu.values())}


def trial(arguments: argparse.Namespace) -> dict[str, Any]:
    """Encode the chunks on one engine; in the child process."""
    with tempfile.TemporaryDirectory() as scratch:
        tasks = chunks(arguments.source, arguments.photos, Path(scratch))
        for chunk in tasks:  # so that no engine pays for the disk
            for photo in chunk.photos:
                chunk.sources["photos"].read(photo.locator)
        start = time.monotonic()
        with STARTS[arguments.trial]() as run:
            tiny = [replace(task, photos=task.photos[:1]) for task in tasks[:WORKERS]]
            for _ in run(tiny):
                pass
            ready = time.monotonic() - start
            warm, measured = tasks[:WARM_UP_CHUNKS], tasks[WARM_UP_CHUNKS:]
            for _ in run(warm):
                pass
            start = time.monotonic()
            photos = encode(run, measured, kill=arguments.kill)
            seconds = time.monotonic() - start
    return {"ready": ready, "rate": photos / seconds, "photos": photos}


def encode(run: Run, tasks: list[Chunk], *, kill: bool) -> int:
    """How many photos came back; on the way, one worker may be killed."""
    photos = 0
    for count, (_, encoded, worker) in enumerate(run(tasks), start=1):
        photos += encoded
        if kill and count == len(tasks) // 8:
            os.kill(worker, signal.SIGKILL)
    return photos


def chunks(source: Path, photos: int, spool: Path) -> list[Chunk]:
    """What `snapshelf prepare` would hand its workers."""
    from recordio_prep.chunks import Chunk, Listed
    from recordio_prep.encode import Recipe
    from recordio_prep.sources.folders import Folders
    from recordio_prep.sources.source import Photo
    from recordio_prep.spool import Spool

    folders = Folders(source)
    found = (entry for entry in folders.entries() if isinstance(entry, Photo))
    listed = [
        Listed(number, "photos", photo.locator, "jpeg")
        for number, photo in enumerate(islice(found, photos))
    ]
    starts = [*range(0, len(listed), PHOTOS_IN_A_CHUNK)] * PASSES
    return [
        Chunk(
            number,
            tuple(listed[first : first + PHOTOS_IN_A_CHUNK]),
            {"photos": folders},
            Recipe(112, "squash", 95),
            Spool(spool),
        )
        for number, first in enumerate(starts)
    ]


def encode_one(chunk: Chunk) -> Done:
    """The task: the project's own, and who did it."""
    from recordio_prep.chunks import encode_chunk

    outcome = encode_chunk(chunk)
    return outcome.number, len(outcome.facts), os.getpid()


Answer = queue.Queue["Done | BaseException"]
Submit = "Callable[[Chunk, Answer], None]"
Run = "Callable[[list[Chunk]], Iterator[Done]]"


def ahead(submit: Submit, tasks: list[Chunk]) -> Iterator[Done]:
    """Results as they come, with a bounded number of tasks under way."""
    answers: Answer = queue.Queue()
    remaining = iter(tasks)
    for task in islice(remaining, WORKERS * AHEAD):
        submit(task, answers)
    for _ in tasks:
        answer = answers.get(timeout=STUCK_SECONDS)
        if isinstance(answer, BaseException):
            raise answer
        yield answer
        for task in islice(remaining, 1):
            submit(task, answers)


def answering(call: Callable[[], Done], answers: Answer) -> None:
    """Put what the call gives, or raises, where it is waited for."""
    try:
        answers.put(call())
    except Exception as error:  # noqa: BLE001 (raised again where it is waited for)
        answers.put(error)


def in_thread(call: Callable[[], Done], answers: Answer) -> None:
    """Wait for an engine's blocking call."""
    threading.Thread(target=answering, args=(call, answers), daemon=True).start()


@contextlib.contextmanager
def processes() -> Iterator[Run]:
    """This machine's own processes, by `recordio_prep.workers`."""
    from recordio_prep.workers import run

    yield lambda tasks: (done for _, done in run(encode_one, tasks, workers=WORKERS))


@contextlib.contextmanager
def ray() -> Iterator[Run]:
    """A Ray runtime on this machine."""
    import ray as engine

    engine.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    remote = engine.remote(encode_one)
    try:

        def submit(task: Chunk, answers: Answer) -> None:
            in_thread(lambda: engine.get(remote.remote(task)), answers)

        yield partial(ahead, submit)
    finally:
        engine.shutdown()


@contextlib.contextmanager
def dask() -> Iterator[Run]:
    """A Dask scheduler and workers on this machine."""
    from distributed import Client, LocalCluster

    cluster = LocalCluster(
        n_workers=WORKERS, threads_per_worker=1, dashboard_address=None, memory_limit=0
    )
    with cluster, Client(cluster) as client:

        def submit(task: Chunk, answers: Answer) -> None:
            client.submit(encode_one, task, pure=False).add_done_callback(
                lambda future: answering(future.result, answers)
            )

        yield partial(ahead, submit)


@contextlib.contextmanager
def spark() -> Iterator[Run]:
    """Spark in local mode, where a failed task has four attempts; a job of one task each.

    Only so do results come one by one and as they are ready: an action gives them all at the end.
    """
    from pyspark import SparkConf, SparkContext

    conf = SparkConf().setMaster(f"local[{WORKERS},4]").set("spark.ui.enabled", "false")
    context = SparkContext(conf=conf)
    context.setLogLevel("ERROR")
    try:

        def submit(task: Chunk, answers: Answer) -> None:
            rdd = context.parallelize([task], 1).map(encode_one)
            in_thread(lambda: rdd.collect()[0], answers)

        yield partial(ahead, submit)
    finally:
        context.stop()


STARTS = {"processes": processes, "ray": ray, "dask": dask, "spark": spark}


def marked(mark: str) -> list[int]:
    """The processes whose environment bears the mark."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def pss(process: int) -> float:
    """Proportional set size in MB: what processes share is counted once among them."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1000
    return 0.0


def cpu_seconds(process: int, seen: float) -> float:
    """Of user and system, so far; what was seen last where the process has gone."""
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return max(seen, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    return seen


def end_left_behind(mark: str) -> None:
    """Some engines' services outlive their driver."""
    for process in marked(mark):
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    main()
