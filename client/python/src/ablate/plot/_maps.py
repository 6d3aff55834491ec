"""Heat maps: heads by layer, and pairs of heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ablate.plot import _words
from ablate.plot._style import Floats, diverging, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Beyond, numbers in cells cannot be read, and not every row gets a label.
_MOST_NUMBERED = 16
_MOST_LABELLED = 40
_CELL_INCHES = 0.52


def draw_map(
    values: Floats,
    rows: Sequence[str],
    columns: Sequence[str],
    bar_label: str,
    *,
    one_sided: bool = False,
    limit: float | None,
    numbers: bool | None,
    ax: Axes | None,
) -> Axes:
    """`values` [rows, columns] as coloured cells, row 0 on top; cells without a figure are grey."""
    size = [min(max(n * _CELL_INCHES, 2.4), 11.0) for n in values.shape]
    longest = max(map(len, rows), default=0)
    ax = new_axes(ax, size[1] + 1.9 + 0.06 * longest, size[0] + 1.4)
    cmap, norm = diverging(values, limit)
    image = ax.imshow(values, cmap=cmap, norm=norm, aspect="auto", interpolation="nearest")
    bar = ax.figure.colorbar(image, ax=ax, pad=0.02)
    bar.set_label(_words.escape(bar_label))
    if one_sided:
        bar.ax.set_ylim(0, norm.vmax)
    _label(ax.xaxis, columns, rotate=max(map(len, columns), default=0) > 4)
    _label(ax.yaxis, rows, rotate=False)
    ax.tick_params(length=0)
    # White lines between cells.
    ax.set_xticks(np.arange(-0.5, values.shape[1]), minor=True)
    ax.set_yticks(np.arange(-0.5, values.shape[0]), minor=True)
    if max(values.shape) <= _MOST_LABELLED:
        ax.grid(which="minor", color="white", linewidth=0.8)
    ax.tick_params(which="minor", length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    if numbers or (numbers is None and max(values.shape) <= _MOST_NUMBERED):
        _write_numbers(ax, values, image)
    return ax


def _label(axis: Any, labels: Sequence[str], rotate: bool) -> None:
    step = -(-len(labels) // _MOST_LABELLED)
    axis.set_ticks(range(0, len(labels), step), [_words.escape(label) for label in labels[::step]])
    for tick in axis.get_ticklabels():
        tick.set_fontsize(8)
        if rotate:
            tick.set_rotation(90)


def _write_numbers(ax: Axes, values: Floats, image: Any) -> None:
    finite = np.abs(values[np.isfinite(values)])
    largest = float(np.max(finite, initial=0.0))
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            red, green, blue, _ = image.cmap(image.norm(value))
            # As the eye weighs them.
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
            ax.text(
                column, row, number(float(value), largest), ha="center", va="center", fontsize=7,
                color="white" if dark else "black",
            )  # fmt: skip


def number(value: float, largest: float) -> str:
    """Three figures of the largest, and no more decimals for the others; a value that rounds to zero is 0."""
    if largest == 0:
        return "0"
    decimals = max(0, min(3, 2 - int(np.floor(np.log10(largest)))))
    if largest < 0.005:
        return f"{value:.0e}".replace("e-0", "e-")
    text = f"{value:.{decimals}f}"
    return "0" if float(text) == 0 else text
