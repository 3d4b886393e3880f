"""The report's two files: complete, safe to open anywhere, and the same for the same answers."""

import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from contracts import TrainingError
from evaluation.answers import Answers
from evaluation.fitting import fit_trust
from evaluation.report import evaluate, write_report
from evaluation.trust import Trust

VOID = {"meta", "img", "link", "br"}


class Page(HTMLParser):
    """What a page holds; a tag that is closed wrongly fails."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def photo(kind="JPEG"):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 10, 10)).save(buffer, kind)
    return buffer.getvalue()


HISTORY = [
    {"number": 0, "train_accuracy": 0.5, "validation_accuracy": 0.4, "learning_rate": 0.1},
    {"number": 1, "train_accuracy": 0.7, "validation_accuracy": None, "learning_rate": 0.1},
]


def report(tmp_path, answers, **options):
    document = write_report(tmp_path, answers, title="A <title> & more", **options)
    text = (tmp_path / "report.html").read_text()
    assert json.loads((tmp_path / "metrics.json").read_text()) == document
    return document, text, Page(text)


def test_nothing_is_loaded_and_no_style_is_inline(tmp_path, draw):
    """No script, no address, no style attribute: what the page's own policy would refuse."""
    calibration = fit_trust(draw(seed=8))
    options = {"history": HISTORY, "seconds": 2.0, "positive": "category 1"}
    _, text, page = report(
        tmp_path, draw(), calibration=calibration, thumbnails=lambda _: photo(), **options
    )
    assert page.all("script") == []
    assert [one for one in page.tags if "style" in one[1]] == []
    assert all(one["src"].startswith("data:image/jpeg;base64,") for one in page.all("img"))
    assert re.findall(r"https?://[^\"' ]+", text.replace("http://www.w3.org/", "")) == []
    assert "default-src 'none'" in page.all("meta")[1]["content"]
    assert len(page.ids) == len(set(page.ids))


def test_it_can_be_read_without_seeing_it(tmp_path, draw):
    """Plots say what they show, photos have an alt text, headers a scope; links lead somewhere."""
    _, _, page = report(tmp_path, draw(), history=HISTORY, thumbnails=lambda _: photo("PNG"))
    plots = page.all("svg")
    assert len(plots) == 5  # accuracy, learning rate, matrix, reliability, coverage
    assert all(one["role"] == "img" and one["aria-label"] for one in plots)
    assert page.all("img")
    assert all(one["alt"] for one in page.all("img"))
    assert all("scope" in one for one in page.all("th"))
    assert {one["href"].removeprefix("#") for one in page.all("a")} <= set(page.ids)
    assert len(page.all("h1")) == 1


def test_names_are_escaped_everywhere(tmp_path, draw):
    """A category called as a tag, and dollars, which matplotlib would take for a formula."""
    plain = draw(classes=2, skill=1)
    nasty = ("<script>alert(1)</script>", "$x$ & \\frac{")
    names = tuple(f"<img src=x onerror=alert({n})>" for n in range(len(plain)))
    answers = Answers(nasty, plain.labels, plain.logits, names)
    tree = {nasty[0]: ("<b>", "c"), nasty[1]: ("<b>", "d")}
    _, text, page = report(tmp_path, answers, tree=tree, positive=nasty[0])
    assert page.all("script") == []
    assert page.all("img") == []
    assert "A &lt;title&gt; &amp; more" in text
    assert "$x$ &amp;" in text


def test_the_same_answers_give_the_same_bytes(tmp_path, draw):
    """No date and no random id in it, and nothing half made beside it."""
    for name in ("one", "two"):
        report(tmp_path / name, draw(), history=HISTORY)
    pages = [(tmp_path / name / "report.html").read_bytes() for name in ("one", "two")]
    assert pages[0] == pages[1]
    assert {path.name for path in (tmp_path / "one").iterdir()} == {"metrics.json", "report.html"}


@pytest.mark.parametrize("classes", [1, 2, 16, 51, 130])
def test_any_number_of_categories_can_be_shown(tmp_path, draw, classes):
    """One, few with counts in the matrix, many shaded, more by their worst pairs alone."""
    document, text, _ = report(tmp_path, draw(classes=classes, photos=300))
    assert ("Confusion matrix of" in text) == (classes <= 50)
    assert ("30 more in metrics.json" in text) == (classes == 130)
    assert len(document["per_category"]) == classes


def test_a_faultless_model_has_no_mistakes_to_show(tmp_path):
    """The part is left out, and the confusions say that there are none."""
    answers = Answers(("a", "b"), np.array([0, 1] * 4), np.eye(2)[[0, 1] * 4] * 9)
    document, text, _ = report(tmp_path, answers)
    assert document["mistakes"] == []
    assert "No photo was taken for something else" in text


def test_mistakes_come_with_the_surest_first(tmp_path, draw):
    """The picture asked for is the mistake's own; one that cannot be had is said to be missing."""
    asked = []
    answers = draw(skill=1)
    document, text, _ = report(tmp_path, answers, thumbnails=asked.append)
    found = document["mistakes"]
    assert len(found) == 24
    assert asked == [one["photo"] for one in found]
    assert [one["confidence"] for one in found] == sorted(
        (one["confidence"] for one in found), reverse=True
    )
    assert found[0]["name"] == answers.names[asked[0]]
    assert text.count("no picture") == 24


def test_multi_label_answers_are_reported(tmp_path, draw_multi_label):
    """What they have no meaning for is left out."""
    document, text, _ = report(tmp_path, draw_multi_label(), positive="category 1")
    assert document["kind"] == "multi-label"
    assert "Mean average precision" in text
    assert "Confusion" not in text


def test_the_models_own_trust_is_measured(draw):
    """Its temperature scales, its thresholds are beside the best, one without is never named."""
    answers = draw(scale=3)
    trust = Trust(1.5, {"category 0": 0.9, "category 1": None}, bound=-1e9)
    document = evaluate(answers, calibration=trust)
    assert document["temperature"] == 1.5
    pair = document["calibration"]
    assert pair["after"]["log_loss"] < pair["before"]["log_loss"]
    assert pair["after"]["log_loss"] == pytest.approx(document["log_loss"])
    stored = [row.get("stored") for row in document["thresholds"]]
    assert stored[0]["value"] == 0.9
    assert stored[1] == {"value": None, "precision": None, "recall": 0.0, "f1": 0.0}
    assert stored[2] is None


def test_without_a_calibration_the_photos_judge_each_other(draw):
    """Cross-fitting: the accuracy stays the model's own, and the source is told."""
    document = evaluate(draw(scale=5, photos=800))
    assert document["temperature"] is None
    assert document["calibration"]["temperature"] == pytest.approx(5 / 2, rel=0.25)
    assert "half" in document["calibration"]["source"]
    alone = evaluate(draw(photos=1))
    assert alone["calibration"]["after"] is None


def test_facts_are_added(tmp_path, draw):
    """The caller's own keys stand in metrics.json."""
    document, _, _ = report(tmp_path, draw(), facts={"model_version": "abc"}, seconds=4.0)
    assert document["model_version"] == "abc"
    assert document["photos_per_second"] == 100


def test_options_out_of_range_leave_no_file(tmp_path, draw):
    """They are refused before anything is written."""
    with pytest.raises(TrainingError, match="wanted_precision=2"):
        write_report(tmp_path / "out", draw(), title="x", wanted_precision=2)
    with pytest.raises(TrainingError, match="positive=phone"):
        write_report(tmp_path / "out", draw(), title="x", positive="phone")
    assert not (tmp_path / "out").exists()
