"""Families of photos that show the same: exact and near, across parts and categories."""

import itertools
import tracemalloc

import numpy as np
import pytest
from catalogs import FilledCatalog, encoded
from PIL import Image, ImageDraw, ImageEnhance

from recordio_prep import duplicates
from recordio_prep.catalog import Catalog
from recordio_prep.close_hashes import MAX_DISTANCE, bit_counts, close_pairs
from recordio_prep.duplicates import UNCOMPARED, find_families
from recordio_prep.same_photo import luminance, may_show_same, show_same, thumbnail


@pytest.fixture
def filled(tmp_path):
    """An empty catalog that photos can be added to."""
    with Catalog.create(tmp_path / "catalog.sqlite").connection as connection:
        yield FilledCatalog(Catalog(connection))
    connection.close()


def scene(seed, size=(320, 240)):
    """A picture of soft shapes with edges, another for every seed."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(random.integers(120, 255, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(14):
        x, y = (random.random(2) * size).tolist()
        w, h = (random.random(2) * 110 + 12).tolist()
        draw.ellipse((x - w, y - h, x + w, y + h), fill=tuple(random.integers(0, 255, 3).tolist()))
    return image


def shirt(print_seed=None, colour="white"):
    """A product on a plain background, as a shop takes all of its photos."""
    image = Image.new("RGB", (320, 240), (150, 20, 50))
    draw = ImageDraw.Draw(image)
    draw.polygon(
        [
            (110, 40),
            (210, 40),
            (280, 90),
            (240, 110),
            (220, 90),
            (220, 220),
            (100, 220),
            (100, 90),
            (80, 110),
            (40, 90),
        ],
        fill=colour,
    )
    if print_seed is not None:
        image.paste(scene(print_seed, (80, 80)), (120, 80))
    return image


def close(pairs):
    return {(int(a), int(b)) for lower, upper in pairs for a, b in zip(lower, upper, strict=True)}


SAVED_ANOTHER_WAY = {
    "recompressed": lambda image: encoded(image, "JPEG", quality=30),
    "of half the size": lambda image: encoded(image.resize((160, 120)), "JPEG"),
    "as WebP": lambda image: encoded(image, "WEBP", quality=70),
    "brighter": lambda image: encoded(ImageEnhance.Brightness(image).enhance(1.1), "JPEG"),
    "cropped by a hair": lambda image: encoded(image.crop((3, 2, 317, 238)), "JPEG"),
}


@pytest.mark.parametrize("way", SAVED_ANOTHER_WAY)
def test_a_photo_saved_another_way_is_of_the_family(filled, way):
    """Recompression, scale, format, brightness and a slight crop leave it the same photo."""
    filled.add("car/1.png", encoded(scene(1)))
    filled.add("car/2.png", encoded(scene(2)))
    filled.add("car/3.jpg", SAVED_ANOTHER_WAY[way](scene(1)))
    find_families(filled.catalog, filled.payload)
    assert filled.families() == {frozenset({0, 2})}


def test_families_span_parts_and_categories(filled):
    """A photo in another part, or under another category, is found all the same."""
    filled.add("car/1.png", encoded(scene(1)))
    filled.add("truck/1.png", encoded(scene(1)))
    filled.add("car/1.jpg", encoded(scene(1), "JPEG", quality=40), part="test")
    find_families(filled.catalog, filled.payload)
    rows = filled.catalog.connection.execute("SELECT * FROM families ORDER BY id").fetchall()
    assert rows == [(0, 0, 1), (1, 0, 1), (2, 0, 0)]


def test_two_exact_families_of_one_photo_are_one_family(filled):
    """Copies of a photo and copies of its recompression are together, each marked exact."""
    for name, data in (("a", encoded(scene(1))), ("b", encoded(scene(1), "JPEG", quality=40))):
        filled.add(f"car/{name}1", data)
        filled.add(f"car/{name}2", data)
    find_families(filled.catalog, filled.payload)
    rows = filled.catalog.connection.execute("SELECT * FROM families ORDER BY id").fetchall()
    assert rows == [(0, 0, 1), (1, 0, 1), (2, 0, 1), (3, 0, 1)]


def test_families_are_transitive(filled):
    """What resembles a member is of the family, whether or not it resembles all of them."""
    for n, brightness in enumerate((0.88, 1.0, 1.1)):
        filled.add(f"car/{n}.png", encoded(ImageEnhance.Brightness(scene(3)).enhance(brightness)))
    find_families(filled.catalog, filled.payload)
    assert filled.families() == {frozenset({0, 1, 2})}


def test_other_photos_with_the_same_hash_are_not_of_the_family(filled):
    """Products alike in outline collide in their hashes, but not in what they show."""
    for n in range(6):
        filled.add(f"shirt/{n}.png", encoded(shirt(n)))
    filled.catalog.connection.execute("UPDATE facts SET hash = 77")
    find_families(filled.catalog, filled.payload)
    assert filled.families() == set()


def test_another_colour_of_a_product_is_another_photo(filled):
    """Hashes are of luminance, the comparison is of colour too."""
    filled.add("shirt/1.png", encoded(shirt(colour=(60, 120, 60))))
    filled.add("shirt/2.png", encoded(shirt(colour=(150, 60, 150))))
    filled.catalog.connection.execute("UPDATE facts SET hash = 77")
    find_families(filled.catalog, filled.payload)
    assert filled.families() == set()


def test_single_colours_are_no_near_family(filled):
    """Photos of one colour are of a family only if they are the same bytes."""
    for n in range(8):
        filled.add(f"odd/{n}.png", encoded(Image.new("RGB", (50, 50), (200 + n, 200, 200))))
    filled.add("odd/copy.png", encoded(Image.new("RGB", (50, 50), (203, 200, 200))))
    find_families(filled.catalog, filled.payload)
    assert filled.families() == {frozenset({3, 8})}


def test_a_second_search_replaces_the_first(filled):
    """Searching again, as a run that goes on does, gives the same table."""
    filled.add("car/1.png", encoded(scene(1)))
    filled.add("car/2.png", encoded(scene(1)))
    find_families(filled.catalog, filled.payload)
    find_families(filled.catalog, filled.payload)
    assert filled.families() == {frozenset({0, 1})}


def test_no_photos_are_no_families(filled):
    """An empty catalog is searched without a payload being asked for."""
    find_families(filled.catalog, payload=None)
    assert filled.families() == set()


def test_close_pairs_are_those_of_an_exhaustive_search():
    """Every pair within the distance is given once, whichever bits differ."""
    random = np.random.default_rng(5)
    hashes = random.integers(0, 2**64, 40, dtype=np.uint64)
    flips = [sum(1 << int(bit) for bit in random.choice(64, n, replace=False)) for n in range(10)]
    hashes = np.concatenate([hashes, *(hashes ^ np.uint64(flip) for flip in flips)])
    expected = {
        (a, b)
        for a, b in itertools.combinations(range(len(hashes)), 2)
        if int(hashes[a] ^ hashes[b]).bit_count() <= MAX_DISTANCE
    }
    given = [
        pair for lower, upper in close_pairs(hashes) for pair in zip(lower, upper, strict=True)
    ]
    assert len(given) == len(expected)
    assert {(int(a), int(b)) for a, b in given} == expected


def test_bit_counts_are_those_of_the_binary_form():
    """Popcount over arrays agrees with counting ones."""
    values = np.random.default_rng(1).integers(0, 2**64, 100, dtype=np.uint64)
    values[:2] = 0, 2**64 - 1
    assert bit_counts(values).tolist() == [value.bit_count() for value in values.tolist()]


def test_equal_hashes_beyond_the_guard_stay_connected(monkeypatch):
    """Of very many equal hashes, each is still compared with its next."""
    monkeypatch.setattr("recordio_prep.close_hashes._MOST_NEIGHBOURS", 3)
    assert close(close_pairs(np.zeros(9, np.uint64))) == {
        (a, b) for a in range(9) for b in range(a + 1, min(9, a + 4))
    }


def test_200_000_hashes_need_a_bounded_memory():
    """The search holds some 80 bytes a hash at its peak, whatever the number of comparisons."""
    hashes = np.random.default_rng(2).integers(0, 2**64, 200_000, dtype=np.uint64)
    hashes[150_000] = hashes[3] ^ np.uint64(0b100101)
    tracemalloc.start()
    try:
        found = close(close_pairs(hashes))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (3, 150_000) in found
    assert peak < 200_000 * 100


def test_the_first_look_agrees_with_the_comparison():
    """What is found the same was never sorted out before."""
    one, other = (thumbnail(encoded(scene(n))) for n in (1, 2))
    again = thumbnail(encoded(scene(1).crop((4, 4, 316, 236)), "JPEG", quality=50))
    greys = np.stack([luminance(picture) for picture in (one, one, one)])
    others = np.stack([luminance(picture) for picture in (one, again, other)])
    assert may_show_same(greys, others).tolist() == [True, True, False]
    assert [show_same(one, picture) for picture in (one, again, other)] == [True, True, False]


def test_a_small_watermark_leaves_a_photo_the_same():
    """A mark touches few of the edges, so it does not make another photo."""
    marked = scene(4)
    ImageDraw.Draw(marked).text((200, 220), "shop.example", fill="white")
    assert show_same(thumbnail(encoded(scene(4))), thumbnail(encoded(marked)))


def test_greys_and_odd_sizes_are_compared_too():
    """A payload may be grey and smaller than what is compared."""
    small = encoded(scene(4).convert("L").resize((28, 28)))
    assert show_same(thumbnail(small), thumbnail(encoded(scene(4).convert("L"))))


def test_the_search_ends_in_proportion_to_the_photos_and_says_so(filled, monkeypatch):
    """Photos that look alike by nature have pairs without end; what is not compared is counted."""
    for seed in range(40):
        filled.add(f"shirt/{seed:02d}.png", encoded(shirt(seed)))
    find_families(filled.catalog, filled.payload)
    assert filled.catalog.meta(UNCOMPARED) == 0
    monkeypatch.setattr(duplicates, "_LEAST_COMPARED", 0)
    monkeypatch.setattr(duplicates, "_BATCH", 8)
    find_families(filled.catalog, filled.payload)
    assert filled.catalog.meta(UNCOMPARED) > 0
