"""Figures of points and lines: target against contrast, and what is left as more and more heads go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ablate.plot._labels import name_points
from ablate.plot._style import GRID, LINES, Floats, new_axes, pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Beyond, the steps' names would stand in each other's way.
_MOST_NAMED_STEPS = 30


def draw_scatter(
    x: Floats, y: Floats, labels: Sequence[str], layers: Sequence[int], named: int, ax: Axes | None
) -> Axes:
    """A point a variant [variants], coloured by its layer (-1: several); the `named` farthest off-diagonal by name."""
    ax = new_axes(ax, 7.4, 6.2)
    finite = np.isfinite(x) & np.isfinite(y)
    x_limits, y_limits = _limits(x[finite], y[finite])
    ends = [min(x_limits[0], y_limits[0]), max(x_limits[1], y_limits[1])]
    ax.plot(ends, ends, color="#999999", linewidth=0.9, linestyle="--", zorder=1, label="both change alike")
    ax.axhline(0, color="#999999", linewidth=0.6, zorder=1)
    ax.axvline(0, color="#999999", linewidth=0.6, zorder=1)
    has_layers = min(layers, default=-1) >= 0 and len(set(layers)) > 1
    colors: dict[str, Any] = {"c": np.array(layers)[finite], "cmap": "viridis"} if has_layers else {"color": LINES[0]}
    points = ax.scatter(x[finite], y[finite], **colors, s=26, zorder=2, linewidth=0.4, edgecolor="white")
    if has_layers:
        bar = ax.figure.colorbar(points, ax=ax, pad=0.02)
        bar.set_label("layer")
        bar.locator = pyplot().MaxNLocator(integer=True)
        bar.update_ticks()
    ax.set(xlim=x_limits, ylim=y_limits)
    ax.set_aspect("equal")
    ax.legend(frameon=False, fontsize=8, loc="best")
    distance = np.where(finite, np.abs(y - x), -1.0)
    strongest = [int(i) for i in np.argsort(-distance, kind="stable")[:named] if distance[i] > 0]
    name_points(ax, np.stack([x, y], axis=-1)[finite], [(labels[i], float(x[i]), float(y[i])) for i in strongest])
    return ax


def _limits(x: Floats, y: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of both axes: zero and all points within, and one scale for both."""
    spans = [(float(np.min(values, initial=0.0)), float(np.max(values, initial=0.0))) for values in (x, y)]
    half = 0.58 * max(high - low for low, high in spans) or 1.0
    (x_low, x_high), (y_low, y_high) = spans
    x_middle, y_middle = (x_low + x_high) / 2, (y_low + y_high) / 2
    return (x_middle - half, x_middle + half), (y_middle - half, y_middle + half)


def draw_curves(
    sizes: Sequence[int],
    added: Sequence[str],
    lines: Sequence[tuple[str, Floats, Floats | None]],
    baseline: float,
    ax: Axes | None,
) -> Axes:
    """Lines of (label, values [sizes + 1], spread [sizes + 1, 2] or None) over the number of ablated heads, 0 first.

    `added`: [sizes], what each step ablates beside what was ablated before it.
    """
    ax = new_axes(ax, 7.6, 4.8)
    x = [0, *sizes]
    for (label, values, spread), color in zip(lines, LINES * (1 + len(lines) // len(LINES)), strict=False):
        ax.plot(x, values, color=color, marker="o", markersize=3 if len(x) <= 60 else 0, linewidth=1.5, label=label)
        if spread is not None:
            ax.fill_between(x, spread[:, 0], spread[:, 1], color=color, alpha=0.18, linewidth=0)
    ax.axhline(baseline, color="#666666", linewidth=0.9, linestyle="--", zorder=1)
    ax.annotate(
        "unedited", (1.0, baseline), xycoords=("axes fraction", "data"), xytext=(-3, 3), textcoords="offset points",
        ha="right", va="bottom", fontsize=8, color="#666666",
    )  # fmt: skip
    ax.axhline(0, color="black", linewidth=0.6, zorder=1)
    ax.grid(**GRID, zorder=0)
    ax.set_xlim(left=0)
    if len(sizes) <= _MOST_NAMED_STEPS:
        ax.set_xticks(x, ["none", *(f"+{name}" for name in added)], rotation=90, fontsize=8)
    else:
        ax.xaxis.set_major_locator(pyplot().MaxNLocator(integer=True))
    for spine in ("top", "right"):
        ax.spines[spine].set_visible(False)
    if len(lines) > 1:
        ax.legend(frameon=False)
    return ax
