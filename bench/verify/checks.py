"""One figure of the ladder against its tolerance."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One figure against its tolerance."""

    rung: int
    name: str
    what: str
    figure: float
    tolerance: float
    passed: bool
    detail: str = ""
    at_least: bool = False  # the figure must reach the tolerance; else it must not exceed it

    def line(self) -> str:
        """For people."""
        verdict = "ok    " if self.passed else "BROKEN"
        bound = f"at least {self.tolerance:.2g}" if self.at_least else f"tolerance {self.tolerance:.2g}"
        text = f"{verdict} {self.rung} {self.name}: {self.what} {self.figure:.2g} ({bound})"
        return f"{text}, {self.detail}" if self.detail else text

    def as_dict(self) -> dict[str, Any]:
        """For the certificate; JSON has no infinity."""
        return asdict(self) | {"figure": self.figure if math.isfinite(self.figure) else str(self.figure)}


def within(rung: int, name: str, what: str, figure: float, tolerance: float, detail: str = "") -> Check:
    """A check that holds where the figure does not exceed the tolerance (NaN exceeds everything)."""
    return Check(rung, name, what, figure, tolerance, bool(figure <= tolerance), detail)


def reaching(rung: int, name: str, what: str, figure: float, bound: float, detail: str = "") -> Check:
    """A check that holds where the figure is the bound or more (NaN is no figure)."""
    return Check(rung, name, what, figure, bound, bool(figure >= bound), detail, at_least=True)
