"""Translations to ONNX that take the place of MXNet's own."""

from __future__ import annotations

from typing import Any

import numpy as np

_TO_THE_START = np.iinfo(np.int64).min
"""Where a slice with a negative step ends, to take in the first element (ONNX, Slice)."""


def register() -> None:
    """Tell MXNet's exporter of them; again does no harm."""
    from mxnet.onnx.mx2onnx._export_onnx import MXNetGraph

    MXNetGraph.register("reverse", 13)(_reverse)


def _reverse(node: dict[str, Any], **kwargs: Any) -> Any:
    """MXNet's `reverse` along one axis as a slice with step -1.

    MXNet's own takes 14 nodes, which ONNX Runtime 1.31 optimises into a wrong result.
    """
    from mxnet.onnx.mx2onnx._op_translations import _op_translations_opset12 as translations
    from onnx.helper import make_node

    name, inputs, attributes = translations.get_inputs(node, kwargs)
    axes = translations.convert_string_to_list(attributes["axis"])
    parts = {"starts": -1, "ends": _TO_THE_START, "axes": None, "steps": -1}
    for part, value in parts.items():
        values = axes if value is None else [value] * len(axes)
        translations.create_tensor(values, f"{name}_{part}", kwargs["initializer"])
    names = [f"{name}_{part}" for part in parts]
    return [make_node("Slice", [inputs[0], *names], [name], name=name)]
