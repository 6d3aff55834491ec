"""The results of a scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ablate import _table
from ablate._extras import Extras, ScanExtras
from ablate._html import scan_html
from ablate._layout import single_sites
from ablate._legend import Legend
from ablate._means import clusters_of
from ablate._rows import BASELINE, CORRUPTED, KEYS, RowSpace
from ablate._save import ScanFiles
from ablate._tensors import Tensors

if TYPE_CHECKING:
    from ablate._proto.ablation.v1.scan_pb2 import Completion, Manifest, ResolvedPrompt, Variant
    from ablate.plot import Plotter

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.floating[Any]]


class Scan(ScanExtras, ScanFiles):
    """The results of a scan, whole: every row came, once.

    Attributes:
        manifest: what was run, on what (`ablation.v1.Manifest`): model, runtime, replacements, sweep, `primary_metric`.
        variants: [n_variants], the counterfactual runs (`ablation.v1.Variant`: `label`, `sites`, `name`, `group`, ...).
        prompts: [n_prompts], as the server understood them (`ablation.v1.ResolvedPrompt`: `tokens`, `warnings`, ...).
        columns: every column that came, [rows] each (top_k_*: [rows, k]): prompt by prompt the baseline, the corrupted
            run, then by replacement, variant, edit position, read position. docs/design.md defines them; logits and
            differences of them in logits, log-probs, KL and entropy in nats. `variant` is an index into `variants` (-1
            baseline, -2 corrupted); `replacement` one into `replacements`, -1 in unedited runs; `edit_position` is -1
            where positions are not swept. Values are float32 (float64 of a server in that precision); where a prompt
            has no such figure, NaN, or -1 of a rank.
        replacements: labels: `zero`, `mean`, ...; `scale(0.5)` where there are several of a kind.
        fields: [n_prompts], the data set's other columns.
        completion: `ablation.v1.Completion`: where its time went, in ns, and how much memory it took (`timing`:
            `total_ns`, `queue_ns`, `plan_ns`, `forward_ns`, of it `readout_ns`, `send_ns`, `peak_bytes`, ...).
        token_texts: of every token id that `top1_id` and `top_k_id` name.
    """

    def __init__(
        self,
        *,
        manifest: Manifest,
        variants: Sequence[Variant],
        prompts: Sequence[ResolvedPrompt],
        columns: Mapping[str, Array],
        space: RowSpace,
        completion: Completion,
        token_texts: Mapping[int, str],
        fields: Sequence[dict[str, Any]],
        extras: Extras,
    ) -> None:
        """Clients make scans."""
        self.manifest = manifest
        self.variants = variants
        self.prompts = prompts
        self.columns = columns
        self.completion = completion
        self.token_texts = token_texts
        self.fields = fields
        self._space = space
        self._extras = extras
        self._legend = Legend(manifest, variants)
        self.replacements: Sequence[str] = self._legend.replacements
        self._tensors = Tensors(manifest, variants, prompts, columns, space, self.replacements)

    @property
    def primary_metric(self) -> str:
        """The column that `summary`, `interaction` and `normalized` are about."""
        return self.manifest.primary_metric

    @property
    def sites(self) -> list[tuple[int, int]]:
        """(layer, head) of the variants that edit one head: under `pairs` the axes of `array`.

        >>> client.scan("Berlin is the capital of", target=" Germany", sites="L5H3,L0H1").sites
        [(0, 1), (5, 3)]
        """
        return single_sites(self.variants)

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of `array`'s axes for one prompt, replacement and read position.

        >>> client.scan("Berlin is the capital of", target=" Germany").axes
        ('layer', 'head')
        """
        return self._tensors.axes

    def array(
        self, column: str, replacement: str | int | None = None, prompt: int | None = None, read: int = -1
    ) -> Floats:
        """A column of the edited runs along the sweep's axes, float32 (float64 of a server in that precision).

        [layer, head] under a `heads` sweep, [layer] under `layers`, [site, site] under `pairs` (symmetric, single sites
        on the diagonal), [variant] else. Under `each_position` a position of the prompt stands behind the first axis:
        [layer, position, head]. NaN where there is no such run or figure.

        Args:
            column: e.g. `delta_logit_diff`; docs/design.md defines them, and their units.
            replacement: its label (`replacements`) or index. None: the only one.
            prompt: its index. None: the only one, or [prompts, ...] of several.
            read: which of the read positions, as Python indexes: -1 is the last.

        Raises:
            KeyError: there is no such column, and which there are.
            ValueError, IndexError: there are several replacements, or not that one; no such prompt or read position.

        >>> scan = client.scan("Berlin is the capital of", target=" Germany", contrast=" France")
        >>> scan.array("delta_logit_diff").shape
        (12, 12)
        """
        return self._tensors.array(column, replacement, prompt, read)

    def baseline(self, column: str, prompt: int | None = None, read: int = -1) -> float:
        """A column's value in the unedited run. `prompt` None: the only one. Errors as `array`'s.

        >>> scan = client.scan("Berlin is the capital of", target=" Germany", contrast=" France")
        >>> scan.baseline("logit_diff") > 0
        True
        """
        return self._tensors.unedited(column, BASELINE, prompt, read)

    def corrupted(self, column: str, prompt: int | None = None, read: int = -1) -> float:
        """A column's value in the pair's corrupted run. ValueError where no replacement is `resample`.

        >>> pair = {"corrupted": "Madrid is the capital of", "replace": "resample", "direction": "noising"}
        >>> scan = client.scan("Berlin is the capital of", target=" Germany", contrast=" France", **pair)
        >>> scan.corrupted("logit_diff") < scan.baseline("logit_diff")
        True
        """
        if self._space.n_unedited < 2:
            raise ValueError("there is no corrupted run: no replacement is resample")
        return self._tensors.unedited(column, CORRUPTED, prompt, read)

    def to_pandas(self) -> pd.DataFrame:
        """One tidy row a run and read position; names and order as `ablate scan --format csv` has them.

        `prompt_index`, `replacement`, `variant`, `variant_name`, `layer`, `head`, `edit_position`, `position`, then
        every column that came (`top_k` as `top_k_1_id`, ...), then the data set's other columns as `fields.NAME`. <NA>
        or NaN where there is no such figure. Units: see `columns`.

        >>> frame = client.scan("Berlin is the capital of", target=" Germany", contrast=" France").to_pandas()
        >>> len(frame), frame.variant[0], frame.variant[1]
        (145, 'baseline', 'L0H0')
        """
        # A copy: columns of the frame are the caller's.
        return pd.DataFrame(self._tidy, copy=True)

    def top(self, n: int = 10, column: str | None = None, read: int = -1) -> pd.DataFrame:
        """The n runs whose `column` (default: the primary metric's delta) is furthest from 0, the strongest first.

        Of several prompts, the mean over those that have the figure, templates weighed alike as in the summary, and
        without those that chose the sites (`split`).
        KeyError where there is no such column; no run where there are no rows yet.

        >>> client.scan("Berlin is the capital of", target=" Germany", contrast=" France").top(3).columns.tolist()
        ['replacement', 'variant', 'delta_logit_diff']
        """
        column = column or self.default_column
        if self.has_figures:
            values = self._tensors.column(column)
        else:
            values = np.full(len(self), np.nan)  # a job's that has only begun
        kept = self._tensors.at_read(read) & (self.columns["variant"] >= 0)
        keys = ["replacement", "variant", *(["edit_position"] if self._space.sweeps_positions else [])]
        clusters = clusters_of(self)[self.columns["prompt_index"]]
        kept &= clusters >= 0
        return _table.strongest({name: self._tidy[name] for name in keys}, values, kept, clusters, column)[:n]

    @property
    def has_figures(self) -> bool:
        """Whether any row has come: of a job that has only begun, none may have.

        >>> client.scan("Berlin is the capital of", layers=5).has_figures
        True
        """
        return len(self.columns) > len(KEYS)

    @property
    def default_column(self) -> str:
        """The primary metric's delta, or, without a target, `kl_divergence`."""
        delta = f"delta_{self.primary_metric}"
        return delta if delta in self.columns else "kl_divergence"

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The rows in the order of `columns`, as dicts with the names of `to_pandas`; None where there is no figure.

        >>> scan = client.scan("Berlin is the capital of", target=" Germany", contrast=" France")
        >>> next(row["variant"] for row in scan if row["delta_logit_diff"] < 0)
        'L0H0'
        """
        return _table.records(self._tidy)

    def __len__(self) -> int:
        """Rows."""
        return self._space.total_rows

    def __repr__(self) -> str:
        model, runtime = self.manifest.model, self.manifest.runtime
        return (
            f"<Scan: {len(self.prompts)} prompts x {len(self.variants)} variants of {', '.join(self.replacements)}, "
            f"{len(self)} rows; {model.name} on {runtime.device}>"
        )

    def _repr_html_(self) -> str:
        return scan_html(self)

    @cached_property
    def plot(self) -> Plotter:
        """Figures of this scan (needs the extra `[plot]`)."""
        from ablate.plot import Plotter

        return Plotter(self)

    @cached_property
    def _tidy(self) -> _table.Columns:
        return _table.tidy(self._legend, self.columns, self.token_texts, _table.Fields(self.fields))
