"""What the ladder runs a workload on: small pages or texts, and the workload at that size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.networks import architecture_of
from shared.spec import ImageWorkload, TextWorkload, Workload
from shared.weights import initial_weights, save_weights

SEED = 0
NUM_SAMPLES = 160
OWN_SIZE_SAMPLES = 32
RUNG_PIXELS = 64  # the rungs are about equality, not about size: forward also runs at the workload's own
RUNG_TOKENS = 64
RUNG_BATCH = {"efficientnet": 8, "bert": 4}
RUNG_VOCABULARY = 512
RUNG_WORDS = (5, 80)  # of a text: some fill the rungs' width, some are mostly padding
NUM_CLASSES = 16
EASY_CLASSES = 4
EASY_TRAIN, EASY_TEST = 160, 1000  # documents; so many to test on show a difference of two points

# a small task that a random network learns in tens of steps
EASY_PAGES: dict[str, Any] = {
    "input.image_size": RUNG_PIXELS,  # smaller maps make batch norms of few values, and rounding errors grow
    "model.num_classes": EASY_CLASSES,
    "model.norm_momentum": 0.8,  # statistics that settle as fast
    "model.drop_connect": 0.0,
    "model.dropout": 0.0,
    "schedule.peak_rate": 0.2,  # twice as high, and rounding errors move one document in a hundred
}
EASY_TEXTS: dict[str, Any] = {
    "model.num_classes": EASY_CLASSES,
    "model.multi_label": False,
    "model.num_layers": 2,  # a deep one learns nothing from random weights in so few steps
    "model.hidden_size": 128,
    "model.num_heads": 2,
    "model.intermediate_size": 512,
    "model.hidden_dropout": 0.0,
    "model.classifier_dropout": 0.0,
    "optimizer.layer_decay": 1.0,
    "optimizer.head_rate": 1e-3,
    "schedule.peak_rate": 2e-3,
    "train.batch_per_replica": 16,
}
# What a tokenizer may get wrong: ligatures and compatibility characters, accents, control and zero-width characters,
# scripts without spaces or from right to left, emoji, literal special tokens, words too long for WordPiece.
ODD_TEXTS = (
    "", " ", "naïve façade Ünïcödé", "ﬁne ﬂow oﬃce", "Straße ẞ İstanbul",
    "\uff26\uff35\uff2c\uff2c \uff57\uff49\uff44\uff54\uff48 \uff11\uff12", "x² ½ ™ ℃ Ⅻ",
    "zero\u200bwidth\u200djoin soft\u00adhyphen",
    "tab\tline\nreturn\rnul\x00bell\x07", "\u00a0no\u2003break\u3000space",
    "漢字かな交じり文", "한국어 문장", "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया", "emoji 😀👩‍👩‍👧‍👦🏳️‍🌈",
    "a literal [CLS] and [SEP] and [MASK] [UNK] [PAD]", "e\u0301 a\u0308 \u0301", "x" * 101 + " " + "y" * 100,
    "é" * 60, "日" * 120, "don't can't i.e. e.g. U.S.A.", "$1,234.56 (50%) #7 a/b c_d", "\ufeffbom \ufffd replacement",
)  # fmt: skip


@dataclass(frozen=True)
class Material:
    """The stores and weights that a ladder works on."""

    folder: Path
    small: Path  # samples of the rungs' size
    own: Path  # a few samples of the workload's size
    easy: Path  # few classes, for rung 7
    odd: Path | None  # texts that are hard to tokenise
    weights: Path


def rung_workload(workload: Workload) -> Workload:
    """The workload's mathematics at a size that two cores take in their stride."""
    changes: dict[str, Any] = {
        "train.batch_per_replica": RUNG_BATCH[workload.model.family],
        "model.num_classes": NUM_CLASSES,
    }
    if isinstance(workload, ImageWorkload):
        changes["input.image_size"] = min(RUNG_PIXELS, workload.input.image_size)
    elif isinstance(workload, TextWorkload):
        changes |= {"input.max_tokens": min(RUNG_TOKENS, workload.input.max_tokens), "input.buckets": ()}
        changes["model.vocabulary_size"] = RUNG_VOCABULARY
    return workload.overridden(changes, "ladder")


def easy_workload(workload: Workload) -> Workload:
    """The task that rung 7 trains on."""
    easy = EASY_PAGES if isinstance(workload, ImageWorkload) else EASY_TEXTS
    return rung_workload(workload).overridden(easy, "ladder")


def own_size_workload(workload: Workload) -> Workload:
    """The workload at its own size, two samples a batch."""
    changes: dict[str, Any] = {"train.batch_per_replica": 2, "model.num_classes": NUM_CLASSES}
    if isinstance(workload, TextWorkload):
        changes |= {"input.buckets": (), "model.vocabulary_size": RUNG_VOCABULARY}
    return workload.overridden(changes, "ladder")


def sample_size(workload: Workload) -> int:
    """Pixels of a page, or tokens of a text."""
    if isinstance(workload, ImageWorkload):
        return workload.input.image_size
    assert isinstance(workload, TextWorkload)
    return workload.input.max_tokens


def make_material(workload: Workload, folder: Path) -> Material:
    """Render the samples, draw the weights."""
    small = rung_workload(workload)
    texts = isinstance(workload, TextWorkload)
    material = Material(
        folder=folder,
        small=folder / "small",
        own=folder / "own",
        easy=folder / "easy",
        odd=folder / "odd" if texts else None,
        weights=folder / "weights.safetensors",
    )
    make = make_texts if texts else make_pages
    make(material.small, small, NUM_SAMPLES, NUM_CLASSES)
    make(material.own, own_size_workload(workload), OWN_SIZE_SAMPLES, NUM_CLASSES)
    num_easy = EASY_TRAIN + EASY_TEST
    shares = (EASY_TRAIN / num_easy, 0.0, EASY_TEST / num_easy)
    make(material.easy, easy_workload(workload), num_easy, EASY_CLASSES, shares)
    if material.odd:
        make_odd_texts(material.odd, small)
    save_weights(material.weights, initial_weights(architecture_of(small), SEED))
    return material


Shares = tuple[float, float, float]  # of train, val, test
SPLIT: Shares = (0.8, 0.1, 0.1)


def make_pages(out: Path, workload: Workload, count: int, classes: int, shares: Shares = SPLIT) -> None:
    """A store of synthetic pages."""
    from bench.data import synthetic
    from bench.data.prepare import prepare

    prepare(synthetic.source(count, SEED, classes, shares), out, sample_size(workload), 1)


def make_texts(out: Path, workload: Workload, count: int, classes: int, shares: Shares = SPLIT) -> None:
    """A store of synthetic texts as tokens."""
    from bench.data import synthetic_text
    from bench.data.prepare import prepare

    several = workload.model.multi_label
    source = synthetic_text.source(count, SEED, classes, shares, RUNG_WORDS, several)
    texts = prepare(source, out.with_name(f"{out.name}-texts"), 0, 1).store
    tokenise(texts.path, out, workload)


def make_odd_texts(out: Path, workload: Workload) -> None:
    """A store of ODD_TEXTS as tokens, with a vocabulary of their own characters."""
    from bench.data.corpus import CorpusText
    from bench.data.page_text import plain_text
    from bench.data.prepare import prepare
    from bench.data.source import Page, Source

    pages = [Page(row, row % 2, "train", f"text {row}") for row in range(len(ODD_TEXTS))]
    text = CorpusText({row: plain_text(content) for row, content in enumerate(ODD_TEXTS)})
    source = Source("odd texts", ["even", "odd"], pages, None, {}, text=text)
    tokenise(prepare(source, out.with_name(f"{out.name}-texts"), 0, 1).store.path, out, workload)


def tokenise(texts: Path, out: Path, workload: Workload) -> None:
    """A store's texts as tokens of a workload's width, with a vocabulary of their own."""
    from bench.data.tokens import tokenised
    from shared.store import open_store

    assert isinstance(workload, TextWorkload)
    tokenised(open_store(texts), None, RUNG_VOCABULARY, workload.input.max_tokens, workload.input.truncation, out)
