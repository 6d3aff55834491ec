"""One layer's heads side by side, for target and contrast: the reference study's figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ablate.plot import _words
from ablate.plot._style import CONTRAST, GRID, TARGET, Floats, pyplot

if TYPE_CHECKING:
    from ablate.scan import Scan


def draw_block(scan: Scan, layer: int, target: Floats, contrast: Floats | None, title: str) -> Any:
    """[n_heads] each, changes of log-probs; NaN: not ablated. One axes a panel, with one scale."""
    panels = [(TARGET, "delta_target_logprob", target)]
    if contrast is not None:
        panels.append((CONTRAST, "delta_contrast_logprob", contrast))
    n_heads = len(target)
    figure, axes = pyplot().subplots(
        1, len(panels), sharey=True, sharex=True, squeeze=False, layout="constrained",
        figsize=(4.6 * len(panels), 1.6 + 0.3 * n_heads),
    )  # fmt: skip
    heads = np.arange(n_heads)
    for ax, (color, column, values) in zip(axes[0], panels, strict=True):
        ax.barh(heads, np.nan_to_num(values), color=color, height=0.72, zorder=2)
        ax.axvline(0, color="black", linewidth=0.8, zorder=3)
        ax.grid(axis="x", **GRID, zorder=0)
        ax.set_xlabel(_words.escape(_words.metric(scan, column)))
        for spine in ("top", "right", "left"):
            ax.spines[spine].set_visible(False)
        ax.tick_params(axis="y", length=0)
    figure.get_layout_engine().set(wspace=0.06)
    first = axes[0, 0]
    first.set_yticks(heads, [_words.site(layer, int(head)) for head in heads])
    first.set_ylim(n_heads - 0.5, -0.5)
    largest = np.nanmax(np.abs(np.concatenate([values for _, _, values in panels])), initial=0.0)
    if largest > 0:
        first.set_xlim(-1.15 * largest, 1.15 * largest)
    for ax, (_, _, values) in zip(axes[0], panels, strict=True):
        for head, value in enumerate(values):
            if np.isfinite(value):
                ax.annotate(
                    f"{value:+.3f}", (value, head), xytext=(3 if value >= 0 else -3, 0), textcoords="offset points",
                    va="center", ha="left" if value >= 0 else "right", fontsize=7,
                )  # fmt: skip
    figure.suptitle(_words.escape(title), fontsize=10)
    return axes[0]
