"""Runs with known answers, as `bench run` leaves them, and what a page of them holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from bench.records.record import Record
from tests.bench.compare.records import make_record, write_run
from tests.bench.record_maker import scored

NOISE = (0.99, 1.0, 1.01, 1.0, 1.02, 0.98, 1.0)
SPEEDS = {("pt", 1): 100.0, ("pt", 2): 180.0, ("tf", 1): 80.0, ("tf", 2): 120.0}
VOID = ("meta", "br", "link", "img", "input", "hr")


def records(speeds: dict[tuple[str, int], float] = SPEEDS, repeats: int = 7, **changes: Any) -> list[Record]:
    """Both frameworks at 1 and 2 replicas; TensorFlow at 0.8 and two thirds of PyTorch's speed, in every repeat."""
    own = {"log": "cells/{}/log.txt", "epochs": 3, "scores": scored(train=1.0, val=0.95, test=0.9)}
    return [
        make_record(framework, replicas, repeat, throughput=speed * NOISE[repeat], **(own | changes))
        for (framework, replicas), speed in speeds.items()
        for repeat in range(repeats)
    ]


def failed_record(reason: str, **changes: Any) -> Record:
    """A cell of the same run at 4 replicas that came to nothing."""
    own = {"status": "oom", "epochs": 3, "throughput": None, "step_seconds": [], "time_to_first_step": None}
    return make_record("tf", 4, 0, reason=reason, **(own | changes))


def make_run(directory: Path, *extra: Record, **changes: Any) -> Path:
    """A run with those records, an environment and a log a cell."""
    found = [*records(**changes), *extra]
    found = [each.model_copy(update={"log": f"cells/{each.cell_id}/log.txt"}) for each in found]
    write_run(directory, *found)
    for record in found:
        log = directory / record.log
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"the log of {record.cell_id}\n")
    (directory / "environment.json").write_text('{"schema": 1, "cpu": "Example CPU", "packages": {"torch": "2.13.0"}}')
    return directory


@dataclass
class Element:
    """A start tag with what is in it."""

    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Everything that a reader sees in it."""
        return " ".join("".join(each if isinstance(each, str) else f" {each.text} " for each in self.children).split())

    def all(self, *tags: str) -> list[Element]:
        """Elements below it, in order; every one where no tag is named."""
        found: list[Element] = []
        for child in self.children:
            if isinstance(child, Element):
                found += [child] if not tags or child.tag in tags else []
                found += child.all(*tags)
        return found

    def find(self, identity: str) -> Element:
        """The element with an id."""
        return next(each for each in self.all() if each.attributes.get("id") == identity)

    @property
    def rows(self) -> list[dict[str, str]]:
        """Of a table: heading to text, a mapping per row."""
        head, *body = [[cell.text for cell in row.all("th", "td")] for row in self.all("tr")]
        return [dict(zip(head, row, strict=True)) for row in body]


class Page(HTMLParser):
    """A page as a tree; a tag that is closed in the wrong place is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open = [Element("page", {})]
        self.feed(html)
        self.close()
        assert [each.tag for each in self.open] == ["page"], "not all is closed"

    @property
    def root(self) -> Element:
        return self.open[0]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> in the wrong place"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)
