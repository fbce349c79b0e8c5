"""`bench baseline`: what tf-idf and linear models make of a store's text, beside what was published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bench.show.papers import Published
    from shared.store import Store


@click.command("baseline")
@click.option(
    "--data",
    "directory",
    metavar="STORE",
    required=True,
    type=click.Path(path_type=Path),
    help="A prepared store with text.",
)
def command(directory: Path) -> None:
    """Score a store's text with linear models on tf-idf vectors: what a network has to beat.

    Logistic regression and a linear support vector machine, with scikit-learn's defaults, and the most frequent label
    for every document; trained on one part, scored on the test part. Not a bound: tuned baselines do better. Where the
    store holds the documents of Reuters (ModApte, 90 topics), DocBERT's figures stand beside ours. Where words are
    tagged: the most frequent tag, and each word's own, scored by whole entities. Away from a terminal the table is
    Markdown.
    """
    from importlib.metadata import version

    from bench.accuracy.baselines import store_scores
    from bench.accuracy.tag_baselines import tag_scores
    from bench.terminal import grids
    from shared.store import open_store

    store = open_store(directory)
    scores = {"train": tag_scores(store)} if store.tags else store_scores(store)
    published = published_scores(store)
    measure = ("F1 (micro)", "precision", "recall") if store.multi_label or store.tags else ("accuracy",)
    headings = ("baseline", "trained on", *measure, "published", "seconds")
    rows = []
    for part, own in scores.items():
        for score in own:
            shares = (score.f1, score.precision, score.recall)[: len(measure)]
            theirs = published.get(score.name)
            told = f"{theirs.value} %" if theirs else grids.NOTHING
            rows.append([score.name, part, *(f"{100 * share:.2f} %" for share in shares), told, f"{score.seconds:.1f}"])
    console = grids.stdout()
    if console.is_terminal:
        grids.print_grid(console, headings, rows, keys=2)
    else:
        click.echo(grids.markdown(headings, rows))
    counts = [f"{split} {len(store.indices(split)):,}" for split in ("train", "val", "test")]
    lines = [f"{store.name} ({store.digest}): {len(store.classes)} classes, documents: {', '.join(counts)}"]
    lines.append(f"scikit-learn {version('scikit-learn')}")
    lines += sorted({f"published: {row.paper}, {row.table}, {row.dataset}, {row.metric}" for row in published.values()})
    for line in lines:
        click.echo(f"\n{line}")


def published_scores(store: Store) -> dict[str, Published]:
    """A baseline's name to its published figure; none unless the store has the published corpus's documents and labels.

    A corpus is known by its numbers of documents and classes: a store may be named after any folder.
    """
    from bench.accuracy.baselines import LOGISTIC_REGRESSION, SUPPORT_VECTORS
    from bench.show.papers import find, read_papers

    rows = read_papers()
    documents, classes = (find(rows, "docbert", "data set", "Reuters", name).value for name in ("documents", "classes"))
    if not store.multi_label or (len(store.labels), len(store.classes)) != (documents, classes):
        return {}
    systems = {LOGISTIC_REGRESSION: "LR", SUPPORT_VECTORS: "SVM"}
    return {name: find(rows, "docbert", system, "Reuters", "test F1") for name, system in systems.items()}
