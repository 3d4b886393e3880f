"""What the page puts on the wire: a small JPEG, upright, on white, like training's own photos."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from contracts import PHOTO_SIZE
from photo import prepare_photo
from photo.preparation import RESAMPLING

PHONE_UPRIGHT = 6
"""EXIF orientation of a phone held upright: the picture must be turned right by 90 degrees."""


def natural(size, seed=0):
    """A picture with detail at every scale, as photos have: octaves of smooth noise."""
    random = np.random.default_rng(seed)
    width, height = size
    total = np.zeros((height, width, 3))
    for octave in range(1, 8):
        grid = random.uniform(-1, 1, (2**octave, 2**octave, 3))
        for channel in range(3):
            layer = Image.fromarray(grid[..., channel].astype(np.float32))
            total[..., channel] += np.asarray(layer.resize(size, Image.Resampling.BICUBIC)) / octave
    scaled = 128 + 60 * total / total.std()
    return Image.fromarray(scaled.clip(0, 255).astype(np.uint8))


def encoded(image, kind="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def quadrants(size=(400, 300)):
    """Red and green above, blue and white below."""
    image = Image.new("RGB", size, "white")
    width, height = size
    image.paste((220, 0, 0), (0, 0, width // 2, height // 2))
    image.paste((0, 200, 0), (width // 2, 0, width, height // 2))
    image.paste((0, 0, 220), (0, height // 2, width // 2, height))
    return image


def sent(page, stack, data, name="photo.jpg", kind="image/jpeg"):
    """The picture that the endpoint got, and its bytes."""
    before = len(stack.model.photos)
    page.locator("#file").set_input_files({"name": name, "mimeType": kind, "buffer": data})
    expect(page.locator("#preview")).to_have_attribute("alt", name)
    expect(page.locator("body")).to_have_attribute("data-state", "answer")
    assert len(stack.model.photos) == before + 1
    upload = stack.model.photos[-1]
    return Image.open(io.BytesIO(upload)), upload


def psnr(image, reference):
    difference = np.asarray(image, float) - np.asarray(reference, float)
    return 10 * np.log10(255**2 / (difference**2).mean())


def test_the_upload_is_a_small_jpeg(page, stack):
    """112 x 112 whatever the photo's size and shape, a few kilobytes, and nothing of its EXIF."""
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    picture, upload = sent(page, stack, encoded(natural((1600, 900)), exif=exif))
    assert (picture.format, picture.size, picture.mode) == ("JPEG", (PHOTO_SIZE, PHOTO_SIZE), "RGB")
    assert 1_000 < len(upload) < 9_000
    assert b"secret" not in upload


def test_a_photo_is_turned_upright_once(page, stack):
    """Every EXIF orientation ends as the same upright picture that training would see."""
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = encoded(quadrants(), exif=exif, quality=95)
        picture, _ = sent(page, stack, data)
        assert psnr(picture, prepare_photo(data)) > 30, f"orientation {orientation}"
        if orientation == PHONE_UPRIGHT:
            colours = [picture.getpixel(at) for at in ((84, 28), (84, 84), (28, 28), (28, 84))]
            assert [int(np.argmax(colour)) for colour in colours[:3]] == [0, 1, 2]
            assert min(colours[3]) > 240


def test_transparency_becomes_white(page, stack):
    """Clear pixels are white, half clear ones half white, as in training."""
    image = Image.new("RGBA", (300, 300), (0, 0, 0, 0))
    image.paste((200, 0, 0, 128), (150, 0, 300, 300))
    data = encoded(image, "PNG")
    picture, _ = sent(page, stack, data, "clear.png", "image/png")
    assert min(picture.getpixel((20, 56))) > 245
    assert picture.getpixel((90, 56)) == pytest.approx((227, 127, 127), abs=12)
    assert psnr(picture, prepare_photo(data)) > 30


def test_the_upload_equals_trainings_photo_within_jpegs_loss(page, stack):
    """The page's picture is within half a decibel of training's own, encoded as JPEG alike."""
    for size in [(640, 480), (3000, 2000), (1080, 1920), (256, 256), (90, 70), (4032, 113)]:
        data = encoded(natural(size), quality=92)
        reference = prepare_photo(data)
        picture, _ = sent(page, stack, data)
        limit = psnr(Image.open(io.BytesIO(encoded(reference, quality=92))), reference)
        assert psnr(picture, reference) > limit - 0.5, f"{size}"


@pytest.mark.parametrize("size", [(300, 200), (447, 113), (112, 112), (50, 60)])
def test_the_pages_filter_is_trainings(page, size):
    """Pixel for pixel within one step of 255, larger and smaller than the result alike."""
    image = natural(size, seed=1)
    rgba = np.asarray(image.convert("RGBA"))
    result = page.evaluate(
        """async ([pixels, width, height, size]) => {
          const { hamming } = await import("./resample.js");
          const bytes = Uint8ClampedArray.from(atob(pixels), (c) => c.charCodeAt(0));
          const { data } = hamming(new ImageData(bytes, width, height), size);
          return btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(""));
        }""",
        [base64.b64encode(rgba.tobytes()).decode(), *size, PHOTO_SIZE],
    )
    pixels = np.frombuffer(base64.b64decode(result), np.uint8).reshape(PHOTO_SIZE, PHOTO_SIZE, 4)
    expected = np.asarray(image.resize((PHOTO_SIZE, PHOTO_SIZE), RESAMPLING), int)
    assert np.abs(pixels[..., :3].astype(int) - expected).max() <= 1
    assert (pixels[..., 3] == 255).all()


def test_other_formats_arrive_as_jpeg_too(page, stack):
    """Whatever the browser can show is sent in the one format that the model always reads."""
    for kind in ("PNG", "WEBP", "GIF", "BMP", "AVIF"):
        data = encoded(quadrants(), kind)
        picture, _ = sent(page, stack, data, f"photo.{kind.lower()}", f"image/{kind.lower()}")
        assert picture.format == "JPEG"
        assert int(np.argmax(picture.getpixel((28, 28)))) == 0
