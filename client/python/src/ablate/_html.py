"""A scan in a notebook: what was run, and its heat map. Needs no plotting library."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from ablate._means import over_prompts

if TYPE_CHECKING:
    from ablate.scan import Scan

_MAX_CELLS = 4096
# Purple - white - orange (ColorBrewer's PuOr), told apart by all kinds of colour vision.
_NEGATIVE = np.array([84, 39, 136])
_POSITIVE = np.array([179, 88, 6])
_STYLE = (
    "border-collapse:collapse;font:11px sans-serif;text-align:center",
    "width:26px;height:18px;padding:0;border:1px solid #fff",
)


def scan_html(scan: Scan) -> str:
    parts = [f"<p><b>{html.escape(_title(scan))}</b><br>{html.escape(_subtitle(scan))}</p>"]
    if not scan.has_figures:
        return "".join([*parts, "<p>no rows yet</p>"])
    column = scan.default_column
    map_ = _heat_map(scan, column) if scan.axes == ("layer", "head") else None
    parts.append(map_ or scan.top(10).to_html(index=False))
    warnings = [w for prompt in scan.prompts[:20] for w in prompt.warnings]
    parts += [f"<p>&#9888; {html.escape(warning)}</p>" for warning in dict.fromkeys(warnings)]
    return "".join(parts)


def _title(scan: Scan) -> str:
    first = scan.prompts[0]
    text = "".join(token.text for token in first.tokens)
    target = " ".join(repr(token.text) for token in first.targets[:3])
    more = f" (first of {len(scan.prompts)} prompts)" if len(scan.prompts) > 1 else ""
    contrast = " ".join(repr(token.text) for token in first.contrasts[:3])
    return text + (f" -> {target}" if target else "") + (f" against {contrast}" if contrast else "") + more


def _subtitle(scan: Scan) -> str:
    model, runtime = scan.manifest.model, scan.manifest.runtime
    kind = scan.manifest.sweep.WhichOneof("kind") or "heads"
    return (
        f"{kind}, {', '.join(scan.replacements)}: {len(scan.variants)} variants, {len(scan)} rows; {model.name} on "
        f"{runtime.device_name or runtime.device}, {scan.completion.timing.total_ns / 1e6:.0f} ms"
    )


def _heat_map(scan: Scan, column: str) -> str | None:
    """The means over the prompts (of each template, and then over those) under the first replacement."""
    values = scan.array(column, replacement=0)
    if values.ndim == 3:
        values = over_prompts(values, scan)
    if values.size > _MAX_CELLS:
        return None
    largest = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.0
    rows = [
        f"<tr><td>L{layer}</td>{''.join(_cell(f'L{layer}H{head}', v, largest) for head, v in enumerate(row))}</tr>"
        for layer, row in enumerate(values)
    ]
    heads = "".join(f"<td>H{head}</td>" for head in range(values.shape[1]))
    caption = f"{column} under {scan.replacements[0]}, from -{largest:.3g} (purple) to {largest:.3g} (orange)"
    return (
        f'<table style="{_STYLE[0]}"><caption>{html.escape(caption)}</caption>'
        f"<tr><td></td>{heads}</tr>{''.join(rows)}</table>"
    )


def _cell(label: str, value: float, largest: float) -> str:
    if not np.isfinite(value):
        return f'<td style="{_STYLE[1]};background:#ddd" title="{label}"></td>'
    strength = abs(value) / largest if largest else 0.0
    colour = 255 + (np.where(value < 0, _NEGATIVE, _POSITIVE) - 255) * strength
    rgb = ",".join(str(round(c)) for c in colour)
    return f'<td style="{_STYLE[1]};background:rgb({rgb})" title="{label}: {value:.4g}"></td>'
