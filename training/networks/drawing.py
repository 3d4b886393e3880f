"""How weights are drawn: by NumPy, so that a seed gives the same ones at any load of the machine.

MXNet 1.9.1's own draws of more than 65,536 numbers now and then come out in other values, one array
at a time and on one thread as well.
"""

from __future__ import annotations

import math
from typing import Any

import mxnet as mx
import numpy as np

FAN_IN, FAN_OUT, FAN_AVG = "fan_in", "fan_out", "fan_avg"
NORMAL, UNIFORM = "normal", "uniform"


@mx.init.register
class VarianceScaling(mx.init.Initializer):
    """Numbers around 0 of variance `scale / n`, as Keras's initializer of this name.

    The same `mx.random.seed` before it draws the same ones.

    Args:
        scale: above 0.
        mode: n is the values that go into one of a layer's outputs, that come of one of its inputs
            (in MXNet's count, over all channels), or their mean.
        distribution: normal (not truncated) or uniform.
    """

    def __init__(self, scale: float, mode: str, distribution: str = NORMAL) -> None:
        super().__init__(scale=scale, mode=mode, distribution=distribution)
        self._scale, self._mode, self._distribution = scale, mode, distribution

    def _init_weight(self, _name: str, array: Any) -> None:
        area = math.prod(array.shape[2:])
        fans = {FAN_IN: array.shape[1] * area, FAN_OUT: array.shape[0] * area}
        fans[FAN_AVG] = (fans[FAN_IN] + fans[FAN_OUT]) / 2
        deviation = math.sqrt(self._scale / fans[self._mode])
        seed = int(mx.nd.random.randint(0, 2**31 - 1, shape=(1,)).asscalar())
        generator = np.random.default_rng(seed)
        if self._distribution == UNIFORM:
            bound = math.sqrt(3) * deviation
            array[:] = generator.uniform(-bound, bound, array.shape)
        else:
            array[:] = generator.normal(0, deviation, array.shape)
