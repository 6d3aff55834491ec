"""Which rows a scan has (proto/ablation/v1/scan.proto, RowBlock), each with a dense number.

Runs of a prompt are numbered: the baseline, the corrupted run where there is one, then by replacement, variant, edit
position. Rows: prompt by prompt, run by run, the read positions of each in rising order. The C++ client's order, and so
that of `ablate scan --format csv`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ablate.errors import ContractError

if TYPE_CHECKING:
    from ablate._proto.ablation.v1.scan_pb2 import Manifest, ResolvedPrompt

#: The columns that name a row.
KEYS = ("prompt_index", "replacement", "variant", "edit_position", "position")

Ints = npt.NDArray[np.int64]

#: `RowBlock.variant` of the unedited runs.
BASELINE = -1
CORRUPTED = -2


def is_paired(manifest: Manifest) -> bool:
    """Whether every prompt has a corrupted run too."""
    return any(r.HasField("resample") for r in manifest.replacements)


class RowSpace:
    """The rows of all prompts. Immutable."""

    def __init__(self, manifest: Manifest, prompts: Sequence[ResolvedPrompt]) -> None:
        """ContractError where the prompts' positions are not as the contract has them."""
        self.n_prompts = len(prompts)
        self.n_replacements = len(manifest.replacements)
        self.n_variants = manifest.n_variants
        self.n_unedited = 2 if is_paired(manifest) else 1
        self.sweeps_positions = manifest.edit_positions.each
        for p, prompt in enumerate(prompts):
            self._check(p, prompt)
        self._width = 1 + max((len(prompt.tokens) for prompt in prompts), default=0)
        self._reads = _Positions([prompt.read_positions for prompt in prompts], self._width)
        self._edits = _Positions([prompt.edit_positions for prompt in prompts], self._width)
        self.n_reads = self._reads.counts  # [prompts]
        #: [prompts]: edit positions, 1 where they are not swept.
        self.n_edits = self._edits.counts if self.sweeps_positions else np.ones(self.n_prompts, np.int64)
        self.edited_runs = self.n_replacements * self.n_variants * self.n_edits  # [prompts]
        self.runs = self.n_unedited + self.edited_runs  # [prompts]
        #: [prompts + 1]: the first row of each prompt, and the number of all rows.
        self.first_row = _starts(self.runs * self.n_reads)
        #: [prompts + 1]: of all runs, likewise.
        self.first_run = _starts(self.runs)
        #: [prompts + 1]: of the edited rows alone, likewise.
        self.first_edited_row = _starts(self.edited_runs * self.n_reads)

    @property
    def total_rows(self) -> int:
        return int(self.first_row[-1])

    def keys(self) -> dict[str, npt.NDArray[np.int32]]:
        """What names each row, [rows] each: the inverse of `row_index`."""
        prompt = np.repeat(np.arange(self.n_prompts), self.runs * self.n_reads)
        within = np.arange(self.total_rows) - self.first_row[prompt]
        run, read = np.divmod(within, self.n_reads[prompt])
        edited = run >= self.n_unedited
        pair, edit = np.divmod(run - self.n_unedited, self.n_edits[prompt])
        replacement, variant = np.divmod(pair, self.n_variants)
        edit_position = self._edits.at(prompt, np.where(edited, edit, 0)) if self.sweeps_positions else -1
        columns = {
            "prompt_index": prompt,
            "replacement": np.where(edited, replacement, -1),
            "variant": np.where(edited, variant, -1 - run),
            "edit_position": np.where(edited, edit_position, -1),
            "position": self._reads.at(prompt, read),
        }
        return {name: column.astype(np.int32) for name, column in columns.items()}

    def run_index(self, prompt: Ints, replacement: Ints, variant: Ints, edit_position: Ints) -> Ints:
        """Numbers of the runs within their prompts; all arrays [entries]. ContractError names what is out of range."""
        _demand((prompt >= 0) & (prompt < self.n_prompts), prompt, "prompt", f"of {self.n_prompts}")
        known = (variant >= -self.n_unedited) & (variant < self.n_variants)
        _demand(known, variant, "variant", f"of {self.n_variants}")
        edited = variant >= 0
        fits = np.where(edited, (replacement >= 0) & (replacement < self.n_replacements), replacement == -1)
        _demand(fits, replacement, "replacement", f"of {self.n_replacements}")
        if self.sweeps_positions:
            edit = self._edits.find(np.where(edited, prompt, 0), edit_position)
            _demand(np.where(edited, edit >= 0, edit_position == -1), edit_position, "edit position", "of the prompt's")
        else:
            _demand(edit_position == -1, edit_position, "edit position", "though positions are not swept")
            edit = np.zeros_like(prompt)
        run = self.n_unedited + (replacement * self.n_variants + variant) * self.n_edits[prompt] + edit
        index: Ints = np.where(edited, run, -1 - variant)
        return index

    def row_index(self, prompt: Ints, replacement: Ints, variant: Ints, edit_position: Ints, position: Ints) -> Ints:
        """Numbers of the rows among all rows."""
        run = self.run_index(prompt, replacement, variant, edit_position)
        read = self._reads.find(prompt, position)
        _demand(read >= 0, position, "position", "of those that are read")
        return self.first_row[prompt] + run * self.n_reads[prompt] + read

    def _check(self, p: int, prompt: ResolvedPrompt) -> None:
        n_tokens = len(prompt.tokens)
        if not prompt.read_positions or not _is_rising(prompt.read_positions, n_tokens):
            raise ContractError(f"the read positions of prompt {p} are not rising positions of its {n_tokens} tokens")
        if bool(prompt.edit_positions) != self.sweeps_positions or not _is_rising(prompt.edit_positions, n_tokens):
            raise ContractError(
                f"the edit positions of prompt {p} are not rising positions of its {n_tokens} tokens, or do not fit "
                f"the manifest, which says that positions are {'' if self.sweeps_positions else 'not '}swept over"
            )


class _Positions:
    """Rising positions of each prompt, to be looked up in all prompts at once."""

    def __init__(self, positions: Sequence[Sequence[int]], width: int) -> None:
        self.counts = np.array([len(of) for of in positions], np.int64)
        self._width = width
        self._starts = _starts(self.counts)
        flat = np.array([position for of in positions for position in of], np.int64)
        # (prompt, position) as one number: sorted, since prompts and positions rise.
        self._keys = np.repeat(np.arange(len(positions)), self.counts) * width + flat

    def at(self, prompt: Ints, index: Ints) -> Ints:
        """The inverse of `find`."""
        position: Ints = self._keys[self._starts[prompt] + index] - prompt * self._width
        return position

    def find(self, prompt: Ints, position: Ints) -> Ints:
        """Index of each position among its prompt's; -1 where it is none of them."""
        key = prompt * self._width + position
        at = np.searchsorted(self._keys, key)
        hit = (position >= 0) & (position < self._width) & (at < len(self._keys))
        hit &= self._keys[np.minimum(at, len(self._keys) - 1)] == key
        return np.where(hit, at - self._starts[prompt], -1)


def _starts(counts: Ints) -> Ints:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def _is_rising(positions: Sequence[int], n_tokens: int) -> bool:
    return all(0 <= p < n_tokens for p in positions) and all(
        a < b for a, b in zip(positions, positions[1:], strict=False)
    )


def _demand(holds: npt.NDArray[np.bool_], values: Ints, what: str, expected: str) -> None:
    if not holds.all():
        raise ContractError(f"a row names {what} {values[np.argmin(holds)]} {expected}")
