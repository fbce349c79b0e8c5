"""How often intervals hold a truth that is known, and more of that kind: `python -m bench.studies.coverage`.

A machine that becomes slower while a run lasts makes the cells that are run later look slower. The order of a plan
(bench/run/plan.py: every second repeat reversed) is to cancel that. Here its cells, in its own order and on an invented
clock, get speeds of known ratios with drift and noise, and are paired and judged by the code that makes every table.
No figure depends on this machine.
"""

from __future__ import annotations

import click

from bench.studies.coverage import order, power, windows

EXPERIMENTS = 40_000  # a share is then known to 0.1 %
WINDOWS = 4_000  # step by step, so fewer

HEAD = """Printed by `python -m bench.studies.coverage`: {experiments:,} simulated runs a line; nothing is measured.

How often intervals hold the truth, the lowest share of all speedups and of all framework ratios: the cells of
`bench run --framework both --gpus {gpus}` in the plan's own order, and for contrast with every repeat in one order.
Drift: the machine becomes slower by so much, steadily, over the run; noise: standard deviation of a cell.
"""
POWER = """
How often a new run shows the difference that a run says is shown in 80 % of such runs, and how often one as large as
the half-width of its interval (heavy-tailed: a t distribution with 3 degrees of freedom).
"""
WARM_UP = """
What the warm-up leaves: {windows:,} simulated windows of {measured} steps a line, after a warm-up of at least {least}
steps. The share of them whose first third takes more than 10 % longer than the last, after the warm-up as it is and
after the least steps alone; the warm-up's mean length; how often the step time stood still by its rule. Disturbed:
three of the least steps take twice as long.
"""


@click.command()
@click.option("--experiments", type=click.IntRange(1000, 200_000), default=EXPERIMENTS, show_default=True)
@click.option("--windows", "num_windows", type=click.IntRange(100, 100_000), default=WINDOWS, show_default=True)
def main(experiments: int, num_windows: int) -> None:
    """Print the coverage of intervals, the power of what is said to be shown, and the drift in windows, as Markdown."""
    click.echo(HEAD.format(experiments=experiments, gpus=",".join(map(str, order.GPUS))))
    for line in order.table(experiments):
        click.echo(line)
    click.echo(POWER)
    for line in power.table(experiments):
        click.echo(line)
    click.echo(WARM_UP.format(windows=num_windows, measured=windows.MEASURED, least=windows.LEAST))
    for line in windows.table(num_windows):
        click.echo(line)


if __name__ == "__main__":
    main()
