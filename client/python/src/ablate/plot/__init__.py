"""Figures of a scan, with matplotlib (the extra `[plot]`): `scan.plot.heatmap()` and its like.

Each returns its axes, so that a title, a limit or `axes.figure.savefig(...)` is yours. Colours diverge from white at
zero to orange (positive) and purple (negative), which all kinds of colour vision tell apart; grey is no figure at all.
Of several prompts, figures show the mean, which weighs templates alike, as the summary does.

    >>> scan = client.scan("Berlin is the capital of", target=" Germany", contrast=" France")
    >>> axes = scan.plot.heatmap()
    >>> axes.get_xlabel(), axes.get_ylabel()
    ('head', 'layer')
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ablate.plot import _words
from ablate.plot._block import draw_block
from ablate.plot._map_figures import MapFigures
from ablate.plot._points import draw_curves, draw_scatter
from ablate.plot._style import set_title
from ablate.plot._values import (
    added,
    changes,
    demand_axes,
    index_of_variants,
    mean_and_band,
    observations,
    replacement_index,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Plotter"]


class Plotter(MapFigures):
    """The figures of one scan.

    Arguments that they share:
        replacement: its label or index; the default is the first.
        prompt: its index; the default is the only one, or the mean over all.
        read: which of the read positions, as Python indexes; the default is the last.
        ax: axes to draw into; the default is a new figure. Not of `block`, which has two panels and makes its own.
    """

    def block(
        self, layer: int, *, replacement: str | int | None = None, prompt: int | None = None, read: int = -1
    ) -> np.ndarray[Any, Any]:
        """One layer's heads: what ablating each does to the target's log-prob, and beside it to the contrast's.

        Returns:
            The axes of both panels; of one, where there is no contrast.

        Raises:
            ValueError: the sweep is not `heads` without positions, there is no target, or no such layer.

        >>> scan = client.scan("Berlin is the capital of", target=" Germany", contrast=" France")
        >>> left, right = scan.plot.block(5)
        >>> right.get_xlabel()
        "change of log p(' France'), nats"
        """
        scan, r = self._scan, replacement_index(self._scan, replacement)
        demand_axes(scan, ("layer", "head"), "one layer's heads are")
        n_layers = scan.manifest.model.n_layers
        if not 0 <= layer < n_layers:
            raise ValueError(f"layer {layer}: expected 0 to {n_layers - 1}")
        target, contrast = changes(scan, r, prompt, read)
        title = _words.title(scan, f"layer {layer}, each head ablated alone", [r], prompt)
        axes: np.ndarray[Any, Any] = draw_block(
            scan, layer, target[layer], None if contrast is None else contrast[layer], title
        )
        return axes

    def scatter(
        self,
        *,
        replacement: str | int | None = None,
        prompt: int | None = None,
        read: int = -1,
        named: int = 10,
        ax: Axes | None = None,
    ) -> Axes:
        """Each variant by what it does to the target's log-prob (across) and the contrast's (up).

        What lies on the diagonal changes both alike, and so not their difference; the `named` variants furthest from it
        carry their labels. ValueError where there is no contrast.

        >>> scan = client.scan("Berlin is the capital of", target=" Germany", contrast=" France")
        >>> axes = scan.plot.scatter(named=3)
        >>> axes.get_xlabel(), axes.get_ylabel()
        ("change of log p(' Germany'), nats", "change of log p(' France'), nats")
        """
        scan, r = self._scan, replacement_index(self._scan, replacement)
        if "edit_position" in scan.axes:
            raise ValueError("a scatter plot is of a sweep without positions (each_position)")
        target, contrast = changes(scan, r, prompt, read)
        if contrast is None:
            raise ValueError("a scatter plot needs a contrast: scan with contrast=...")
        variants = scan.variants
        at = index_of_variants(scan)
        layers = [s.pop() if len(s := {site.layer for site in v.sites}) == 1 else -1 for v in variants]
        labels = [_words.escape(v.name or v.label) for v in variants]
        ax = draw_scatter(target[at], contrast[at], labels, layers, named, ax)
        ax.set_xlabel(_words.escape(_words.metric(scan, "delta_target_logprob")))
        ax.set_ylabel(_words.escape(_words.metric(scan, "delta_contrast_logprob")))
        set_title(ax, _words.title(scan, _words.ablated(scan), [r], prompt))
        return ax

    def curve(
        self,
        column: str | None = None,
        *,
        replacement: str | int | None = None,
        prompt: int | None = None,
        read: int = -1,
        ax: Axes | None = None,
    ) -> Axes:
        """A column as more and more heads are ablated (`sweep="cumulative"`); every replacement is a line.

        Args:
            column: the default is the primary metric, else the KL divergence.
            replacement: the only one to show; the default is all.

        Of several prompts, the mean, and a band of one standard error to both sides; templates count as one each.
        ValueError under another sweep.

        >>> scan = client.scan("Berlin is the capital of", target=" Germany", sweep="cumulative", steps=3)
        >>> scan.plot.curve().get_xlabel()
        'heads ablated'
        """
        scan = self._scan
        if scan.manifest.sweep.WhichOneof("kind") != "cumulative":
            raise ValueError('a curve is of sweep="cumulative"')
        if "edit_position" in scan.axes:
            raise ValueError("a curve is of a sweep without positions (each_position)")
        column = column or scan.primary_metric or "kl_divergence"
        shown = range(len(scan.replacements)) if replacement is None else [replacement_index(scan, replacement)]
        prompts = range(len(scan.prompts)) if prompt is None else [prompt]
        baseline = np.array([scan.baseline(column, p, read) for p in prompts])
        lines = []
        for r in shown:
            edited = np.stack([scan.array(column, r, p, read) for p in prompts])
            steps = observations(scan, np.hstack([baseline[:, np.newaxis], edited]))
            lines.append((scan.replacements[r], *mean_and_band(steps)))
        sizes = [len(v.sites) for v in scan.variants]
        ax = draw_curves(sizes, added(scan), lines, float(np.nanmean(observations(scan, baseline))), ax)
        several = any(band is not None for _, _, band in lines)
        ax.set_xlabel("heads ablated" + (" (band: one standard error to both sides)" if several else ""))
        ax.set_ylabel(_words.escape(_words.metric(scan, column)))
        set_title(ax, _words.title(scan, "more and more heads ablated", shown, prompt))
        return ax
