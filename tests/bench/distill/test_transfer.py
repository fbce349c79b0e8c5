"""The transfer set: what is masked and replaced, that it is the same whoever makes it, and what is refused."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench.distill import transfer
from bench.distill.augment import MASK, augmented
from bench.distill.transfer import Augmentation, make_transfer_set, report_of
from bench.distill.words import WordTable, counted_words, tagged_words
from shared.errors import UserError
from shared.store import MANIFEST, Store, open_store
from tests.distilled import plain_store, texts_of
from tests.text_stores import text_store

SENTENCES = (
    "The board said profits rose quickly in the third quarter.",
    "It's the company's 3.5 pct stake, worth 2 dlrs a share!\n\nShares fell sharply.",
    "Analysts expect the bank to sell its well-known unit in the U.S. next year; the price was not told.",
    "Wheat and corn exports grew while farmers planted fewer acres.",
)


def counts() -> dict[str, Counter[str]]:
    return counted_words(SENTENCES)


# words


def test_words_and_their_places() -> None:
    text = SENTENCES[1]
    found = tagged_words(text)
    assert [each.word for each in found][:6] == ["it's", "the", "company's", "3.5", "pct", "stake"]
    assert all(text[each.begin : each.end].lower() == each.word for each in found)
    tags = {each.word: each.tag for each in found}
    assert tags["3.5"] == "CD" and tags["sharply"] == "RB" and tags["the"] == "DT"


def test_texts_without_words() -> None:
    assert [tagged_words(text) for text in ("", " ", "--- / ...", "\n\n")] == [[], [], [], []]


def test_another_word_of_the_same_kind_by_its_frequency() -> None:
    table = WordTable({"NN": {"bank": 6, "wheat": 3, "corn": 1}, "CD": {"3.5": 2}})
    total = 1 << 64
    drawn = Counter(table.another("NN", "wheat", (2 * step + 1) * total // 1400) for step in range(700))
    assert drawn == {"bank": 600, "corn": 100}, "of the others, each by how often it is there"
    drawn = Counter(table.another("NN", "bank", (2 * step + 1) * total // 800) for step in range(400))
    assert drawn == {"wheat": 300, "corn": 100}
    assert table.another("CD", "3.5", 5) is None
    for word in ("bank", "wheat", "corn"):
        assert {table.another("NN", word, raw) for raw in (0, total - 1)} <= {"bank", "wheat", "corn"} - {word}


def test_words_are_masked_and_replaced_at_their_rates() -> None:
    text = " ".join(SENTENCES) * 40
    tagged, table = tagged_words(text), WordTable(counted_words([text]))
    made = augmented(text, tagged, table, 0, 1, 7)
    total = len(tagged)
    assert made.masked + made.replaced + made.kept == total
    assert abs(made.masked / total - 0.1) < 0.02 and abs(made.replaced / total - 0.1) < 0.02
    assert made.text.count(MASK) == made.masked
    assert re.sub(r"\w|[\[\]'.-]", "", made.text) == re.sub(r"\w|[\[\]'.-]", "", text), "what is between stays"
    own, theirs = tagged, re.findall(r"\[MASK\]|[^\W_]+(?:['.-][^\W_]+)*", made.text)
    assert len(theirs) == total
    kinds = {tag: set(words) for tag, words in counted_words([text]).items()}
    changed = [(word, other.lower()) for word, other in zip(own, theirs, strict=True) if word.word != other.lower()]
    swapped = [(word, other) for word, other in changed if other != MASK.lower()]
    assert len(swapped) == made.replaced
    assert all(other in kinds[word.tag] for word, other in swapped)


def test_draws_depend_on_seed_copy_document_and_place_alone() -> None:
    text, table = " ".join(SENTENCES), WordTable(counts())
    tagged = tagged_words(text)
    first = augmented(text, tagged, table, 0, 1, 3)
    assert augmented(text, tagged, table, 0, 1, 3) == first
    others = [augmented(text, tagged, table, *which) for which in ((1, 1, 3), (0, 2, 3), (0, 1, 4))]
    assert len({first.text, *(other.text for other in others)}) == 4
    longer = f"{text} More words."
    assert (
        augmented(longer, tagged_words(longer), WordTable(counted_words([*SENTENCES, longer])), 0, 1, 3).text[:5]
        == first.text[:5]
    )


# the set


def test_originals_stay_and_copies_have_their_labels(tmp_path: Path) -> None:
    store = plain_store(tmp_path / "plain")
    made = make_transfer_set(store, Augmentation(3, 0), tmp_path / "set", 1)
    report = report_of(made)
    assert report is not None
    count, train = len(store.labels), len(store.indices("train"))
    assert report.originals == train and report.copies + report.duplicates == 2 * train
    assert len(made.labels) == count + report.copies
    assert np.array_equal(made.labels[:count], store.labels)
    assert np.array_equal(made.split_codes[:count], store.split_codes)
    assert not made.split_codes[count:].any(), "validation and test are as they were"
    assert made.text is not None and store.text is not None
    assert [made.text[row] for row in range(count)] == [store.text[row] for row in range(count)]
    for row in range(count, len(made.labels)):
        original = re.fullmatch(r"(\d+)\.txt \[copy [12]\]", made.names[row])
        assert original and made.labels[row] == store.labels[int(original[1])]
        assert store.split_codes[int(original[1])] == 0
    texts = [made.text[row] for row in range(len(made.labels))]
    assert len(set(texts)) == len(texts), "no text twice"
    assert report.masked + report.replaced > 0
    assert made.manifest["source"]["transfer_from"] == store.digest


def test_several_labels(tmp_path: Path) -> None:
    store = plain_store(tmp_path / "plain", several=True)
    made = make_transfer_set(store, Augmentation(2, 0), tmp_path / "set", 1)
    assert made.labels.shape[1] == 2
    row = len(store.labels)
    original = int(made.names[row].partition(".")[0])
    assert np.array_equal(made.labels[row], store.labels[original])


def test_one_copy_is_the_originals(tmp_path: Path) -> None:
    store = plain_store(tmp_path / "plain")
    made = make_transfer_set(store, Augmentation(1, 0), tmp_path / "set", 1)
    report = report_of(made)
    assert report is not None and (report.copies, report.masked) == (0, 0)
    assert np.array_equal(made.labels, store.labels)


def test_duplicates_are_skipped(tmp_path: Path) -> None:
    """A text of one word is masked, replaced or kept: most copies of it have been there already."""
    store = text_store(tmp_path / "plain", ["wheat", "corn", "", "rye"], [0, 0, 0, 1])
    made = make_transfer_set(store, Augmentation(30, 0), tmp_path / "set", 1)
    report = report_of(made)
    assert report is not None and report.copies == 1 and report.duplicates == 3 * 29 - 1
    assert made.text is not None and made.text[len(store.labels)] == MASK


@pytest.mark.slow
def test_the_set_does_not_depend_on_workers_or_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = plain_store(tmp_path / "plain")
    alone = make_transfer_set(store, Augmentation(4, 5), tmp_path / "alone", 1)
    monkeypatch.setattr(transfer, "DOCUMENTS_PER_PART", 5)
    monkeypatch.setattr(transfer, "usable_cores", lambda: 2)
    together = make_transfer_set(store, Augmentation(4, 5), tmp_path / "together", 2)
    assert together.digest == alone.digest
    other = make_transfer_set(store, Augmentation(4, 6), tmp_path / "other", 1)
    assert other.digest != alone.digest


def test_an_interrupted_call_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = plain_store(tmp_path / "plain")
    monkeypatch.setattr(transfer, "DOCUMENTS_PER_PART", 3)
    done: list[str] = []
    copy_part = transfer.copy_part

    def breaks(job: transfer.PartJob) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        copy_part(job)
        done.append(job.out)

    monkeypatch.setattr(transfer, "copy_part", breaks)
    with pytest.raises(KeyboardInterrupt):
        make_transfer_set(store, Augmentation(3, 0), tmp_path / "set", 1)
    assert not (tmp_path / "set").exists(), "whole or absent"

    def counted(job: transfer.PartJob) -> None:
        assert job.out not in done, "a part that is there is not made again"
        copy_part(job)

    monkeypatch.setattr(transfer, "copy_part", counted)
    made = make_transfer_set(store, Augmentation(3, 0), tmp_path / "set", 1)
    monkeypatch.undo()
    assert made.digest == make_transfer_set(store, Augmentation(3, 0), tmp_path / "again", 1).digest
    left = [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert left == [], "nothing is left of the work"


def test_parts_of_other_documents_are_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = plain_store(tmp_path / "plain")
    monkeypatch.setattr(transfer, "prepare", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make_transfer_set(store, Augmentation(2, 0), tmp_path / "set", 1)
    monkeypatch.undo()
    other = text_store(tmp_path / "other", texts_of(8)[::-1], [0] * 6 + [1, 2])
    made = make_transfer_set(other, Augmentation(2, 0), tmp_path / "set", 1)
    assert made.text is not None and made.text[0] == texts_of(8)[-1]
    assert made.digest == make_transfer_set(other, Augmentation(2, 0), tmp_path / "again", 1).digest


def test_what_is_there_is_reused_or_refused(tmp_path: Path) -> None:
    store = plain_store(tmp_path / "plain")
    made = make_transfer_set(store, Augmentation(2, 0), tmp_path / "set", 1)
    before = (made.path / MANIFEST).stat().st_mtime_ns
    assert make_transfer_set(store, Augmentation(2, 0), tmp_path / "set", 1).digest == made.digest
    assert (made.path / MANIFEST).stat().st_mtime_ns == before
    with pytest.raises(UserError, match=r"exists and is another transfer set \(its copies is 2, 3 asked for\)"):
        make_transfer_set(store, Augmentation(3, 0), tmp_path / "set", 1)
    other = text_store(tmp_path / "other", texts_of(8)[::-1], [0] * 6 + [1, 2])
    with pytest.raises(UserError, match=r"another transfer set \(its transfer_from is '"):
        make_transfer_set(other, Augmentation(2, 0), tmp_path / "set", 1)
    with pytest.raises(UserError, match="is a transfer set already; give the store that it was made from"):
        make_transfer_set(made, Augmentation(2, 0), tmp_path / "twice", 1)


def without_text(store: Store) -> Store:
    manifest = json.loads((store.path / MANIFEST).read_text())
    for name in ("text.utf8", "text.offsets.npy"):
        del manifest["bytes"][name], manifest["sha256"][name]
    (store.path / MANIFEST).write_text(json.dumps(manifest))
    return open_store(store.path)


def test_stores_that_nothing_can_be_made_of(tmp_path: Path) -> None:
    nothing = text_store(tmp_path / "nothing", texts_of(4), [1, 1, 2, 2])
    with pytest.raises(UserError, match="has no training documents; a transfer set is made of them"):
        make_transfer_set(nothing, Augmentation(2, 0), tmp_path / "set", 1)
    with pytest.raises(UserError, match="holds no text to learn from; prepare it again with `bench data prepare"):
        make_transfer_set(without_text(plain_store(tmp_path / "plain")), Augmentation(2, 0), tmp_path / "set", 1)
