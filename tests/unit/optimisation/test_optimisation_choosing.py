"""Half a point of accuracy, and a tenth of time: what is offered, and what comes first."""

import pytest

from optimisation.choosing import fastest_first, held
from optimisation.measuring import Accuracy, Speed


def accuracies(**values):
    named = {name.replace("_", "-"): Accuracy(value, 1.0) for name, value in values.items()}
    return {"onnxruntime-fp32": Accuracy(0.99, 1.0)} | named


def order(**medians):
    speeds = {name.replace("_", "-"): Speed(ms, ms, 1.0) for name, ms in medians.items()}
    return fastest_first(speeds)


@pytest.mark.parametrize(
    ("accuracy", "objection"),
    [
        (0.9999, ""),
        (0.9851, ""),
        (0.985, "accuracy falls by 0.50%: expected less than 0.5%"),
        (0.90, "accuracy falls by 9.00%: expected less than 0.5%"),
    ],
)
def test_less_than_half_a_point_may_be_lost(accuracy, objection):
    """Half a point is too much."""
    found = held(accuracies(onnxruntime_int8=accuracy), 1000)
    assert found == {"onnxruntime-fp32": "", "onnxruntime-int8": objection}


def test_too_few_photos_offer_no_eight_bits():
    """One of 199 photos is more than half a point; float32 needs no such proof."""
    found = held(accuracies(onnxruntime_int8=0.99, openvino_fp32=0.99), 199)
    assert found["onnxruntime-int8"] == "199 photos tell no half point: expected 200 or more"
    assert found["openvino-fp32"] == ""
    assert held(accuracies(onnxruntime_int8=0.99), 200)["onnxruntime-int8"] == ""


def test_the_fastest_comes_first():
    """By the median of one photo."""
    found = order(onnxruntime_fp32=9.0, onnxruntime_int8=5.0, openvino_fp32=7.0, openvino_int8=2.0)
    assert found == ["openvino-int8", "onnxruntime-int8", "openvino-fp32", "onnxruntime-fp32"]


def test_a_tenth_is_not_worth_a_library_nor_bits():
    """9 % faster stays behind; 12 % goes before."""
    assert order(onnxruntime_fp32=10.0, openvino_fp32=9.15)[0] == "onnxruntime-fp32"
    assert order(onnxruntime_fp32=10.0, onnxruntime_int8=9.15)[0] == "onnxruntime-fp32"
    assert order(onnxruntime_fp32=10.0, openvino_fp32=8.8)[0] == "openvino-fp32"
    assert order(onnxruntime_fp32=10.0, openvino_int8=8.8)[0] == "onnxruntime-fp32"
