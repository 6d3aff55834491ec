"""Patching results as the libraries' functions return them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ablate._proto.ablation.v1.experiment_pb2 import DIRECTION_DENOISING, DIRECTION_NOISING

if TYPE_CHECKING:
    from ablate.scan import Scan

Floats = npt.NDArray[np.floating[Any]]

_DIRECTIONS = {"denoising": DIRECTION_DENOISING, "noising": DIRECTION_NOISING}


def normalized(patched: npt.ArrayLike, clean: float, corrupted: float, min_denominator: float = 0.1) -> Floats:
    """(patched - corrupted) / (clean - corrupted): 1 is as clean, 0 as corrupted. Any shape; float64.

    Over a data set, give the means of all three: a ratio of means, never a mean of ratios. ValueError where
    |clean - corrupted| is under `min_denominator` (in the metric's unit), since then it is noise.

    >>> normalized([1.0, 3.0], clean=3.0, corrupted=-1.0).tolist()
    [0.5, 1.0]
    """
    denominator = clean - corrupted
    if not abs(denominator) >= min_denominator:
        raise ValueError(
            f"clean {clean:.4g} and corrupted {corrupted:.4g} differ by {denominator:.4g}, expected at least "
            f"{min_denominator:g}: the prompts do not differ in what is measured"
        )
    made: Floats = (np.asarray(patched, np.float64) - corrupted) / denominator
    return made


def head_out(scan: Scan, metric: str, direction: str, axes: tuple[str, ...], min_denominator: float) -> Floats:
    """The patching metric of each patch, along `axes`, means over the prompts. ValueError where the scan is another."""
    if scan.axes != axes:
        way = "" if "edit_position" in scan.axes else " (each_position=True)"
        wanted, found = " x ".join(axes), " x ".join(scan.axes)
        raise ValueError(f"this shape needs a scan along {wanted}, it is along {found}; sweep='heads'{way}")
    replacement = _resample(scan, direction)
    prompts = range(len(scan.prompts))
    column = scan.primary_metric if metric == "normalized" else metric
    if not column:
        raise ValueError("metric 'normalized': the scan has no target, and so no primary metric")
    patched: Floats = np.stack([scan.array(column, replacement, p) for p in prompts]).mean(axis=0, dtype=np.float64)
    if metric != "normalized":
        return patched
    clean, corrupted = _ends(scan, column)
    return normalized(patched, clean, corrupted, min_denominator)


def _ends(scan: Scan, column: str) -> tuple[float, float]:
    """The metric of the clean and of the corrupted run, means over the prompts."""
    prompts = range(len(scan.prompts))
    return (
        float(np.mean([scan.baseline(column, p) for p in prompts])),
        float(np.mean([scan.corrupted(column, p) for p in prompts])),
    )


def _resample(scan: Scan, direction: str) -> int:
    """The replacement that patches in that direction."""
    if direction not in _DIRECTIONS:
        raise ValueError(f"direction {direction!r}: expected denoising or noising")
    for i, replacement in enumerate(scan.manifest.replacements):
        if replacement.HasField("resample") and replacement.resample.direction == _DIRECTIONS[direction]:
            return i
    raise ValueError(
        f"the scan does not patch by {direction}: scan with corrupted=..., replace='resample', direction={direction!r}"
    )
