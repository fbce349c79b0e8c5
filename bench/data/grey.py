"""From the pixels of any image file to 8-bit grey: what the file says of how they are to be seen is followed.

What Pillow would read wrongly, or what has no natural grey, is a `PageError` with the reason. ICC profiles are not
applied: a page is black on white in all of them.
"""

from __future__ import annotations

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin

VECTOR_FORMATS = ("EPS", "WMF", "EMF")  # Pillow hands them to other programs
SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
WHITE_IS_ZERO, SIGNED, FLOAT = 0, 2, 3  # values of TIFF's PhotometricInterpretation and SampleFormat
SCREEN_GAMMA = 2.2
GAMMA_TOLERANCE = 0.05  # of the curve's exponent: below it the change is less than three grey levels
UPRIGHT = {  # EXIF orientation to what undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PageError(Exception):
    """A page that cannot be used, with the reason; it is listed and passed over."""


def raw_mode(image: Image.Image) -> str:
    """How the pixels lie in the file (`L;2`, `RGB;16B`), in Pillow's words; known until they are loaded."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def require_supported(image: Image.Image) -> None:
    """Look at an opened image before its pixels are loaded.

    Raises:
        PageError: no pixels, or a pixel format that has no natural grey or that Pillow would read wrongly.
    """
    if image.format in VECTOR_FORMATS:
        raise PageError(f"{image.format}: vector graphics are not supported; convert it to an image")
    if 0 in image.size:
        raise PageError("no pixels in it")
    formats = tiff_values(image, TiffImagePlugin.SAMPLEFORMAT)
    if SIGNED in formats:
        raise PageError("signed pixels are not supported")
    if FLOAT in formats or image.mode == "F":
        raise PageError("floating-point pixels are not supported")
    if image.mode == "I" and image.format != "PPM":  # of which Pillow scales any depth to 16 bits
        raise PageError("32-bit pixels are not supported")
    if image.format == "JPEG" and image.mode == "CMYK" and "adobe" not in image.info:
        raise PageError("CMYK without Adobe's marker: whether its inks are inverted is not known")
    if raw_mode(image).startswith("RGB;16") and "transparency" in image.info:
        raise PageError("16-bit colours of which one is transparent are not supported")


def tiff_values(image: Image.Image, tag: int) -> tuple[int, ...]:
    """The values of a TIFF tag; none where there is no such tag, or no TIFF."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return ()
    found = image.tag_v2.get(tag, ())
    return found if isinstance(found, tuple) else (found,)


def to_grey(image: Image.Image, raw: str = "") -> Image.Image:
    """A loaded image as 8-bit grey, upright.

    Alpha and transparent entries lie over white, 12 and 16 bits are scaled to 8, palettes and colours become grey by
    luma (BT.601), a PNG's gamma is corrected for a screen of 2.2, EXIF orientation is undone.

    Args:
        raw: `raw_mode` of it.
    """
    curve = gamma_curve(image)
    if image.mode in SIXTEEN_BIT or image.mode == "I":
        grey = from_sixteen_bits(image, curve)
    else:
        grey = from_eight_bits(image, raw, curve)
    return upright(image, grey)


def from_sixteen_bits(image: Image.Image, curve: list[int] | None) -> Image.Image:
    """Grey of 12 or 16 bits; Pillow inverts no WhiteIsZero of these, and leaves 12 bits at 0 to 4095."""
    pixels = np.asarray(image)
    shift = 4 if 12 in tiff_values(image, TiffImagePlugin.BITSPERSAMPLE) else 8
    levels = (pixels >> shift).astype(np.uint8)
    if WHITE_IS_ZERO in tiff_values(image, TiffImagePlugin.PHOTOMETRIC_INTERPRETATION):
        levels = 255 - levels
    if curve:
        levels = np.array(curve, np.uint8)[levels]
    if isinstance(image.info.get("transparency"), int):
        levels = np.where(pixels == image.info["transparency"], np.uint8(255), levels)
    return Image.fromarray(levels)


def from_eight_bits(image: Image.Image, raw: str, curve: list[int] | None) -> Image.Image:
    """Grey of every other mode."""
    transparent = image.info.get("transparency")
    if isinstance(transparent, int) and raw in ("L;2", "L;4"):  # Pillow scales the pixels and not this value
        image = image.copy()
        image.info["transparency"] = transparent * {"L;2": 85, "L;4": 17}[raw]
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        if curve:
            layer = layer.point([*curve * 3, *range(256)])
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
        curve = None
    if image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    if curve and image.mode != "1":
        image = image.point(curve * len(image.getbands()))
    return image.convert("L")


def gamma_curve(image: Image.Image) -> list[int] | None:
    """256 grey levels that a PNG's levels stand for on a screen; None: as they are, or a colour profile says more."""
    gamma = image.info.get("gamma")
    if image.format != "PNG" or not gamma or "srgb" in image.info or "icc_profile" in image.info:
        return None
    exponent = 1 / (gamma * SCREEN_GAMMA)
    if abs(exponent - 1) < GAMMA_TOLERANCE:
        return None
    return [round(255 * (level / 255) ** exponent) for level in range(256)]


def upright(image: Image.Image, grey: Image.Image) -> Image.Image:
    """`grey` turned as the EXIF data of `image` say. Pillow has turned a TIFF by itself and taken the mark away."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damaged EXIF data raise anything; a viewer shows such a page as it lies
        return grey
    turn = UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return grey if turn is None else grey.transpose(turn)
