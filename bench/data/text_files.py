"""Text that exists already: a UTF-8 `.txt` a page, as the released OCR of Tobacco3482 has it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.data.documents import stored_name
from bench.data.page_text import NOTHING, PageText, plain_text
from bench.data.source import Page, Source, TextJob, TextOutcome, file_stamp
from shared.errors import UserError
from shared.outside import OutsideError, read_bytes
from shared.store import TEXT, write_strings

SUFFIX = ".txt"


def text_path(page: Page, root: Path | None) -> Path:
    """Where a page's text is: beside it, or at the same place below `root`."""
    return Path(page.key if root is None else root / page.name).with_suffix(SUFFIX)  # type: ignore[arg-type]


def without_text_files(pages: Sequence[Page]) -> list[Page]:
    """The pages of a folder less those that are another one's text; a text without a page stays, to be rejected."""
    stems = {Path(page.name).with_suffix("") for page in pages if Path(page.name).suffix != SUFFIX}
    return [page for page in pages if Path(page.name).suffix != SUFFIX or Path(page.name).with_suffix("") not in stems]


def with_text_files(source: Source, root: Path | None = None) -> Source:
    """The source with the text of its `.txt` files.

    Args:
        root: of a tree that mirrors the pages'; None: the files lie beside the pages.

    Raises:
        UserError: no such folder, or not one page has a text.
    """
    if root is not None and not root.is_dir():
        raise UserError(f"--text-root {root}: no such folder; give the one that mirrors the pages' folders")
    paths = [text_path(page, root) for page in source.pages]
    stamps = [file_stamp(path) if path.is_file() else "" for path in paths]
    if not any(stamps):
        raise UserError(f"--ocr txt: no page has a text; expected for the first one: {paths[0]} (see --text-root)")
    digest = hashlib.sha256("\n".join(stamps).encode()).hexdigest()[:16]
    return replace(source, text=TextFiles(paths, digest))


@dataclass(frozen=True)
class TextFiles:
    """A `bench.data.source.TextPart`."""

    paths: list[Path]  # one per page of the source, there or not
    digest: str  # of their lengths and times of change

    def identity(self) -> dict[str, str]:
        """Changed files are another text."""
        return {"engine": "txt", "files": self.digest}

    def write(self, job: TextJob) -> TextOutcome:
        """Read all files; a missing or unreadable one is an empty text and listed, as is one that is no UTF-8."""
        failed: list[dict[str, str]] = []
        replaced: list[str] = []
        cut: list[dict[str, Any]] = []
        texts: list[str] = []
        for done, slot in enumerate(job.kept, start=1):
            name = stored_name(job.pages[slot].name)
            try:
                text, valid = read_text(self.paths[slot])
            except OutsideError as error:
                failed.append({"file": name, "reason": stored_name(f"{self.paths[slot].name}: {error.reason}")})
                text, valid = NOTHING, True
            if not valid:
                replaced.append(name)
            if text.cut:
                cut.append({"file": name, "characters": text.length})
            texts.append(text.text)
            job.progress("text files", done, len(job.kept))
        if len(failed) == len(texts):
            raise UserError(
                f"--ocr txt: not one text of {len(texts)} pages could be read; first: {failed[0]['reason']}"
            )
        write_strings(job.partial.store, TEXT, texts)
        facts = {"engine": "txt", "version": None, "language": None, "failed": failed, "empty": texts.count("")}
        return TextOutcome({"ocr": {**facts, "invalid_utf8": replaced, "cut": cut, "pages_per_second": None}})


def read_text(path: Path) -> tuple[PageText, bool]:
    """The text of a file, and whether it was valid UTF-8 (what is not becomes U+FFFD).

    Raises:
        OutsideError: it cannot be read, or is no regular file (a pipe would be waited for).
    """
    data = read_bytes(path)
    try:
        return plain_text(data.decode("utf-8-sig")), True
    except UnicodeDecodeError:
        return plain_text(data.decode("utf-8-sig", errors="replace")), False
