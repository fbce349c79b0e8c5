"""`bench data`: make a prepared store, look at one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bench.cli import options

PAGE_SIZES, DEFAULT_SIZE = click.IntRange(8, 4096), 384
SOURCES = [
    "rvl-cdip", "tobacco3482", "folder", "index", "corpus", "hedwig", "funsd", "cord", "sroie", "docvqa",
    "kleister-nda", "synthetic",
]  # fmt: skip
ENGINES = ["tesseract", "rapidocr", "auto", "none", "txt"]


class PagesType(click.ParamType):
    """`first`, `all`, or a number of pages."""

    name = "pages"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """The value as one of them."""
        if value in ("first", "all"):
            return str(value)
        try:
            return int(click.IntRange(1).convert(value, param, ctx))
        except click.BadParameter:
            self.fail(f"{value!r} is neither `first` nor `all` nor a number of pages", param, ctx)


@click.group(name="data")
def command() -> None:
    """Prepare pages for training, or look at a prepared store."""


@command.command()
@click.argument("source", type=click.Choice(SOURCES))
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The store: a directory to be made.")
@click.option("--size", type=PAGE_SIZES, help=f"Height and width of a page, pixels.  [{DEFAULT_SIZE}]")
@click.option("--workers", type=click.IntRange(1), help="Processes; by default, and at most, one per core.")
@click.option("--seed", default=0, show_default=True, type=options.SEED, help="Of the split and synthetic pages.")
@click.option("--split", metavar="TRAIN,VAL,TEST", help="Shares, where the source has no own split.  [0.8,0.1,0.1]")
@click.option("--limit", type=click.IntRange(1), help="Take so many pages, evenly over classes and splits.")
@click.option("--root", type=click.Path(path_type=Path), help="index: folder its file names start from.  [its own]")
@click.option(
    "--ocr",
    is_flag=False,
    flag_value="auto",
    type=click.Choice(ENGINES),
    help="Read the pages' text; alone, or auto: Tesseract where it is installed, else RapidOCR; txt: the UTF-8 .txt "
    "file beside each page.  [none]",
)
@click.option("--ocr-lang", metavar="LANG", help="Tesseract: language packs, joined by +.  [eng]")
@click.option("--ocr-timeout", metavar="SECONDS", type=options.TIMEOUT, help="Of a page.  [60]")
@click.option("--text-root", type=click.Path(path_type=Path), help="--ocr txt: folder that mirrors the pages'.")
@click.option(
    "--val-share", type=options.NumberRange(0, 1, max_open=True), help="Of train, where val is missing.  [0.1]"
)
@click.option(
    "--pages",
    type=PagesType(),
    metavar="first|all|NUMBER",
    help="Of files with several pages: text of the first or of all, with --ocr (pixels: the first)  [first]; "
    "synthetic: number of pages.  [3200]",
)
@click.option("--retry-failed", is_flag=True, help="Try the pages again that failed in a finished store.")
@click.option("--classes", type=int, help="synthetic: number of classes, 2 to 16.  [16]")
def prepare(
    source: str,
    path: Path | None,
    out: Path,
    size: int | None,
    workers: int | None,
    seed: int,
    split: str | None,
    limit: int | None,
    root: Path | None,
    ocr: str | None,
    ocr_lang: str | None,
    ocr_timeout: float | None,
    text_root: Path | None,
    val_share: float | None,
    pages: int | str | None,
    retry_failed: bool,
    classes: int | None,
) -> None:
    """Decode the pages of SOURCE at PATH once, and read their text, into a store that both frameworks read.

    \b
    rvl-cdip     PATH has images/ and labels/train.txt, val.txt, test.txt
    tobacco3482  PATH has the ten folders ADVE to Scientific
    folder       PATH has a folder per class, or train, val, test with a folder per class in each
    index        PATH is a .csv or .jsonl file with file, label and perhaps split
    corpus       PATH is a .jsonl file, or has train.jsonl, perhaps val.jsonl and test.jsonl: text without pages,
                 with text (or title and body) and label (or labels, a list)
    hedwig       PATH has train.tsv, dev.tsv, test.tsv: lines of the labels' bits, a tab, and text without pages
    funsd        PATH has training_data/ and testing_data/, or is the re-annotated edition: forms, words tagged
    cord         PATH has train/, dev/, test/ with image/ and json/: receipts, words tagged with 30 fields
    sroie        PATH has box/, key/, img/, split.json, or train/ and test/: receipts, words tagged with 4 fields
    docvqa       PATH has train_v1.0.json, val_v1.0.json, test_v1.0.json, documents/, ocr_results/: questions
    kleister-nda PATH has train/, dev-0/, test-A/ with in.tsv.xz and expected.tsv: text without pages, words tagged
    synthetic    no PATH: pages are drawn; good for trying the suite out, not for judging accuracy

    Pages that can't be read are listed and passed over; one that OCR can't read has no text and is listed too; where
    all fail for one reason nothing is made. An interrupted call goes on where it was when it is repeated, and tries
    failed pages again. An existing store is never overwritten, except by itself with --retry-failed.
    """
    from rich.console import Console

    from bench.data.load import TEXT_ALONE, Request, open_source, refuse
    from bench.data.prepare import prepare as prepare_store
    from bench.data.progress import ConsoleProgress
    from bench.data.show import print_summary
    from bench.data.source import counted
    from bench.data.splits import parse_split

    if source in TEXT_ALONE:
        refuse(source, {"--size": size})
    shares = parse_split(split) if split is not None else None
    console = Console()
    number, file_pages = (None, pages) if isinstance(pages, str) else (pages, None)
    request = Request(
        source, path, seed, shares, limit, root, number, classes, val_share, ocr, ocr_lang, ocr_timeout, text_root,
        file_pages,
    )  # fmt: skip
    with ConsoleProgress(console) as progress:
        try:
            opened = open_source(request)
            prepared = prepare_store(opened, out, size or DEFAULT_SIZE, workers, progress, retry_failed)
        except KeyboardInterrupt:
            click.echo(f"{out}: stopped; finished pages are kept, the same command goes on from them", err=True)
            raise
    if prepared.existed:
        failed = counted(prepared.num_failed, "failed page")
        again = f" ({failed}: --retry-failed tries again)" if prepared.num_failed else ""
        click.echo(f"{out}: already prepared from these arguments and inputs; nothing to do{again}")
    elif prepared.num_resumed:
        text = f", {prepared.num_read_before} of them read" if prepared.num_read_before else ""
        click.echo(f"{out}: went on from {prepared.num_resumed} finished pages{text}")
    print_summary(prepared.store, console)


@command.command()
@click.argument("store", metavar="STORE|CORPUS", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Compare the sha256 of every file with the manifest.")
@click.option("--contact-sheet", type=click.Path(path_type=Path), help="Write a picture of one page a class, as PNG.")
def info(store: Path, check: bool, contact_sheet: Path | None) -> None:
    """Show what a prepared STORE holds and where it is from, or what a CORPUS holds that is not prepared.

    Of texts: documents, classes, and how many labels, words and sentences a document has (DocBERT, table 1).
    """
    from rich.console import Console

    from bench.data.load import refuse
    from bench.data.progress import ConsoleProgress
    from bench.data.show import print_summary, write_contact_sheet
    from bench.data.statistics import corpus_rows, print_statistics, statistics, store_rows
    from shared.store import open_store

    console = Console()
    rows = corpus_rows(store)
    if rows is not None:
        refuse("a corpus that is not prepared", {"--check": check or None, "--contact-sheet": contact_sheet})
        print_statistics(statistics(rows), store, console)
        return
    with ConsoleProgress(console) as progress:
        opened = open_store(store, checksums=check, on_bytes=lambda done, total: progress("checksums", done, total))
        counted = None if opened.text is None else statistics(store_rows(opened, progress))
    print_summary(opened, console)
    if counted is not None:
        print_statistics(counted, store, console)
    if check:
        click.echo(f"checksums  all {len(opened.manifest['sha256'])} files are as they were written")
    if contact_sheet:
        write_contact_sheet(opened, contact_sheet)
        click.echo(f"pages      {contact_sheet}")
