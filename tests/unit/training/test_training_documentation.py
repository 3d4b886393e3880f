"""The tables and drawings of docs/training.md are what the code gives today."""

import re
from pathlib import Path

import numpy as np
import pytest

from docs import drawings, tables
from training.hyperparameters import LR_SCHEDULES, Hyperparameters
from training.networks import NETWORKS
from training.settings import rules

ROUNDING = 0.01  # of a drawing's 245 units; a line is 1.8 wide


def test_the_tables_are_those_of_the_code():
    """`python -m docs.tables` writes them anew."""
    page = tables.PAGE.read_text(encoding="utf-8")
    assert tables.filled(page) == page


def test_a_table_that_is_out_of_date_is_found():
    """Whatever stands between the markers is replaced, and nothing else."""
    page = tables.PAGE.read_text(encoding="utf-8")
    stale = page.replace("| `resnet18` | 1", "| `resnet18` | 2")
    assert stale != page
    assert tables.filled(stale) == page
    assert tables.filled(f"{page}by hand") == f"{page}by hand"


@pytest.mark.parametrize("wrong", ["networks", "network"])
def test_a_page_without_one_of_the_tables_is_refused(wrong):
    """One that is missing, one that comes twice, or one that nobody makes."""
    page = tables.PAGE.read_text(encoding="utf-8").replace("table: schedules", f"table: {wrong}")
    with pytest.raises(ValueError, match="expected each of"):
        tables.filled(page)


def test_every_network_and_hyperparameter_has_a_row():
    """Once each, whatever the tables leave out or say twice."""
    page = tables.PAGE.read_text(encoding="utf-8")
    body = "".join(
        re.findall(r"<!-- table: \w*(?:networks|hyperparameters) -->\n(.*?)<!--", page, re.DOTALL)
    )
    named = re.findall(r"^\| `([^`]+)` \|", body, re.MULTILINE)
    assert sorted(named) == sorted([*NETWORKS, *rules(Hyperparameters)])


def test_defaults_read_back_as_what_they_are():
    """What the table says behind a name is what `--set name=` would take for the default."""
    page = tables.builtin_hyperparameters() + tables.own_hyperparameters()
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", page, re.MULTILINE)
    assert len(rows) > 40
    defaults = rules(Hyperparameters)
    for name, text in rows:
        rule, default = defaults[name]
        assert rule.read(text) == default, name


def test_every_schedule_is_drawn():
    """By a drawing of its own name that draws just that schedule."""
    assert set(LR_SCHEDULES) == set(drawings.DRAWINGS) - {"warmup"}
    for name in LR_SCHEDULES:
        assert (
            Hyperparameters.parse(
                {"epochs": str(drawings.EPOCHS), **drawings.DRAWINGS[name].settings}
            ).lr_schedule
            == name
        )


def test_no_drawing_lies_there_without_its_code():
    """The folder holds the drawings and nothing else."""
    found = {path.name for path in drawings.FOLDER.iterdir()}
    assert found == {f"{name}.svg" for name in drawings.DRAWINGS}


def stored(name):
    """The points of a drawing as it lies in the repository."""
    return drawings.points((drawings.FOLDER / f"{name}.svg").read_text(encoding="utf-8"))


def drawn(drawing):
    """The points of a drawing as the code gives them."""
    return drawings.points(drawings.svg(drawing))


def alike(one, other):
    """Whether two curves have the same corners, but for rounding."""
    return len(one) == len(other) and np.allclose(one, other, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("name", drawings.DRAWINGS)
def test_a_drawing_shows_the_curve_of_the_code(name):
    """`python -m docs.drawings` draws it anew; points are compared, since fonts and matplotlib vary."""
    assert len(stored(name)) > 1
    assert alike(stored(name), drawn(drawings.DRAWINGS[name]))


@pytest.mark.parametrize(
    "changed", [{"lr_schedule": "polynomial", "lr_power": "1.99"}, {"lr_schedule": "constant"}]
)
def test_another_curve_is_told_from_the_one_that_is_drawn(changed):
    """The comparison can fail, even where a hundredth of a setting is another."""
    assert not alike(stored("polynomial"), drawn(drawings.Drawing(changed)))


def test_a_drawing_is_the_same_to_the_byte_each_time():
    """No date, no random name: drawing anew changes nothing in git."""
    step = drawings.DRAWINGS["step"]
    assert drawings.svg(step) == drawings.svg(step)
    assert not re.search(r"\d{4}-\d\d-\d\d", drawings.svg(step))


def test_a_document_without_a_curve_has_no_points():
    """Said, rather than found equal to another without one."""
    with pytest.raises(ValueError, match="no path in a group"):
        drawings.points("<svg></svg>")


def test_the_page_shows_every_drawing():
    """By a link to a file that is there."""
    page = tables.PAGE.read_text(encoding="utf-8")
    shown = re.findall(r'<img src="([^"]+)"', page)
    assert {Path(link).stem for link in shown} == set(drawings.DRAWINGS)
    assert all((tables.PAGE.parent / link).is_file() for link in shown)
