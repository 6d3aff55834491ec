"""What all figures share: matplotlib, the colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ablate.plot import _words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize

Floats = npt.NDArray[np.floating[Any]]

# Purple - white - orange: told apart by all kinds of colour vision, and the colours of the notebook's and the
# terminal's maps. Orange is positive.
_DIVERGING = "PuOr_r"
_NO_FIGURE = "#c8c8c8"
#: Of Okabe and Ito: the target's and the contrast's.
TARGET, CONTRAST = "#0072b2", "#d55e00"
#: Further lines.
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
GRID: dict[str, Any] = {"color": "#dddddd", "linewidth": 0.6}


def new_axes(ax: Axes | None, width: float, height: float) -> Axes:
    """`ax`, or those of a new figure. ImportError with the way out where matplotlib is not installed."""
    if ax is not None:
        return ax
    made: Axes = pyplot().subplots(figsize=(width, height), layout="constrained")[1]
    return made


def set_title(ax: Axes, title: str) -> None:
    ax.set_title(_words.escape(title), fontsize=10)


def pyplot() -> Any:
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise ImportError("figures need matplotlib (the extra [plot]): pip install matplotlib") from error
    return plt


def diverging(values: Floats, limit: float | None) -> tuple[Colormap, Normalize]:
    """Colours centred on zero, which is white, and equally far to both sides."""
    from matplotlib.colors import Normalize

    largest = limit if limit is not None else float(np.max(np.abs(values[np.isfinite(values)]), initial=0.0))
    largest = largest or 1.0
    cmap = pyplot().get_cmap(_DIVERGING).with_extremes(bad=_NO_FIGURE)
    return cmap, Normalize(-largest, largest)
