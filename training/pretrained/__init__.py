"""Transfer learning: weights that someone else trained, put into our networks.

Nothing that comes with the weights is run: see `torch_pickle` and `symbol_network`.
"""

from training.pretrained.architecture import guess
from training.pretrained.form import Form, adapt
from training.pretrained.loading import load
from training.pretrained.symbol_network import SymbolNetwork, build_symbol, symbol_classes
from training.pretrained.transferring import Transferred, transfer
from training.pretrained.weights import Pretrained

__all__ = [
    "Form",
    "Pretrained",
    "SymbolNetwork",
    "Transferred",
    "adapt",
    "build_symbol",
    "guess",
    "load",
    "symbol_classes",
    "transfer",
]
