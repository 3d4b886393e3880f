"""How fast training is: ours from records, the bare network on one batch, and PyTorch's.

    python benchmarks/training_speed.py RECORDS NETWORK [--torch PYTHON [--bf16]] [--rounds 7]

RECORDS is a folder that `snapshelf prepare` wrote; NETWORK is resnet18, resnet34, resnet20,
resnet32 or refund_cnn, in pictures of the records' size. PYTHON is an interpreter that has torch;
without it that part is left out. Each round takes so many steps with every one in turn, so that all
see the same weather; the medians of the rounds are told, in photos a second, and ours as a ratio of
each.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MXNet 1.9.1 and NumPy 1.23
    import mxnet as mx

from training.channels import Augmentation, Channel, read_dataset
from training.cluster import Cluster
from training.hyperparameters import Hyperparameters
from training.losses import Loss
from training.networks import build, initialise
from training.optimizers import make_trainer
from training.orders import epoch_order
from training.steps import Stepper

LAYERS = {
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet20": (3,) * 3,
    "resnet32": (5,) * 3,
}
"""Blocks a stage."""

TORCH = r"""
import json, sys, time
import torch
from torch import nn

name, size, batch, classes, steps, layers = json.loads(sys.argv[1])
torch.manual_seed(0)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs), nn.ReLU(True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.skip = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.skip = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return torch.relu(self.body(x) + self.skip(x))


def resnet(widths, stem):
    parts, inputs = list(stem), widths[0]
    for number, (width, count) in enumerate(zip(widths, layers)):
        for block in range(count):
            parts.append(Block(inputs, width, 2 if number and not block else 1))
            inputs = width
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


if name == "refund_cnn":
    def conv(i, o):
        return [nn.Conv2d(i, o, 3), nn.ReLU(True)]
    net = nn.Sequential(
        *conv(1, 32), nn.MaxPool2d(2), *conv(32, 64), nn.MaxPool2d(2), *conv(64, 128),
        nn.Flatten(), nn.Linear(1152, 128), nn.ReLU(True), nn.Dropout(0.5), nn.Linear(128, classes))
elif len(layers) == 3:
    stem = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(True)]
    net = resnet((16, 32, 64), stem)
else:
    stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(True)]
    net = resnet((64, 128, 256, 512), [*stem, nn.MaxPool2d(3, 2, 1)])
net = net.to(memory_format=torch.channels_last)
data = torch.randn(batch, 1 if name == "refund_cnn" else 3, size, size)
data = data.to(memory_format=torch.channels_last)
labels = torch.zeros(batch, dtype=torch.long)
optimizer = torch.optim.SGD(net.parameters(), 0.01, 0.9, weight_decay=1e-4)
for line in sys.stdin:
    start = time.perf_counter()
    for _ in range(steps):
        with torch.autocast("cpu", torch.bfloat16, enabled=line.strip() == "bf16"):
            loss = nn.functional.cross_entropy(net(data).float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(batch * steps / (time.perf_counter() - start), flush=True)
"""


class Ours:
    """Our training, a number of steps at a time."""

    def __init__(self, records: Path, network: str, batch_size: int, steps: int) -> None:
        self._steps, self._batch_size = steps, batch_size
        document = json.loads((records / "dataset.json").read_text())
        size, classes = document["size"], len(document["classes"])
        _, self._preparation = read_dataset(records, size)
        colours = 1 if network == "refund_cnn" else 3
        self._settings = Hyperparameters(
            network=network,
            image_shape=(colours, size, size),
            mini_batch_size=batch_size,
            augmentation_type="crop",
        )
        self._channel = Channel.read("train", records, [records / "train.rec"])
        built = build(network, classes, shape=self._settings.image_shape)
        initialise(built, self._settings.image_shape)
        loss = Loss(self._settings, self._channel.labels, classes)
        trainer = make_trainer(built, self._settings, Cluster())
        self._stepper = Stepper(built, trainer, loss, self._settings, Cluster())
        for _ in self._channel.batches(size, self._preparation, batch_size):
            pass  # decoded pictures are kept: the first epoch is the slowest, and one of many
        self._batches = self._endless()
        self._fixed = next(self._batches)

    def _endless(self) -> Iterator[Any]:
        for epoch in range(10**6):
            yield from self._channel.epoch(
                self._settings.image_shape[1],
                self._preparation,
                self._batch_size,
                order=epoch_order(self._settings, self._channel.labels, epoch),
                augmentation=Augmentation.of("crop"),
                seed=epoch,
            )

    def speed(self, *, fixed: bool) -> float:
        """Photos a second; fixed: always the same batch."""
        start = time.perf_counter()
        for step in range(self._steps):
            self._stepper.step(self._fixed if fixed else next(self._batches), 0.01, (0, step))
        mx.nd.waitall()
        return self._batch_size * self._steps / (time.perf_counter() - start)


@contextlib.contextmanager
def torch_speed(python: str, arguments: list[Any]) -> Iterator[Any]:
    """A function of `fp32` or `bf16` that gives photos a second."""
    command = [python, "-c", TORCH, json.dumps(arguments)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        to: Any = process.stdin
        answers: Any = process.stdout

        def ask(kind: str) -> float:
            to.write(f"{kind}\n")
            to.flush()
            return float(answers.readline())

        yield ask
        to.close()


def main() -> None:
    """Rounds of all, one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("records", type=Path)
    parser.add_argument("network", choices=[*LAYERS, "refund_cnn"])
    parser.add_argument("--torch")
    parser.add_argument("--bf16", action="store_true", help="slow where the processor has none")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    given = parser.parse_args()
    ours = Ours(given.records, given.network, given.batch_size, given.steps)
    document = json.loads((given.records / "dataset.json").read_text())
    ways: dict[str, Any] = {
        "ours": lambda: ours.speed(fixed=False),
        "one batch": lambda: ours.speed(fixed=True),
    }
    with contextlib.ExitStack() as stack:
        if given.torch:
            arguments = [
                *(given.network, document["size"], given.batch_size, len(document["classes"])),
                *(given.steps, LAYERS.get(given.network, ())),
            ]
            ask = stack.enter_context(torch_speed(given.torch, arguments))
            kinds = ("fp32", "bf16") if given.bf16 else ("fp32",)
            ways |= {f"torch {kind}": lambda kind=kind: ask(kind) for kind in kinds}
        for way in ways.values():  # what is compiled and cached at first
            way()
        rounds = [{name: way() for name, way in ways.items()} for _ in range(given.rounds)]
    medians = {name: statistics.median(one[name] for one in rounds) for name in ways}
    for name, median in medians.items():
        ratio = statistics.median(one["ours"] / one[name] for one in rounds)
        print(f"{name:<10} {median:9.1f} photos/s   ours is {ratio:.2f} times that")


if __name__ == "__main__":
    main()
