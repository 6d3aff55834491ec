"""Names beside points, none on top of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ablate.plot._style import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FONT = 8.0
# Where a name may stand, in widths and heights of its box from the point to the box's lower left corner: right, left,
# above, below, then the corners; all of it again farther away.
_PLACES = [(0.0, -0.5), (-1.0, -0.5), (-0.5, 0.0), (-0.5, -1.0), (0.0, 0.0), (-1.0, 0.0), (0.0, -1.0), (-1.0, -1.0)]
_GAPS = (5.0, 14.0, 26.0)


def name_points(ax: Axes, points: Floats, names: Sequence[tuple[str, float, float]]) -> None:
    """Writes (name, x, y) where it covers fewest of `points` [n, 2] and no earlier name, as far as that is possible.

    Call it once the limits stand. Sizes are estimated: nothing is drawn for it.
    """
    if not len(points):
        return
    scale = 72 / ax.figure.dpi
    # In typographic points, as fonts are.
    at = ax.transData.transform(points) * scale
    taken: list[tuple[float, float, float, float]] = []
    for name, x, y in names:
        width, height = 0.62 * _FONT * len(name), 1.1 * _FONT
        x_pt, y_pt = ax.transData.transform((x, y)) * scale
        best: tuple[float, tuple[float, float], tuple[float, float, float, float]] | None = None
        for gap in _GAPS:
            for right, up in _PLACES:
                dx = right * width + gap * (2 * right + 1)
                dy = up * height + gap * (2 * up + 1)
                box = (x_pt + dx, y_pt + dy, x_pt + dx + width, y_pt + dy + height)
                inside = (
                    (at[:, 0] > box[0] - 2)
                    & (at[:, 0] < box[2] + 2)
                    & (at[:, 1] > box[1] - 2)
                    & (at[:, 1] < box[3] + 2)
                )
                cost = 10.0 * sum(_overlap(box, other) for other in taken) + float(inside.sum()) + 0.02 * gap
                if best is None or cost < best[0]:
                    best = (cost, (dx, dy), box)
        assert best is not None
        taken.append(best[2])
        is_far = bool(np.hypot(*best[1]) > width + _GAPS[1])
        ax.annotate(
            name, (x, y), xytext=best[1], textcoords="offset points", fontsize=_FONT, zorder=3,
            arrowprops={"arrowstyle": "-", "color": "#aaaaaa", "linewidth": 0.5} if is_far else None,
        )  # fmt: skip


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
