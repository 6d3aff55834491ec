"""Columns along the axes of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ablate._blocks import Array
from ablate._layout import Layout
from ablate._rows import KEYS, RowSpace

if TYPE_CHECKING:
    from ablate._proto.ablation.v1.scan_pb2 import Manifest, ResolvedPrompt, Variant

Floats = npt.NDArray[np.floating[Any]]


class Tensors:
    """Of one scan. Its errors are `Scan.array`'s."""

    def __init__(
        self,
        manifest: Manifest,
        variants: Sequence[Variant],
        prompts: Sequence[ResolvedPrompt],
        columns: Mapping[str, Array],
        space: RowSpace,
        replacements: Sequence[str],
    ) -> None:
        self._layout = Layout(manifest, variants)
        self._prompts = prompts
        self._columns = columns
        self._space = space
        self._replacements = replacements

    @property
    def axes(self) -> tuple[str, ...]:
        axes = self._layout.axes
        return (axes[0], "edit_position", *axes[1:]) if self._space.sweeps_positions else axes

    def array(self, column: str, replacement: str | int | None, prompt: int | None, read: int) -> Floats:
        values = self.column(column)
        r = self._replacement(replacement)
        if prompt is not None or len(self._prompts) == 1:
            return self._of_prompt(values, r, self._prompt(prompt or 0), read)
        arrays = [self._of_prompt(values, r, p, read) for p in range(len(self._prompts))]
        if not self._space.sweeps_positions:
            return np.stack(arrays)
        # Prompts may differ in length: behind a shorter one's end stands NaN.
        made = np.full((len(arrays), *np.max([a.shape for a in arrays], axis=0)), np.nan, arrays[0].dtype)
        for p, one in enumerate(arrays):
            at: tuple[Any, ...] = (p, *map(slice, one.shape))
            made[at] = one
        return made

    def unedited(self, column: str, variant: int, prompt: int | None, read: int) -> float:
        if prompt is None and len(self._prompts) > 1:
            raise ValueError(f"prompt: there are {len(self._prompts)}, name one")
        p = self._prompt(prompt or 0)
        return float(self._rows(self.column(column), p)[-1 - variant, self._read(p, read)])

    def at_read(self, read: int) -> npt.NDArray[np.bool_]:
        """[rows]: those of that read position of their prompt."""
        made = np.zeros(self._space.total_rows, np.bool_)
        for p in range(len(self._prompts)):
            self._rows(made, p)[:, self._read(p, read)] = True
        return made

    def column(self, column: str) -> Array:
        if column in self._columns:
            return self._columns[column]
        if self._columns.keys() <= set(KEYS):
            raise KeyError(f"no column {column!r}: there are no rows yet")
        raise KeyError(f"no column {column!r} in this scan; there are {', '.join(self._columns)}")

    def _of_prompt(self, values: Array, replacement: int, prompt: int, read: int) -> Floats:
        space = self._space
        edited = self._rows(values, prompt)[space.n_unedited :, self._read(prompt, read)]
        by_variant = edited.reshape(space.n_replacements, space.n_variants, int(space.n_edits[prompt]))[replacement]
        floats = by_variant.astype(values.dtype if values.dtype == np.float64 else np.float32)
        if np.issubdtype(values.dtype, np.integer):
            floats[by_variant < 0] = np.nan
        if not space.sweeps_positions:
            return self._layout.place(floats[:, 0])
        made = np.full((len(self._prompts[prompt].tokens), space.n_variants), np.nan, floats.dtype)
        made[list(self._prompts[prompt].edit_positions)] = floats.T
        # [position, *axes] -> the position behind the first axis.
        return np.moveaxis(self._layout.place(made), 0, 1)

    def _rows(self, values: Array, prompt: int) -> Array:
        """[runs, reads] of one prompt: a view."""
        first, behind = self._space.first_row[prompt : prompt + 2]
        return values[first:behind].reshape(-1, int(self._space.n_reads[prompt]))

    def _replacement(self, replacement: str | int | None) -> int:
        if isinstance(replacement, str):
            if replacement in self._replacements:
                return self._replacements.index(replacement)
        elif replacement is None:
            if len(self._replacements) == 1:
                return 0
        elif 0 <= replacement < len(self._replacements):
            return replacement
        raise ValueError(f"replacement {replacement!r}: expected one of {', '.join(self._replacements)}")

    def _prompt(self, prompt: int) -> int:
        if -len(self._prompts) <= prompt < len(self._prompts):
            return prompt % len(self._prompts)
        raise IndexError(f"prompt {prompt} of {len(self._prompts)}")

    def _read(self, prompt: int, read: int) -> int:
        n_reads = int(self._space.n_reads[prompt])
        if -n_reads <= read < n_reads:
            return read % n_reads
        raise IndexError(f"read position {read} of {n_reads} of prompt {prompt}")
