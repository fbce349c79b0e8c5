"""From an image file to a grey page, at its own resolution or the store's size."""

from __future__ import annotations

import errno
import os
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, TiffImagePlugin

from bench.data.grey import PageError, raw_mode, require_supported, tiff_values, to_grey

# A triangle filter whose support grows with the reduction, so that thin strokes fade to grey and do not alias away.
# The paper resizes without keeping the aspect ratio and names no filter.
FILTER = Image.Resampling.BILINEAR
SEVERAL_PAGES = ("TIFF", "GIF", "PNG", "WEBP", "MPO", "AVIF", "DCX")  # formats whose frames are pages, not layers
NEW_SUBFILE_TYPE, NOT_A_PAGE = 254, 1 | 4  # a TIFF's tag, and its bits for a smaller copy of a page and a mask
ODD_KINDS = {
    stat.S_IFDIR: "a folder that a link leads back to",
    stat.S_IFIFO: "a named pipe, not a file",
    stat.S_IFSOCK: "a socket, not a file",
    stat.S_IFCHR: "a device, not a file",
    stat.S_IFBLK: "a device, not a file",
}


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


def require_file(path: Path) -> None:
    """Raises PageError where a path is no file with content: nothing else is opened (a named pipe would wait)."""
    try:
        status = path.stat()
    except OSError as error:
        if error.errno == errno.ENOENT and path.is_symlink():
            raise PageError(f"a link to nothing: {path.readlink()}") from None
        raise PageError("a loop of links" if error.errno == errno.ELOOP else str(error.strerror)) from None
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise PageError(ODD_KINDS.get(kind, "not a file"))
    if status.st_size == 0:
        raise PageError("zero bytes")


def is_pdf(path: Path) -> bool:
    """Whether a file begins as a PDF does (the mark may stand anywhere in the first kilobyte)."""
    with path.open("rb") as file:
        return b"%PDF-" in file.read(1024)


@contextmanager
def page_errors(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises into a PageError with one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Pillow only warns up to twice its limit; a page of that many pixels is no page
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except PageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PageError(f"more than {Image.MAX_IMAGE_PIXELS} pixels (decompression bomb)") from None
    except Image.UnidentifiedImageError:
        pdf = "a PDF: not supported; convert its pages to images"
        raise PageError(pdf if is_pdf(path) else "not an image that Pillow can read") from None
    except MemoryError:
        raise PageError("not enough memory to decode it") from None
    except Exception as error:  # the decoders are foreign code: damaged bytes raise nearly anything in them
        reason = str(error).strip().splitlines()
        raise PageError(f"{type(error).__name__}: {reason[0] if reason else 'damaged'}") from None


def page_frames(image: Image.Image) -> Sequence[int]:
    """The frames of an opened file that are pages; what lies behind damage is not counted."""
    count = getattr(image, "n_frames", 1) if image.format in SEVERAL_PAGES else 1
    if count == 1 or not isinstance(image, TiffImagePlugin.TiffImageFile):
        return range(count)
    pages = []
    for frame in range(count):
        image.seek(frame)
        if not any(value & NOT_A_PAGE for value in tiff_values(image, NEW_SUBFILE_TYPE)):
            pages.append(frame)
    image.seek(0)
    return pages or range(count)


def read_frame(image: Image.Image, frame: int) -> Image.Image:
    """One frame of an opened file, grey and upright."""
    if image.tell() != frame:
        image.seek(frame)
    if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError  # Pillow itself looks at the first frame alone
    require_supported(image)
    raw = raw_mode(image)
    load(image)
    return to_grey(image, raw)


def count_pages(path: str | Path) -> int:
    """Pages in a file; 1 where that cannot be told, as of a file that is damaged behind its first page."""
    try:
        with page_errors(Path(path)), Image.open(path) as image:
            return len(page_frames(image))
    except PageError:
        return 1


def open_page(path: str | Path) -> Image.Image:
    """Read one page, grey and upright, at its own resolution; of several in a file, the first.

    Args:
        path: TIFF, PNG, JPEG or anything else that Pillow reads.

    Raises:
        PageError: no file, zero bytes, truncated, corrupt, not an image, a pixel format that is not supported, or above
            Pillow's decompression-bomb limit.
    """
    file = Path(path)
    require_file(file)
    with page_errors(file), Image.open(file) as image:
        try:
            first = page_frames(image)[0]
        except Exception:  # damage behind the first page
            first = 0
        return read_frame(image, first)


def later_pages(path: str | Path) -> Iterator[Image.Image]:
    """The pages behind the first, as `open_page` gives it.

    Raises:
        PageError: as `open_page`, for the page that is next.
    """
    file = Path(path)
    require_file(file)
    with page_errors(file), Image.open(file) as image:
        for frame in page_frames(image)[1:]:
            yield read_frame(image, frame)


def decode(path: str | Path, size: int) -> np.ndarray:
    """Read one page at the size of a store.

    Args:
        size: height and width of the result, pixels; the aspect ratio is not kept.

    Returns:
        uint8, size x size, grey: 0 is black.

    Raises:
        PageError: as `open_page`.
    """
    page = open_page(path)
    with page_errors(Path(path)):
        return np.asarray(page.resize((size, size), FILTER))
