"""What the engine must answer to a scan: every row and column, by hooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GPT2LMHeadModel

from tests.oracle import hf, readout
from tests.oracle.effects import Effects, effects
from tests.oracle.hf import Edit
from tests.oracle.probe import Scan
from tests.oracle.runs import Patch, Trace, head_outputs, trace

BASELINE, DONOR = -1, -2
EFFECTS = ("direct_contribution", "direct_effect", "direct_effect_live")
COMPENSATION = ("compensation_heads", "compensation_mlps", "compensation_layer_norm")

Key = tuple[int, int, int]  # (scan, variant, position)
Rows = dict[Key, dict[str, Any]]


@dataclass(frozen=True)
class Expected:
    rows: Rows
    logits: dict[Key, torch.Tensor]  # [V] each


def _patch(edit: Edit, scan: Scan, donor: torch.Tensor | None, dtype: torch.dtype) -> Patch:
    """`donor`: z of the donor's run, [L, H, T, Dh]."""
    positions = range(len(scan.token_ids))[edit.begin : edit.end]
    value = None
    if edit.entry >= 0:
        rows = [scan.table[edit.entry + edit.entry_stride * p] if p in positions else None for p in positions]
        value = torch.zeros(len(scan.token_ids), len(scan.table[0]), dtype=dtype)
        value[list(positions)] = torch.tensor(rows, dtype=torch.float64).to(dtype)
    if not edit.from_donor:
        return Patch(edit.layer, edit.head, positions, edit.scale, value)
    assert donor is not None
    theirs = edit.scale * donor[edit.layer, edit.head]
    return Patch(edit.layer, edit.head, positions, 0.0, theirs if value is None else theirs + value)


def _effect_rows(scan: Scan, found: Effects | None, n_rows: int) -> list[dict[str, Any]]:
    """Columns of `n_rows` rows; of unedited runs where there is nothing `found`."""
    if not scan.effects:
        return [{} for _ in range(n_rows)]
    names = (*EFFECTS, *(COMPENSATION if scan.compensation else ()))
    rows = []
    for b in range(n_rows):
        row: dict[str, Any] = {}
        for name in names:
            if found is None:
                row[name] = None  # zeros, of whatever width
            else:
                row[name] = getattr(found, name.removeprefix("compensation_"))[b].flatten().tolist()
                if name in (*EFFECTS, "compensation_layer_norm"):
                    (row[name],) = row[name]
        rows.append(row)
    return rows


def _plain(columns: dict[str, np.ndarray], row: int) -> dict[str, Any]:
    return {name: values[row].item() for name, values in columns.items()}


def expect_scan(model: GPT2LMHeadModel, scan: Scan) -> dict[tuple[int, int], tuple[dict[str, Any], torch.Tensor]]:
    """By (variant, position): the columns, and the logits `[V]`."""
    reads = list(scan.read_positions)
    donor = head_outputs(model, scan.donor_token_ids) if scan.donor_token_ids else None
    runs = [[_patch(edit, scan, donor, model.dtype) for edit in edits] for edits in scan.variants]
    base: Trace = trace(model, scan.token_ids, [[]], reads)
    edited = trace(model, scan.token_ids, runs, reads) if runs else None
    donors = trace(model, scan.donor_token_ids, [[]], reads) if scan.donor_token_ids else None
    rows = {}
    for i, position in enumerate(reads):
        answers = scan.answers_at(i)

        def add(first_variant: int, given: Trace, found: Effects | None, i=i, position=position, answers=answers):
            y = given.logits[:, i]
            columns = readout.measure(y, base.logits[0, i], answers, scan.reduction)
            if donors is not None:
                columns["kl_from_donor"] = readout.kl(donors.logits[0, i], y)
            extra = _effect_rows(scan, found, len(y))
            for b in range(len(y)):
                rows[first_variant + b, position] = (_plain(columns, b) | extra[b], y[b])

        add(BASELINE, base, None)
        if donors is not None:
            add(DONOR, donors, None)
        if edited is not None:
            sites = [{(p.layer, p.head) for p in patches if position in p.positions} for patches in runs]
            add(0, edited, effects(model, edited, base, i, answers, sites) if scan.effects else None)
    return rows


def expect(model_dir: Path, scans: Sequence[Scan], dtype: torch.dtype) -> Expected:
    model = hf.load(str(model_dir), dtype)
    expected = Expected({}, {})
    for s, scan in enumerate(scans):
        for (variant, position), (row, logits) in expect_scan(model, scan).items():
            expected.rows[s, variant, position] = row
            expected.logits[s, variant, position] = logits
    return expected
