"""Augmentation: each range does what it says, at its ends, and nothing else."""

import colorsys
import dataclasses

import numpy as np
import pytest

from contracts import TrainingError
from training.channels import AUGMENTATIONS, Augmentation
from training.channels.augment import Draw, augment, draws

MIDDLE = Draw(*[0.5] * len(Draw._fields))
FILL = (120.0, 110.0, 100.0)


_STEPS = {"rotate", "hue", "hsl_saturation", "lightness"}


def changed(picture, ranges, draw=MIDDLE, size=None):
    return augment([picture], size or len(picture), ranges, [draw], FILL)[0]


@pytest.fixture
def picture():
    """32 x 32 of noise."""
    return np.random.default_rng(1).integers(0, 256, (32, 32, 3)).astype(np.uint8)


@pytest.fixture
def flat():
    """A function: 8 x 8 of one colour."""
    return lambda *colour: np.tile(np.array(colour, np.uint8), (8, 8, 1))


def test_the_defaults_change_nothing(picture):
    """Whatever is drawn."""
    for draw in draws(1, 0, 20):
        np.testing.assert_array_equal(changed(picture, Augmentation(), draw), picture)
    assert Augmentation.of("none").changes_nothing


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Augmentation)])
def test_every_range_changes_pictures(picture, name):
    """Each on its own, so that none is forgotten; and then it is not «nothing»."""
    value = {"mirror": True, "min_area": 0.3, "padding": 2}.get(name, 0.9)
    ranges = Augmentation(**{name: value * 30 if name in _STEPS else value})
    assert not ranges.changes_nothing
    found = [changed(picture, ranges, draw) for draw in draws(1, 0, 20)]
    assert any(np.abs(each.astype(int) - picture).max() > 5 for each in found)
    assert all(each.shape == picture.shape and each.dtype == np.uint8 for each in found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_area", 0.0),
        ("min_area", 1.1),
        ("min_area", float("nan")),
        ("rotate", 181),
        ("rotate", -1),
        ("grey", 1.01),
        ("hue", 91),
        ("max_aspect", -0.1),
        ("padding", 65),
        ("contrast", float("nan")),
    ],
)
def test_a_value_outside_its_range_is_told(name, value):
    """By its name."""
    with pytest.raises(TrainingError, match=f"augmentation {name}={value}, expected"):
        Augmentation(**{name: value})


def test_an_unknown_type_is_told():
    """With those that there are."""
    with pytest.raises(TrainingError, match="'flip', expected none, crop, crop_color"):
        Augmentation.of("flip")


def test_the_built_in_types_have_the_documented_ranges():
    """Developer guide: hue 36, saturation and lightness 50; 10 degrees, shear 0.1, aspect 0.25."""
    full = AUGMENTATIONS["crop_color_transform"]
    assert (full.hue, full.hsl_saturation, full.lightness) == (36, 50, 50)
    assert (full.rotate, full.shear, full.max_aspect) == (10, 0.1, 0.25)
    colour = AUGMENTATIONS["crop_color"]
    assert (colour.hue, colour.rotate, colour.shear) == (36, 0, 0)
    assert AUGMENTATIONS["crop"].hue == 0


def test_a_photo_draws_by_its_place_alone():
    """The numbers of places 5 to 8 are the same, drawn from 0 or from 5 on; another seed's not."""
    assert draws(3, 0, 9)[5:] == draws(3, 5, 4)
    assert draws(3, 0, 1) != draws(4, 0, 1)
    assert len(set(draws(3, 0, 1000))) == 1000


def test_a_mirror_is_a_mirror(picture):
    """Every other photo, left and right swapped."""
    ranges = Augmentation(mirror=True)
    np.testing.assert_array_equal(
        changed(picture, ranges, MIDDLE._replace(mirror=0.49)), picture[:, ::-1]
    )
    np.testing.assert_array_equal(changed(picture, ranges, MIDDLE._replace(mirror=0.5)), picture)


def test_the_smallest_crop_is_where_it_was_drawn(picture):
    """A quarter of the area at the lower right, to its own pixels."""
    draw = MIDDLE._replace(area=0, left=1, upper=1)
    cut = changed(picture, Augmentation(min_area=0.25), draw, size=16)
    np.testing.assert_array_equal(cut, picture[16:, 16:])


@pytest.mark.parametrize(
    ("left", "upper", "rows", "columns"),
    [
        (0.0, 0.0, [3, 2, 1, 0], [3, 2, 1, 0]),
        (0.5, 0.5, [0, 1, 2, 3], [0, 1, 2, 3]),
        (1.0, 0.75, [2, 3, 4, 5], [3, 4, 5, 6]),
    ],
)
def test_a_padded_picture_is_moved_by_whole_pixels(picture, left, upper, rows, columns):
    """By up to 3 either way, its reflection where there was nothing, and not a pixel is blurred."""
    draw = MIDDLE._replace(left=left, upper=upper)
    found = changed(picture, Augmentation(padding=3), draw)
    np.testing.assert_array_equal(found[:4, :4], picture[np.ix_(rows, columns)])


def test_a_padded_picture_is_moved_to_every_place_alike(picture):
    """Five places of each direction with 2 pixels, a fifth of the photos at each."""
    found = [
        changed(picture, Augmentation(padding=2), MIDDLE._replace(left=(number + 0.5) / 100))
        for number in range(100)
    ]
    _, counts = np.unique(np.stack(found), axis=0, return_counts=True)
    assert counts.tolist() == [20] * 5


def test_a_crop_of_a_padded_picture_keeps_its_size(picture):
    """A quarter of the picture's own area, from the outermost corner of the reflection."""
    draw = MIDDLE._replace(area=0, left=1, upper=1)
    cut = changed(picture, Augmentation(min_area=0.25, padding=4), draw, size=16)
    whole = np.pad(picture, ((4, 4), (4, 4), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(cut, whole[-16:, -16:])


def test_a_quarter_turn_is_a_quarter_turn(picture):
    """90 degrees of 180, pixel by pixel: the middle of the picture is the middle of the turn."""
    turned = changed(picture, Augmentation(rotate=180), MIDDLE._replace(angle=0.75))
    assert any(
        np.abs(turned[1:-1, 1:-1].astype(int) - np.rot90(picture, turns)[1:-1, 1:-1]).max() <= 1
        for turns in (1, 3)
    )


def test_what_is_turned_away_has_the_mean_colour(picture):
    """The corners after 45 degrees."""
    turned = changed(picture, Augmentation(rotate=45), MIDDLE._replace(angle=1))
    assert turned[0, 0].tolist() == list(FILL)


@pytest.mark.parametrize("colour", [(200, 80, 40), (30, 60, 200), (90, 91, 92), (5, 250, 128)])
@pytest.mark.parametrize(("saturation", "lightness"), [(50, 0), (-50, 0), (0, 50), (40, -50)])
def test_saturation_and_lightness_are_added_in_hls(flat, colour, saturation, lightness):
    """As Python's own colorsys has it, within one step of rounding."""
    ranges = Augmentation(hsl_saturation=abs(saturation), lightness=abs(lightness))
    draw = MIDDLE._replace(hsl_saturation=float(saturation > 0), lightness=float(lightness > 0))
    hue, light, saturated = colorsys.rgb_to_hls(*(value / 255 for value in colour))
    light = min(1, max(0, light + lightness / 255))
    saturated = min(1, max(0, saturated + saturation / 255))
    expected = np.array(colorsys.hls_to_rgb(hue, light, saturated)) * 255
    found = changed(flat(*colour), ranges, draw)[3, 3]
    np.testing.assert_allclose(found, expected, atol=1)


def test_hue_moves_around_the_circle(flat):
    """36 steps of 2 degrees: red, at the circle's seam, becomes orange or magenta."""
    ranges = Augmentation(hue=30)
    up = changed(flat(255, 0, 0), ranges, MIDDLE._replace(hue=1))[0, 0]
    down = changed(flat(255, 0, 0), ranges, MIDDLE._replace(hue=0))[0, 0]
    np.testing.assert_allclose(up, (255, 255, 0), atol=6)
    np.testing.assert_allclose(down, (255, 0, 255), atol=6)


def test_grey_stays_grey(flat):
    """More saturation gives no colour to what has none."""
    ranges = Augmentation(hue=36, hsl_saturation=50)
    found = changed(flat(90, 90, 90), ranges, MIDDLE._replace(hsl_saturation=1, hue=1))
    assert np.unique(found).tolist() == [90]


def test_erasing_covers_a_rectangle(flat):
    """With the mean colour, at least one pixel, and never all of it."""
    ranges = Augmentation(random_erasing=1)
    for draw in draws(2, 0, 50):
        found = changed(np.tile(flat(0, 0, 0), (4, 4, 1)), ranges, draw)
        erased = (found == FILL).all(axis=-1)
        rows, columns = np.nonzero(erased.any(axis=1))[0], np.nonzero(erased.any(axis=0))[0]
        assert erased[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()
        assert 0 < erased.mean() < 0.4


def test_a_smaller_crop_is_cut_from_the_whole_picture(flat):
    """A checkerboard of single pixels at half the size is even grey: nothing aliases."""
    board = np.indices((32, 32)).sum(axis=0) % 2 * 255
    picture = np.repeat(board[..., None], 3, axis=-1).astype(np.uint8)
    found = changed(picture, Augmentation(mirror=True), size=16)
    assert np.abs(found.astype(int) - 128).max() <= 1
