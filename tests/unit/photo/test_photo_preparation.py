"""Preparation: squash, reduced-scale decoding within its bound, and normalisation."""

import io

import numpy as np
import pytest
from PIL import Image

from contracts import ArtifactError, PhotoError
from photo import Preparation, decode_photo, prepare_photo, to_array
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
