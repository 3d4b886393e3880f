"""A photo's bytes become an upright RGB picture, or a PhotoError with the reason."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from contracts import MAX_PHOTO_BYTES, MAX_PHOTO_PIXELS, PhotoError
from photo.colour import to_rgb
from photo.quiet import quiet_pillow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from PIL import ImageFile

FORMATS: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "AVIF")
"""Pillow's names of the formats that photos come in (JPEG takes in MPO); no other is tried."""

STORED_FORMATS: tuple[str, ...] = (
    *FORMATS,
    *("JPEG2000", "PSD", "ICO", "ICNS", "CUR", "DDS", "QOI", "PCX", "DCX", "SGI", "SUN", "XBM"),
    *("XPM", "MSP", "PIXAR", "FLI", "BLP"),
)
"""FORMATS, and what else lies on disks: Pillow's readers that know their files by the first bytes.

Left out: readers that take any bytes for theirs (TGA), run another program (EPS), or hold no
photos. HEIF is in both lists where the package pillow-heif is installed (the extra `heic`).
"""

_SIGNED_FORMATS: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF")
_SIGNATURE_BYTES = 32

_HINT = "open it in an image viewer and save it again as JPEG or PNG"

_HAS_HEIF = importlib.util.find_spec("pillow_heif") is not None
if _HAS_HEIF:
    FORMATS += ("HEIF",)
    STORED_FORMATS += ("HEIF",)

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""Of the `ftyp` box that begins a HEIF file (ISO/IEC 23008-12); AVIF, its kin, is Pillow's own."""

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture upright, by its EXIF orientation (Exif 2.32, tag 274); 1 is upright."""

SIDEWAYS = (5, 6, 7, 8)
"""The orientations that swap width and height."""


def decode_photo(data: bytes) -> Image.Image:
    """Decode a photo at full size: upright, mode RGB, alpha on white, first frame of many.

    Args:
        data: The file's bytes, in one of FORMATS.

    Raises:
        PhotoError: the bytes are no photo, are damaged, or exceed MAX_PHOTO_BYTES or
            MAX_PHOTO_PIXELS; nothing else, whatever the bytes.
    """
    with opened_photo(data, FORMATS) as image:
        image.load()
        return turned_upright(to_rgb(image), orientation(image))


def looks_like_photo(start: bytes) -> bool:
    """Whether a file's first bytes (32 do) are an unmistakable signature of one of FORMATS.

    BMP and PPM have none: "BM" and "P6" may begin any text.
    """
    Image.init()
    if _is_heif(start):
        return True
    padded = start.ljust(_SIGNATURE_BYTES, b"\0")
    accepts = (Image.OPEN[name][1] for name in _SIGNED_FORMATS if name in Image.OPEN)
    return any(accept is not None and accept(padded) is True for accept in accepts)


@contextlib.contextmanager
def opened_photo(data: bytes, formats: Collection[str]) -> Iterator[ImageFile.ImageFile]:
    """The photo with its header read and checked, its pixels not decoded yet.

    Only `formats`, by Pillow's names, are tried.

    Whatever Pillow raises inside the block leaves it as a PhotoError.

    Raises:
        PhotoError: as `decode_photo`.
    """
    if not 0 < len(data) <= MAX_PHOTO_BYTES:
        raise PhotoError(f"{len(data):,} bytes, expected 1 to {MAX_PHOTO_BYTES:,}", hint=_HINT)
    tried = [name for name in formats if name != "HEIF"]
    if "HEIF" in formats and _is_heif(data):
        _register_heif()
        tried = ["HEIF"]
    try:
        with quiet_pillow(), Image.open(io.BytesIO(data), formats=tried) as image:
            _check_pixels(image)
            yield image
    except PhotoError:
        raise
    except UnidentifiedImageError as error:  # its own text holds a memory address
        raise PhotoError(
            f"not a photo in a known format ({', '.join(formats)})", hint=_HINT
        ) from error
    except Exception as error:  # Pillow's readers raise nearly everything on damaged bytes
        reason = str(error) or type(error).__name__
        raise PhotoError(f"cannot be decoded: {reason}", hint=_HINT) from error


def _is_heif(start: bytes) -> bool:
    return start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS


@functools.cache
def _register_heif() -> None:
    """Teach Pillow the format, once a file wants it: most photos are none, and it takes a while."""
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False)


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8, of a loaded picture; 1 where it is absent or unreadable.

    A loaded TIFF has been turned by Pillow already and says 1.
    """
    try:
        value = image.getexif().get(_ORIENTATION_TAG)
    except Exception:  # noqa: BLE001 (damaged EXIF raises as widely as damaged pixels, and harms nothing)
        return 1
    return value if isinstance(value, int) and value in _UPRIGHT else 1


def turned_upright(image: Image.Image, exif_orientation: int) -> Image.Image:
    """The picture turned and mirrored as its EXIF orientation (1 to 8) asks."""
    if exif_orientation == 1:
        return image
    return image.transpose(_UPRIGHT[exif_orientation])


def _check_pixels(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PHOTO_PIXELS:
        raise PhotoError(
            f"{width} x {height} pixels, expected at most {MAX_PHOTO_PIXELS:,} in all",
            hint="scale the photo down first",
        )
