"""Figures of a scan, with matplotlib (the extra `[plot]`): `scan.plot.heatmap()` and its like.

Each returns its axes, so that a title, a limit or `axes.figure.savefig(...)` is yours. Colours diverge from white at
zero to orange (positive) and purple (negative), which all kinds of colour vision tell apart; grey is no figure at all.
Of several prompts, figures show the mean.

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
from ablate.plot._maps import draw_map
from ablate.plot._points import draw_curves, draw_scatter
from ablate.plot._style import Floats
from ablate.plot._values import added, changes, index_of_variants, mean_and_band, replacement_index, values_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ablate.scan import Scan

__all__ = ["Plotter"]


class Plotter:
    """The figures of one scan.

    Arguments that all of them know:
        replacement: its label or index; the default is the first.
        prompt: its index; the default is the only one, or the mean over all.
        read: which of the read positions, as Python indexes; the default is the last.
        ax: axes to draw into; the default is a new figure.
    """

    def __init__(self, scan: Scan) -> None:
        self._scan = scan

    def heatmap(
        self,
        column: str | None = None,
        *,
        replacement: str | int | None = None,
        prompt: int | None = None,
        read: int = -1,
        position: int | None = None,
        head: int | None = None,
        limit: float | None = None,
        numbers: bool | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """One column for each head of each layer, or each layer at each edit position.

        Args:
            column: the default is the change of the primary metric (of the logit difference, say), else the KL
                divergence.
            position: where positions were swept over (`each_position`): the edit position shown, negative from the end.
            head: instead, the head that is shown at all positions.
            limit: the value of full colour, to compare figures; the default is the largest.
            numbers: whether cells show their values; the default is up to 16 x 16 cells.

        Raises:
            ValueError: the sweep is not `heads` or `layers`, or which position or head is not said.
            KeyError: there is no such column.
        """
        scan, r = self._scan, replacement_index(self._scan, replacement)
        axes = scan.axes
        if axes[0] != "layer":
            raise ValueError(
                f"a heat map is of a sweep over heads or layers, this one is over {axes[0]}s: plot.pairs, plot.curve"
            )
        column = column or scan.default_column
        values = values_of(scan, column, r, prompt, read)
        rows = [f"L{layer}" for layer in range(values.shape[0])]
        what = _words.ablated(scan)
        if "edit_position" in axes:
            if axes[-1] == "head":
                if (position is None) == (head is None):
                    raise ValueError("positions were swept over: name either the `position` or the `head` to show")
                values = values[:, position, :] if position is not None else values[:, :, head]
                what += f" at position {position}" if position is not None else f" at one position, head {head}"
            else:
                what += " at one position"
            if position is None:
                columns, x_label = self._tokens(prompt, values.shape[1]), "position"
        if values.ndim == 1:
            values, columns, x_label = values[:, np.newaxis], [""], "all heads of the layer"
        elif "edit_position" not in axes or position is not None:
            columns, x_label = [f"H{h}" for h in range(values.shape[1])], "head"
        ax = self._map(values, rows, columns, column, limit, numbers, ax)
        ax.set_xlabel(x_label)
        ax.set_ylabel("layer")
        _set_title(ax, _words.title(scan, what, [r], prompt))
        return ax

    def block(
        self, layer: int, *, replacement: str | int | None = None, prompt: int | None = None, read: int = -1
    ) -> np.ndarray[Any, Any]:
        """One layer's heads: what ablating each does to the target's log-prob, and beside it to the contrast's.

        Returns:
            The axes of both panels; of one, where there is no contrast.

        Raises:
            ValueError: the sweep is not `heads` without positions, there is no target, or no such layer.
        """
        scan, r = self._scan, replacement_index(self._scan, replacement)
        self._demand(("layer", "head"), "one layer's heads are")
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
        _set_title(ax, _words.title(scan, _words.ablated(scan), [r], prompt))
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

        Of several prompts, the mean, and a band of one standard error to both sides. ValueError under another sweep.
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
            lines.append((scan.replacements[r], *mean_and_band(np.hstack([baseline[:, np.newaxis], edited]))))
        sizes = [len(v.sites) for v in scan.variants]
        ax = draw_curves(sizes, added(scan), lines, float(np.nanmean(baseline)), ax)
        several = len(baseline) > 1
        ax.set_xlabel("heads ablated" + (" (band: one standard error to both sides)" if several else ""))
        ax.set_ylabel(_words.escape(_words.metric(scan, column)))
        _set_title(ax, _words.title(scan, "more and more heads ablated", shown, prompt))
        return ax

    def pairs(
        self,
        column: str = "interaction",
        *,
        replacement: str | int | None = None,
        prompt: int | None = None,
        read: int = -1,
        limit: float | None = None,
        numbers: bool | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """What two heads do together (`sweep="pairs"`); the default is their interaction.

        That is the change under both less the sum of each one's: 0 where they do not depend on each other. Of columns
        that single heads have too, the diagonal shows those. ValueError under another sweep.
        """
        scan, r = self._scan, replacement_index(self._scan, replacement)
        self._demand(("site", "site"), "pairs are")
        labels = [_words.site(*site) for site in scan.sites]
        values = values_of(scan, column, r, prompt, read).copy()
        if column == "interaction":  # of a head with itself
            np.fill_diagonal(values, np.nan)
        ax = self._map(values, labels, labels, column, limit, numbers, ax)
        ax.set_xlabel("head")
        ax.set_ylabel("head")
        _set_title(ax, _words.title(scan, "two heads ablated together", [r], prompt))
        return ax

    def _map(
        self, values: Floats, rows: list[str], columns: list[str], column: str, limit: float | None,
        numbers: bool | None, ax: Axes | None,
    ) -> Axes:  # fmt: skip
        label = "\n".join(filter(None, [_words.metric(self._scan, column), _words.which_way(column)]))
        one_sided = _words.is_one_sided(column)
        return draw_map(values, rows, columns, label, one_sided=one_sided, limit=limit, numbers=numbers, ax=ax)

    def _demand(self, axes: tuple[str, ...], what: str) -> None:
        if self._scan.axes != axes:
            raise ValueError(
                f"{what} of a sweep along {' and '.join(axes)}, this one is along {' and '.join(self._scan.axes)}"
            )

    def _tokens(self, prompt: int | None, n: int) -> list[str]:
        """Positions with their tokens, where it is one prompt's."""
        if prompt is None and len(self._scan.prompts) > 1:
            return [str(i) for i in range(n)]
        return [f"{i} {token.text!r}" for i, token in enumerate(self._scan.prompts[prompt or 0].tokens)]


def _set_title(ax: Axes, title: str) -> None:
    ax.set_title(_words.escape(title), fontsize=10)
