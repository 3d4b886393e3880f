"""Decoding: every common format upright, and every bad byte string a PhotoError."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from contracts import MAX_PHOTO_BYTES, PhotoError
from photo import decode_photo, looks_like_photo, prepare_photo, prepare_stored_photo

RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)
ORIENTATION_TAG = 0x0112

# What a camera stores for a scene with red top left, green top right, blue bottom left and black
# bottom right (Exif 2.32, tag 274: where the stored row 0 and column 0 belong).
STORED = {
    1: [[RED, GREEN], [BLUE, BLACK]],
    2: [[GREEN, RED], [BLACK, BLUE]],
    3: [[BLACK, BLUE], [GREEN, RED]],
    4: [[BLUE, BLACK], [RED, GREEN]],
    5: [[RED, BLUE], [GREEN, BLACK]],
    6: [[GREEN, BLACK], [RED, BLUE]],
    7: [[BLACK, GREEN], [BLUE, RED]],
    8: [[BLUE, RED], [BLACK, GREEN]],
}


def encoded(image, image_format, **options):
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def quarters(colours, width=64, height=32):
    """A picture of four coloured quarters."""
    small = Image.fromarray(np.array(colours, np.uint8))
    return small.resize((width, height), Image.Resampling.NEAREST)


def corner_colours(image):
    """The colours in the middle of the four quarters, rounded to 0 or 255."""
    near, far_x, far_y = 4, image.width * 3 // 4, image.height * 3 // 4
    points = [[(near, near), (far_x, near)], [(near, far_y), (far_x, far_y)]]
    return [
        [tuple(255 * (v > 127) for v in image.getpixel(point)) for point in row] for row in points
    ]


def oriented(orientation, image_format):
    """A photo file of the scene, 64 x 32 upright, stored as a camera held so stores it."""
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    size = (64, 32) if orientation < 5 else (32, 64)
    options = {"quality": 95, "subsampling": 0} if image_format == "JPEG" else {}
    return encoded(quarters(STORED[orientation], *size), image_format, exif=exif, **options)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_photo_is_turned_upright_once(orientation, image_format):
    """Each EXIF orientation gives the scene as it was seen, whole and squashed alike."""
    data = oriented(orientation, image_format)
    upright = decode_photo(data)
    assert upright.size == (64, 32)
    assert corner_colours(upright) == STORED[1]
    assert corner_colours(prepare_photo(data, 32)) == STORED[1]


@pytest.mark.parametrize("orientation", [6, 7])
def test_a_large_rotated_photo_survives_reduced_decoding(orientation):
    """A turned photo, decoded at a fraction of its scale, still shows the right quarters."""
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    data = encoded(quarters(STORED[orientation], 999, 1333), "JPEG", exif=exif)
    assert corner_colours(prepare_photo(data, 100)) == STORED[1]


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0MM\0*\0\0\xff\xff", b"Exif\0\0junk" * 9]
)
def test_damaged_exif_leaves_the_photo_as_stored(exif):
    """A photo is not lost for want of its metadata."""
    data = encoded(quarters(STORED[1]), "JPEG", exif=exif, quality=95, subsampling=0)
    assert corner_colours(decode_photo(data)) == STORED[1]


@pytest.mark.parametrize("value", [0, 9, 255])
def test_an_orientation_that_does_not_exist_is_upright(value):
    """Orientations outside 1 to 8 change nothing."""
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = value
    data = encoded(quarters(STORED[1]), "PNG", exif=exif)
    assert corner_colours(decode_photo(data)) == STORED[1]


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken(image_format):
    """Later frames are not looked at."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    options = {"lossless": True} if image_format == "WEBP" else {}
    data = encoded(frames[0], image_format, save_all=True, append_images=frames[1:], **options)
    assert decode_photo(data).getpixel((4, 4)) == RED


@pytest.mark.parametrize(
    "image_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF"]
)
def test_every_listed_format_is_decoded(image_format):
    """A flat picture comes back in its colour from each format."""
    data = encoded(Image.new("RGB", (16, 16), RED), image_format)
    assert np.abs(np.array(decode_photo(data).getpixel((8, 8))) - RED).max() <= 4


def test_a_multi_picture_photo_is_decoded():
    """Phones' MPO files are JPEG with more pictures behind the first."""
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, BLUE)]
    data = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert decode_photo(data).getpixel((8, 8))[0] > 250


@pytest.mark.parametrize("image_format", ["ICO", "TGA", "PCX", "SGI", "PDF", "EPS"])
def test_other_formats_of_pillow_are_refused(image_format):
    """Readers that photos do not need are never run on foreign bytes."""
    data = encoded(Image.new("RGB", (16, 16), RED), image_format)
    with pytest.raises(PhotoError, match="not a photo in a known format"):
        decode_photo(data)


@pytest.mark.parametrize(
    "image_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF"]
)
def test_a_truncated_photo_is_refused(image_format):
    """Half a file is an error with a reason, not half a picture."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    data = encoded(noise, image_format)
    with pytest.raises(PhotoError) as refusal:
        decode_photo(data[: len(data) // 2])
    assert refusal.value.hint


def test_a_decompression_bomb_is_refused_by_its_header():
    """A PNG that claims 20,000 x 20,000 pixels is not inflated."""
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    data += struct.pack(">I", zlib.crc32(chunk))
    idat = b"IDAT" + zlib.compress(bytes(100))
    data += struct.pack(">I", len(idat) - 4) + idat + struct.pack(">I", zlib.crc32(idat))
    with pytest.raises(PhotoError, match=r"20000 x 20000|400000000"):
        decode_photo(data)


def test_a_photo_between_our_limit_and_pillows_is_refused_by_ours():
    """100 million pixels are the limit, though Pillow itself would only warn."""
    data = encoded(Image.new("1", (12_000, 10_000)), "PNG")
    with pytest.raises(PhotoError, match="12000 x 10000 pixels, expected at most 100,000,000"):
        decode_photo(data)


def test_no_bytes_and_too_many_bytes_are_refused():
    """The limit on bytes is told with the figure."""
    with pytest.raises(PhotoError, match="0 bytes"):
        decode_photo(b"")
    with pytest.raises(PhotoError, match="100,000,001 bytes"):
        decode_photo(bytes(MAX_PHOTO_BYTES + 1))


def test_refusals_name_no_memory_address():
    """The same bytes give the same reason, so that left_out.csv is the same every time."""
    with pytest.raises(PhotoError) as refusal:
        decode_photo(b"no photo at all")
    assert "0x" not in refusal.value.message
    assert "JPEG" in refusal.value.message


@settings(max_examples=300)
@given(st.data())
def test_no_damage_escapes_as_another_exception(data):
    """Random damage to real files gives a picture or a PhotoError, never anything else."""
    image_format = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"]))
    photo = bytearray(encoded(quarters(STORED[1]), image_format))
    for _ in range(data.draw(st.integers(1, 8))):
        photo[data.draw(st.integers(0, len(photo) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PhotoError):
        assert prepare_photo(bytes(photo), 16).size == (16, 16)


@given(st.binary(max_size=200))
def test_no_bytes_escape_as_another_exception(data):
    """Bytes of any kind give a picture or a PhotoError."""
    with contextlib.suppress(PhotoError):
        assert decode_photo(data).mode == "RGB"


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_signatures_of_photos_are_known(image_format):
    """The first 32 bytes tell a photo, whatever its file is called."""
    assert looks_like_photo(encoded(Image.new("RGB", (16, 16)), image_format)[:32])


@pytest.mark.parametrize(
    "start", [b"", b"\0", b"P6 is a format", b"BMW", b"path,label\n", b"%PDF-1.7"]
)
def test_texts_are_not_taken_for_photos(start):
    """Notes and tables in a folder of photos are not photos."""
    assert not looks_like_photo(start)


@pytest.mark.parametrize(
    "image_format",
    ["JPEG2000", "ICO", "ICNS", "DDS", "QOI", "PCX", "SGI", "XBM", "MSP", "BLP", "HEIF"],
)
def test_what_else_lies_on_disks_is_prepared_but_not_served(image_format):
    """The endpoint's readers are fewer: each is one more that strangers can send bytes to."""
    mode = {"XBM": "1", "MSP": "1", "BLP": "P"}.get(image_format, "RGB")
    if image_format == "HEIF":
        pillow_heif.register_heif_opener()
    data = encoded(Image.new("RGB", (64, 64), "white").convert(mode), image_format)
    prepared = prepare_stored_photo(data, 16, "squash")
    assert prepared.format == image_format
    assert np.asarray(prepared.image).min() > 250
    if image_format != "HEIF":
        with pytest.raises(PhotoError, match="known format"):
            decode_photo(data)


def test_a_heic_photo_is_known_by_its_bytes_and_decoded():
    """As phones make them; whatever its file is called."""
    pillow_heif.register_heif_opener()
    data = encoded(Image.new("RGB", (64, 32), "red"), "HEIF", quality=95)
    assert looks_like_photo(data[:32])
    picture = decode_photo(data)
    assert picture.size == (64, 32)
    assert np.abs(np.asarray(picture, int) - RED).max() < 10


@pytest.mark.real_data
def test_every_hostile_file_is_a_picture_or_a_photo_error(shared_data):
    """Corrupt, odd and malicious images of several projects' collections do no harm."""
    prepared = refused = 0
    for path in sorted((shared_data / "hostile").rglob("*")):
        if not path.is_file():
            continue
        try:
            image = prepare_photo(path.read_bytes())
        except PhotoError:
            refused += 1
        else:
            assert (image.mode, image.size) == ("RGB", (112, 112)), path
            prepared += 1
    assert prepared > 500
    assert refused > 200


@pytest.mark.real_data
def test_the_eight_orientations_of_one_real_photo_agree(shared_data):
    """A collection of one scene in all orientations gives one picture."""
    folder = shared_data / "hostile" / "exif-orientation"
    for scene in ("Landscape", "Portrait"):
        pictures = [
            np.asarray(prepare_photo((folder / f"{scene}_{n}.jpg").read_bytes()), np.float64)
            for n in range(1, 9)
        ]
        assert max(np.abs(picture - pictures[0]).mean() for picture in pictures) < 8
