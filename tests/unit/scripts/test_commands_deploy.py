"""`snapshelf deploy`: what its options come to."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from scripts.commands import deploy as command


@pytest.fixture
def options(tmp_path, monkeypatch):
    """Run the command with a model and more arguments; the options, or the error's text."""
    (tmp_path / "model.tar.gz").touch()
    (tmp_path / "refund.tar.gz").touch()
    monkeypatch.chdir(tmp_path)
    seen = []
    monkeypatch.setattr(command, "deploy", lambda *arguments: seen.append(arguments[2]))
    monkeypatch.setattr(command, "_print_deployment", lambda *_, **__: None)

    def run(*arguments):
        result = CliRunner().invoke(command.deploy_command, ["model.tar.gz", *arguments])
        return seen[0] if seen else (result.exit_code, result.output)

    return run


def test_further_models_and_kept_photos_are_chosen_by_options(options):
    """Each --model gives a name and a path."""
    chosen = options("--model", "refund=refund.tar.gz", "--feedback", "--capture-below", "0.6")
    assert chosen.models == (("refund", Path("refund.tar.gz")),)
    assert (chosen.feedback, chosen.capture_below) == (True, 0.6)


def test_requests_are_captured_as_far_as_told(options):
    """In whole per cent, which is what SageMaker takes."""
    assert options("--data-capture", "25").data_capture == 25


def test_without_them_there_is_one_model_and_no_photo_is_kept(options):
    """Keeping photos is never the default."""
    chosen = options()
    assert (chosen.models, chosen.feedback, chosen.capture_below) == ((), False, None)
    assert chosen.data_capture is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--model", "refund.tar.gz"), "expected NAME=PATH"),
        (("--model", "=refund.tar.gz"), "expected NAME=PATH"),
        (("--capture-below", "0"), "0"),
        (("--capture-below", "1.5"), "1.5"),
    ],
)
def test_what_is_no_model_or_probability_is_wrong_usage(options, arguments, says):
    """Exit code 2, with what was expected."""
    code, output = options(*arguments)
    assert code == 2
    assert says in output
