"""A run as a chapter: its sections, in the order in which a reader asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.attribution import show as attribution_show
from bench.attribution.gap import gaps, sentence
from bench.attribution.split import attribute
from bench.records.identity import FIGURE_FIELDS
from bench.records.kinds import attributions, inferences, tabled
from bench.records.record import Record
from bench.records.repeats import Row, rows
from bench.report import drawn
from bench.report.answer import answer
from bench.report.blocks import Block, Cell, Chapter, Folded, Heading, Notes, Section, Text, table, texts_table
from bench.report.cells import cells, certificates, environment
from bench.report.comparison import comparison, speedup, throughput_lines
from bench.report.inference import answer as inference_answer
from bench.report.inference import latency
from bench.report.notices import bad, notices
from bench.report.resources import memory, monitors
from bench.report.sources import Run
from bench.report.training import scores, time
from bench.show import fairness
from bench.show.captions import capital, counted
from bench.show.fairness.show import equal_text
from bench.show.groups import Group, drawn_groups, group_records
from bench.show.tables import provenance
from bench.show.titles import setting, title

Write = Callable[[Group, Sequence[Row], str], list[Block]]


def run_chapter(run: Run, prefix: str) -> Chapter:
    """Everything about a run of `bench run`.

    Args:
        run: with records.
        prefix: of every name on the page; empty where there is one run.
    """
    if inferences(run.records):
        return inference_chapter(run, prefix)
    shown = tabled(run.records) or run.records
    groups = group_records(shown)
    written: list[tuple[str, str, list[Block]]] = [
        (
            "comparison",
            "Comparison",
            [*grouped(groups, f"{prefix}comparison", write_comparison), *of_all(groups, f"{prefix}comparison-all")],
        ),
        ("speedup", "Speedup and efficiency", grouped(groups, f"{prefix}speedup", write_speedup)),
        ("time", "Time", grouped(groups, f"{prefix}time", write_time)),
        ("scores", "Scores", grouped(groups, f"{prefix}scores", write_scores)),
        ("attribution", "Where the time goes", attribution(run.records, f"{prefix}attribution")),
        ("fairness", "What each side really used", settings(run.records, f"{prefix}fairness")),
        ("memory", "Memory and energy", grouped(groups, f"{prefix}memory", lambda _, found, name: memory(found, name))),
        ("monitors", "Monitors", grouped(groups, f"{prefix}monitors", lambda _, found, name: monitors(found, name))),
        ("cells", "Cells", cells(run, prefix)),
        ("certificates", "Certificates", certificates(run, prefix)),
        ("environment", "Environment", [Notes((provenance(shown),)), *environment(run, prefix)]),
    ]
    sections = tuple(Section(f"{prefix}{name}-section", title, tuple(made)) for name, title, made in written if made)
    lead = f"Run {run.name}: {setting(shown)}"
    said = attribution_answer(run.records) or answer([rows(group.records) for group in groups])
    told = (*map(bad, run.bad), *notices(run.records))
    return Chapter(f"{prefix}run", run.name, title(run.records), said, lead, told, sections)


def inference_chapter(run: Run, prefix: str) -> Chapter:
    """Everything about a run of `bench run --mode infer`.

    Args:
        run: with records of inference.
        prefix: as in `run_chapter`.
    """
    shown = inferences(run.records)
    groups = group_records(shown)
    latencies: list[Block] = []
    for place, (group, heading) in enumerate(zip(groups, titles(groups), strict=True)):
        latencies += [Heading(heading)] if len(groups) > 1 else []
        latencies += latency(group, f"{prefix}latency" if place == 0 else f"{prefix}latency-{place + 1}")
    written: list[tuple[str, str, list[Block]]] = [
        ("latency", "Latency and throughput", latencies),
        ("fairness", "What each side really used", settings(shown, f"{prefix}fairness")),
        ("monitors", "Monitors", grouped(groups, f"{prefix}monitors", lambda _, found, name: monitors(found, name))),
        ("cells", "Cells", cells(run, prefix)),
        ("certificates", "Certificates", certificates(run, prefix)),
        ("environment", "Environment", [Notes((provenance(shown),)), *environment(run, prefix)]),
    ]
    sections = tuple(Section(f"{prefix}{name}-section", title, tuple(made)) for name, title, made in written if made)
    lead = f"Run {run.name}, inference: {setting(shown)}"
    told = (*map(bad, run.bad), *notices(run.records))
    return Chapter(f"{prefix}run", run.name, title(shown), inference_answer(shown), lead, told, sections)


def attribution_answer(records: Sequence[Record]) -> str:
    """The sentence of an attribution, of the first place in which two columns can be held against each other."""
    found = gaps(attribute(attributions(records)))
    return sentence(found[0]) if found else ""


def grouped(groups: Sequence[Group], name: str, write: Write) -> list[Block]:
    """What is written of each group of comparable records, under a heading where there are several.

    Where they are very many only the first are; the section of cells has all.
    """
    blocks: list[Block] = []
    shown = drawn_groups(groups)
    for place, (group, heading) in enumerate(zip(shown, titles(groups), strict=False)):
        made = write(group, rows(group.records), name if place == 0 else f"{name}-{place + 1}")
        blocks += [Heading(heading), *made] if made and len(groups) > 1 else made
    if len(shown) < len(groups):
        left = counted(len(groups) - len(shown), "more group")
        blocks.append(Text(f"{left} of comparable cells not shown here; their cells are in the table of cells below."))
    return blocks


def of_all(groups: Sequence[Group], name: str) -> list[Block]:
    """Where not every group has tables of its own: the throughput of all their cells in one, folded away."""
    if len(drawn_groups(groups)) == len(groups):
        return []
    lines: list[dict[str, Cell | str]] = [
        {"group": heading, **line}
        for group, heading in zip(groups, titles(groups), strict=True)
        for line in throughput_lines(rows(group.records))
    ]
    return [Folded(f"All {len(groups)} groups", (table(name, "Throughput of every cell of every group", lines),))]


def titles(groups: Sequence[Group]) -> list[str]:
    """What tells each group from the others, in words."""
    telling = [field for field in FIGURE_FIELDS if len({getattr(group.first, field) for group in groups}) > 1]
    return [
        ", ".join(f"{field.replace('_', ' ')} {getattr(group.first, field)}" for field in telling) for group in groups
    ]


def write_comparison(group: Group, found: Sequence[Row], name: str) -> list[Block]:
    """Verdicts, figure, table, remarks."""
    glance, *rest = comparison(found, name)
    return [glance, drawn.throughput_picture(group, f"{name}-figure"), *rest]


def write_speedup(group: Group, found: Sequence[Row], name: str) -> list[Block]:
    """Figure and table; nothing where only one number of replicas was run."""
    if group.replicas == [1]:
        return [Text("Only one replica was run.")]
    return [drawn.speedup_picture(group, f"{name}-figure"), *speedup(found, name)]


def write_time(group: Group, found: Sequence[Row], name: str) -> list[Block]:
    """Table and projection."""
    return [*time(found, name), *drawn.time_pictures(group, f"{name}-figure")]


def write_scores(group: Group, found: Sequence[Row], name: str) -> list[Block]:
    """Table and figures, where something was trained."""
    made = scores(found, name)
    if made is None:
        return [Text("Nothing was trained to its end: no scores.")]
    return [made, *drawn.score_pictures(group, f"{name}-figure")]


def attribution(records: Sequence[Record], name: str) -> list[Block]:
    """The sentences, the figure and the tables of an attribution; nothing of other runs."""
    own = attributions(records)
    if not own:
        return []
    splits = attribute(own)
    found = gaps(splits)
    blocks: list[Block] = drawn.attribution_pictures(own, f"{name}-figure")
    blocks += [Text(sentence(gap), "good" if gap.is_shown else "") for gap in found]
    if not splits:
        blocks.append(Text("No repeat is complete: nothing to split.", "bad"))
    captions = ("The parts of a step", "How much longer each part is in one column than in the other")
    for place, (lines, there) in enumerate(attribution_show.tables_of(splits, found)):
        if there:
            head, *body = lines
            blocks.append(texts_table(f"{name}-{place}", captions[place], head, body, figures=True))
    return [*blocks, Notes(tuple(attribution_show.notes(own, splits, found)))]


def settings(records: Sequence[Record], name: str) -> list[Block]:
    """The fairness diff."""
    diff = fairness.diff(tabled(records) or records)
    line = fairness.verdict_line(diff)
    blocks: list[Block] = [
        Text(
            f"{capital(line)}.",
            "good" if diff.is_fair and diff.lines else "bad" if not diff.is_fair else "",
        )
    ]
    headings, lines = fairness.table_rows(diff)
    if lines:
        blocks.append(texts_table(name, "Settings that differ, and why", headings, lines))
    if len(diff.sides) > 1 and (equal := equal_text(diff)):
        blocks.append(Folded(f"{diff.num_equal} settings that are equal", (Text(equal),)))
    return blocks
