"""The rows' numbering: dense, and its own inverse."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import ablate
from ablate._proto.ablation.v1.scan_pb2 import Manifest, ResolvedPrompt
from ablate._rows import KEYS, RowSpace

N_VARIANTS = 3


def space(paired: bool, swept: bool, replacements: int = 2) -> RowSpace:
    manifest = Manifest(n_variants=N_VARIANTS)
    for _ in range(replacements):
        manifest.replacements.add().zero.SetInParent()
    if paired:
        manifest.replacements[0].resample.direction = 1  # type: ignore[assignment]
    manifest.edit_positions.each = swept
    edits: list[list[int]] = [[0, 2], [1], [0, 1, 3]] if swept else [[], [], []]
    reads = [[2], [0, 1], [3]]
    prompts = [
        ResolvedPrompt(tokens=[{"id": i} for i in range(4)], read_positions=r, edit_positions=e)
        for r, e in zip(reads, edits, strict=True)
    ]
    return RowSpace(manifest, prompts)


def by_hand(paired: bool, swept: bool) -> list[tuple[int, ...]]:
    """(prompt, replacement, variant, edit position, position), in order."""
    rows = []
    for p, (reads, edits) in enumerate([([2], [0, 2]), ([0, 1], [1]), ([3], [0, 1, 3])]):
        runs = [(-1, -1, -1)] + [(-1, -2, -1)] * paired
        runs += [(r, v, e) for r in range(2) for v in range(N_VARIANTS) for e in (edits if swept else [-1])]
        rows += [(p, *run, q) for run in runs for q in reads]
    return rows


@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.parametrize("paired", [False, True])
def test_rows_are_numbered_in_order(paired, swept):
    rows = space(paired, swept)
    expected = np.array(by_hand(paired, swept))
    assert rows.total_rows == len(expected)
    np.testing.assert_array_equal(rows.row_index(*expected.T), np.arange(len(expected)))
    keys = rows.keys()
    np.testing.assert_array_equal(np.stack([keys[name] for name in KEYS], axis=1), expected)


GOOD = {"prompt": 1, "replacement": 1, "variant": 2, "edit_position": 1, "position": 0}


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": 3},
        {"prompt": -1},
        {"variant": 3},
        {"variant": -2},
        {"replacement": 2},
        {"replacement": -1},
        {"variant": -1},
        {"variant": -1, "replacement": -1},
        {"edit_position": 0},
        {"edit_position": -1},
        {"position": 2},
        {"position": -1},
        {"position": 99},
    ],
)
def test_a_row_that_is_none_is_refused(wrong):
    rows = space(paired=False, swept=True)
    assert rows.row_index(*_arrays(GOOD)).shape == (1,)
    with pytest.raises(ablate.ContractError, match="the server broke the contract: a row names"):
        rows.row_index(*_arrays(GOOD | wrong))


@pytest.mark.parametrize(
    "prompt",
    [
        {"read_positions": []},
        {"read_positions": [1, 1]},
        {"read_positions": [1, 0]},
        {"read_positions": [2]},
        {"read_positions": [-1]},
        {"read_positions": [0], "edit_positions": [0]},
    ],
)
def test_positions_that_are_not_rising_are_refused(prompt):
    manifest = Manifest(n_variants=1, replacements=[{"zero": {}}])
    with pytest.raises(ablate.ContractError, match="positions of prompt 0"):
        RowSpace(manifest, [ResolvedPrompt(tokens=[{"id": 1}, {"id": 2}], **prompt)])


def _arrays(row: dict[str, int]) -> Any:
    named = SimpleNamespace(**row)
    columns = (named.prompt, named.replacement, named.variant, named.edit_position, named.position)
    return [np.array([value]) for value in columns]
