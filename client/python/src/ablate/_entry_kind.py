"""Which of a file's entries have come (docs/formats.md, JSON lines)."""

from __future__ import annotations

from ablate._blocks import Array


class EntryKind:
    """Entries of one kind: those of a prompt have numbers from `first[prompt]` on."""

    def __init__(self, first: Array) -> None:
        self._first = first
        self._next = first[:-1].copy()
        self.columns: dict[str, Array] = {}

    @property
    def size(self) -> int:
        return int(self._first[-1])

    def place(self, prompt: int) -> int:
        """The number of the prompt's next entry."""
        if not 0 <= prompt < len(self._next):
            raise ValueError(f"prompt {prompt} of {len(self._next)}")
        at = int(self._next[prompt])
        if at == self._first[prompt + 1]:
            raise ValueError(f"prompt {prompt} has more entries than the manifest says")
        self._next[prompt] += 1
        return at

    def begun(self) -> Array:
        """[prompts]: of which some entries came."""
        return self._next > self._first[:-1]

    def lacking(self) -> Array:
        """[prompts]: of which some entries did not come."""
        return self._next < self._first[1:]
