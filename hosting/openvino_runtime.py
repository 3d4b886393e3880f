"""OpenVINO computes the network, where it is installed (the extra `openvino`)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from hosting.onnx_runtime import unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class OpenVino:
    """A network of float32 or, quantised, of 8-bit weights, read from the same ONNX file.

    What is not quantised is computed in float32: of itself OpenVINO would take bfloat16 where the
    processor has it, and other answers than those that were measured.

    Args:
        path: of the ONNX file.
        threads: for one prediction.

    Raises:
        ArtifactError: the file is missing, or is no network that it reads.
    """

    def __init__(self, path: Path, threads: int) -> None:
        import openvino

        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
        }
        core = openvino.Core()
        try:
            self._compiled = core.compile_model(core.read_model(str(path)), "CPU", settings)
        except Exception as error:  # RuntimeErrors, and others where a file is odd
            raise unreadable(path, error) from error
        outputs = self._compiled.outputs
        self.outputs = tuple(name for output in outputs for name in sorted(output.names))
        self._picture = tuple(self._compiled.input("data").partial_shape)[1:]
        self._requests = threading.local()  # a request of OpenVINO's takes one caller at a time

    def run(self, names: Sequence[str], arrays: Any) -> list[Any]:
        """As `hosting.runtimes.Runtime`."""
        self._check_shape(arrays.shape[1:])
        request = getattr(self._requests, "own", None)
        if request is None:
            request = self._requests.own = self._compiled.create_infer_request()
        found = request.infer({"data": arrays}, share_inputs=True)
        return [found[name] for name in names]

    def _check_shape(self, given: tuple[int, ...]) -> None:
        """OpenVINO itself takes any picture where the network's layers do."""
        for side, length in zip(self._picture, given, strict=True):
            if side.is_static and side.get_length() != length:
                expected = " x ".join(map(str, self._picture))
                raise ValueError(f"pictures of {' x '.join(map(str, given))}, expected {expected}")
