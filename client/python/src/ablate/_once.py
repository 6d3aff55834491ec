"""That each entry of a stream comes once, and how many of each prompt have come."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ablate._rows import Ints
from ablate.errors import ContractError


class Once:
    """Counts entries of several kinds, numbered 0 .. size - 1."""

    def __init__(self) -> None:
        self._seen: dict[str, npt.NDArray[np.bool_]] = {}
        self._counts: dict[str, int] = {}

    def count(self, kind: str) -> int:
        """So many have come."""
        return self._counts.get(kind, 0)

    def mark(self, kind: str, index: Ints, size: int) -> None:
        """ContractError where one has come before."""
        seen = self._seen.setdefault(kind, np.zeros(size, np.bool_))
        if seen[index].any() or len(np.unique(index)) != len(index):
            raise ContractError(f"an entry of {kind} came twice")
        seen[index] = True
        self._counts[kind] = self.count(kind) + len(index)

    def of_prompts(self, kind: str, first: Ints) -> Ints:
        """[prompts]: so many of each have come; `first`: [prompts + 1], the number of each prompt's first entry, and of
        all."""
        seen = self._seen.get(kind, np.zeros(int(first[-1]), np.bool_))
        return np.diff(np.concatenate([[0], np.cumsum(seen)])[first])
