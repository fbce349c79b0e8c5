from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.data.decode import decode
from bench.data.grey import PageError


def half_black(height: int = 40, width: int = 20) -> np.ndarray:
    """White above, black below."""
    page = np.full((height, width), 255, dtype=np.uint8)
    page[height // 2 :] = 0
    return page


def save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


GREY = Image.fromarray(half_black())


@pytest.mark.parametrize(
    ("image", "suffix"),
    [
        (GREY, "png"),
        (GREY, "tif"),
        (GREY, "bmp"),
        (GREY.convert("1"), "tif"),
        (GREY.convert("1"), "png"),
        (GREY.convert("RGB"), "png"),
        (GREY.convert("P"), "png"),
        (GREY.convert("CMYK"), "tif"),
        (Image.fromarray(half_black().astype(np.uint16) * 257), "png"),
        (Image.fromarray(half_black().astype(np.uint16) * 257), "tif"),
    ],
)
def test_every_pixel_format_gives_the_same_grey_page(image: Image.Image, suffix: str, tmp_path: Path) -> None:
    page = decode(save(image, tmp_path / f"page.{suffix}"), 10)
    assert page.dtype == np.uint8
    assert page.shape == (10, 10)
    np.testing.assert_array_equal(page[:4], 255)
    np.testing.assert_array_equal(page[6:], 0)


def test_jpeg(tmp_path: Path) -> None:
    page = decode(save(GREY, tmp_path / "page.jpg", quality=95), 10).astype(int)
    assert page[:4].min() > 245
    assert page[6:].max() < 10


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    image = Image.fromarray(np.full((8, 8), 0x8000, dtype=np.uint16))
    np.testing.assert_array_equal(decode(save(image, tmp_path / "page.png"), 8), 0x80)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_lies_over_white(mode: str, tmp_path: Path) -> None:
    black_and_clear = Image.new(mode, (8, 8), (0,) * len(mode))
    np.testing.assert_array_equal(decode(save(black_and_clear, tmp_path / "page.png"), 8), 255)


def test_palette_with_a_transparent_entry_lies_over_white(tmp_path: Path) -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    np.testing.assert_array_equal(decode(save(image, tmp_path / "page.png", transparency=0), 8), 255)


def test_first_page_of_several(tmp_path: Path) -> None:
    first, second = Image.new("1", (8, 8), 1), Image.new("1", (8, 8), 0)
    path = save(first, tmp_path / "page.tif", save_all=True, append_images=[second], compression="group4")
    np.testing.assert_array_equal(decode(path, 8), 255)


def test_thin_strokes_fade_and_do_not_vanish(tmp_path: Path) -> None:
    pixels = np.full((400, 400), 255, dtype=np.uint8)
    pixels[:, 37] = 0
    assert decode(save(Image.fromarray(pixels), tmp_path / "page.png"), 40).min() < 245


def test_bad_files_are_page_errors_with_a_reason(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)
    cases = {"empty.png": (b"", "zero bytes"), "text.png": (b"not a picture", "not an image")}
    for suffix, options in (("png", {}), ("jpg", {}), ("tif", {}), ("tif", {"compression": "tiff_lzw"})):
        whole = save(Image.fromarray(noise), tmp_path / f"whole.{suffix}", **options).read_bytes()
        cases[f"cut{len(cases)}.{suffix}"] = (whole[: len(whole) // 2], "")
    damaged = bytearray(save(Image.fromarray(noise), tmp_path / "whole.png").read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    cases["damaged.png"] = (bytes(damaged), "")
    for name, (content, reason) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PageError) as caught:
            decode(tmp_path / name, 16)
        assert reason in str(caught.value)
        assert str(caught.value)
        assert "\n" not in str(caught.value)


def test_damaged_fax_data_is_a_page_error_and_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 2, (200, 200), dtype=np.uint8) * 255)
    path = save(noise.convert("1"), tmp_path / "page.tif", compression="group4")
    assert 100 < decode(path, 16).mean() < 155
    content = bytearray(path.read_bytes())
    content[1000:1060] = b"\xff" * 60
    path.write_bytes(content)
    with pytest.raises(PageError, match="damaged TIFF data: Fax4Decode"):
        decode(path, 16)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_pixels_without_a_natural_grey_are_page_errors(dtype: type, tmp_path: Path) -> None:
    image = Image.fromarray(np.full((8, 8), 1_000_000, dtype=dtype))
    with pytest.raises(PageError, match="not supported"):
        decode(save(image, tmp_path / "page.tif"), 8)


def test_500_megapixels_are_a_page_error(huge_png: Path) -> None:
    with pytest.raises(PageError, match="decompression bomb"):
        decode(huge_png, 16)


def test_above_the_limit_where_pillow_only_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(GREY, tmp_path / "page.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 20 - 1)
    with pytest.raises(PageError, match="decompression bomb"):
        decode(path, 8)
