"""`snapshelf cost` prints what it counted, what it did not, and from when its prices are."""

from __future__ import annotations

import json

from click.testing import CliRunner

from scripts.commands.cost import cost_command


def test_estimates_are_told_with_their_date_and_what_is_left_out() -> None:
    """A figure without them would be taken for a bill."""
    result = CliRunner().invoke(cost_command, ["--requests-per-month", "100000"])
    assert result.exit_code == 0
    for told in ("endpoint", "serverless endpoint", "Lambda only", "prices of 20", "not counted:"):
        assert told in result.stdout


def test_programs_read_the_same() -> None:
    """One JSON object with every part."""
    arguments = ["--requests-per-month", "1e5", "--region", "eu-west-1", "--json"]
    document = json.loads(CliRunner().invoke(cost_command, arguments).stdout)
    assert document["region"] == "eu-west-1"
    assert [each["variant"] for each in document["estimates"]] == [
        "endpoint",
        "serverless endpoint",
        "Lambda only",
    ]


def test_a_load_beyond_the_endpoint_is_told() -> None:
    """One instance could not answer 50 million requests of a tenth of a second."""
    result = CliRunner().invoke(cost_command, ["--requests-per-month", "5e7"])
    assert "it takes more instances" in result.stdout


def test_from_when_on_an_endpoint_pays_is_told_only_if_it_could_answer_as_much() -> None:
    """With slow photos the function costs more long before the endpoint is full; else never."""
    for milliseconds, told in (("100", "from 36,"), ("1", "for all that such an endpoint could")):
        arguments = ["--requests-per-month", "1000", "--milliseconds", milliseconds]
        assert told in CliRunner().invoke(cost_command, arguments).stdout
