"""From an image file to a grey page, at its own resolution or the store's size."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

# A triangle filter whose support grows with the reduction, so that thin strokes fade to grey and do not alias away.
# The paper resizes without keeping the aspect ratio and names no filter.
FILTER = Image.Resampling.BILINEAR


class PageError(Exception):
    """A page that cannot be used, with the reason; it is listed and passed over."""


def to_grey(image: Image.Image) -> Image.Image:
    """Any Pillow image as 8-bit grey: alpha over white, 16-bit scaled to 8, palettes and colours by luma (BT.601).

    Raises:
        PageError: a pixel format that has no natural grey (32-bit integers, floating point).
    """
    if image.mode.startswith("I"):
        pixels = np.asarray(image)
        if pixels.min() < 0 or pixels.max() > 0xFFFF:
            raise PageError("32-bit pixels are not supported")
        return Image.fromarray((pixels >> 8).astype(np.uint8))
    if image.mode == "F":
        raise PageError("floating-point pixels are not supported")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    if image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return image.convert("L")


def load(image: Image.Image) -> None:
    """Read the pixels of an opened image.

    libtiff decodes damaged fax data into noise and reports success; what is wrong it only prints on standard error,
    which is therefore read here.

    Raises:
        PageError: libtiff complained of more than a warning.
    """
    if image.format != "TIFF":
        image.load()
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)  # a pipe that is full drops further complaints; the first is enough
    stderr = os.dup(2)
    os.dup2(writer, 2)
    try:
        image.load()
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            complaints = pipe.read().decode(errors="replace").splitlines()
    errors = [line for line in complaints if line.strip() and "Warning" not in line]
    if errors:
        raise PageError(f"damaged TIFF data: {errors[0].strip()}")


def open_page(path: str | Path) -> Image.Image:
    """Read one page, grey, at its own resolution; of several in a file, the first.

    Args:
        path: TIFF, PNG, JPEG or anything else that Pillow reads.

    Raises:
        PageError: zero bytes, truncated, corrupt, not an image, or above Pillow's decompression-bomb limit.
    """
    file = Path(path)
    try:
        if file.stat().st_size == 0:
            raise PageError("zero bytes")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Pillow only warns up to twice its limit; a page of that many pixels is no page
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                load(image)
                return to_grey(image)
    except PageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PageError(f"more than {Image.MAX_IMAGE_PIXELS} pixels (decompression bomb)") from None
    except Image.UnidentifiedImageError:
        raise PageError("not an image that Pillow can read") from None
    except MemoryError:
        raise PageError("not enough memory to decode it") from None
    except Exception as error:  # the decoders are foreign code: damaged bytes raise nearly anything in them
        reason = str(error).strip().splitlines()
        raise PageError(f"{type(error).__name__}: {reason[0] if reason else 'damaged'}") from None


def decode(path: str | Path, size: int) -> np.ndarray:
    """Read one page at the size of a store.

    Args:
        size: height and width of the result, pixels; the aspect ratio is not kept.

    Returns:
        uint8, size x size, grey: 0 is black.

    Raises:
        PageError: as `open_page`.
    """
    return np.asarray(open_page(path).resize((size, size), FILTER))
