"""The rows of a request, and what they have from each other: in pairs of prompts, and in pairs of sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.oracle import readout
from tests.oracle.spec import Variant

BASELINE, CORRUPTED = -1, -2


@dataclass(frozen=True, order=True)
class RunKey:
    prompt: int
    replacement: int  # -1: an unedited run
    variant: int  # of the variants; BASELINE, CORRUPTED
    edit_position: int = -1


# Columns by name. What begins with `_` is no column: `_logits` [V], `_primary` (the metric's name), `_denominator`.
Row = dict[str, Any]


@dataclass
class Expectation:
    # By run and read position.
    rows: dict[tuple[RunKey, int], Row] = field(default_factory=dict)
    compensations: dict[tuple[RunKey, int], Row] = field(default_factory=dict)
    likelihoods: dict[RunKey, Row] = field(default_factory=dict)


def relate_to_pair(rows: Mapping[tuple[RunKey, int], Row], prompt: int, least: float) -> None:
    """Of one prompt that is a pair: `kl_to_clean`, `normalized`, and the corrupted run beside the clean one."""
    clean, corrupted = RunKey(prompt, -1, BASELINE), RunKey(prompt, -1, CORRUPTED)
    for (key, position), row in rows.items():
        clean_row, corrupted_row = rows[clean, position], rows[corrupted, position]
        row["kl_to_clean"] = readout.kl(clean_row["_logits"], row["_logits"][None]).item()
        if key == corrupted:
            row["kl_divergence"] = row["kl_to_clean"]
            row["top1_preserved"] = row["top1_id"] == clean_row["top1_id"]
            row |= {"delta_" + name: row[name] - clean_row[name] for name in readout.LEVELS if name in row}
        if "_primary" in row:
            m, top, bottom = (r[row["_primary"]] for r in (row, clean_row, corrupted_row))
            row["_denominator"] = top - bottom
            # Columns are finite: where both runs are alike there is nothing to normalise by.
            if abs(top - bottom) >= least and top != bottom:
                row["normalized"] = (m - bottom) / (top - bottom)


def add_interactions(rows: Mapping[tuple[RunKey, int], Row], variants: Sequence[Variant]) -> None:
    """What a pair of sites does beyond its two sites."""
    single = {variant.sites: v for v, variant in enumerate(variants) if len(variant.sites) == 1}
    for (key, position), row in rows.items():
        if "_primary" not in row:
            continue
        row["interaction"] = 0.0
        if key.variant < 0 or len(variants[key.variant].sites) == 1:
            continue
        name = "delta_" + row["_primary"]
        parts = [
            rows[RunKey(key.prompt, key.replacement, single[site,], key.edit_position), position][name]
            for site in variants[key.variant].sites
        ]
        row["interaction"] = row[name] - sum(parts)
