"""What others wrote: read as what it should be, or refused in one line; nothing waits, nothing is run."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import numpy as np
import pytest

from shared.outside import (
    MOST_LEVELS,
    OutsideError,
    inside,
    is_plain_name,
    parse_json,
    read_array,
    read_arrays,
    read_bytes,
    read_json,
    read_text,
)


def header(shape: str, descr: str = "'<i4'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "absent", "circle", "device", "zero byte", "surrogate"])
def test_only_regular_files_are_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    elif kind == "folder":
        path.mkdir()
    elif kind == "circle":
        path.symlink_to(path)
    elif kind in ("device", "zero byte", "surrogate"):
        path = {"device": Path("/dev/zero"), "zero byte": tmp_path / "a\0b", "surrogate": tmp_path / "\ud800"}[kind]
    for read in (read_bytes, read_text, read_json, read_array, read_arrays):
        with pytest.raises(OutsideError) as caught:
            read(path)
        assert "\n" not in str(caught.value) and caught.value.reason in str(caught.value)


def test_a_link_to_a_regular_file_is_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("{}")
    (tmp_path / "link").symlink_to("file")
    assert read_json(tmp_path / "link") == {}


def test_a_file_longer_than_allowed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_bytes(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OutsideError, match="longer than 4 bytes"):
        read_bytes(tmp_path / "file", 4)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 200_000, "nested more than"),
        ('{"a":' * 100_000, "nested more than"),
        ("[" * (MOST_LEVELS + 2) + "]" * (MOST_LEVELS + 2), "nested more than"),
        ('{"a": 1, "b": 2, "a": 1}', "'a' is there twice"),
        ('[{"a": {"b": 1, "b": 1}}]', "'b' is there twice"),
        ("[NaN]", "NaN"),
        ("-Infinity", "Infinity"),
        ("1e999", "beyond what a float holds"),
        ("9" * 5000, "64 bits"),
        (str(1 << 63), "64 bits"),
        (str(-(1 << 63) - 1), "64 bits"),
        ("", "line 1"),
        ('{"a": 1}}', "Extra data"),
        (b"\xff\xfe[\x00", "not UTF-8"),
        (b'["\xff"]', "not UTF-8"),
    ],
)
def test_what_is_no_json_for_us(text: str | bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


@pytest.mark.parametrize(
    "text", ["[" * MOST_LEVELS + "]" * MOST_LEVELS, str((1 << 63) - 1), "-1.5e308", '{"a": "NaN"}']
)
def test_what_is_json_for_us(text: str) -> None:
    parse_json(text)


def test_events_may_hold_a_loss_that_is_not_a_number() -> None:
    assert np.isnan(parse_json('{"loss": NaN}', nan=True)["loss"])
    with pytest.raises(ValueError, match="beyond"):
        parse_json("1e999", nan=True)


def test_a_file_that_is_no_json_is_named_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text("{")
    with pytest.raises(OutsideError, match=r"manifest\.json: not JSON \(line 1, column 2"):
        read_json(path)
    path.write_bytes(b"\xff")
    with pytest.raises(OutsideError, match="not UTF-8 text at byte 0"):
        read_json(path)


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int32),
        np.zeros((2, 3), np.uint8),
        np.zeros((0, 3)),
        np.array(7),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
    ],
)
def test_arrays_of_numbers_are_read(tmp_path: Path, array: np.ndarray, mapped: bool) -> None:
    np.save(tmp_path / "a.npy", array)
    found = read_array(tmp_path / "a.npy", mapped)
    assert found.dtype == array.dtype and np.array_equal(found, array)
    assert isinstance(found, np.memmap) == (mapped and array.size > 0)


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize(
    "content",
    [
        header("(9000000000000000000,)"),
        header("(9000000000000000000, 9000000000000000000)"),
        header("(-1, -1)") + bytes(4),
        header("(1,)") + bytes(3),
        header("(1,)") + bytes(5),
        header("(1,)", "'|O'") + b"cos\nsystem\n",
        header("(True,)") + bytes(4),
        header("(1,)", "'<i4'")[:60],
        header("__import__('os').abort()"),
        b"\x93NUMPY\x09\x00",
        b"",
        b"not an array",
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, content: bytes, mapped: bool) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(OutsideError, match="not an array of numbers"):
        read_array(tmp_path / "a.npy", mapped)


def test_archives_of_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "good.npz", a=np.arange(3), b=np.zeros((2, 2)))
    assert read_arrays(tmp_path / "good.npz")["a"].tolist() == [0, 1, 2]
    np.savez_compressed(tmp_path / "packed.npz", a=np.zeros(1_000_000))
    np.savez(tmp_path / "pickled.npz", a=np.array([{}], object))
    (tmp_path / "text.npz").write_text("PK")
    for name in ("packed.npz", "pickled.npz", "text.npz"):
        with pytest.raises(OutsideError, match="not arrays of numbers"):
            read_arrays(tmp_path / name)


@pytest.mark.parametrize("name", ["..", ".", "a/b", "/a", "a\\b", "a\0", "a\n", "é", "", "a" * 201, 5, None, ["a"]])
def test_names_that_could_lead_elsewhere(name: object) -> None:
    assert not is_plain_name(name)


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/hostname", "", "\0", "a\nb", "out", "out/x", "circle", 5, None]
)
def test_a_relative_name_stays_inside(tmp_path: Path, name: object) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "out").symlink_to(tmp_path)
    (home / "circle").symlink_to("circle")
    with pytest.raises(OutsideError):
        inside(home, name)


def test_a_name_inside_is_found_also_where_the_folder_itself_is_a_link(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "cells").mkdir(parents=True)
    (home / "here").symlink_to("cells")
    (tmp_path / "link").symlink_to("home")
    assert inside(tmp_path / "link", "cells/a/log.txt") == tmp_path / "link/cells/a/log.txt"
    assert inside(home, "here/new") == home / "here/new"
