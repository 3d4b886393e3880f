"""What the page puts on the wire: a small picture, upright, on white, like training's own."""

from __future__ import annotations

import base64
import functools
import io

import numpy as np
import pytest
from page_actions import choose, state
from PIL import Image, ImageCms

from contracts import PHOTO_FITS, PHOTO_SIZE
from photo import prepare_photo
from photo.preparation import RESAMPLING

PHONE_UPRIGHT = 6
"""EXIF orientation of a phone held upright: the picture must be turned right by 90 degrees."""


@functools.cache
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


@functools.cache
def png(size, seed=0):
    """The same as a PNG's bytes, made once for all tests that look at it."""
    return encoded(natural(size, seed), "PNG")


def noise(size, seed=0):
    """A PNG in which every pixel differs from its neighbours, so that none can be left out."""
    width, height = size
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return encoded(Image.fromarray(pixels), "PNG")


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
    choose(page, data, name, kind)
    state(page, "answer")
    assert len(stack.model.photos) == before + 1
    upload = stack.model.photos[-1]
    return Image.open(io.BytesIO(upload)), upload


def psnr(image, reference):
    difference = np.asarray(image, float) - np.asarray(reference, float)
    return 10 * np.log10(255**2 / (difference**2).mean())


def test_the_upload_is_a_small_webp(page, stack):
    """112 x 112 whatever the photo's size and shape, a few kilobytes, and nothing of its EXIF."""
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    picture, upload = sent(page, stack, encoded(natural((1600, 900)), exif=exif))
    assert (picture.format, picture.size, picture.mode) == ("WEBP", (PHOTO_SIZE, PHOTO_SIZE), "RGB")
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


def test_the_upload_is_trainings_photo_but_for_its_encoding(page, stack):
    """The page's picture is as near to training's own as a JPEG of that one is, or nearer."""
    for size in [(640, 480), (3000, 2000), (1080, 1920), (256, 256), (90, 70), (4032, 113)]:
        data = encoded(natural(size), quality=92)
        reference = prepare_photo(data)
        picture, _ = sent(page, stack, data)
        limit = psnr(Image.open(io.BytesIO(encoded(reference, quality=92))), reference)
        assert psnr(picture, reference) > limit, f"{size}"


def unpacked(text, width, height):
    """RGB from the base64 of a canvas's pixels, which must be opaque."""
    pixels = np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)
    assert (pixels[..., 3] == 255).all()
    return pixels[..., :3].astype(int)


def difference(pixels, reference):
    """Of each pixel and channel, in units of 1/255."""
    return np.abs(pixels - np.asarray(reference, int))


@pytest.mark.parametrize(
    ("size", "sides", "box"),
    [
        ((300, 200), (112, 112), (0, 0, 300, 200)),
        ((447, 113), (112, 112), (0, 0, 447, 113)),
        ((112, 112), (112, 112), (0, 0, 112, 112)),
        ((50, 60), (112, 112), (0, 0, 50, 60)),
        ((301, 200), (64, 64), (50.5, 0, 250.5, 200)),
        ((90, 97), (160, 160), (0, 3.5, 90, 93.5)),
        ((300, 41), (112, 15), (0, 0, 300, 41)),
    ],
)
def test_the_pages_filter_is_trainings(page, size, sides, box):
    """Pixel for pixel within one step of 255, larger and smaller than the result, whole or part."""
    image = natural(size, seed=1)
    rgba = np.asarray(image.convert("RGBA"))
    result = page.evaluate(
        """async ([pixels, [width, height], sides, box]) => {
          const { hamming } = await import("./resample.js");
          const bytes = Uint8ClampedArray.from(atob(pixels), (c) => c.charCodeAt(0));
          const axes = [0, 1].map((i) => ({ from: box[i], to: box[i + 2], side: sides[i] }));
          const { data } = hamming(new ImageData(bytes, width, height), ...axes);
          return btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(""));
        }""",
        [base64.b64encode(rgba.tobytes()).decode(), size, sides, box],
    )
    assert difference(unpacked(result, *sides), image.resize(sides, RESAMPLING, box)).max() <= 1


FITTED = """async ([data, size, fit, area]) => {
  const { fitted } = await import("./fit.js");
  const image = new Image();
  image.src = `data:;base64,${data}`;
  await image.decode();
  const photo = { image, width: image.naturalWidth, height: image.naturalHeight };
  const picture = fitted(photo, { size, fit }, area);
  return btoa(Array.from(picture.data, (byte) => String.fromCharCode(byte)).join(""));
}"""


def fitted(page, data, size, fit, area=None):
    """What the page makes of a photo, before it becomes a JPEG."""
    arguments = [base64.b64encode(data).decode(), size, fit, area or 4096**2]
    return unpacked(page.evaluate(FITTED, arguments), size, size)


@pytest.mark.parametrize("side", [28, 112, 160])
@pytest.mark.parametrize("fit", PHOTO_FITS)
def test_every_fit_is_trainings_pixel_for_pixel(page, fit, side):
    """Where no halving comes first, within one step of 255, for every shape, small ones too."""
    short, long = 2 * side - 2, 4 * side - 1
    shapes = [(long, short), (short, long), (long, 2), (2, long), (short + 1, short)]
    if fit == "crop":
        shapes += [(5 * side, long), (long, 5 * side + 1)]
    for size in [*shapes, (side, side), (side - 9, side // 2), (side // 2, side + 5), (1, 1)]:
        data = noise(size)
        pixels = fitted(page, data, side, fit)
        assert difference(pixels, prepare_photo(data, side, fit)).max() <= 1, f"{size}"


@pytest.mark.parametrize("fit", PHOTO_FITS)
def test_every_fit_of_a_large_photo_is_trainings_but_for_halvings_rounding(page, fit):
    """Halving rounds at each step: that shows as two steps of 255, and less than one on average."""
    for size in [(1203, 801), (801, 1203), (1600, 1600), (3000, 2), (2, 3000), (3000, 131)]:
        data = png(size, seed=3)
        for side in (28, 112, 160):
            found = difference(fitted(page, data, side, fit), prepare_photo(data, side, fit))
            assert found.mean() < 0.8, f"{size} {side}"
            assert found.max() <= 3, f"{size} {side}"


@pytest.mark.parametrize("fit", PHOTO_FITS)
def test_every_fit_is_of_the_upright_photo(page, fit):
    """A photo that lies on its side is turned before its ends are cut, or its sides filled up."""
    image = natural((171, 120), seed=4)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = encoded(image, "PNG", exif=exif)
        found = difference(fitted(page, data, 63, fit), prepare_photo(data, 63, fit))
        assert found.max() <= 1, f"orientation {orientation}"


@pytest.mark.parametrize("fit", PHOTO_FITS)
def test_a_photo_that_no_canvas_holds_is_reduced_further(page, fit):
    """The largest canvas of a phone may be smaller than half its photo: the picture is the same."""
    data = png((1203, 801), seed=3)
    found = difference(fitted(page, data, 112, fit, area=100_000), prepare_photo(data, 112, fit))
    assert found.mean() < 0.8
    assert found.max() <= 4


DECODED = """async ([data, size, fit, without]) => {
  if (without) delete window.ImageDecoder;
  const { decode } = await import("./decode.js");
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const photo = await decode(new Blob([bytes]), { size, fit });
  const { width, height, image } = photo;
  const { data: pixels } = photo.fitted();
  const text = btoa(Array.from(pixels, (byte) => String.fromCharCode(byte)).join(""));
  return [text, width, height, image.width];
}"""


def decoded(page, data, size, fit, *, without=False):
    """What a worker makes of a file before it is encoded, the photo's sides, and what was read."""
    arguments = [base64.b64encode(data).decode(), size, fit, without]
    text, *sides = page.evaluate(DECODED, arguments)
    return unpacked(text, size, size), sides


@functools.cache
def lying(size, orientation):
    """A JPEG whose pixels lie as the orientation says."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(natural(size, seed=5), quality=90, exif=exif)


@pytest.mark.parametrize("fit", PHOTO_FITS)
def test_a_jpeg_is_read_reduced_and_upright_as_training_reads_it(page, fit):
    """In each of the eight ways that it may lie: within one step of 255."""
    size = (233, 311)
    for orientation in range(1, 9):
        data = lying(size, orientation)
        pixels, (width, height, read) = decoded(page, data, 56, fit)
        assert (width, height) == (size if orientation < 5 else size[::-1])
        assert read == 117
        assert difference(pixels, prepare_photo(data, 56, fit)).max() <= 1, f"{orientation}"


@pytest.mark.parametrize(
    ("size", "by"), [((1203, 803), 2), ((1111, 907), 4), ((1801, 2003), 8), ((501, 223), 1)]
)
def test_a_jpeg_is_read_at_the_scale_at_which_training_reads_it(page, size, by):
    """With sides that no reduction divides; where none is possible the browser reads it whole."""
    data = lying(size, PHONE_UPRIGHT)
    side = 100 if by == 8 else 112
    pixels, (*_, read) = decoded(page, data, side, "crop")
    assert read == (-(-size[0] // by) if by > 1 else size[1])
    assert difference(pixels, prepare_photo(data, side, "crop")).max() <= 1


def test_a_browser_without_a_reducing_decoder_reads_the_whole_jpeg(page):
    """Upright all the same, and nearly the same picture; the photo's sides are the upright one's."""
    for orientation in range(1, 9):
        data = lying((471, 301), orientation)
        pixels, (width, height, read) = decoded(page, data, 56, "squash", without=True)
        assert read == width == (471 if orientation < 5 else 301)
        assert height == (301 if orientation < 5 else 471)
        assert difference(pixels, prepare_photo(data, 56)).mean() < 2, f"{orientation}"


def other_colours():
    """A colour profile that swaps red and green: nobody can overlook whether it is applied."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"xxxx").replace(b"gXYZ", b"rXYZ")
    return swapped.replace(b"xxxx", b"gXYZ")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [(300, 200), (1203, 803)])
def test_a_colour_profile_is_not_applied_as_in_training(page, stack, kind, size):
    """Red stays red, whatever the profile says of it."""
    data = encoded(quadrants(size), kind, icc_profile=other_colours())
    picture, _ = sent(page, stack, data, "photo", f"image/{kind.lower()}")
    assert int(np.argmax(picture.getpixel((28, 28)))) == 0
    assert psnr(picture, prepare_photo(data)) > 30


HEADER = """async (data) => {
  const { readHeader } = await import("./jpeg.js");
  const header = readHeader(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)).buffer);
  return header && [header.width, header.height, header.orientation];
}"""


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (b"", None),
        (b"\x89PNG\r\n\x1a\n", None),
        (encoded(quadrants((40, 30)))[:30], None),
        (encoded(quadrants((40, 30))), [40, 30, 1]),
        (encoded(quadrants((40, 30)), progressive=True), [40, 30, 1]),
        (encoded(quadrants((40, 30)), exif=b"Exif\0\0MM\0*\0\0\xff\xff"), [40, 30, 1]),
        (encoded(quadrants((40, 30)), exif=b"Exif\0\0II*\0"), [40, 30, 1]),
        (b"\xff\xd8\xff" + encoded(quadrants((40, 30)))[2:], [40, 30, 1]),
        (b"\xff\xd8\xff\xda" + bytes(30), None),
        (b"\xff\xd8" + bytes(30), None),
    ],
)
def test_a_jpegs_header_is_read_or_given_up(page, data, header):
    """Damaged Exif says nothing, and what has no header is left to the browser."""
    assert page.evaluate(HEADER, base64.b64encode(data).decode()) == header


@pytest.mark.parametrize("missing", ["OffscreenCanvas", "Worker"])
def test_an_older_browser_sends_the_same_picture(page, stack, missing):
    """Without a worker the page itself makes it, upright too."""
    page.add_init_script(f"delete window.{missing}")
    page.reload()
    exif = Image.Exif()
    exif[0x0112] = PHONE_UPRIGHT
    data = encoded(natural((640, 480)), quality=92, exif=exif)
    picture, _ = sent(page, stack, data)
    assert psnr(picture, prepare_photo(data)) > 32


@pytest.mark.console(allows="worker")
def test_a_worker_that_does_not_load_is_done_without(page, stack):
    """A page that was copied in part still answers."""
    page.context.route("**/worker.js", lambda route: route.fulfill(status=404))
    page.reload()
    data = encoded(natural((640, 480)), quality=92)
    picture, _ = sent(page, stack, data)
    assert psnr(picture, prepare_photo(data)) > 32


def test_a_browser_that_cannot_write_webp_sends_jpeg(page, stack):
    """As Safari: it gives PNG in its place, ten times as large."""
    page.add_init_script(
        """delete window.OffscreenCanvas;
        const { toBlob } = HTMLCanvasElement.prototype;
        HTMLCanvasElement.prototype.toBlob = function (done, type, quality) {
          toBlob.call(this, done, type === "image/webp" ? "image/png" : type, quality);
        };"""
    )
    page.reload()
    picture, upload = sent(page, stack, encoded(natural((640, 480)), quality=92))
    assert picture.format == "JPEG"
    assert len(upload) < 12_000


def test_other_formats_arrive_as_webp_too(page, stack):
    """Whatever the browser can show is sent in the one format that the model always reads."""
    for kind in ("PNG", "WEBP", "GIF", "BMP", "AVIF"):
        data = encoded(quadrants(), kind)
        picture, _ = sent(page, stack, data, f"photo.{kind.lower()}", f"image/{kind.lower()}")
        assert picture.format == "WEBP"
        assert int(np.argmax(picture.getpixel((28, 28)))) == 0
