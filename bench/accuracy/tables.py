"""The table of `bench accuracy`: on the terminal and as Markdown. Made from records alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from bench.accuracy.published import published_for, why_not
from bench.accuracy.results import (
    EQUAL,
    FRAMEWORK_NAMES,
    SEARCHED,
    AccuracyRecord,
    accuracies_on_test,
    over_splits,
)
from bench.accuracy.statistics import PairedTest, describe_test, paired_test, spread
from bench.show.titles import joined
from bench.terminal import grids
from bench.terminal.grids import NOTHING
from bench.terminal.printable import markdown_text
from shared.frameworks import FRAMEWORKS, KEYS

TOLD_ONCE = ("splits", "certificate")  # above the table on a terminal, where all rows agree
VERSIONS = [key for each in FRAMEWORKS.values() for key, name in each.versions.items() if name in each.proven]
ONE, OTHER = KEYS[:2]  # whom the paired test holds against each other

Groups = dict[tuple[str, str, str | None], list[AccuracyRecord]]


def columns(records: Sequence[AccuracyRecord]) -> list[str]:
    """The table's columns; the published one only where there is something to put there."""
    first = records[0].protocol.mean_splits
    names = ["framework", "member", "trained", "splits", "median %", f"mean of first {first} %", "IQR", "min-max"]
    names += ["published %"] if published_for(records) else []
    return [*names, "weights", "p between frameworks", "certificate"]


def percent(share: float | None) -> str:
    """A share as a percentage, or the mark for nothing."""
    return NOTHING if share is None else f"{100 * share:.2f}"


def rows(records: Sequence[AccuracyRecord]) -> list[list[str]]:
    """The table's cells: a row a framework and member."""
    groups, tests, published = over_splits(records), framework_tests(records), published_for(records)
    table = []
    for (framework, member, rule), group in groups.items():
        first, summary = group[0], spread(accuracies_on_test(group), group[0].protocol.mean_splits)
        good = sum(record.status == "ok" for record in group)
        trained = (
            f"{first.workload} ({first.preset}), {first.training}, {first.epochs} epochs" if first.workload else ""
        )
        row = [FRAMEWORK_NAMES[framework], first.label, trained or NOTHING, f"{good}/{first.protocol.num_splits}"]
        if summary is None:
            row += [NOTHING] * 4
        else:
            row += [
                percent(summary.median),
                percent(summary.mean_first),
                f"{percent(summary.lower_quartile)}-{percent(summary.upper_quartile)}",
                f"{percent(summary.lowest)}-{percent(summary.highest)}",
            ]
        if published:
            values = published.get(member, [])
            row.append(f"{values[0].value:g}" if values and rule != SEARCHED and framework in FRAMEWORKS else NOTHING)
        test = tests.get((member, rule)) if framework in FRAMEWORKS else None
        row += [weights_text(group), f"{test.p:.3g}" if test else NOTHING, certificate_text(group)]
        table.append(row)
    return table


def weights_text(group: Sequence[AccuracyRecord]) -> str:
    """An ensemble's weights; of searched ones the median and the range over the splits."""
    with_parts = [record.parts for record in group if record.parts]
    if not with_parts:
        return NOTHING
    several = len({part.framework for part in with_parts[0]}) > 1
    words = []
    for index, part in enumerate(with_parts[0]):
        values = [parts[index].weight for parts in with_parts]
        spread_out = f" ({min(values):.2f}-{max(values):.2f})" if max(values) > min(values) else ""
        name = f"{part.framework} {part.member}" if several else part.member
        words.append(f"{name} {np.median(values):.2f}{spread_out}")
    return ", ".join(words)


def certificate_text(group: Sequence[AccuracyRecord]) -> str:
    """`verified`, `unverified`, or how many of each."""
    counts = Counter(record.certificate for record in group)
    return next(iter(counts)) if len(counts) == 1 else ", ".join(f"{n} {word}" for word, n in counts.items())


def framework_tests(records: Sequence[AccuracyRecord]) -> dict[tuple[str, str | None], PairedTest]:
    """(member, rule) to the paired test of PyTorch against TensorFlow, over the splits on which both ended well."""
    groups = over_splits(records)
    tests = {}
    for framework, member, rule in groups:
        if framework == ONE and (OTHER, member, rule) in groups:
            ours, theirs = (accuracies_on_test(groups[each, member, rule]) for each in (ONE, OTHER))
            common = sorted(ours.keys() & theirs.keys())
            if common:
                tests[member, rule] = paired_test([ours[i] for i in common], [theirs[i] for i in common])
    return tests


def members_of(records: Sequence[AccuracyRecord]) -> list[AccuracyRecord]:
    """A record of each trained member."""
    return [group[0] for group in over_splits(records).values() if group[0].workload]


def split_data(records: Sequence[AccuracyRecord]) -> str:
    """The name of the data that is split."""
    return next((record for record in records if record.stage == "split"), records[0]).data_name


def setting(records: Sequence[AccuracyRecord]) -> list[str]:
    """Data, protocol, device, workloads, what the training started from."""
    first, protocol = records[0], records[0].protocol
    trained = dict.fromkeys(
        f"{r.member}: {r.workload} ({r.preset}), {r.training} training from {r.weights_origin}"
        for r in members_of(records)
    )
    return [
        f"data: {split_data(records)}",
        f"protocol {protocol.name}: {protocol.train_per_class} / {protocol.val_per_class} documents per class to train "
        f"/ validate, the rest test; splits: {protocol.num_splits}",
        f"device: {first.device_name}, {first.replicas} {'CPU ' if first.device == 'cpu' else ''}replica(s) per cell",
        *trained,
    ]


def provenance(records: Sequence[AccuracyRecord]) -> list[str]:
    """Versions, and the hashes of specs, data and certificates."""
    members = members_of(records)
    seen = {
        f"{key.removeprefix('version.')} {r.settings[key]}" for r in members for key in VERSIONS if key in r.settings
    }
    digests = sorted({record.data_digest for record in records if record.data_digest})
    return [
        ", ".join(sorted(seen)) or "versions not reported",
        f"spec {joined(record.spec_hash for record in members if record.spec_hash)}",
        f"data {joined(digests)}",
        f"certificate: {joined(sorted({r.certificate_id or r.certificate for r in members}))}",
    ]


def caption(records: Sequence[AccuracyRecord]) -> list[str]:
    """How the accuracies came about, and what can be looked up."""
    return [*setting(records), *provenance(records)]


def notes(records: Sequence[AccuracyRecord]) -> list[str]:
    """What a reader of the table must be told: the tests, stage 1, published values, failures with their logs."""
    lines = []
    for (member, rule), test in framework_tests(records).items():
        words = f"{member} ({rule} weights)" if rule else member
        lines.append(f"{words}: {describe_test(test, FRAMEWORK_NAMES[ONE], FRAMEWORK_NAMES[OTHER])}")
    for record in records:
        if record.stage == "pretrain":
            reached = f"test accuracy there {percent(record.accuracy.get('test'))} %, " if record.accuracy else ""
            lines.append(
                f"stage 1, {FRAMEWORK_NAMES[record.framework]}: {record.data_name}, {record.epochs} epochs, {reached}"
                f"{record.overlap} documents left out that are also evaluated"
            )
    published = published_for(records)
    for member, values in published.items():
        lines += [
            f"published, {member}: {p.system} {p.value:g} ({p.table}{'; ' + p.note if p.note else ''})" for p in values
        ]
    reason = why_not(records)
    lines += [reason] if reason else []
    coarse = {r.search_step for r in records if r.rule == SEARCHED and r.search_step}
    lines += (
        [f"weights searched on validation in steps of {'/'.join(f'{step:.3g}' for step in sorted(coarse))}"]
        if coarse
        else []
    )
    lines += [
        f"{r.result_id}: {r.status}: {r.reason or ''}" + (f" (log: {r.log})" if r.log else "")
        for r in records
        if r.status != "ok" and not (r.member == "ensemble" and r.rule != EQUAL)
    ]
    return lines


def markdown(records: Sequence[AccuracyRecord]) -> str:
    """The table, its caption and its notes as Markdown."""
    table = grids.markdown(columns(records), rows(records))
    told = "\n".join(f"- {markdown_text(note)}" for note in notes(records))
    return "\n\n".join([table, markdown_text("; ".join(caption(records))), told]) + "\n"


def print_table(records: Sequence[AccuracyRecord]) -> None:
    """The table on standard output, with its caption and notes."""
    console = grids.stdout()
    grids.say(console, ["; ".join(setting(records))])
    grids.print_grid(console, columns(records), rows(records), keys=2, once=TOLD_ONCE)
    grids.say(console, [*notes(records), "; ".join(provenance(records))])
