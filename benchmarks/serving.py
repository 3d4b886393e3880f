"""Latency and throughput of the endpoint against other servers of the same model and photos.

    python benchmarks/serving.py MODEL PHOTOS [--peers PYTHON] [--rounds 5] [--seconds 5]

MODEL is an artifact (model.tar.gz) or its folder, PHOTOS a folder of JPEGs. PYTHON is that of an
environment of its own with litserve, bentoml, mlflow and multi-model-server (which wants Java 8 or
newer), the same onnxruntime, NumPy and Pillow; those that it lacks are left out, and said so.
What they run stands in `benchmarks/peers`: preparation and runtime are the same everywhere.

All servers stand idle but the one that is asked; rounds take them in turn, so that whatever else
the machine does burdens all alike. In a round each has a closed loop of 1 client, one of 8, and an
open loop: requests at a fixed rate, whose latency counts from when they were to be sent, so that a
server that stalls is not spared those that it kept from being sent. The bare runtime is asked in
this process: the same photos, prepared and run without HTTP. Figures are medians of rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from load import Send, closed, opened
from peers.launch import Server, find_servers, start, wait_for

from hosting.model import Model
from infra.deploy.options import find_artifact
from infra.sagemaker.artifacts import unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

CLIENTS = 8
OPEN_THREADS = 64
MOST_PHOTOS = 200


def main() -> None:
    """Start all, measure in turn, and print figures and ratios as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--peers", type=Path, help="the Python of the peers' environment")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="of each loop")
    parser.add_argument("--rate", type=float, help="of the open loop; half the bare runtime's")
    arguments = parser.parse_args()
    threads = len(os.sched_getaffinity(0))
    photos = [each.read_bytes() for each in sorted(arguments.photos.rglob("*.jp*g"))[:MOST_PHOTOS]]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as ending:
        folder = Path(scratch, "ml", "model")
        folder.mkdir(parents=True)
        unpack(find_artifact(arguments.model), folder)
        servers, missing = find_servers(folder, threads, arguments.peers, Path(scratch))
        for server in servers:
            ending.callback(start(server, Path(scratch, f"{server.name}.log")))
        wait_for(servers, photos[0])
        bare = bare_runtime(folder, threads, photos)
        alone = closed([bare], arguments.seconds, "one")["closed_one_rate"]
        loops = Loops(photos, arguments.seconds, arguments.rate or alone / 2)
        figures = measure(servers, bare, loops, arguments.rounds)
    machine = {"cores": threads, "load_before": load, "load_after": os.getloadavg()[0]}
    print(
        json.dumps(
            {**figures, "rate": round(loops.rate, 1), "missing": missing, **machine}, indent=1
        )
    )


@dataclass(frozen=True)
class Loops:
    """What is asked of each server in a round: photos, for so many seconds a loop, and the rate."""

    photos: list[bytes]
    seconds: float
    rate: float

    def run(self, server: Server) -> dict[str, float]:
        """A closed loop of one client, one of several, and an open one."""

        def clients(count: int) -> list[Send]:
            return [server.client(self.photos, place) for place in range(count)]

        return {
            **closed(clients(1), self.seconds, "one"),
            **closed(clients(CLIENTS), self.seconds, "eight"),
            **opened(clients(OPEN_THREADS), self.seconds, self.rate),
        }


def measure(servers: list[Server], bare: Send, loops: Loops, rounds: int) -> dict[str, Any]:
    """Medians of rounds, and the ratio of each to ours."""
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        told = {"bare runtime": closed([bare], loops.seconds, "one")}
        told |= {server.name: loops.run(server) for server in servers}
        for name, figures in told.items():
            for label, value in figures.items():
                found.setdefault(name, {}).setdefault(label, []).append(value)
    medians = {
        name: {label: statistics.median(values) for label, values in figures.items()}
        for name, figures in found.items()
    }
    ours = medians["snapshelf"]
    ratios = {
        name: {label: round(value / ours[label], 2) for label, value in figures.items()}
        for name, figures in medians.items()
    }
    return {"medians": rounded(medians), "as_ratio_to_snapshelf": ratios}


def bare_runtime(folder: Path, threads: int, photos: Sequence[bytes]) -> Send:
    """Ask the model in this process for the next photo."""
    model = Model.load(folder, threads=threads)
    turns = itertools.cycle(photos)
    return lambda: model.answer(next(turns)) and None


def rounded(figures: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Two digits behind the point."""
    return {
        name: {label: round(value, 2) for label, value in each.items()}
        for name, each in figures.items()
    }


if __name__ == "__main__":
    main()
