"""Labels of heads: `L9H9` (ours, TransformerLens), `a9.h9` (EAP-IG), `A9.9` (auto-circuit), `9.9` (papers); 0-based.

>>> from ablate.interop import labels
>>> labels.parse("a9.h6")
(9, 6)
>>> labels.convert("L0H1+L2H3", "auto_circuit")
'A0.1+A2.3'
"""

from __future__ import annotations

import re
from typing import Literal, get_args

Style = Literal["transformer_lens", "eap_ig", "auto_circuit", "paper"]

_FORMATS: dict[Style, str] = {
    "transformer_lens": "L{layer}H{head}",
    "eap_ig": "a{layer}.h{head}",
    "auto_circuit": "A{layer}.{head}",
    "paper": "{layer}.{head}",
}
# EAP-IG and auto-circuit also name a head's inputs (`a9.h9<q>`, `A9.9.Q`): those are no heads' outputs, and refused.
_LABEL = re.compile(r"(?:L(\d+)H(\d+)|a(\d+)\.h(\d+)|A?(\d+)\.(\d+))", re.IGNORECASE)


def parse(label: str) -> tuple[int, int]:
    """(layer, head) of a label in any of the styles. ValueError where it is in none.

    >>> parse("L9H6"), parse("A9.6")
    ((9, 6), (9, 6))
    """
    found = _LABEL.fullmatch(label.strip())
    if found is None:
        raise ValueError(f"label {label!r}: expected one head, as L9H9, a9.h9, A9.9 or 9.9")
    layer, head = (int(number) for number in found.groups() if number is not None)
    return layer, head


def form(layer: int, head: int, style: Style = "transformer_lens") -> str:
    """The label of a head. ValueError where there is no such style.

    >>> form(9, 6, "eap_ig")
    'a9.h6'
    """
    if style not in _FORMATS:
        raise ValueError(f"style {style!r}: expected one of {', '.join(get_args(Style))}")
    return _FORMATS[style].format(layer=layer, head=head)


def convert(label: str, style: Style = "transformer_lens") -> str:
    """A label, or several joined with `+` (a variant's), in another style. ValueError as of `parse` and `form`.

    >>> convert("L0H1+L2H3", "eap_ig")
    'a0.h1+a2.h3'
    """
    return "+".join(form(*parse(part), style) for part in label.split("+"))


def all_heads(n_layers: int, n_heads: int, style: Style = "transformer_lens") -> list[str]:
    """[n_layers * n_heads], layer by layer: the order of TransformerLens' `stack_head_results`, and of `array.ravel()`.

    >>> all_heads(1, 3)
    ['L0H0', 'L0H1', 'L0H2']
    """
    return [form(layer, head, style) for layer in range(n_layers) for head in range(n_heads)]
