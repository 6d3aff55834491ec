"""The one comparator of the Python tests. NaN, Inf and shape differences never pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def max_abs_diff(found: ArrayLike, expected: ArrayLike) -> float:
    """Largest absolute difference; raises where shapes differ, a value is not finite, or nothing is compared."""
    a = np.asarray(found, dtype=np.float64)
    b = np.asarray(expected, dtype=np.float64)
    if a.shape != b.shape:
        raise AssertionError(f"shapes differ: found {a.shape}, expected {b.shape}")
    if a.size == 0:
        raise AssertionError("nothing to compare")
    for name, array in (("found", a), ("expected", b)):
        if not np.isfinite(array).all():
            raise AssertionError(f"{name} holds NaN or Inf at {np.argwhere(~np.isfinite(array))[0].tolist()}")
    return float(np.abs(a - b).max())


def assert_close(found: ArrayLike, expected: ArrayLike, tolerance: float, what: str) -> None:
    """Fails unless every element lies within `tolerance`, which must be positive and finite."""
    if not (np.isfinite(tolerance) and tolerance > 0):
        raise AssertionError(f"{what}: the tolerance is {tolerance}")
    diff = max_abs_diff(found, expected)
    if diff > tolerance:
        raise AssertionError(f"{what}: largest difference {diff:.3g}, tolerance {tolerance:.3g}")
