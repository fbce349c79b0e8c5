"""The cells of `bench run --attribute`: what is run in place of a plain cell."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from bench.run.plan import Plan, Request
from shared.errors import UserError
from shared.families import family_of
from shared.protocol import INPUT_MODES, Cell
from shared.spec import Workload

NO_EXCHANGE = "noexchange"  # in the id of a cell whose replicas exchange no gradients


def check_attribution(request: Request) -> None:
    """Whether what was asked for can be attributed.

    Raises:
        UserError: options that an attribution has no use for, or `--turns` without one.
    """
    if not request.attribute:
        if request.in_turns is not None:
            raise UserError("--turns and --apart say how the cells of --attribute are run; leave them out without it")
        return
    if request.arm != "matched":
        raise UserError("--attribute compares the parts of one computation: use --arm matched")
    if request.epochs or request.finetune:
        raise UserError("--attribute times steps and trains nothing: leave out --epochs and --finetune")
    if request.input_mode != "disk":
        raise UserError("--attribute measures every input mode: leave out --input")


def one_width(workload: Workload, notes: list[str]) -> Workload:
    """The workload with batches that are all equally wide; adds a note where that changes it.

    A step costs what its width costs, padding included, and the resident batch has one width. With several the steps of
    the input modes would do different work, and their difference would not be that of the input.
    """
    family = family_of(workload)
    if len(family.widths(workload)) == 1:
        return workload
    notes.append(
        f"every {family.describe(workload).unit} is padded to {family.widths(workload)[-1]} tokens, not to the widths "
        "of input.buckets: only so do all input modes do the same work (a spec hash of its own)"
    )
    return family.one_width(workload)


def attributed(plan: Plan, in_turns: bool | None) -> Plan:
    """A plan with the cells of an attribution in place of each plain one.

    Args:
        plan: of cells with input mode `disk` and without epochs, repeats outermost, every second one reversed.
        in_turns: whether the cells of a repeat take turns; None: on CPU, where a machine's speed changes within
            seconds. GPUs are quieter, and their memory may not hold all cells at once: one after another, the kinds
            reversed every second repeat as the columns are.
    """
    on_cpu = plan.cells[0].device == "cpu"
    turns = on_cpu if in_turns is None else in_turns
    cells: list[Cell] = []
    for (repeat, _), group in groupby(plan.cells, key=lambda cell: (cell.repeat, cell.replicas)):
        columns = list(group)
        kinds = range(len(variants(columns[0])))
        cells += [variants(column)[kind] for kind in kinds[:: -1 if repeat % 2 else 1] for column in columns]
    return replace(plan, cells=tuple(cells), in_turns=turns)


def variants(cell: Cell) -> list[Cell]:
    """The cells of an attribution of one plain cell: each input mode, and at several replicas without exchange.

    The parts are timed in the last of them, where nobody exchanges anything.
    """
    head, mode, repeat = cell.cell_id.rsplit("-", 2)
    assert mode == cell.input_mode == "disk", cell.cell_id
    cells = [replace(cell, input_mode=mode, cell_id=f"{head}-{mode}-{repeat}") for mode in INPUT_MODES]
    if cell.replicas > 1:
        cells.append(replace(cells[-1], exchange=False, cell_id=f"{head}-device-{NO_EXCHANGE}-{repeat}"))
    return [*cells[:-1], replace(cells[-1], parts=True)]
