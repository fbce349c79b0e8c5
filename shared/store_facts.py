"""What a plan needs to know of a prepared store, without opening it again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StoreFacts:
    """Facts of a store."""

    path: str
    name: str  # where its documents are from
    digest: str
    num_classes: int
    split_sizes: dict[str, int]
    tasks: tuple[str, ...]  # those that its labels are of (shared.tasks), the usual one first
    image_size: int | None = None  # pixels; None: no pages
    max_tokens: int | None = None  # None: no tokens
    vocabulary_size: int | None = None
