"""What a person wants to see of a store: its counts, where it is from, a page of each class."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console

from bench.host.files import write_for_user
from bench.terminal import grids
from bench.terminal.printable import printable
from shared.errors import UserError
from shared.store import SPLITS, Store

LISTED = 5  # rejected or failed inputs that are shown
THUMBNAIL = 160  # pixels, of a page on the contact sheet
CAPTION = 18  # pixels, below it
COLUMNS = 4


def print_summary(store: Store, console: Console) -> None:
    """Counts per split and class, source, size, text, digest, and the inputs that failed or were rejected."""
    counts = store.counts()
    totals = [len(store.indices(split)) for split in SPLITS]
    rows = {name: [counts[split][name] for split in SPLITS] for name in store.classes}
    summed = [[printable(name), *own, sum(own)] for name, own in rows.items()]
    summed.append(["documents" if store.multi_label else "all", *totals, sum(totals)])
    grids.print_grid(console, ["class", *SPLITS, "all"], summed, title=str(store.path))
    source = {key: value for key, value in store.manifest.get("source", {}).items() if value not in (None, "")}
    facts = {
        "source": f"{store.name} ({', '.join(f'{key} {value}' for key, value in source.items())})",
        "page size": page_size(store),
        **text_facts(store),
        **teacher_facts(store),
        "digest": store.digest,
        "prepared": store.manifest.get("created", "unknown"),
    }
    for key, value in facts.items():
        say(console, f"{key:10} {value}")
    for split, total in zip(SPLITS, totals, strict=True):
        if not total:
            say(console, f"note: no documents in the {split} split")
    for note in [*store.manifest.get("notes", []), *store.manifest.get("annotation_notes", [])]:
        say(console, f"note: {note}")
    print_listed("failed in OCR", store.manifest.get("ocr", {}).get("failed", []), console)
    print_listed("rejected", store.manifest.get("rejected", []), console)


def say(console: Console, line: str) -> None:
    """One line of a store, whatever its maker wrote into it."""
    console.print(printable(line), soft_wrap=True, markup=False, highlight=False)


def page_size(store: Store) -> str:
    """Size of a page and of all together."""
    if store.pixels is None:
        return "no pages"
    return f"{store.image_size} x {store.image_size}, {store.pixels.nbytes / 1e6:,.1f} MB"


def teacher_facts(store: Store) -> dict[str, str]:
    """Whose logits a store has, where it has some."""
    found = store.manifest.get("teacher")
    if found is None:
        return {}
    return {"teacher": f"{found['name']}, weights {found['weights'][:12]}, spec {found['spec']}"}


def text_facts(store: Store) -> dict[str, str]:
    """What there is to say of a store's text: who read it, how fast, how much there is."""
    if store.text is None:
        return {}
    facts = store.manifest.get("ocr") or store.manifest.get("text", {})
    num_empty, count = facts.get("empty", 0), len(store.text)
    parts = [f"{len(store.text.data) / 1e3:,.0f} kB"]
    if "words" in facts:
        parts.append(f"{facts['words']:,} words")
    parts.append(f"{num_empty} of {count} empty ({num_empty / max(1, count):.1%})")
    for key, meaning in (("cut", "cut"), ("invalid_utf8", "not valid UTF-8")):
        if facts.get(key):
            parts.append(f"{len(facts[key])} {meaning}")
    shown = {"text": ", ".join(parts)}
    if "engine" in facts:
        rate = facts.get("pages_per_second")
        by = [facts["engine"], facts.get("version"), facts.get("language"), f"{rate:.2f} pages/s" if rate else None]
        shown["OCR"] = ", ".join([*filter(None, by), f"{len(facts['failed'])} pages failed"])
    if "annotated_by" in facts:
        shown["words"] = f"with their places as {facts['annotated_by']} has them"
    return shown


def print_listed(what: str, entries: list[dict[str, Any]], console: Console) -> None:
    """How many inputs were rejected or failed, and the first few with the reason."""
    if entries:
        say(console, f"{what:10} {len(entries)} of the inputs; all are listed in the manifest:")
    for entry in entries[:LISTED]:
        say(console, f"  {entry['file']}: {entry['reason']}")


def contact_sheet(store: Store) -> Image.Image:
    """A picture with the first page of each class, its name below.

    Raises:
        UserError: the store has no pages.
    """
    if store.pixels is None:
        raise UserError(f"{store.path}: holds no pages; leave --contact-sheet away")
    num_rows = -(-len(store.classes) // COLUMNS)
    sheet = Image.new("L", (COLUMNS * THUMBNAIL, num_rows * (THUMBNAIL + CAPTION)), 128)
    draw = ImageDraw.Draw(sheet)
    face = ImageFont.load_default(12)
    for label, name in enumerate(store.classes):
        has_label = store.labels[:, label] == 1 if store.multi_label else store.labels == label
        page = Image.fromarray(np.asarray(store.pixels[int(np.argmax(has_label))]))
        x, y = label % COLUMNS * THUMBNAIL, label // COLUMNS * (THUMBNAIL + CAPTION)
        sheet.paste(page.resize((THUMBNAIL - 4, THUMBNAIL - 4), Image.Resampling.BOX), (x + 2, y + 2))
        draw.text((x + 4, y + THUMBNAIL), name[:26], fill=255, font=face)
    return sheet


def write_contact_sheet(store: Store, path: Path) -> None:
    """Write the contact sheet as PNG.

    Raises:
        UserError: the file cannot be written.
    """
    buffer = io.BytesIO()
    contact_sheet(store).save(buffer, format="PNG")
    write_for_user(path, buffer.getvalue(), "choose another --contact-sheet")
