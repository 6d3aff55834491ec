"""A scan's files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from ablate import _files, _parquet

if TYPE_CHECKING:
    from ablate.scan import Scan


class ScanFiles:
    """Part of `Scan`: what it writes."""

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Writes `to_pandas()`, and beside it what is no row; needs the extra `[arrow]`.

        What was asked for goes beside `scan.parquet`, as CSV does: `scan.likelihood.parquet`,
        `scan.compensation.parquet` (a line a row and `part`; `change` in logits), `scan.summary.parquet`.

        Each file's metadata has what was run (`ablate.manifest`: the first of the JSON lines of docs/formats.md, with
        variants and prompts), that of the summary `ablate.summary_head` too. Carried columns that parquet cannot hold
        (numbers beside texts, objects) are JSON texts; which, says the metadata's `ablate.json_columns`.

        Files appear only when they are whole, the rows' last. OSError where one cannot be written.

        >>> scan = client.scan("Berlin is the capital of", target=" Germany", layers=5, likelihood=True)
        >>> scan.to_parquet(folder / "scan.parquet")
        >>> sorted(path.name for path in folder.iterdir())
        ['scan.likelihood.parquet', 'scan.parquet']
        """
        _parquet.to_parquet(cast("Scan", self), path)

    def to_npz(self, path: str | os.PathLike[str]) -> None:
        """Writes arrays: each metric along `axes` as `array` gives it, the labels, and what was run.

        [prompts, replacements, *axes] at the last read position; `axes` names the sweep's; `row.NAME` are the columns
        as they are; `manifest` is the first of the JSON lines of docs/formats.md, with variants and prompts. The file
        appears only when it is whole. OSError where it cannot be written.

        >>> import numpy as np
        >>> client.scan("Berlin is the capital of", target=" Germany").to_npz(folder / "scan.npz")
        >>> np.load(folder / "scan.npz")["kl_divergence"].shape
        (1, 1, 12, 12)
        """
        _files.to_npz(cast("Scan", self), path)
