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


class ScanExtras:
    """Part of `Scan`: what it holds beside its rows."""

    manifest: Manifest
    _extras: Extras
    _legend: Legend

    @property
    def likelihood(self) -> pd.DataFrame | None:
        """How likely the prompts themselves are under each run; None unless asked for (`likelihood=True`).

        One row a run: `mean_nll` (nats a token), `perplexity`, `delta_mean_nll` (nats a token), and `token_logprob`, in
            each
        row the [T - 1] log-probs of the tokens behind the first, nats.

        >>> scan = client.scan("Berlin is the capital of", sweep="layers", likelihood=True)
        >>> scan.likelihood.variant[0], float(scan.likelihood.delta_mean_nll[0])
        ('baseline', 0.0)
        """
        return self._extras.likelihood_frame(self._legend)

    @property
    def compensation(self) -> Compensation | None:
        """What the rest of the model does about each edit; None unless asked for (`compensation=True`).

        >>> scan = client.scan("Berlin is the capital of", target=" Germany", contrast=" France", compensation=True)
        >>> scan.compensation.heads.shape  # [rows, layers, heads], logits
        (144, 12, 12)
        """
        return self._extras.compensation_of(self.manifest, self._legend)

    @property
    def summary(self) -> pd.DataFrame | None:
        """Statistics of the primary metric's delta over the prompts; None unless asked for (`summary=True`).

        One row a (replacement, variant, edit position, read position); columns as in `ablation.v1.SummaryBlock`, in the
        metric's unit. What they rest on says `summary_head`.

        >>> texts = [f"{city} is the capital of" for city in ("Berlin", "Rome", "Paris")]
        >>> scan = client.scan(texts, target=" Germany", layers=5, summary=True)
        >>> scan.summary[["variant", "mean", "ci_low", "ci_high"]].shape
        (12, 4)
        """
        return self._extras.summary_frame(self._legend)

    @property
    def summary_head(self) -> SummaryHead | None:
        """What the summary rests on (`ablation.v1.SummaryHead`): clusters, flips, seed, agreement of replacements.

        >>> scan = client.scan(["Berlin is in", "Rome is in"], target=" Germany", layers=5, summary=True)
        >>> scan.summary_head.n_prompts
        2
        """
        return self._extras.summary_head
