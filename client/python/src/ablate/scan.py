"""The results of a scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

    from ablate._proto.ablation.v1.scan_pb2 import Manifest, ResolvedPrompt, Variant
    from ablate.plot import Plotter

Array = npt.NDArray[Any]


class Scan:
    """The results of a scan, whole: every row came, once.

    Attributes:
        manifest: what was run, on what (`ablation.v1.Manifest`): model, runtime, replacements, sweep, `primary_metric`.
        variants: [n_variants], the counterfactual runs (`ablation.v1.Variant`: `label`, `sites`, `name`, `group`, ...).
        prompts: [n_prompts], as the server understood them (`ablation.v1.ResolvedPrompt`: `tokens`, `read_positions`, ...).
        columns: every column that came, [rows] each; docs/design.md defines them, units included.
    """

    manifest: Manifest
    variants: Sequence[Variant]
    prompts: Sequence[ResolvedPrompt]
    columns: Mapping[str, Array]

    def to_pandas(self) -> pd.DataFrame:
        """One tidy row a run and read position."""
        raise NotImplementedError

    def array(
        self, column: str, replacement: str | int | None = None, prompt: int | None = None, read: int = -1
    ) -> npt.NDArray[np.floating[Any]]:
        """One column as an array; [layer, head] under a `heads` sweep."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[dict[str, Any]]:
        raise NotImplementedError

    @cached_property
    def plot(self) -> Plotter:
        """Figures of this scan (needs the extra `[plot]`)."""
        from ablate.plot import Plotter

        return Plotter(self)
