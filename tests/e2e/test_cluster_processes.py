"""Several processes train one network over loopback, by MXNet's own parameter server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]

WORKER = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
import mxnet as mx
import numpy as np
from mxnet import autograd, gluon
from training.cluster import started
from training.environment import Environment

BATCH, STEPS = 32, int(sys.argv[2])
how = sys.argv[3] if len(sys.argv) > 3 else ""
numbers = np.random.RandomState(1)
photos = numbers.normal(size=(256, 8)).astype("float32")
labels = (photos @ numbers.normal(size=(8, 3))).argmax(axis=1)
mx.random.seed(5)
np.random.seed(5)
network = gluon.nn.HybridSequential()
network.add(gluon.nn.Dense(16, activation="tanh", in_units=8), gluon.nn.Dense(3, in_units=16))
network.initialize(mx.init.Xavier())
loss = gluon.loss.SoftmaxCrossEntropyLoss()
environment = Environment.from_environ(os.environ)
with started(environment, sys.argv[1] or None) as cluster:
    settings = {"learning_rate": 0.1, "momentum": 0.9, "wd": 1e-3}
    trainer = gluon.Trainer(
        network.collect_params(), "sgd", settings,
        kvstore=cluster.kvstore, update_on_kvstore=cluster.update_on_kvstore,
    )
    print("begun", cluster.rank, cluster.size, flush=True)
    for step in range(STEPS):
        if how == "die" and cluster.rank == 1 and step == 3:
            os._exit(9)
        if how == "raise" and cluster.rank == 1 and step == 3:
            raise RuntimeError("a bug")
        if cluster.kvstore_kind != "dist_async":
            trainer.set_learning_rate(0.1 * 0.99 ** step)
        batch = np.arange(step * BATCH, (step + 1) * BATCH) % len(photos)
        own = batch[cluster.rank :: cluster.size]
        with autograd.record():
            error = loss(network(mx.nd.array(photos[own])), mx.nd.array(labels[own]))
        error.backward()
        cluster.step(trainer, BATCH)
        error.sum().asscalar()  # as a training does; without it all steps are only queued
    seen = cluster.gathered({"rank": cluster.rank, "photos": len(own)})
right = (network(mx.nd.array(photos)).asnumpy().argmax(axis=1) == labels).mean()
weights = [one.data().asnumpy().ravel() for one in network.collect_params().values()]
told = {"accuracy": float(right), "weights": np.concatenate(weights).tolist(), "seen": seen,
        "left": sorted(name for name in os.environ if name.startswith("DMLC_"))}
(environment.base_dir / "told.json").write_text(json.dumps(told))
"""


class Processes:
    """A process a host, each with its own resourceconfig.json; nothing of the plane."""

    def __init__(self, folder: Path, job: str, count: int, *arguments: str) -> None:
        self.folders = [folder / f"{count}-{n + 1}" for n in range(count)]
        hosts = [f"algo-{n + 1}" for n in range(count)]
        program = folder / "worker.py"
        program.write_text(textwrap.dedent(WORKER))
        addresses = ",".join(f"{host}=127.201.{count}.{n + 1}" for n, host in enumerate(hosts))
        self.processes = []
        for host, base in zip(hosts, self.folders, strict=True):
            config = base / "input/config"
            config.mkdir(parents=True)
            resources = {"current_host": host, "hosts": hosts, "network_interface_name": "lo"}
            (config / "resourceconfig.json").write_text(json.dumps(resources))
            environment = {
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "OMP_NUM_THREADS": "1",
                "SAGEMAKER_BASE_DIR": str(base),
                "TRAINING_JOB_NAME": f"{job}-{os.getpid()}",
                "SNAPSHELF_HOST_ADDRESSES": addresses,
            }
            command = [sys.executable, str(program), *arguments]
            with (base / "log").open("wb") as log:
                self.processes.append(
                    subprocess.Popen(command, env=environment, stdout=log, stderr=log)
                )

    def wait(self, seconds: float = 120) -> list[int]:
        """All exit codes; whoever is still running after the time is killed, which is -9."""
        deadline = time.monotonic() + seconds
        for process in self.processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
        return [process.wait() for process in self.processes]

    def logs(self) -> str:
        """What all have written."""
        return "\n".join((folder / "log").read_text() for folder in self.folders)

    def told(self) -> list[dict]:
        """What each has found, after all have ended well."""
        assert self.wait() == [0] * len(self.processes), self.logs()
        return [json.loads((folder / "told.json").read_text()) for folder in self.folders]

    def nodes(self) -> list[int]:
        """Pids of schedulers and servers of this job that are running."""
        mark, found = str(self.folders[0].parent).encode(), []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    variables = (entry / "environ").read_bytes()
                except OSError:
                    continue
                if b"DMLC_ROLE=" in variables and mark in variables:
                    found.append(int(entry.name))
        return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process finds, with the joint batch and MXNet's default of no kvstore server."""
    return Processes(tmp_path_factory.mktemp("alone"), "alone", 1, "", "60").told()[0]


@pytest.mark.parametrize("count", [2, 4])
def test_synchronous_hosts_reach_the_weights_of_a_single_one(tmp_path, alone, count):
    """Within float tolerance, momentum and a changing learning rate included; on every host."""
    processes = Processes(tmp_path, "sync", count, "dist_sync", "60")
    told = processes.told()
    assert processes.nodes() == []
    for one in told:
        assert np.allclose(one["weights"], alone["weights"], rtol=1e-4, atol=1e-5)
        assert one["accuracy"] == alone["accuracy"]
        assert one["seen"] == [{"rank": n, "photos": 32 // count} for n in range(count)]
        assert one["left"] == []
    assert alone["accuracy"] > 0.9


@pytest.mark.parametrize("count", [2, 4])
def test_asynchronous_hosts_converge(tmp_path, alone, count):
    """To an accuracy as good, by other weights on the way."""
    told = Processes(tmp_path, "async", count, "dist_async", "60").told()
    assert all(one["accuracy"] > alone["accuracy"] - 0.05 for one in told)


@pytest.mark.parametrize(("how", "code"), [("die", 9), ("raise", 1)], ids=["dies", "raises"])
def test_a_lost_host_does_not_leave_the_other_waiting(tmp_path, how, code):
    """It ends with a failure file that names the lost one, though MXNet waits for that one."""
    processes = Processes(tmp_path, how, 2, "dist_sync", "2000", how)
    assert processes.wait(60) == [1, code], processes.logs()
    failure = (processes.folders[0] / "output/failure").read_text()
    assert failure == "host algo-2 has left the training before its end"
    time.sleep(0.2)
    assert processes.nodes() == []


def test_two_jobs_at_once_do_not_meet(tmp_path):
    """Even on the same addresses: the port follows from the job's name."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = Processes(tmp_path / "a", "first", 2, "dist_sync", "20")
    second = Processes(tmp_path / "b", "second", 2, "dist_sync", "20")
    assert len({tuple(one["weights"]) for one in (*first.told(), *second.told())}) == 1
