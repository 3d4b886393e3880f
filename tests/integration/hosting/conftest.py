"""Artifacts worked out by hand, which the unit tests have too, and processes that serve them."""

import json

import pytest
from colour_artifacts import (
    colour_card,
    colour_network,
    make_artifact,
    red_photo,
)
from photo_folders import shared_data
from served_process import serve

__all__ = [
    "make_artifact",
    "red_photo",
    "serve",
    "shared_data",
]


@pytest.fixture
def next_artifact(tmp_path):
    """A function that writes another artifact, of the version given, to be put in place."""

    def make(version, network=None):
        folder = tmp_path / f"next-{version}"
        folder.mkdir()
        (folder / "model-card.json").write_text(json.dumps(colour_card(version=version)))
        (folder / "model.onnx").write_bytes(colour_network() if network is None else network)
        return folder

    return make
