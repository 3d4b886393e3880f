"""Images by repository name: what infra.images promises."""

import sys

import pytest

from contracts import DeployError
from infra.images import SERVE, TRAIN, Image, ImageRegistry, parse_image, repository_name


@pytest.mark.parametrize(
    "uri",
    [
        "snapshelf-training",
        "snapshelf-training:0.1.0",
        "123.dkr.ecr.us-east-1.amazonaws.com/snapshelf-training:latest",
        "localhost:5000/team/snapshelf-training@sha256:0123",
    ],
)
def test_an_image_is_found_by_its_repository_name_alone(uri):
    """Registry, tag and digest are free."""
    assert ImageRegistry().argv(uri, TRAIN) == (sys.executable, "-m", "training", "train")


def test_the_inference_image_serves():
    """The project's inference image is started with `serve`."""
    argv = ImageRegistry().argv("snapshelf-inference", SERVE)
    assert argv == (sys.executable, "-m", "hosting", "serve")


def test_an_unknown_image_names_what_is_known_for_the_command():
    """The refusal lists the images that can be started so, and no others."""
    with pytest.raises(DeployError, match=r"snapshelf-training\.$"):
        ImageRegistry().argv("somebody/else:1", TRAIN)


def test_an_image_is_not_started_with_a_command_that_it_has_not():
    """A training image does not serve."""
    with pytest.raises(DeployError, match="snapshelf-training not found"):
        ImageRegistry().argv("snapshelf-training", SERVE)


def test_an_image_without_a_known_command_is_refused():
    """A registry cannot hold an image that nothing could start."""
    with pytest.raises(DeployError, match="sing"):
        Image("tenor", ("python",), frozenset({"sing"}))


def test_a_registry_port_is_not_taken_for_a_tag():
    """`localhost:5000/name` has no tag."""
    assert repository_name("localhost:5000/name") == "name"


def test_a_program_of_the_users_own_stands_beside_the_projects_images():
    """It is started with either command, its arguments split as a shell would."""
    registry = ImageRegistry([parse_image("mine=python 'my model.py'")])
    assert registry.argv("mine:1", TRAIN) == ("python", "my model.py", "train")
    assert registry.argv("mine:1", SERVE) == ("python", "my model.py", "serve")
    assert registry.argv("snapshelf-inference", SERVE)[-1] == "serve"


@pytest.mark.parametrize("text", ["mine", "=python", "mine= "])
def test_an_image_without_name_or_program_is_refused(text):
    """The refusal says what was expected."""
    with pytest.raises(DeployError, match="expected REPOSITORY=PROGRAM"):
        parse_image(text)
