"""What each side of a comparison really used, held against the other: `diff` from records, each difference explained.

A comparison of two frameworks is worth what its settings are worth: a side that ran with TF32, another padding or its
allocator tuned has measured that. Records hold what the workers reported (`Record.settings`, not what was asked for);
the diff stands under every comparison.
"""

from bench.show.fairness.diff import Diff, Line, diff, diff_places
from bench.show.fairness.show import markdown, table_rows, verdict_line

__all__ = ["Diff", "Line", "diff", "diff_places", "markdown", "table_rows", "verdict_line"]
