"""What figures show of a scan, as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ablate._means import cluster_means, clusters_of, mean, over_prompts
from ablate.plot import _words
from ablate.plot._style import Floats

if TYPE_CHECKING:
    from ablate.scan import Scan


def replacement_index(scan: Scan, replacement: str | int | None) -> int:
    """The first where none is named. ValueError where there is no such one."""
    if replacement is None:
        return 0
    if isinstance(replacement, int) and 0 <= replacement < len(scan.replacements):
        return replacement
    if replacement in scan.replacements:
        return scan.replacements.index(str(replacement))
    raise ValueError(f"replacement {replacement!r}: expected one of {', '.join(scan.replacements)}")


def demand_axes(scan: Scan, axes: tuple[str, ...], what: str) -> None:
    """ValueError where the scan is along others."""
    if scan.axes != axes:
        raise ValueError(f"{what} of a sweep along {' and '.join(axes)}, this one is along {' and '.join(scan.axes)}")


def values_of(scan: Scan, column: str, replacement: int, prompt: int | None, read: int) -> Floats:
    """[*axes] of one prompt, or the mean over all where `prompt` is None; NaN where none has the figure.

    Templates are weighed alike, and prompts that chose the sites have no part, as in the summary.
    """
    values = scan.array(column, replacement, prompt, read)
    return values if prompt is not None or len(scan.prompts) == 1 else over_prompts(values, scan)


def observations(scan: Scan, values: Floats) -> Floats:
    """[prompts, ...] -> what counts as one: [templates, ...]; of a single prompt it."""
    return values if len(values) == 1 else cluster_means(values, clusters_of(scan))


def mean_and_band(values: Floats) -> tuple[Floats, Floats | None]:
    """[n, steps] -> the mean, and it minus and plus a standard error, [steps, 2], of two and more."""
    if len(values) < 2:
        return values[0], None
    middle = mean(values)
    counts = np.isfinite(values).sum(axis=0)
    variance = np.nansum((values - middle) ** 2, axis=0) / np.maximum(counts - 1, 1)
    error = np.where(counts > 1, np.sqrt(variance / np.maximum(counts, 1)), np.nan)
    return middle, np.stack([middle - error, middle + error], axis=-1)


def changes(scan: Scan, replacement: int, prompt: int | None, read: int) -> tuple[Floats, Floats | None]:
    """[*axes] each: the changes of the target's and the contrast's log-probs. ValueError where there is no target."""
    if scan.has_figures and "delta_target_logprob" not in scan.columns:
        raise ValueError("this figure needs a target: scan with target=...")
    target = values_of(scan, "delta_target_logprob", replacement, prompt, read)
    if "delta_contrast_logprob" not in scan.columns:
        return target, None
    return target, values_of(scan, "delta_contrast_logprob", replacement, prompt, read)


def index_of_variants(scan: Scan) -> tuple[Any, ...]:
    """Where each variant is in `scan.array`."""
    if scan.axes == ("layer", "head"):
        return tuple(np.array([(v.sites[0].layer, v.sites[0].head) for v in scan.variants]).T)
    if scan.axes == ("layer",):
        return (np.array([v.sites[0].layer for v in scan.variants]),)
    if scan.axes == ("site", "site"):
        number = {site: i for i, site in enumerate(scan.sites)}
        ends = [[number[s.layer, s.head] for s in (v.sites[0], v.sites[-1])] for v in scan.variants]
        return tuple(np.array(ends).T)
    return (np.arange(len(scan.variants)),)


def added(scan: Scan) -> list[str]:
    """The sites that each variant edits beside those of the one before it."""
    sets = [{(s.layer, s.head) for s in v.sites} for v in scan.variants]
    before: list[set[tuple[int, int]]] = [set(), *sets[:-1]]
    return ["+".join(_words.site(*site) for site in sorted(now - then)) for now, then in zip(sets, before, strict=True)]
