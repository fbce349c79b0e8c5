"""What a person wants to see of a store: its counts, where it is from, a page of each class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console
from rich.table import Table

from shared.errors import UserError
from shared.store import SPLITS, Store

REJECTED_SHOWN = 5
THUMBNAIL = 160  # pixels, of a page on the contact sheet
CAPTION = 18  # pixels, below it
COLUMNS = 4


def print_summary(store: Store, console: Console) -> None:
    """Counts per split and class, source, size, digest, and the inputs that were rejected."""
    counts = store.counts()
    table = Table("class", *SPLITS, "all", title=f"{store.path}", title_justify="left")
    for name in store.classes:
        row = [counts[split][name] for split in SPLITS]
        table.add_row(name, *map(str, row), str(sum(row)))
    totals = [sum(counts[split].values()) for split in SPLITS]
    table.add_section()
    table.add_row("all", *map(str, totals), str(sum(totals)))
    console.print(table)
    source = {key: value for key, value in store.manifest.get("source", {}).items() if value not in (None, "")}
    facts = {
        "source": f"{store.name} ({', '.join(f'{key} {value}' for key, value in source.items())})",
        "page size": f"{store.image_size} x {store.image_size}, {store.images.nbytes / 1e6:,.1f} MB",
        "digest": store.digest,
        "prepared": store.manifest.get("created", "unknown"),
    }
    for key, value in facts.items():
        console.print(f"{key:10} {value}", soft_wrap=True, markup=False, highlight=False)
    for split, total in zip(SPLITS, totals, strict=True):
        if not total:
            console.print(f"note: no pages in the {split} split")
    print_rejected(store.manifest.get("rejected", []), console)


def print_rejected(rejected: list[dict[str, Any]], console: Console) -> None:
    """How many inputs were rejected, and the first few with the reason."""
    if rejected:
        console.print(f"rejected   {len(rejected)} of the inputs; all are listed in the manifest:")
    for entry in rejected[:REJECTED_SHOWN]:
        console.print(f"  {entry['file']}: {entry['reason']}", soft_wrap=True, markup=False, highlight=False)


def contact_sheet(store: Store) -> Image.Image:
    """A picture with the first page of each class, its name below."""
    num_rows = -(-len(store.classes) // COLUMNS)
    sheet = Image.new("L", (COLUMNS * THUMBNAIL, num_rows * (THUMBNAIL + CAPTION)), 128)
    draw = ImageDraw.Draw(sheet)
    face = ImageFont.load_default(12)
    for label, name in enumerate(store.classes):
        page = Image.fromarray(np.asarray(store.images[int(np.argmax(store.labels == label))]))
        x, y = label % COLUMNS * THUMBNAIL, label // COLUMNS * (THUMBNAIL + CAPTION)
        sheet.paste(page.resize((THUMBNAIL - 4, THUMBNAIL - 4), Image.Resampling.BOX), (x + 2, y + 2))
        draw.text((x + 4, y + THUMBNAIL), name[:26], fill=255, font=face)
    return sheet


def write_contact_sheet(store: Store, path: Path) -> None:
    """Write the contact sheet as PNG.

    Raises:
        UserError: the file can't be written.
    """
    try:
        contact_sheet(store).save(path, format="PNG")
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); choose another --contact-sheet"
        ) from None
