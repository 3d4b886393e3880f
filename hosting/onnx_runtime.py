"""ONNX Runtime computes the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnxruntime as ort

from contracts import INT8_ONNX_FILE, ArtifactError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ERRORS_ONLY = 3

_SPINNING = "session.intra_op.allow_spinning"
"""Threads of a run that is over look for the next without sleeping, if it is "1", the default: the
core that they keep busy is what decodes the next photo and answers the last."""

DEPLOY = "deploy what `snapshelf train` or, of SageMaker's own artifact, `snapshelf convert` wrote"


class OnnxRuntime:
    """A network of float32 or, quantised, of 8-bit weights.

    Args:
        path: of the ONNX file.
        threads: for one prediction.

    Raises:
        ArtifactError: the file is missing, or is no network that it reads.
    """

    def __init__(self, path: Path, threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = ERRORS_ONLY
        options.add_session_config_entry(_SPINNING, "0")
        try:
            self._session = ort.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own exceptions share no base of their own
            raise unreadable(path, error) from error
        self.outputs = tuple(output.name for output in self._session.get_outputs())

    def run(self, names: Sequence[str], arrays: Any) -> list[Any]:
        """As `hosting.runtimes.Runtime`."""
        return list(self._session.run(list(names), {"data": arrays}))


def unreadable(path: Path, error: Exception) -> ArtifactError:
    """What is said of a file that a runtime does not load."""
    hint = "run `snapshelf optimise` again" if path.name == INT8_ONNX_FILE else DEPLOY
    return ArtifactError(f"{path.name} cannot be loaded: {error}", hint=hint)
