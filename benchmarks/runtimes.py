"""One photo, and batches of 32, on every runtime that there is and on MXNet, by turns in one run.

    python benchmarks/runtimes.py MODEL PHOTOS [--threads N]

MODEL is what `snapshelf optimise` wrote, or its folder; PHOTOS are folders, of which 32 photos are
asked. MXNet, which hosting does without, computes the artifact's own symbol and weights. Prints a
JSON object a runtime: milliseconds of one photo (median, 95th percentile), photos per second.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


class MxNet:
    """The artifact's symbol and weights, asked as `hosting.model.Model` is."""

    def __init__(self, folder: Path, size: int) -> None:
        import mxnet as mx

        (params,) = folder.glob("image-classification-*.params")
        prefix, epoch = params.stem.rsplit("-", 1)
        symbol_file = folder / f"{prefix}-symbol.json"
        self._symbol = mx.sym.load(str(symbol_file))
        _, self._weights, self._states = mx.model.load_checkpoint(str(folder / prefix), int(epoch))
        self._mx, self._size = mx, size
        self._bound: dict[int, Any] = {}

    def predict_both(self, arrays: Any) -> tuple[Any, None]:
        """Probabilities; each number of photos is bound once."""
        count = len(arrays)
        if count not in self._bound:
            shape = (count, 3, self._size, self._size)
            bound = self._symbol.simple_bind(self._mx.cpu(), grad_req="null", data=shape)
            bound.copy_params_from(self._weights, self._states, allow_extra_params=True)
            self._bound[count] = bound
        found = self._bound[count].forward(is_train=False, data=self._mx.nd.array(arrays))
        return found[0].asnumpy(), None


def main() -> None:
    """Load, compare, measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)  # MXNet reads it when it is imported
    from contracts import RUNTIME_FILES
    from hosting.model import Model
    from hosting.runtimes import is_installed
    from infra.deploy.options import find_artifact
    from infra.sagemaker.artifacts import unpack
    from optimisation.measuring import BATCH, measure_speed

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        unpack(find_artifact(arguments.model), folder)
        models: dict[str, Any] = {
            name: Model.load(folder, threads=arguments.threads, runtime=name)
            for name, file in RUNTIME_FILES.items()
            if is_installed(name) and (folder / file).exists()
        }
        first = next(iter(models.values()))
        files = sorted(path for path in arguments.photos.rglob("*") if path.is_file())
        pictures = [first.preparation.array(path.read_bytes()) for path in files[:BATCH]]
        models["mxnet-fp32"] = MxNet(folder, first.preparation.size)
        batch = np.stack(pictures)
        apart = np.abs(models["mxnet-fp32"].predict_both(batch)[0] - softmax(first, batch)).max()
        for name, speed in measure_speed(models, pictures).items():
            print(json.dumps({"runtime": name, **speed.to_dict()}), flush=True)
        print(json.dumps({"mxnet_and_onnxruntime_apart": float(apart)}))


def softmax(model: Any, batch: Any) -> Any:
    """Probabilities before any temperature, as MXNet's symbol gives them."""
    _, logits = model.predict_both(batch)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


if __name__ == "__main__":
    main()
