"""The running average of the weights, which swings less than they do and is often the better model.

Polyak and Juditsky 1992; as an exponential average with the rising share of TensorFlow's
`ExponentialMovingAverage`, so that a short training is not held back by where it began.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import mxnet as mx

if TYPE_CHECKING:
    from collections.abc import Iterator


class WeightAverage:
    """Follows a network's weights, the statistics of batch norms among them.

    Args:
        network: initialised.
        share: of the average that a step leaves, below 1; 0 keeps no average, and nothing here
            does anything then.
    """

    def __init__(self, network: Any, share: float) -> None:
        self._network = network
        self._share = share
        self._arrays: dict[str, Any] = {}

    def follow(self, steps: int) -> None:
        """Move towards the weights as they are after so many steps, 1 or more.

        What does not change, as in layers that are held, stays as it is to the bit.
        """
        if not self._share:
            return
        if not self._arrays:
            self._arrays = _copies(self._network)
            return
        moved = 1 - min(self._share, (1 + steps) / (10 + steps))
        for name, parameter in self._network.collect_params().items():
            average = self._arrays[name]
            average[:] += moved * (parameter.data() - average)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The average as the network's weights, for as long as it is asked; then its own again."""
        if not self._arrays:
            yield
            return
        own = _copies(self._network)
        _set(self._network, self._arrays)
        try:
            yield
        finally:
            _set(self._network, own)

    def arrays(self) -> dict[str, Any]:
        """The average by parameter, as NumPy; empty before the first step."""
        return {name: array.asnumpy() for name, array in self._arrays.items()}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Go on with what `arrays` gave."""
        self._arrays = {name: mx.nd.array(array) for name, array in arrays.items()}


def _copies(network: Any) -> dict[str, Any]:
    return {name: each.data().copy() for name, each in network.collect_params().items()}


def _set(network: Any, arrays: dict[str, Any]) -> None:
    mx.nd.waitall()  # oneDNN may still be reordering the weights behind a pass
    for name, parameter in network.collect_params().items():
        parameter.set_data(arrays[name])
