"""Artifacts worked out by hand, which the integration tests have too, and a server to ask."""

import pytest
from asked_server import Server
from colour_artifacts import (
    card_of,
    make_artifact,
    network_of,
    photo,
    red_photo,
)

from hosting.model import Model

__all__ = [
    "card_of",
    "make_artifact",
    "network_of",
    "red_photo",
]


@pytest.fixture
def model(make_artifact):
    """The loaded colour network."""
    return Model.load(make_artifact(), threads=1)


@pytest.fixture
def server(model):
    """A server of the colour network."""
    return Server(model)


@pytest.fixture
def colours():
    """Photos of red, green and blue, PNG."""
    return [photo((250, 10, 10)), photo((10, 250, 10)), photo((10, 10, 250))]
