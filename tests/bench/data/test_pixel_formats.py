"""How pixels are to be seen: (container x pixel format) with known grey levels, right or rejected with a reason."""

from __future__ import annotations

import io
import os
import socket
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bench.data.decode import count_pages, decode, later_pages, open_page
from bench.data.grey import PageError
from tests.bench.data.conftest import png_chunk

SIZES = {3: "H", 4: "I"}  # TIFF's types SHORT and LONG
COLORS = {320: (3, [0, 0xFFFF, *[0] * 254] * 3)}  # a palette of black and white


def png(bits: int, kind: int, row: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of two pixels beside each other."""
    header = struct.pack(">IIBBBBB", 2, 1, bits, kind, 0, 0, 0)
    content = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*each) for each in content)


def tiff(
    bits: list[int],
    photometric: int,
    row: bytes,
    tags: dict[int, tuple[int, list[int]]] | None = None,
    order: str = "<",
) -> bytes:
    """An uncompressed TIFF of two pixels beside each other."""
    entries = {256: (4, [2]), 257: (4, [1]), 258: (3, bits), 259: (3, [1]), 262: (3, [photometric]), 273: (4, [8])}
    entries |= {277: (3, [len(bits)]), 278: (4, [1]), 279: (4, [len(row)]), **(tags or {})}
    start = 8 + len(row) + len(row) % 2
    beyond, fields = b"", b""
    for tag, (kind, values) in sorted(entries.items()):
        data = struct.pack(f"{order}{len(values)}{SIZES[kind]}", *values)
        if len(data) > 4:
            place = start + 2 + 12 * len(entries) + 4 + len(beyond)
            beyond += data
            data = struct.pack(f"{order}I", place)
        fields += struct.pack(f"{order}HHI", tag, kind, len(values)) + data.ljust(4, b"\0")
    mark = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start)
    directory = struct.pack(f"{order}H", len(entries)) + fields + bytes(4)
    return mark + row.ljust(start - 8, b"\0") + directory + beyond


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def two(mode: str, left: Any, right: Any) -> Image.Image:
    image = Image.new(mode, (2, 1))
    image.putpixel((0, 0), left)
    image.putpixel((1, 0), right)
    return image


def levels(path: Path) -> list[int]:
    return list(open_page(path).tobytes())


INKS = two("CMYK", (0, 0, 0, 255), (0, 0, 0, 0)).resize((16, 8), Image.Resampling.NEAREST)
SIGNED, FLOAT = {339: (3, [2])}, {339: (3, [3])}
LINEAR = (b"gAMA", (100_000).to_bytes(4))

RIGHT = {
    "png grey 1": (png(1, 0, b"\x40"), [0, 255]),
    "png grey 2": (png(2, 0, b"\x10"), [0, 85]),
    "png grey 4": (png(4, 0, b"\x08"), [0, 136]),
    "png grey 8": (png(8, 0, b"\x07\xf0"), [7, 240]),
    "png grey 16": (png(16, 0, b"\x07\xff\xf0\x00"), [7, 240]),
    "png grey alpha 16": (png(16, 4, b"\0\0\xff\xff\0\0\0\0"), [0, 255]),
    "png colour 16": (png(16, 2, b"\x07\xff" * 3 + b"\xf0\0" * 3), [7, 240]),
    "png colour alpha 16": (png(16, 6, b"\0\0" * 3 + b"\x80\0" + b"\0" * 8), [127, 255]),
    "png palette": (png(8, 3, b"\0\1", (b"PLTE", b"\7\7\7\xf0\xf0\xf0")), [7, 240]),
    "png palette, first entry clear": (png(8, 3, b"\0\1", (b"PLTE", b"\0\0\0\7\7\7"), (b"tRNS", b"\0")), [255, 7]),
    "png palette, half clear": (png(8, 3, b"\0\1", (b"PLTE", b"\0\0\0\7\7\7"), (b"tRNS", b"\x80")), [127, 7]),
    "png grey 1, black clear": (png(1, 0, b"\x40", (b"tRNS", b"\0\0")), [255, 255]),
    "png grey 2, a grey clear": (png(2, 0, b"\x10", (b"tRNS", b"\0\1")), [0, 255]),
    "png grey 4, a grey clear": (png(4, 0, b"\x08", (b"tRNS", b"\0\x08")), [0, 255]),
    "png grey 8, a grey clear": (png(8, 0, b"\x07\xf0", (b"tRNS", b"\0\7")), [255, 240]),
    "png grey 16, a grey clear": (png(16, 0, b"\x07\xff\x07\xfe", (b"tRNS", b"\7\xff")), [255, 7]),
    "png colour, a colour clear": (png(8, 2, b"\7\7\7\1\1\1", (b"tRNS", b"\0\7\0\7\0\7")), [255, 1]),
    "png linear": (png(8, 0, b"\0\x37", LINEAR), [0, 127]),
    "png linear colour": (png(8, 2, b"\0\0\0\x37\x37\x37", LINEAR), [0, 127]),
    "png linear alpha": (png(8, 4, b"\x37\xff\0\0", LINEAR), [127, 255]),
    "png linear 16": (png(16, 0, b"\0\0\x37\xff", LINEAR), [0, 127]),
    "png linear, but sRGB": (png(8, 0, b"\0\x37", LINEAR, (b"sRGB", b"\0")), [0, 55]),
    "png gamma of a screen": (png(8, 0, b"\0\x37", (b"gAMA", (45_455).to_bytes(4))), [0, 55]),
    "tiff 1": (tiff([1], 1, b"\x40"), [0, 255]),
    "tiff 1 white is zero": (tiff([1], 0, b"\x40"), [255, 0]),
    "tiff 1 bits from the right": (tiff([1], 1, b"\x02", {266: (3, [2])}), [0, 255]),
    "tiff 2": (tiff([2], 1, b"\x10"), [0, 85]),
    "tiff 4": (tiff([4], 1, b"\x08"), [0, 136]),
    "tiff 4 white is zero": (tiff([4], 0, b"\x08"), [255, 119]),
    "tiff 8 white is zero": (tiff([8], 0, b"\x07\xf0"), [248, 15]),
    "tiff 12": (tiff([12], 1, b"\x07\xff\x00"), [7, 240]),
    "tiff 16": (tiff([16], 1, b"\xff\x07\0\xf0"), [7, 240]),
    "tiff 16 big-endian": (tiff([16], 1, b"\x07\xff\xf0\0", order=">"), [7, 240]),
    "tiff 16 white is zero": (tiff([16], 0, b"\xff\x07\0\xf0"), [248, 15]),
    "tiff colour 16": (tiff([16] * 3, 2, b"\xff\x07" * 3 + b"\0\xf0" * 3), [7, 240]),
    "tiff alpha": (tiff([8] * 4, 2, b"\0\0\0\x80\0\0\0\0", {338: (3, [2])}), [127, 255]),
    "tiff alpha multiplied": (tiff([8] * 4, 2, b"\x40\x40\x40\x80\0\0\0\0", {338: (3, [1])}), [191, 255]),
    "tiff grey alpha multiplied": (tiff([8] * 2, 1, b"\x40\x80\0\0", {338: (3, [1])}), [191, 255]),
    "tiff palette": (tiff([8], 3, b"\0\1", COLORS), [0, 255]),
    "tiff ink": (tiff([8] * 4, 5, b"\0\0\0\xff\0\0\0\0"), [0, 255]),
    "tiff luma and chroma": (tiff([8] * 3, 6, b"\x07\x80\x80\xf0\x80\x80", {530: (3, [1, 1])}), [7, 240]),
    "tiff Lab": (tiff([8] * 3, 8, b"\0\0\0\x80\0\0"), [1, 119]),  # L* 50 is 119 in sRGB
    "jpeg ink": (saved(INKS, "JPEG", quality=95), [0] * 8 + [255] * 8),
    "pgm 16": (b"P5 2 1 65535 \x07\xff\xf0\0", [7, 240]),
    "pgm 10": (b"P5 2 1 1023 \0\0\x03\xff", [0, 255]),
    "webp alpha": (saved(two("RGBA", (0, 0, 0, 0), (9, 9, 9, 255)), "WEBP", lossless=True), [255, 9]),
    "gif clear": (saved(two("P", 0, 1), "GIF", transparency=0), [255, 1]),
}


@pytest.mark.parametrize("name", RIGHT)
def test_known_levels(name: str, tmp_path: Path) -> None:
    content, wanted = RIGHT[name]
    (tmp_path / "page").write_bytes(content)
    found = levels(tmp_path / "page")[: len(wanted)]
    assert all(abs(a - b) <= 2 for a, b in zip(found, wanted, strict=True)), found


ADOBE = saved(INKS, "JPEG").replace(b"\xff\xee", b"\xff\xed")  # its marker is another application's now

REJECTED = {
    "tiff signed 8": (tiff([8], 1, b"\0\xff", SIGNED), "signed pixels"),
    "tiff signed 16": (tiff([16], 1, b"\0\0\xff\x7f", SIGNED), "signed pixels"),
    "tiff signed 32": (tiff([32], 1, bytes(8), SIGNED), "signed pixels"),
    "tiff 32": (tiff([32], 1, b"\xff\xff\0\0" * 2), "32-bit pixels"),
    "tiff float": (tiff([32], 1, struct.pack("<ff", 0, 1), FLOAT), "floating-point pixels"),
    "tiff float white is zero": (tiff([32], 0, struct.pack("<ff", 0, 1), FLOAT), "floating-point pixels"),
    "tiff double": (tiff([64], 1, struct.pack("<dd", 0, 1), FLOAT), "not an image"),
    "tiff 16 white is zero big-endian": (tiff([16], 0, b"\x07\xff\xf0\0", order=">"), "not an image"),
    "pfm": (b"Pf 2 1 -1.0\n" + struct.pack("<ff", 0, 1), "floating-point pixels"),
    "png colour 16, one clear": (png(16, 2, bytes(12), (b"tRNS", bytes(6))), "one is transparent"),
    "jpeg ink without Adobe": (ADOBE, "Adobe's marker"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3", "a PDF: not supported"),
    "eps": (saved(Image.new("L", (2, 1)), "EPS"), "vector graphics"),
    "no width": (png(8, 0, b"").replace(struct.pack(">II", 2, 1), struct.pack(">II", 0, 1)), "not an image"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_rejected_with_a_reason(name: str, tmp_path: Path) -> None:
    content, reason = REJECTED[name]
    (tmp_path / "page").write_bytes(content)
    with pytest.raises(PageError, match=reason) as caught:
        decode(tmp_path / "page", 4)
    assert "\n" not in str(caught.value)


def turned(orientation: int) -> Image.Image:
    """A page, black at the top left, as it lies in a file with this EXIF orientation."""
    page = Image.new("RGB", (60, 80), "white")
    ImageDraw.Draw(page).rectangle((0, 0, 29, 19), fill="black")
    undone = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]  # Pillow's transpositions
    return page if undone is None else page.transpose(Image.Transpose(undone))


@pytest.mark.parametrize("kind", ["TIFF", "JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_container_is_seen_upright(kind: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    options = {"tiffinfo": {274: orientation}} if kind == "TIFF" else {"exif": exif.tobytes()}
    turned(orientation).save(tmp_path / "page", kind, **options)
    page = np.asarray(open_page(tmp_path / "page"))
    assert page.shape == (80, 60)
    assert page[:18, :28].max() < 60
    assert page[24:, :].min() > 195
    assert page[:, 34:].min() > 195


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_there_is_not_turns_nothing(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    turned(1).save(tmp_path / "page.png", exif=exif.tobytes())
    assert open_page(tmp_path / "page.png").size == (60, 80)


def test_damaged_exif_data_lose_no_page(tmp_path: Path) -> None:
    turned(1).save(tmp_path / "page.png", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f garbage")
    assert open_page(tmp_path / "page.png").size == (60, 80)


def frames(kind: str, path: Path, count: int = 3) -> Path:
    pages = [Image.new("L", (8, 8), 40 * i) for i in range(count)]
    pages[0].save(path, kind, save_all=True, append_images=pages[1:])
    return path


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "PNG", "WEBP", "MPO"])
def test_pages_behind_the_first(kind: str, tmp_path: Path) -> None:
    path = frames(kind, tmp_path / "pages")
    assert count_pages(path) == 3
    assert open_page(path).getpixel((4, 4)) < 10
    assert [abs(page.getpixel((4, 4)) - level) < 10 for page, level in zip(later_pages(path), (40, 80), strict=True)]


def test_one_page_and_what_is_none(tmp_path: Path) -> None:
    for kind in ("TIFF", "GIF", "PNG", "JPEG", "BMP"):
        Image.new("L", (8, 8)).save(tmp_path / kind, kind)
        assert count_pages(tmp_path / kind) == 1
        assert list(later_pages(tmp_path / kind)) == []
    (tmp_path / "text").write_text("no image")
    assert count_pages(tmp_path / "text") == 1


def test_a_smaller_copy_in_a_tiff_is_no_page(tmp_path: Path) -> None:
    small, page = Image.new("L", (2, 2), 9), Image.new("L", (8, 8), 77)
    path = tmp_path / "page.tif"
    small.save(path, save_all=True, append_images=[page], tiffinfo={254: 1})
    entry = struct.pack("<HHII", 254, 4, 1, 1)
    data = path.read_bytes()
    assert data.count(entry) == 2
    second = data.rindex(entry)
    path.write_bytes(data[:second] + entry.replace(b"\1\0\0\0\1", b"\1\0\0\0\0") + data[second + len(entry) :])
    assert count_pages(path) == 1
    assert open_page(path).getpixel((0, 0)) == 77


def test_damage_behind_the_first_page(tmp_path: Path) -> None:
    path = frames("TIFF", tmp_path / "pages.tif")
    path.write_bytes(path.read_bytes()[:-20])
    assert open_page(path).getpixel((4, 4)) == 0
    assert count_pages(path) >= 1


def test_what_is_no_file_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "lost").symlink_to("/not/there")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)  # a socket's name may not be long
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket")
    reasons = {"pipe": "named pipe", "lost": "a link to nothing: /not/there", "loop": "a loop of links"}
    reasons |= {"folder": "a folder", "socket": "a socket", "absent": "No such file"}
    for name, reason in reasons.items():
        with pytest.raises(PageError, match=reason):
            open_page(tmp_path / name)
    with pytest.raises(PageError, match="a device"):
        open_page("/dev/null")
    server.close()
