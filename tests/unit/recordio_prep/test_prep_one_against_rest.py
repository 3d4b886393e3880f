"""One category told from all others, out of the same folders."""

import pytest
from click.testing import CliRunner

from contracts import DatasetError
from recordio_prep import prepare, read_records
from scripts.cli import snapshelf


@pytest.fixture
def shop(tmp_path, make_photos):
    """6 mobiles, 10 cars, 4 books."""
    counts = {"mobile": 6, "car": 10, "books": 4}
    names = [f"{category}/{n:02d}.png" for category, count in counts.items() for n in range(count)]
    return make_photos(tmp_path / "photos", dict.fromkeys(names))


def test_all_other_categories_become_one(shop, tmp_path):
    """Two classes, each in its share, and every photo's label by its folder."""
    dataset = prepare(shop, tmp_path / "out", size=8, train_ratio=0.5, positive="mobile")
    assert dataset.classes == ("mobile", "other")
    assert dict(dataset.splits["train"].by_class) == {"mobile": 3, "other": 7}
    assert dict(dataset.splits["validation"].by_class) == {"mobile": 3, "other": 7}
    lines = (tmp_path / "out" / "validation.lst").read_text().splitlines()
    for number, label, path in (line.split("\t") for line in lines):
        assert float(label) == (0 if path.startswith("mobile/") else 1), number
    labels = [
        float(header.labels[0]) for header, _ in read_records(tmp_path / "out" / "validation.rec")
    ]
    assert sorted(labels) == [0.0] * 3 + [1.0] * 7


def test_the_records_are_others_than_those_of_all_categories(shop, tmp_path):
    """A second run with --positive does not take the first one's records for its own."""
    everything = prepare(shop, tmp_path / "out", size=8)
    positive = prepare(shop, tmp_path / "out", size=8, positive="car")
    assert everything.classes == ("books", "car", "mobile")
    assert positive.classes == ("car", "other")
    assert positive.fingerprint != everything.fingerprint


def test_test_photos_may_lack_the_category(shop, tmp_path, make_photos):
    """Only what is trained on must have both."""
    rest = make_photos(tmp_path / "test", {"car/a.png": None, "boat/b.png": None})
    dataset = prepare(shop, tmp_path / "out", size=8, test=rest, positive="mobile")
    assert dict(dataset.splits["test"].by_class) == {"mobile": 0, "other": 2}


@pytest.mark.parametrize(
    ("positive", "words"),
    [
        ("phone", r"no photo of category phone.*there are: books, car, mobile"),
        ("other", "expected a name other than 'other'"),
        ("", "expected a name other than 'other'"),
    ],
)
def test_a_category_that_cannot_be_told_from_the_rest_is_refused(shop, tmp_path, positive, words):
    """Naming those that there are."""
    with pytest.raises(DatasetError, match=words):
        prepare(shop, tmp_path / "out", size=8, positive=positive)


def test_a_single_category_has_no_rest(tmp_path, make_photos):
    """As where the folder of the category itself is given."""
    photos = make_photos(tmp_path / "photos", {"mobile/a.png": None, "mobile/b.png": None})
    with pytest.raises(DatasetError, match="every photo is of category mobile"):
        prepare(photos, tmp_path / "out", size=8, positive="mobile")


def test_the_command_line_has_it(shop, tmp_path):
    """`snapshelf prepare --positive`."""
    out = str(tmp_path / "out")
    words = ["prepare", str(shop), "--out", out, "--size", "8", "--positive", "mobile"]
    done = CliRunner().invoke(snapshelf, [*words, "--workers", "1"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "mobile" in done.stdout
    assert "other" in done.stdout
    assert "car" not in done.stdout
