"""Colour modes: what is drawn in a known colour comes out in that colour."""

import io

import numpy as np
import pytest
from PIL import Image

from contracts import PhotoError
from photo import decode_photo

ORANGE = (240, 120, 0)


def encoded(image, image_format, **options):
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def only_colour(data):
    """The colour of a photo that has one."""
    pixels = np.asarray(decode_photo(data)).reshape(-1, 3)
    assert (pixels == pixels[0]).all()
    return tuple(int(value) for value in pixels[0])


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (Image.new("RGB", (4, 4), ORANGE), ORANGE),
        (Image.new("L", (4, 4), 77), (77, 77, 77)),
        (Image.new("1", (4, 4), 1), (255, 255, 255)),
        (Image.new("1", (4, 4), 0), (0, 0, 0)),
        (Image.new("P", (4, 4), 0), (0, 0, 0)),
        (Image.new("RGB", (4, 4), ORANGE).quantize(2), ORANGE),
        (Image.new("RGBA", (4, 4), (*ORANGE, 255)), ORANGE),
        (Image.new("RGBA", (4, 4), (*ORANGE, 0)), (255, 255, 255)),
        (Image.new("RGBA", (4, 4), (0, 0, 0, 51)), (204, 204, 204)),
        (Image.new("LA", (4, 4), (0, 51)), (204, 204, 204)),
    ],
)
def test_png_modes_become_rgb_on_white(image, colour):
    """Grey, bilevel, palette and alpha photos show what a viewer shows on a white page."""
    assert only_colour(encoded(image, "PNG")) == colour


@pytest.mark.parametrize(
    ("mode", "ink", "transparent"),
    [("L", 9, 9), ("RGB", ORANGE, ORANGE), ("1", 0, 0), ("P", 0, 0)],
)
def test_a_transparent_colour_is_white(mode, ink, transparent):
    """PNG's tRNS chunk makes one colour transparent, in every mode that has it."""
    image = Image.new(mode, (4, 4), ink)
    assert only_colour(encoded(image, "PNG", transparency=transparent)) == (255, 255, 255)


def test_a_palette_with_alpha_lies_on_white():
    """Each palette entry has an opacity of its own."""
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 0, 0, 0])
    data = encoded(image, "PNG", transparency=bytes([255, 51]))
    assert only_colour(data) == (204, 204, 204)


def test_a_transparent_gif_lies_on_white():
    """GIF's transparent index shows the page."""
    data = encoded(Image.new("P", (4, 4), 3), "GIF", transparency=3)
    assert only_colour(data) == (255, 255, 255)


@pytest.mark.parametrize(
    ("value", "grey"), [(0, 0), (255, 1), (256, 1), (32_768, 128), (65_535, 255)]
)
@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled_not_clipped(value, grey, image_format):
    """65,535 is white and 32,768 the middle; a plain conversion clips all above 255."""
    image = Image.fromarray(np.full((4, 4), value, np.uint16))
    assert only_colour(encoded(image, image_format)) == (grey, grey, grey)


def test_a_transparent_16_bit_grey_is_white():
    """The transparent value is told apart before it loses bits."""
    image = Image.fromarray(np.full((4, 4), 300, np.uint16))
    assert only_colour(encoded(image, "PNG", transparency=300)) == (255, 255, 255)


def test_cmyk_jpeg_becomes_rgb():
    """Ink on paper becomes light: no ink is white, all black ink is black."""
    white = encoded(Image.new("CMYK", (16, 16), (0, 0, 0, 0)), "JPEG", quality=100)
    black = encoded(Image.new("CMYK", (16, 16), (0, 0, 0, 255)), "JPEG", quality=100)
    cyan = encoded(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG", quality=100)
    assert min(only_colour(white)) >= 253
    assert max(only_colour(black)) <= 2
    assert np.abs(np.subtract(only_colour(cyan), (0, 255, 255))).max() <= 2


@pytest.mark.parametrize("mode", ["YCbCr", "LAB"])
def test_other_colour_spaces_become_rgb(mode):
    """TIFF keeps YCbCr and Lab: white stays white."""
    ink = (255, 128, 128)
    assert min(only_colour(encoded(Image.new(mode, (4, 4), ink), "TIFF"))) >= 250


@pytest.mark.parametrize(("dtype", "value"), [(np.float32, 0.5), (np.int32, 70_000)])
def test_pixels_without_a_known_white_are_refused(dtype, value):
    """32-bit pixels have no agreed range: a guess would train on black squares."""
    image = Image.fromarray(np.full((4, 4), value, dtype))
    with pytest.raises(PhotoError, match=r"floating-point|32-bit"):
        decode_photo(encoded(image, "TIFF"))
