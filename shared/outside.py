"""What was written by others: files, numbers, arrays and names are read as what they should be, or refused in one line.

A run, a store, a record or an index may come from anybody. Its JSON may be nested a hundred thousand levels deep, its
file may be a pipe that never ends, a header of 128 bytes may ask for eight exabytes, a name may lead to another folder.
Whatever reads a file that this process did not write itself reads it through here.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from shared.errors import UserError

if TYPE_CHECKING:
    import numpy as np  # imported where arrays are read: the command line reads workloads without it

MOST_JSON_BYTES = 1 << 27  # of a file: the manifest of a store of 400,000 documents with every one rejected has half
MOST_LEVELS = 64  # lists and mappings in each other; the deepest file of the suite's own has nine
MOST_INTEGER = 1 << 63  # what numpy, pandas, Parquet and other JSON readers hold
PLAIN_NAME = re.compile(r"(?!\.)[A-Za-z0-9._@+-]{1,200}")  # of a file in its folder: nothing leads elsewhere
LONGEST_PLACE = 4096  # characters of a path
NO_SUCH_FILE = "no such file"
LINK_OF_ITSELF = "a link that leads back to itself"


class OutsideError(UserError):
    """Something from outside that is not what it should be: the error is one line, `reason` the line less the place."""

    def __init__(self, place: object, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.reason = reason


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading: never a pipe, which would be waited for, a device or a folder.

    Raises:
        OutsideError: absent, not a regular file, or not to be read.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise OutsideError(path, os_reason(error)) from None
    except ValueError:  # a zero byte or half a surrogate pair in the name
        raise OutsideError(ascii(str(path)), "not a name that a file can have") from None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OutsideError(path, "not a regular file")
    return os.fdopen(number, "rb")


def os_reason(error: OSError) -> str:
    """What the operating system said, in the words of this module."""
    if error.errno == errno.ELOOP:
        return LINK_OF_ITSELF
    return {errno.ENOENT: NO_SUCH_FILE, errno.ENOTDIR: NO_SUCH_FILE, errno.ENXIO: "not a regular file"}.get(
        error.errno or 0, f"cannot be read ({error.strerror or error})"
    )


def read_bytes(path: Path, most_bytes: int = MOST_JSON_BYTES) -> bytes:
    """The content of a regular file.

    Raises:
        OutsideError: absent, not a regular file, not to be read, or longer than `most_bytes`.
    """
    with open_file(path) as file:
        try:
            content = file.read(most_bytes + 1)
        except OSError as error:
            raise OutsideError(path, os_reason(error)) from None
    if len(content) > most_bytes:
        raise OutsideError(path, f"longer than {most_bytes:,} bytes")
    return content


def read_text(path: Path, most_bytes: int = MOST_JSON_BYTES) -> str:
    """The content of a regular file of UTF-8.

    Raises:
        OutsideError: as `read_bytes`, or not UTF-8.
    """
    try:
        return read_bytes(path, most_bytes).decode("utf-8")
    except UnicodeDecodeError as error:
        raise OutsideError(path, f"not UTF-8 text at byte {error.start}") from None


def read_json(path: Path, most_bytes: int = MOST_JSON_BYTES) -> Any:
    """The value in a JSON file, under the rules of `parse_json`.

    Raises:
        OutsideError: as `read_text`, or not JSON under those rules.
    """
    text = read_text(path, most_bytes)
    try:
        return parse_json(text)
    except ValueError as error:
        raise OutsideError(path, f"not JSON ({error})") from None


def parse_json(text: str | bytes, nan: bool = False) -> Any:
    """The value of a JSON text.

    Refused besides what is no JSON: a key that is there twice, numbers that a float of 64 bits or an integer of 64
    bits cannot hold, more than `MOST_LEVELS` levels, and NaN and Infinity unless `nan` lets them pass as floats.

    Raises:
        ValueError: any of these, in words for a user.

    >>> parse_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> parse_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: the key 'a' is there twice
    """

    def constant(name: str) -> float:
        if not nan:
            raise ValueError(f"{name} is not a number of JSON")
        return float(name)

    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        value = json.loads(
            decoded, parse_constant=constant, parse_float=_float, parse_int=_integer, object_pairs_hook=_mapping
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text at byte {error.start}") from None
    except RecursionError:
        _too_deep()
    _check_levels(value)
    return value


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:20]} is beyond what a float holds")
    return number


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -MOST_INTEGER <= (number := int(digits)) < MOST_INTEGER:
        raise ValueError(f"{digits[:20]}{'...' * (len(digits) > 20)} is beyond what 64 bits hold")
    return number


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:50]!r} is there twice")
    return found


def _check_levels(value: Any) -> None:
    """Refuse what a recursive reader further on (pydantic, a copy, json itself) would break on."""
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        level = [
            below
            for each in level
            if isinstance(each, dict | list)
            for below in (each.values() if isinstance(each, dict) else each)
            if isinstance(below, dict | list)
        ]
        if not level:
            return
    _too_deep()


def _too_deep() -> NoReturn:
    raise ValueError(f"nested more than {MOST_LEVELS} levels deep")


def read_array(path: Path, mapped: bool = False) -> np.ndarray:
    """The array in a `.npy` file: numbers only (no pickle is ever opened), as many as the file has bytes for.

    Args:
        mapped: leave the content on disk until it is indexed.

    Raises:
        OutsideError: not such a file, or its header asks for more or less than there is.
    """
    import numpy as np

    with open_file(path) as file:
        try:
            shape, dtype = _array_header(file)
            count = math.prod(shape)
            expected = file.tell() + count * dtype.itemsize
            size = os.fstat(file.fileno()).st_size
            if size != expected:
                raise ValueError(f"{size} bytes, its header says {expected}")
            if mapped and count:
                return np.load(path, mmap_mode="r", allow_pickle=False)
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise OutsideError(path, f"not an array of numbers ({' '.join(str(error).split())[:200]})") from None


def _array_header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of a `.npy` file that is open at its beginning, left at the first byte of its content."""
    import numpy as np

    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of the format")
    shape, _, dtype = readers[version](file)
    if dtype.hasobject:
        raise ValueError("Python objects, which could run code")
    if any(type(length) is not int or length < 0 for length in shape):  # True is an int to numpy's own check
        raise ValueError(f"shape {shape}")
    return shape, dtype


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays in a `.npz` file that `np.savez` wrote: numbers only, nothing compressed.

    Raises:
        OutsideError: not such a file.
    """
    import numpy as np

    with open_file(path) as file:
        try:
            with zipfile.ZipFile(file) as members:
                packed = [member for member in members.infolist() if member.compress_type != zipfile.ZIP_STORED]
                total = sum(member.file_size for member in members.infolist())
            if packed or total > os.fstat(file.fileno()).st_size:
                raise ValueError("compressed, or larger inside than outside")
            file.seek(0)
            with np.load(file, allow_pickle=False) as content:
                return {name: content[name] for name in content.files}
        except (OSError, ValueError, EOFError, MemoryError, NotImplementedError, zipfile.BadZipFile) as error:
            raise OutsideError(path, f"not arrays of numbers ({' '.join(str(error).split())[:200]})") from None


def is_plain_name(name: object) -> bool:
    """Whether a name can be nothing but that of a file in its folder.

    >>> [is_plain_name(name) for name in ("labels.npy", "../labels.npy", "/etc/hostname", "..", ".hidden", "a b", "")]
    [True, False, False, False, False, False, False]
    """
    return isinstance(name, str) and PLAIN_NAME.fullmatch(name) is not None


def stays_inside(name: object) -> bool:
    """Whether a relative name, as it is written, leads to no other folder than the one it starts from, or below.

    >>> [stays_inside(name) for name in ("cells/a/log.txt", "../log.txt", "/etc/hostname", "a/../../b", "", "a\\0b")]
    [True, False, False, False, False, False]
    """
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= LONGEST_PLACE:
        return False
    parts = PurePosixPath(name).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts


def inside(folder: Path, name: object) -> Path:
    """The file that something read names relative to a folder; it need not exist, but it cannot lie elsewhere.

    Raises:
        OutsideError: absolute, with "..", or a link that leads out of the folder.
    """
    if not isinstance(name, str) or not stays_inside(name):
        raise OutsideError(folder, f"{str(name)[:100]!r} does not name a file in it")
    path = folder / name
    try:
        leads_to, home = path.resolve(), folder.resolve()
    except (OSError, RuntimeError):
        raise OutsideError(path, LINK_OF_ITSELF) from None
    if not leads_to.is_relative_to(home):
        raise OutsideError(path, "a link that leads out of its folder")
    return path
