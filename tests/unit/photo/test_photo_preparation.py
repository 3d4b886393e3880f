"""Preparation: squash, reduced-scale decoding within its bound, and normalisation."""

import io

import numpy as np
import pytest
from PIL import Image

from contracts import PHOTO_FITS, ArtifactError, PhotoError
from photo import Preparation, decode_photo, prepare_photo, prepare_stored_photo, to_array
from photo.preparation import RESAMPLING

PREPARATION = Preparation(size=8, fit="squash", mean=(10.0, 20.0, 30.0), std=(1.0, 2.0, 4.0))


def encoded(image, image_format, **options):
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def psnr(one, other):
    """Peak signal-to-noise ratio in dB."""
    error = np.square(np.asarray(one, np.float64) - np.asarray(other, np.float64)).mean()
    return 10 * np.log10(255**2 / max(error, 1e-9))


def fully_decoded(data, size):
    """The slow way: all pixels decoded, then squashed."""
    return decode_photo(data).resize((size, size), RESAMPLING)


def noise(width, height, grain):
    """Random colours, smooth over `grain` pixels."""
    small = (height // grain + 1, width // grain + 1, 3)
    pixels = np.random.default_rng(0).integers(0, 256, small, np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("size", [28, 112])
@pytest.mark.parametrize("image_format", ["PNG", "BMP"])
def test_a_photo_of_the_right_size_passes_pixel_for_pixel(size, image_format):
    """The page's upload, and a record's PNG, are not resampled again."""
    image = noise(size, size, 1)
    assert np.array_equal(prepare_photo(encoded(image, image_format), size), image)


def test_a_jpeg_of_the_right_size_is_only_decoded():
    """The page sends such ones too."""
    data = encoded(noise(112, 112, 2), "JPEG")
    assert np.array_equal(prepare_photo(data), decode_photo(data))


@pytest.mark.parametrize(("width", "height"), [(40, 10), (10, 40), (1, 1), (1, 5000), (3000, 2)])
def test_any_shape_is_squashed(width, height):
    """Both sides are scaled, nothing is cut, whatever the aspect ratio."""
    data = encoded(Image.new("RGB", (width, height), "red"), "PNG")
    pixels = np.asarray(prepare_photo(data, 16))
    assert pixels.shape == (16, 16, 3)
    assert (pixels == (255, 0, 0)).all()


@pytest.mark.parametrize(("width", "height"), [(448, 448), (449, 901), (1001, 777), (2017, 1513)])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_reduced_decoding_stays_within_its_bound(width, height, subsampling):
    """Against full decoding: 45 dB on smooth pictures, 34 dB on white noise, any side length."""
    for grain, bound in ((16, 45), (1, 34)):
        data = encoded(noise(width, height, grain), "JPEG", quality=90, subsampling=subsampling)
        assert psnr(prepare_photo(data), fully_decoded(data, 112)) >= bound


def test_reduced_decoding_does_not_shift_the_picture():
    """A side that 8 does not divide leaves a padded last column, which must not be squeezed in."""
    ramp = np.tile(np.linspace(0, 255, 1793, dtype=np.uint8)[None, :, None], (1793, 1, 3))
    data = encoded(Image.fromarray(ramp), "JPEG", quality=95)
    difference = np.asarray(prepare_photo(data), int) - np.asarray(fully_decoded(data, 112), int)
    assert np.abs(difference).max() <= 2


def test_reduced_decoding_really_happens():
    """A large JPEG's full picture is never made: that is where the speed comes from."""
    data = encoded(noise(2048, 2048, 16), "JPEG")
    assert not np.array_equal(prepare_photo(data), fully_decoded(data, 112))


@pytest.mark.real_data
def test_reduced_decoding_stays_within_its_bound_on_real_photos(shared_data):
    """The figures of `prepare_photo`'s docstring, on a sample."""
    ratios = []
    for path in sorted((shared_data / "olx5" / "test").rglob("*.jpg"))[::10]:
        data = path.read_bytes()
        ratios.append(psnr(prepare_photo(data, 28), fully_decoded(data, 28)))
    assert len(ratios) >= 40
    assert min(ratios) >= 36
    assert np.mean(ratios) >= 46


def test_an_array_is_normalised_by_channel():
    """(pixel - mean) / std, red first, channels before rows."""
    image = Image.new("RGB", (3, 2), (11, 24, 50))
    array = to_array(image, mean=(10, 20, 30), std=(1, 2, 4))
    assert array.dtype == np.float32
    assert array.shape == (3, 2, 3)
    assert array.flags.c_contiguous
    assert array[:, 1, 2].tolist() == [1.0, 2.0, 5.0]


def test_a_preparation_leads_from_bytes_to_input():
    """The whole way in one call."""
    data = encoded(Image.new("RGB", (30, 20), (11, 24, 50)), "PNG")
    array = PREPARATION.array(data)
    assert array.shape == (3, 8, 8)
    assert (array == np.array([1, 2, 5], np.float32).reshape(3, 1, 1)).all()
    with pytest.raises(PhotoError):
        PREPARATION.array(b"no photo")


def test_a_preparation_survives_its_document():
    """What dataset.json and the model card store says all."""
    assert Preparation.from_dict({"classes": ["a"], **PREPARATION.to_dict()}) == PREPARATION


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 0},
        {"size": "112"},
        {"fit": "stretch"},
        {"statistics": {"mean": [1, 2, 3]}},
        {"statistics": {"mean": [1, 2], "std": [1, 1, 1]}},
        {"statistics": {"mean": [1, 2, 256], "std": [1, 1, 1]}},
        {"statistics": {"mean": [1, 2, 3], "std": [1, 0, 1]}},
        {"statistics": {"mean": [1, 2, float("nan")], "std": [1, 1, 1]}},
        {"statistics": {"mean": "abc", "std": [1, 1, 1]}},
        {"statistics": None},
    ],
)
def test_a_document_out_of_range_is_refused(changes):
    """A damaged card is an error that a user can read, not a wrong answer."""
    with pytest.raises(ArtifactError, match="photo preparation"):
        Preparation.from_dict(PREPARATION.to_dict() | changes)


def flag(width, height):
    """Red, white and blue from left to right over a green foot: no two turns look alike."""
    image = Image.new("RGB", (width, height), "white")
    image.paste("red", (0, 0, width // 3, height))
    image.paste("blue", (width - width // 3, 0, width, height))
    image.paste("green", (0, height - height // 4, width, height))
    return image


def test_crop_keeps_the_middle_square():
    """The ends of the longer side are gone, and nothing is stretched."""
    image = Image.new("RGB", (300, 100), "red")
    image.paste("blue", (100, 0, 200, 100))
    for turned in (image, image.transpose(Image.Transpose.ROTATE_90)):
        pixels = np.asarray(prepare_photo(encoded(turned, "PNG"), 50, "crop"), int)
        assert (pixels[1:-1, 1:-1] == (0, 0, 255)).all()
        assert np.abs(pixels - (0, 0, 255)).max() < 40  # the filter looks a pixel beyond the edge


@pytest.mark.parametrize(
    ("width", "height"), [(200, 100), (100, 200), (97, 41), (3000, 2), (64, 64)]
)
def test_pad_keeps_the_whole_photo_in_the_middle_of_white(width, height):
    """With its own aspect ratio; the odd pixel of white is to the right, or below."""
    pixels = np.asarray(prepare_photo(encoded(Image.new("RGB", (width, height)), "PNG"), 64, "pad"))
    black = (pixels < 128).all(axis=2)
    rows, columns = np.flatnonzero(black.any(axis=1)), np.flatnonzero(black.any(axis=0))
    for length, found in ((height, rows), (width, columns)):
        expected = max(1, round(64 * length / max(width, height)))
        assert len(found) == expected
        assert found[0] == (64 - expected) // 2
    assert (pixels[~black] > 250).all()


@pytest.mark.parametrize("fit", PHOTO_FITS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_fit_agrees_on_all_orientations(fit, orientation):
    """A photo that lies on its side is first the photo that a person sees."""
    upright = flag(330, 220)
    exif = Image.Exif()
    exif[0x0112] = orientation
    lay_down = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose, the way back
    lying = upright if orientation == 1 else upright.transpose(lay_down[orientation])
    data = encoded(lying, "PNG", exif=exif)
    expected = prepare_photo(encoded(upright, "PNG"), 60, fit)
    assert (
        np.abs(np.asarray(prepare_photo(data, 60, fit), int) - np.asarray(expected, int)).max() <= 1
    )
    stored = prepare_stored_photo(data, 60, fit)
    assert (stored.width, stored.height, stored.format) == (330, 220, "PNG")


@pytest.mark.parametrize("fit", PHOTO_FITS)
def test_a_square_photo_is_the_same_in_every_fit(fit):
    """There is nothing to squash, cut or fill up."""
    data = encoded(noise(90, 90, 3), "PNG")
    assert np.array_equal(prepare_photo(data, 40, fit), prepare_photo(data, 40))


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_reduced_decoding_stays_within_its_bound_in_the_other_fits(fit):
    """A crop's middle and a pad's whole are as sharp as the squash."""
    data = encoded(noise(1203, 801, 16), "JPEG", quality=90)
    full = encoded(Image.open(io.BytesIO(data)).convert("RGB"), "PNG")
    assert psnr(prepare_photo(data, 112, fit), prepare_photo(full, 112, fit)) >= 45


def test_the_preparation_of_a_model_keeps_to_its_fit():
    """What dataset.json says is what hosting does."""
    preparation = Preparation(32, "pad", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    data = encoded(Image.new("RGB", (64, 32)), "PNG")
    assert preparation.array(data)[0, 0, 0] == 255
    assert preparation.array(data)[0, 16, 16] == 0
    assert Preparation.from_dict(preparation.to_dict()) == preparation


@pytest.mark.parametrize("size", [(300, 1600), (1600, 300), (640, 480)])
def test_scaling_goes_across_first_whatever_the_shape(size):
    """As the page does; Pillow 13 by itself begins with the taller side, Pillow 12 never does."""
    image = noise(*size, 3)
    across = image.resize((112, size[1]), Image.Resampling.HAMMING)
    expected = across.resize((112, 112), Image.Resampling.HAMMING)
    down = image.resize((size[0], 112), Image.Resampling.HAMMING)
    other = down.resize((112, 112), Image.Resampling.HAMMING)
    prepared = prepare_photo(encoded(image, "PNG"), 112)
    assert prepared.tobytes() == expected.tobytes()
    assert prepared.tobytes() != other.tobytes()
