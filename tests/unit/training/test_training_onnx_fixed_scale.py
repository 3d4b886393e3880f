"""A batch norm with fix_gamma has no scale, in ONNX neither."""

import mxnet as mx
import numpy as np
import onnxruntime as ort
import pytest

from training.onnx_export import export_onnx


@pytest.mark.parametrize(("options", "scale"), [({}, 1), ({"fix_gamma": False}, 3)])
def test_a_scale_that_is_fixed_is_not_looked_at(options, scale):
    """It is by default; what is stored for it may be any number."""
    norm = mx.sym.BatchNorm(mx.sym.var("data"), name="norm", eps=1e-3, **options)
    logits = mx.sym.FullyConnected(mx.sym.Flatten(norm), num_hidden=2, no_bias=True, name="dense")
    params = {
        "norm_gamma": mx.nd.array([3.0]),
        "norm_beta": mx.nd.array([0.0]),
        "norm_moving_mean": mx.nd.array([0.0]),
        "norm_moving_var": mx.nd.array([1.0]),
        "dense_weight": mx.nd.array([[1.0], [0.0]]),
    }
    session = ort.InferenceSession(export_onnx(logits, params, (1, 1, 1)))
    (found,) = session.run(["logits"], {"data": np.full((1, 1, 1, 1), 0.5, np.float32)})
    assert found[0] == pytest.approx([0.5 * scale, 0], abs=1e-3)
