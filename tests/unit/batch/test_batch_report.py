"""The morning report: what a person finds on it, and in which order."""

import io
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from batch.errors import BatchError
from batch.photos import FolderSource
from batch.report import report_page, write_report
from batch.table import Row
from batch.tally import MOST_OF_A_CATEGORY, tally


class Page(HTMLParser):
    """Headings, pictures' words, and text in order."""

    def __init__(self, text):
        super().__init__()
        self.headings, self.pictures, self.words, self.tags = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "img":
            self.pictures.append(dict(attrs)["src"])

    def handle_data(self, data):
        self.words.append(data)
        if self.tags and self.tags[-1][0] == "h2":
            self.headings.append(data)


@pytest.fixture
def source(tmp_path):
    """Three photos of one colour each; others of the table are gone."""
    for name, colour in (("a.png", "red"), ("b.png", "green"), ("c.png", "blue")):
        Image.new("RGB", (40, 20), colour).save(tmp_path / name)
    return FolderSource(tmp_path)


ROWS = [
    Row("a.png", 1, "mobile", 0.99, "mobile"),
    Row("b.png", 1, "mobile", 0.42, "none"),
    Row("c.png", 0, "books", 0.9, "books"),
    Row("gone.png", 1, "mobile", 0.7, "mobile"),
    Row("x&y.png", None, error="it is <damaged>"),
]


def page(rows, source):
    return Page(report_page(tally(rows), source, title="Last night"))


def test_the_least_confident_photos_of_a_category_come_first(source):
    """As a person should look at them; a category with doubtful photos precedes the others."""
    found = page(ROWS, source)
    assert found.headings == ["Failed", "Categories", "mobile", "books"]
    names = [word for word in found.words if re.fullmatch(r"\w+\.png", word)]
    assert names == ["b.png", "gone.png", "a.png", "c.png"]


def test_photos_are_in_the_page_itself(source):
    """As JPEG of the report's own size; one that is gone has a place that says so."""
    found = page(ROWS, source)
    assert len(found.pictures) == 3
    assert all(src.startswith("data:image/jpeg;base64,") for src in found.pictures)
    assert "no picture" in found.words


def test_a_failure_is_told_with_its_reason_and_escaped(source):
    """Names and reasons come from strangers' files."""
    text = report_page(tally(ROWS), source, title="<Last> night")
    assert "it is &lt;damaged&gt;" in text
    assert "x&amp;y.png" in text
    assert "<title>&lt;Last&gt; night</title>" in text


def test_the_page_loads_nothing_from_anywhere(source):
    """Its policy says so, and there is neither script nor link to another host."""
    text = report_page(tally(ROWS), source, title="Last night")
    assert "default-src 'none'" in text
    assert not re.search(r"<script|https?://|<link", text)


def test_the_figures_add_up(source):
    """Photos, answered, to look at and failed stand on top."""
    words = page(ROWS, source).words
    for name, value in (("Photos", "5"), ("Answered", "4"), ("To look at", "1"), ("Failed", "1")):
        assert words[words.index(name) + 1] == value


def test_names_that_carry_classes_give_a_figure_of_those_right(source):
    """As the refund department's do."""
    rows = [Row(f"image_{n}_label_1.png", n % 2) for n in range(4)]
    words = page(rows, source).words
    assert words[words.index("Right") + 1].startswith("50.0")


def test_a_table_of_two_columns_is_shown_by_number_and_name(source):
    """Without label and confidence there is still something to look at."""
    found = page([Row("b.png", 3), Row("a.png", 3)], source)
    assert "class 3" in found.headings
    names = [word for word in found.words if re.fullmatch(r"\w\.png", word)]
    assert names == ["b.png", "a.png"]


def test_a_large_category_shows_only_its_first_and_says_how_many_more(source):
    """The least confident of all, wherever in the table they stand."""
    rows = [Row(f"{n}.png", 1, "mobile", 1 - n / 1000, "mobile") for n in range(500)]
    found = page(rows, source)
    names = [word for word in found.words if re.fullmatch(r"\d+\.png", word)]
    assert names == [f"{n}.png" for n in range(499, 499 - MOST_OF_A_CATEGORY, -1)]
    assert f"{500 - MOST_OF_A_CATEGORY} more in the table" in " ".join(found.words)


def test_an_empty_night_is_a_page_too(source):
    """With its zeros."""
    words = page([], source).words
    assert words[words.index("Photos") + 1] == "0"


def test_the_report_appears_as_a_whole_or_not_at_all(source, tmp_path):
    """A place that cannot be written is told with its name."""
    write_report(tmp_path / "report.html", ROWS, source, title="Last night")
    assert (tmp_path / "report.html").read_text().endswith("</html>\n")
    with pytest.raises(BatchError, match=r"nowhere/report\.html cannot be written"):
        write_report(tmp_path / "nowhere" / "report.html", ROWS, source, title="x")


def test_a_picture_keeps_the_whole_photo(source):
    """A wide photo has white above and below in place of being cut."""
    from batch.report import thumbnail

    image = Image.open(io.BytesIO(thumbnail(source, "a.png")))
    assert image.size == (168, 168)
    assert min(image.getpixel((84, 2))) > 240
    assert image.getpixel((84, 84))[0] > 200 > image.getpixel((84, 84))[1]
