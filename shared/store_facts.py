"""What a plan needs to know of a prepared store, without opening it again."""

from __future__ import annotations

from dataclasses import dataclass, field


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
    vector_size: int | None = None  # features of its word vectors; None: it has none
    origin: str | None = None  # digest of the store that this is a resized or tokenised copy of; None: of no other
    outputs: dict[str, int] = field(default_factory=dict)  # of a network, by task; a task that is not here: num_classes

    def outputs_of(self, task: str) -> int:
        """Outputs of a network that is trained for a task."""
        return self.outputs.get(task, self.num_classes)
