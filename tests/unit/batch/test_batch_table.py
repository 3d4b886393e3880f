"""The table of predictions, written and read."""

import csv
import os

import pytest

from batch.errors import BatchError
from batch.outcomes import Outcome
from batch.table import Row, read_table, write_table

SURE = Outcome(3, "mobile, used", 0.98765432, "mobile, used")
FAILED = Outcome(error='no "photo"', code="unreadable_photo")


def test_a_table_is_read_as_it_was_written(tmp_path):
    """Commas, quotes and failed photos included."""
    path = tmp_path / "predictions.csv"
    write_table(path, [("a,b.png", SURE), ("c.png", FAILED)], ("label", "confidence", "error"))
    assert list(read_table(path)) == [
        Row("a,b.png", 3, "mobile, used", 0.987654),
        Row("c.png", None, error='no "photo"'),
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "'=", "''@"])
def test_no_cell_is_a_formula_and_reading_takes_the_guard_away(tmp_path, start):
    """A name that a spreadsheet would compute gets an apostrophe, as do a category and a reason."""
    path, name = tmp_path / "t.csv", f'{start}HYPERLINK("http:evil","x").jpg'
    outcomes = [(name, Outcome(3, f"{start}1", 0.5, f"{start}1")), ("b", Outcome(error=start))]
    columns = ("label", "verdict", "error")
    write_table(path, outcomes, columns)
    with path.open(newline="") as file:
        _, (filename, prediction, label, verdict, _), (*_, error) = csv.reader(file)
    assert (filename, label, verdict, error) == tuple(
        f"'{cell}" for cell in (name, f"{start}1", f"{start}1", start)
    )
    assert prediction == "3"
    assert list(read_table(path)) == [
        Row(name, 3, f"{start}1", None, f"{start}1"),
        Row("b", None, error=start),
    ]


@pytest.mark.parametrize("name", ["image_7_label_3.png", "'a.jpg", "a=b.jpg", "1-2.jpg", ""])
def test_other_names_are_unaltered(tmp_path, name):
    """The department's programs read them as the folder has them."""
    write_table(tmp_path / "t.csv", [(name, Outcome(1))])
    with (tmp_path / "t.csv").open(newline="") as file:
        (_, (filename, _)) = csv.reader(file)
    assert filename == name


def test_columns_come_in_the_order_wanted(tmp_path):
    """Behind the two that are always there."""
    write_table(tmp_path / "t.csv", [("a.png", SURE)], ("verdict", "label"))
    head = (tmp_path / "t.csv").read_text().splitlines()[0]
    assert head == "filename,prediction,verdict,label"


def test_a_former_table_stays_until_the_new_one_is_whole(tmp_path):
    """A failure while it is written leaves no half of it under its name."""
    path = tmp_path / "t.csv"
    write_table(path, [("a.png", SURE)])
    former = path.read_bytes()

    def broken():
        yield "b.png", SURE
        raise OSError(28, os.strerror(28))

    with pytest.raises(BatchError, match=r"cannot be written: No space left"):
        write_table(path, broken())
    assert path.read_bytes() == former


def test_a_table_without_the_two_columns_is_refused(tmp_path):
    """The lacking one is named."""
    (tmp_path / "t.csv").write_text("filename,label\n")
    with pytest.raises(BatchError, match="no column 'prediction'"):
        list(read_table(tmp_path / "t.csv"))


def test_a_cell_that_is_no_number_is_told_with_its_line(tmp_path):
    """So that it can be found in a table of 100,000 lines."""
    (tmp_path / "t.csv").write_text("filename,prediction\na.png,1\nb.png,mobile\n")
    with pytest.raises(BatchError, match=r"t\.csv, line 3: .*mobile"):
        list(read_table(tmp_path / "t.csv"))


def test_a_table_that_is_not_there_is_told(tmp_path):
    """With the mend."""
    with pytest.raises(BatchError, match="cannot be read") as caught:
        list(read_table(tmp_path / "t.csv"))
    assert "batch run" in caught.value.hint
