"""Means over prompts, as the summary takes them: prompts of one template count as one (server/stats/clusters.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ablate.scan import Scan

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]


def clusters_of(scan: Scan) -> Ints:
    """[prompts] -> the number of each one's cluster: its template's; one that names none is a cluster of its own. -1
    where it chose the sites: under `split` such prompts have no part in an estimate."""
    numbers: dict[object, int] = {}
    chose = set(scan.manifest.selection.prompt_index)
    keys = [prompt.template or p for p, prompt in enumerate(scan.prompts)]
    return np.array(
        [-1 if p in chose else numbers.setdefault(key, len(numbers)) for p, key in enumerate(keys)], np.int64
    )


def cluster_means(values: Floats, clusters: Ints) -> Floats:
    """[prompts, ...] -> [clusters, ...]; NaN where none of the cluster has the figure."""
    order = np.argsort(clusters, kind="stable")
    starts = np.searchsorted(clusters[order], np.arange(clusters.max() + 1))
    return np.stack([mean(values[of]) for of in np.split(order, starts)[1:]])


def over_prompts(values: Floats, scan: Scan) -> Floats:
    """[prompts, ...] -> [...], templates weighed alike; NaN where none has the figure."""
    return mean(cluster_means(values, clusters_of(scan)))


def mean(values: Floats) -> Floats:
    """[n, ...] -> [...]; NaN where none has the figure."""
    counts = np.isfinite(values).sum(axis=0)
    means: Floats = np.where(counts > 0, np.nansum(values, axis=0) / np.maximum(counts, 1), np.nan)
    return means
