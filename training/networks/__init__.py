"""The networks: by name, ready to train, to count or to draw as a symbol."""

from training.networks.building import build, check_settings
from training.networks.family import HEADS, Family
from training.networks.network import PHOTO_CHANNELS, Grey, Network
from training.networks.registry import FAMILIES, NETWORKS, short_name
from training.networks.weights import as_symbol, count_parameters, initialise, parameters

__all__ = [
    "FAMILIES",
    "HEADS",
    "NETWORKS",
    "PHOTO_CHANNELS",
    "Family",
    "Grey",
    "Network",
    "as_symbol",
    "build",
    "check_settings",
    "count_parameters",
    "initialise",
    "parameters",
    "short_name",
]
