"""What a scan holds beside its rows: likelihoods, compensations, the summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ablate import _table
from ablate._blocks import Array
from ablate._legend import Legend
from ablate._rows import RowSpace

if TYPE_CHECKING:
    from ablate._proto.ablation.v1.scan_pb2 import Manifest, SummaryHead

Floats = npt.NDArray[np.floating[Any]]


class Compensation(NamedTuple):
    """What the rest of the model does about each edit: changes of frozen direct contributions, in logits.

    `delta_logit_diff = direct_effect + heads.sum() + mlps.sum() + layer_norm`, for each row.
    """

    #: One row an edited row: what names it.
    rows: pd.DataFrame
    #: [rows, n_layers, n_heads]; 0 for the edited heads themselves.
    heads: Floats
    #: [rows, n_layers].
    mlps: Floats
    #: [rows]: what the change of the final LayerNorm's scale adds.
    layer_norm: Floats


@dataclass(frozen=True)
class Extras:
    """Empty where they were not asked for."""

    space: RowSpace
    #: [runs] each.
    likelihood: Mapping[str, Array]
    #: [edited rows] each.
    compensation: Mapping[str, Array]
    summary_head: SummaryHead | None
    #: The blocks.
    summary: Sequence[Mapping[str, Array]]

    def likelihood_frame(self, legend: Legend) -> pd.DataFrame | None:
        if not self.likelihood:
            return None
        keys, runs = self.space.keys(), self.space.runs
        # Of each run its first row.
        first = np.repeat(self.space.first_row[:-1], runs) + _within(runs) * np.repeat(self.space.n_reads, runs)
        named = {name: keys[name][first] for name in ("prompt_index", "replacement", "variant", "edit_position")}
        nll = self.likelihood["mean_nll"]
        return pd.DataFrame(
            {
                **_table.key_columns(legend, named),
                "mean_nll": nll,
                "perplexity": np.exp(nll),
                "delta_mean_nll": self.likelihood["delta_mean_nll"],
                "token_logprob": self.likelihood["token_logprob"],
            }
        )

    def compensation_of(self, manifest: Manifest, legend: Legend) -> Compensation | None:
        if not self.compensation:
            return None
        keys = self.space.keys()
        edited = keys["variant"] >= 0
        rows = pd.DataFrame(_table.key_columns(legend, {name: column[edited] for name, column in keys.items()}))
        model, columns = manifest.model, self.compensation
        heads = columns["heads"].reshape(len(rows), model.n_layers, model.n_heads)
        return Compensation(rows, heads, columns["mlps"].reshape(len(rows), model.n_layers), columns["layer_norm"])

    def summary_frame(self, legend: Legend) -> pd.DataFrame | None:
        if self.summary_head is None:
            return None
        names = dict.fromkeys(name for block in self.summary for name in block)
        columns = {name: np.concatenate([block[name] for block in self.summary]) for name in names}
        if not columns:
            return pd.DataFrame()
        variant, replacement = columns.pop("variant"), columns.pop("replacement")
        labels = {
            "replacement": legend.replacement[replacement],
            "variant": legend.variant[variant],
            "variant_name": legend.name[variant],
        }
        return pd.DataFrame({**labels, **columns})


def _within(counts: Array) -> Array:
    """0 .. count - 1 for each of the counts, one after the other."""
    within: Array = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return within
