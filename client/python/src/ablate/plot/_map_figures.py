"""Maps: figures of one cell a head, or a pair of heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ablate.plot import _words
from ablate.plot._maps import draw_map
from ablate.plot._style import Floats, set_title
from ablate.plot._values import demand_axes, replacement_index, values_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ablate.scan import Scan


class MapFigures:
    """Part of `Plotter`."""

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

        >>> scan = client.scan("Berlin is the capital of", target=" Germany", contrast=" France")
        >>> scan.plot.heatmap("kl_divergence").get_title()
        "'Berlin is the capital of'\\neach head ablated alone (zero), model demo"
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
        set_title(ax, _words.title(scan, what, [r], prompt))
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

        >>> scan = client.scan("Berlin is the capital of", target=" Germany", sweep="pairs", sites="L5H1,L5H3,L9H0")
        >>> [label.get_text() for label in scan.plot.pairs().get_xticklabels()]
        ['L5H1', 'L5H3', 'L9H0']
        """
        scan, r = self._scan, replacement_index(self._scan, replacement)
        demand_axes(scan, ("site", "site"), "pairs are")
        labels = [_words.site(*site) for site in scan.sites]
        values = values_of(scan, column, r, prompt, read).copy()
        if column == "interaction":  # of a head with itself
            np.fill_diagonal(values, np.nan)
        ax = self._map(values, labels, labels, column, limit, numbers, ax)
        ax.set_xlabel("head")
        ax.set_ylabel("head")
        set_title(ax, _words.title(scan, "two heads ablated together", [r], prompt))
        return ax

    def _map(
        self, values: Floats, rows: list[str], columns: list[str], column: str, limit: float | None,
        numbers: bool | None, ax: Axes | None,
    ) -> Axes:  # fmt: skip
        label = "\n".join(filter(None, [_words.metric(self._scan, column), _words.which_way(column)]))
        one_sided = _words.is_one_sided(column)
        return draw_map(values, rows, columns, label, one_sided=one_sided, limit=limit, numbers=numbers, ax=ax)

    def _tokens(self, prompt: int | None, n: int) -> list[str]:
        """Positions with their tokens, where it is one prompt's."""
        if prompt is None and len(self._scan.prompts) > 1:
            return [str(i) for i in range(n)]
        return [f"{i} {token.text!r}" for i, token in enumerate(self._scan.prompts[prompt or 0].tokens)]
