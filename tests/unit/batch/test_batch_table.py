"""The table of predictions, written and read."""

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
