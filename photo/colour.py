"""Any of Pillow's modes becomes 8-bit RGB: alpha on white, 16-bit grey scaled and not clipped."""

from __future__ import annotations

import numpy as np
from PIL import Image

from contracts import PhotoError

_WHITE_8 = 255
_WHITE_16 = 65535
_GREY_8_OF_16 = np.rint(np.arange(_WHITE_16 + 1) * (_WHITE_8 / _WHITE_16)).astype(np.uint8)
_GREY_16 = ("I;16", "I;16L", "I;16B", "I;16N", "I")


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert a loaded picture of any mode to RGB, 8 bits a channel.

    Transparency (an alpha channel, a palette's, or a PNG's transparent colour) is laid on white, as
    the page lays it on its canvas. Embedded colour profiles are not applied.

    Raises:
        PhotoError: 32-bit pixels, for which no value is known to be white.
    """
    if image.mode in _GREY_16:
        image = _grey_16_to_8(image)
    if image.mode == "F":
        raise PhotoError("floating-point pixels", hint="save the photo with 8 bits a channel")
    if image.has_transparency_data:
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    coloured = image.convert("RGBA")
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(coloured, mask=coloured.getchannel("A"))
    return canvas


def _grey_16_to_8(image: Image.Image) -> Image.Image:
    """Scale 0..65535 to 0..255, where Pillow's own `convert` would clip at 255.

    Mode I has 32 bits but holds the 16-bit greys of PNM files.
    """
    values = np.asarray(image)
    if not 0 <= values.min() <= values.max() <= _WHITE_16:
        raise PhotoError("32-bit grey pixels", hint="save the photo with 8 bits a channel")
    scaled = _GREY_8_OF_16[values]
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        scaled[values == transparent] = _WHITE_8
    return Image.fromarray(scaled)
