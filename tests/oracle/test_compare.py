"""The comparator itself: what must not pass."""

import numpy as np
import pytest

from tests.oracle.compare import assert_close, max_abs_diff


@pytest.mark.parametrize(
    ("found", "expected"),
    [([np.nan], [np.nan]), ([np.inf], [np.inf]), ([1.0, 2.0], [1.0]), ([], []), ([1.0], [np.nan]), ([[1.0]], [1.0])],
)
def test_refuses(found, expected):
    with pytest.raises(AssertionError):
        assert_close(found, expected, 1.0, "values")


@pytest.mark.parametrize("tolerance", [0.0, -1.0, np.nan, np.inf])
def test_refuses_a_tolerance_that_says_nothing(tolerance):
    with pytest.raises(AssertionError, match="tolerance"):
        assert_close([1.0], [1.0], tolerance, "values")


def test_measures_both_directions():
    assert max_abs_diff([-3.0, 1.0], [-1.0, 1.0]) == 2.0
    assert_close([1.0], [1.5], 0.5, "values")
    with pytest.raises(AssertionError, match="largest difference 0.5"):
        assert_close([1.5], [1.0], 0.4, "values")
