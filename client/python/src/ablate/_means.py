"""Means over prompts, as the summary takes them: prompts of one template count as one (server/stats/clusters.h)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ablate._proto.ablation.v1.scan_pb2 import ResolvedPrompt

Floats = npt.NDArray[np.floating[Any]]


def clusters_of(prompts: Sequence[ResolvedPrompt]) -> npt.NDArray[np.int64]:
    """[prompts] -> the number of each one's cluster: its template's; one that names none is a cluster of its own."""
    numbers: dict[object, int] = {}
    keys = [prompt.template or p for p, prompt in enumerate(prompts)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def cluster_means(values: Floats, clusters: npt.NDArray[np.int64]) -> Floats:
    """[prompts, ...] -> [clusters, ...]; NaN where none of the cluster has the figure."""
    return np.stack([mean(values[clusters == c]) for c in range(clusters.max() + 1)])


def over_prompts(values: Floats, prompts: Sequence[ResolvedPrompt]) -> Floats:
    """[prompts, ...] -> [...], templates weighed alike; NaN where none has the figure."""
    return mean(cluster_means(values, clusters_of(prompts)))


def mean(values: Floats) -> Floats:
    """[n, ...] -> [...]; NaN where none has the figure."""
    counts = np.isfinite(values).sum(axis=0)
    means: Floats = np.where(counts > 0, np.nansum(values, axis=0) / np.maximum(counts, 1), np.nan)
    return means
