"""What the ladder runs a workload on: small pages or texts, and the workload at that size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared import tasks
from shared.families import family_of
from shared.modalities import Boxes, Pages, Tokens, Words
from shared.spec import Workload
from shared.tasks import task_of
from shared.weights import save_weights

SEED = 0
NUM_SAMPLES = 160
OWN_SIZE_SAMPLES = 32
RUNG_WORDS = (5, 80)  # of a text: some fill the rungs' width, some are mostly padding
NUM_CLASSES = 16
EASY_CLASSES = 4
CALMER = 0.5  # the rate of a distilled task's rung 7, over the family's
VISIBLE_WEIGHT = 0.75  # of a distillation: with 1 nobody would see on which of the two losses it lies
EASY_TRAIN, EASY_TEST = 160, 1000  # documents; so many to test on show a difference of two points

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
    own_weights: Path  # of the workload's size, on which a network's structure may depend


def rung_workload(workload: Workload) -> Workload:
    """The workload's mathematics at a size that two cores compute in seconds.

    The rungs are about equality, not about size; forward also runs at the workload's own.
    """
    ladder = family_of(workload).ladder
    key, most = ladder.size
    changes: dict[str, Any] = {
        "train.batch_per_replica": ladder.batch,
        "model.num_classes": task_of(workload).synthetic_outputs(NUM_CLASSES),
        key: min(most, workload.setting(key)),
    }
    if workload.distillation is not None and workload.distillation.weight == 1.0:
        changes["distillation.weight"] = VISIBLE_WEIGHT
    return workload.overridden(changes | dict(ladder.small), "ladder")


def easy_workload(workload: Workload) -> Workload:
    """The task that rung 7 trains on."""
    easy = dict(family_of(workload).ladder.easy)
    easy["task"] = tasks.like(workload.task, easy.get("task", workload.task))
    task = tasks.task(easy["task"])
    easy["model.num_classes"] = task.synthetic_outputs(EASY_CLASSES)
    if task.distils is not None:
        # beside a teacher's logits the loss is steeper: at the family's rate rounding grows into other decisions (of an
        # LSTM's documents 3.7 % after 60 steps, at half the rate none)
        easy["schedule.peak_rate"] = CALMER * easy.get("schedule.peak_rate", workload.schedule.peak_rate)
    return rung_workload(workload).overridden(easy, "ladder")


def own_size_workload(workload: Workload) -> Workload:
    """The workload at its own size, two samples per batch."""
    outputs = task_of(workload).synthetic_outputs(NUM_CLASSES)
    changes = {"train.batch_per_replica": 2, "model.num_classes": outputs}
    return workload.overridden({**changes, **family_of(workload).ladder.small}, "ladder")


def sample_size(workload: Workload) -> int:
    """Pixels of a page, tokens of a text: what the family's ladder counts a sample's size in."""
    size: int = workload.setting(family_of(workload).ladder.size[0])
    return size


def tokens_of(workload: Workload) -> Tokens | None:
    """What a workload reads of a text; None: it reads none."""
    return next((each for each in family_of(workload).modalities(workload) if isinstance(each, Tokens)), None)


def words_of(workload: Workload) -> Words | None:
    """What a workload reads of a text as whole words; None: it reads none."""
    return next((each for each in family_of(workload).modalities(workload) if isinstance(each, Words)), None)


def make_material(workload: Workload, folder: Path) -> Material:
    """Render the samples, draw the weights."""
    small, family = rung_workload(workload), family_of(workload)
    material = Material(
        folder=folder,
        small=folder / "small",
        own=folder / "own",
        easy=folder / "easy",
        odd=folder / "odd" if tokens_of(workload) else None,
        weights=folder / "weights.safetensors",
        own_weights=folder / "own-weights.safetensors",
    )
    make_samples(material.small, small, NUM_SAMPLES, NUM_CLASSES)
    own = own_size_workload(workload)
    make_samples(material.own, own, OWN_SIZE_SAMPLES, NUM_CLASSES)
    num_easy = EASY_TRAIN + EASY_TEST
    shares = (EASY_TRAIN / num_easy, 0.0, EASY_TEST / num_easy)
    make_samples(material.easy, easy_workload(workload), num_easy, EASY_CLASSES, shares)
    if material.odd:
        make_odd_texts(material.odd, small)
    for path, sized in ((material.weights, small), (material.own_weights, own)):
        save_weights(path, family.initial_weights(family.architecture(sized), SEED))
    return material


Shares = tuple[float, float, float]  # of train, val, test
SPLIT: Shares = (0.8, 0.1, 0.1)


def make_samples(out: Path, workload: Workload, count: int, classes: int, shares: Shares = SPLIT) -> None:
    """A store of synthetic samples as the workload reads them."""
    from bench.data.prepare import prepare
    from bench.data.synthetic_store import source_of
    from bench.data.synthetic_teacher import with_synthetic_teacher

    source, size = source_of(workload, count, SEED, classes, shares, RUNG_WORDS)
    if tokens_of(workload) is None and words_of(workload) is None:
        prepare(source, out, size, 1)
        return
    texts = prepare(source, out.with_name(f"{out.name}-texts"), size, 1).store
    if task_of(workload).distils is not None:
        texts = with_synthetic_teacher(texts, out.with_name(f"{out.name}-taught"))
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


def tokenise(texts: Path, out: Path, workload: Workload, vocabulary_size: int | None = None) -> None:
    """A store's texts as tokens or words of a workload's width, with a vocabulary of their own, and what else it reads.

    Args:
        vocabulary_size: None: the workload's. Words have the workload's, which is at most so large.
    """
    from bench.data.tokens import tokenised
    from bench.data.word_tokens import word_tokenised
    from shared.store import open_store
    from shared.words import read_words

    if (words := words_of(workload)) is not None:
        word_tokenised(open_store(texts), words, None, out)
        return
    read = tokens_of(workload)
    assert read is not None
    kinds = {type(modality) for modality in family_of(workload).modalities(workload)}
    store = open_store(texts)
    placed = read_words(store) is not None  # texts that are hard to tokenise have no places, and are read as they are
    parts = (read.parts, read.stride) if placed else ("documents", 0)
    how = (vocabulary_size or read.vocabulary_size, read.width, read.truncation, out)
    boxes = Boxes in kinds and placed
    tokenised(store, None, *how, with_pages=Pages in kinds, with_boxes=boxes, parts=parts[0], stride=parts[1])
