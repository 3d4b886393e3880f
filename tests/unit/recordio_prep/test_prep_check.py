"""The check's findings, its problems, its JSON and its page."""

import json
import re

import numpy as np
import pytest
from catalogs import FilledCatalog, encoded
from PIL import Image

from recordio_prep.catalog import Catalog
from recordio_prep.check import check, write_report
from recordio_prep.duplicates import find_families


@pytest.fixture
def filled(tmp_path):
    """An empty catalog that photos can be added to."""
    catalog = Catalog.create(tmp_path / "catalog.sqlite")
    yield FilledCatalog(catalog, size=32)
    catalog.close()


def picture(seed, size=(64, 48)):
    """A picture of soft blocks, another for every seed."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC)


def checked(filled):
    find_families(filled.catalog, filled.payload)
    return check(filled.catalog, filled.payload, size=filled.size)


def codes(found):
    return {problem.code: problem.count for problem in found.problems}


def page_of(found, folder):
    write_report(found, folder)
    return (folder / "check.html").read_text()


def fill(filled, categories=("cat", "dog"), count=12):
    for n, category in enumerate(categories):
        for k in range(count):
            filled.add(f"{category}/{k}.png", encoded(picture(n * 1000 + k)))


def test_sound_photos_have_no_problems(filled, tmp_path):
    """Nothing is found in two equal categories of different photos, and the page says so."""
    fill(filled)
    found = checked(filled)
    assert found.problems == ()
    assert "ready to train on" in page_of(found, tmp_path)


def test_problems_are_those_of_the_whole_check(filled):
    """Asked for alone, for `--strict`, they are the same as in the check."""
    fill(filled, count=3)
    found = checked(filled)
    assert found.problems


def test_a_photo_of_train_and_test_is_a_leak(filled):
    """A family over several parts is an error, with its photos side by side."""
    fill(filled)
    filled.add("cat/again.png", encoded(picture(3)), part="test")
    found = checked(filled)
    assert codes(found) == {"leaks": 1}
    assert found.problems[0].severity == "error"
    (family,) = found.leaks.examples
    assert [member.part for member in family.members] == ["photos", "test"]


def test_the_same_bytes_under_two_categories_are_an_error(filled):
    """Labels that contradict each other are told from duplicates within a category."""
    fill(filled)
    filled.add("dog/again.png", encoded(picture(3)))
    filled.add("cat/again.png", encoded(picture(5)))
    found = checked(filled)
    assert codes(found) == {"conflicting_labels": 1, "duplicates": 1}
    assert [problem.severity for problem in found.problems] == ["error", "note"]


def test_a_large_family_shows_every_category_first(filled):
    """Of many copies, those that contradict each other are among the few that are shown."""
    for n in range(9):
        filled.add(f"cat/{n}.png", encoded(picture(1)))
    filled.add("dog/1.png", encoded(picture(1)))
    (family,) = checked(filled).conflicts.examples
    assert family.count == 10
    assert {member.categories for member in family.members[:2]} == {("cat",), ("dog",)}


def test_unreadable_files_are_grouped_by_reason(filled, tmp_path):
    """Each reason has its count and its first paths; the page points to the whole list."""
    fill(filled)
    for n in range(15):
        filled.add(f"cat/broken{n:02}.jpg", b"no photo")
    found = checked(filled)
    (reason,) = found.reasons
    assert (reason.kind, reason.count, len(reason.paths)) == ("unreadable", 15, 12)
    assert codes(found) == {"unreadable": 15}
    assert "left_out.csv" in page_of(found, tmp_path)


def test_single_colours_small_and_long_photos_are_found(filled):
    """Each finding has its photo."""
    fill(filled)
    filled.add("cat/white.png", encoded(Image.new("RGB", (64, 48), "white")))
    filled.add("cat/tiny.png", encoded(picture(77, (40, 20))))
    filled.add("dog/long.png", encoded(picture(78, (300, 60))))
    found = checked(filled)
    assert [example.path for example in found.single_colour.examples] == ["cat/white.png"]
    assert [example.path for example in found.shapes.upscaled_examples] == ["cat/tiny.png"]
    assert [example.path for example in found.shapes.extreme_examples] == ["dog/long.png"]


def test_a_photo_unlike_its_category_is_found_with_the_reason(filled):
    """A dark photo among bright ones is odd; in a small category nothing is."""
    for n in range(25):
        soft = Image.blend(picture(n), Image.new("RGB", (64, 48), "white"), 0.7)
        filled.add(f"cat/{n}.png", encoded(soft))
    dark = Image.blend(picture(99), Image.new("RGB", (64, 48), "black"), 0.8)
    filled.add("cat/dark.png", encoded(dark))
    filled.add("dog/dark.png", encoded(dark.rotate(90)))
    found = checked(filled)
    assert [example.path for example in found.odd.examples] == ["cat/dark.png"]
    assert "darker" in found.odd.examples[0].remark


def test_balance_is_by_category_and_level(filled):
    """Ratio and effective number are of the categories, and of the names of each level."""
    fill(filled, ("a", "b"), 10)
    fill(filled, ("c",), 20)
    filled.catalog.set_meta("tree", {"a": ["x", "a"], "b": ["x", "b"], "c": ["y", "c"]})
    found = checked(filled)
    assert [(bar.name, bar.count) for bar in found.balance.bars] == [
        ("c", 20),
        ("a", 10),
        ("b", 10),
    ]
    assert found.balance.ratio == 2
    assert found.balance.effective == pytest.approx(2.83, abs=0.01)
    assert [(bar.name, bar.count) for bar in found.levels[0].bars] == [("x", 20), ("y", 20)]


def test_categories_that_only_the_test_has_are_an_error(filled):
    """Nothing can be learnt of them, so the accuracy on them would always be nil."""
    fill(filled)
    filled.add("bird/1.png", encoded(picture(5000)), part="test")
    found = checked(filled)
    assert found.unknown == ("bird",)
    assert codes(found) == {"unknown_categories": 1}


def test_names_that_differ_in_a_plural_or_case_are_hinted_at(filled):
    """T-shirt and tshirts are likely one category; glass and glasses' stems are left alone."""
    fill(filled, ("T-Shirt", "tshirts", "dress", "bus"), 10)
    assert checked(filled).similar_names == (("T-Shirt", "tshirts"),)


def test_a_multi_label_photo_counts_in_each_category(filled):
    """Several categories of one photo are several counts."""
    filled.add("1.png", encoded(picture(1)), categories=("red", "dress"))
    filled.add("2.png", encoded(picture(2)), categories=("dress",))
    found = checked(filled)
    assert found.multi_label
    assert [(bar.name, bar.count) for bar in found.balance.bars] == [("dress", 2), ("red", 1)]


def test_the_split_table_is_there_once_records_are(filled, tmp_path):
    """Without records the page has no such table; with them, each category has its row."""
    fill(filled)
    assert "All records" not in page_of(checked(filled), tmp_path)
    for n in range(24):
        filled.insert("records", ("validation" if n % 4 == 0 else "train", n, n, n))
    found = checked(filled)
    assert found.records == {"train": 18, "validation": 6}
    assert [row.records for row in found.splits] == [{"train": 9, "validation": 3, "test": 0}] * 2
    assert "All records" in page_of(found, tmp_path)


def test_the_page_escapes_names(filled, tmp_path):
    """File names and categories are text, whatever they hold."""
    evil = '<script>alert("1")</script>'
    for name in ("a", "b"):
        filled.add(f'{name}"><img src=x>.png', encoded(picture(1)), categories=(evil + name,))
    filled.catalog.leave_out_all([("photos", evil, f"cannot be decoded: {evil}", "unreadable")])
    text = page_of(checked(filled), tmp_path)
    assert "<script" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;" in text


def test_the_page_loads_nothing(filled, tmp_path):
    """All pictures are inside, the policy forbids the rest, and no attribute sets a style."""
    fill(filled)
    filled.add("dog/again.png", encoded(picture(3)))
    text = page_of(checked(filled), tmp_path)
    assert re.findall(r'src="(?!data:image/jpeg;base64,[\w/+])', text) == []
    assert re.findall(r'href="(?!#)', text) == []
    assert "<img" in text
    assert not re.search(r"https?:|//|<script|@import|url\(| style=", strip_data(text))
    assert "default-src 'none'" in text
    for target in re.findall(r'href="#([\w-]+)"', text):
        assert f'id="{target}"' in text


def strip_data(text):
    text = re.sub(r"data:image/jpeg;base64,[\w+/=]+", "", text)
    return re.sub(r"sha256-[\w+/=]+", "", text)


def test_thousands_of_categories_are_folded(filled, tmp_path):
    """The 20 largest and smallest are seen, the rest is folded away, all are there."""
    for n in range(60):
        filled.add(f"c{n:02}/1.png", encoded(picture(n)))
    text = page_of(checked(filled), tmp_path)
    assert "The 20 between" in text
    assert all(f">c{n:02}<" in text for n in range(60))


def test_reports_are_the_same_bytes_for_the_same_photos(filled, tmp_path):
    """Neither times nor the machine's paths are in them, and no partial file is left."""
    fill(filled, count=4)
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    for folder in ("1", "2"):
        write_report(checked(filled), tmp_path / folder)
    for name in ("check.json", "check.html"):
        first = (tmp_path / "1" / name).read_bytes()
        assert first == (tmp_path / "2" / name).read_bytes()
        assert str(tmp_path).encode() not in first
    assert sorted(path.name for path in (tmp_path / "1").iterdir()) == ["check.html", "check.json"]


def test_the_json_keeps_its_keys(filled, tmp_path):
    """What programs read is there under the same names, and holds no picture."""
    fill(filled, count=3)
    write_report(checked(filled), tmp_path)
    document = json.loads((tmp_path / "check.json").read_text())
    assert list(document) == [
        "format", "size", "listed", "records", "left_out", "multi_label", "balance", "levels",
        "splits", "shapes", "reasons", "within", "conflicts", "leaks", "single_colour", "odd",
        "similar_names", "unknown", "uncompared", "problems",
    ]  # fmt: skip
    assert document["format"] == 1
    assert list(document["problems"][0]) == ["code", "severity", "count", "message", "hint"]
    assert document["problems"][0]["code"] == "small_categories"


def test_an_empty_catalog_has_an_empty_check(filled, tmp_path):
    """Where every file was left out, the page still opens."""
    filled.add("cat/broken.jpg", b"no photo")
    found = checked(filled)
    assert codes(found) == {"unreadable": 1}
    assert "1 warning" in page_of(found, tmp_path)
