"""nnsight (and plain Hugging Face hooks): module paths, slices of heads, and arrays as patching code there builds them.

>>> from ablate.interop import nnsight as nns
>>> nns.module_path("L5H3"), nns.head_slice("L5H3", d_head=64)
('transformer.h.5.attn.c_proj', slice(192, 256, None))
>>> scan = client.scan("Berlin is the capital of", target=" Germany", **nns.scan_options())
>>> scan.manifest.prepend_bos
False
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from ablate.interop import labels
from ablate.interop._patching import Floats, head_out, normalized
from ablate.interop._tokens import check_tokens

if TYPE_CHECKING:
    from ablate.scan import Scan

__all__ = [
    "ScanOptions",
    "check_tokens",
    "head_slice",
    "module",
    "module_path",
    "normalized",
    "parse_module_path",
    "patching_results",
    "scan_options",
    "zero_heads",
]

_PATH = re.compile(r"(?:.*\.)?h\.(\d+)\.attn\.c_proj(?:\.input)?")


class ScanOptions(TypedDict):
    """Options of `client.scan`."""

    prepend_bos: bool
    replace: Literal["zero"]


def scan_options() -> ScanOptions:
    """What makes a scan mean what zeroing a head's slice means there: no BOS, and the value bias goes with the head.

    >>> scan_options()
    {'prepend_bos': False, 'replace': 'zero'}
    """
    return {"prepend_bos": False, "replace": "zero"}


def module_path(site: str | int) -> str:
    """The module whose input holds heads' outputs, [batch, pos, n_heads * d_head], by a head's label or its layer.

    >>> module_path(5)
    'transformer.h.5.attn.c_proj'
    """
    layer = site if isinstance(site, int) else labels.parse(site)[0]
    return f"transformer.h.{layer}.attn.c_proj"


def parse_module_path(path: str) -> int:
    """The layer of such a module, with or without `.input` behind it. ValueError of any other.

    >>> parse_module_path("transformer.h.5.attn.c_proj.input")
    5
    """
    found = _PATH.fullmatch(path)
    if found is None:
        raise ValueError(f"module {path!r}: expected transformer.h.LAYER.attn.c_proj, whose input heads' outputs are")
    return int(found[1])


def head_slice(site: str | int, d_head: int) -> slice:
    """A head's part of the last axis of that input, by its label or number. `d_head`: `n_embd // n_head`, 64 say.

    >>> head_slice(1, d_head=64)
    slice(64, 128, None)
    """
    head = site if isinstance(site, int) else labels.parse(site)[1]
    return slice(head * d_head, (head + 1) * d_head)


def module(model: Any, site: str | int) -> Any:
    """That module of a model: nnsight's `LanguageModel`, or a `GPT2LMHeadModel`.

    >>> from transformers import GPT2Config, GPT2LMHeadModel
    >>> model = GPT2LMHeadModel(GPT2Config(n_layer=2, n_head=2, n_embd=8, vocab_size=10, n_positions=4))
    >>> module(model, "L1H0") is model.transformer.h[1].attn.c_proj
    True
    """
    parts = module_path(site).split(".")
    return reduce(lambda at, name: at[int(name)] if name.isdigit() else getattr(at, name), parts, model)


def zero_heads(model: Any, sites: str | Iterable[str]) -> None:
    """Zeroes heads, within `with model.trace(...)`, e.g. to look at a variant's whole run there.

    Args:
        model: nnsight's `LanguageModel` of a GPT-2.
        sites: a variant's label (`L0H1+L2H3`), or several heads' labels; layers must not fall, as nnsight asks.

    Here with a stand-in for `nnsight.LanguageModel("gpt2")`, within its trace:

    >>> import numpy as np
    >>> from types import SimpleNamespace as Stub
    >>> heads = Stub(input=np.ones((1, 3, 4)))  # [batch, pos, n_heads * d_head]
    >>> layer = Stub(attn=Stub(c_proj=heads))
    >>> model = Stub(transformer=Stub(h=[layer]), config=Stub(n_embd=4, n_head=2))
    >>> zero_heads(model, "L0H1")
    >>> heads.input[0, 0].tolist()
    [1.0, 1.0, 0.0, 0.0]
    """
    d_head = model.config.n_embd // model.config.n_head
    for site in sites.split("+") if isinstance(sites, str) else sites:
        module(model, site).input[..., head_slice(site, d_head)] = 0


def patching_results(
    scan: Scan,
    metric: str = "normalized",
    *,
    direction: Literal["denoising", "noising"] = "denoising",
    min_denominator: float = 0.1,
) -> Floats:
    """[n_layers, n_heads], or [n_layers, pos, n_heads] of a scan over positions; float64. As nnsight's tutorials do.

    Args:
        scan: with `corrupted=...`, `replace="resample"`, `direction=...`; of several prompts, means.
        metric: a column, e.g. `logit_diff`: its level in the patched run; or `normalized`: of the primary metric's
            means, 1 is as clean, 0 as corrupted.
        direction: that of the replacement to take; `denoising` puts clean values into the corrupted run.
        min_denominator: the least |clean - corrupted|, in the metric's unit, for which `normalized` is given.

    Raises:
        ValueError: the scan is of another sweep, does not patch in that direction, or its ends are too close.
        KeyError: there is no such column.

    >>> pair = {"corrupted": "Madrid is the capital of", "replace": "resample", "direction": "denoising"}
    >>> scan = client.scan("Berlin is the capital of", target=" Germany", contrast=" France", **pair)
    >>> patching_results(scan).shape
    (12, 12)
    """
    by_position = "edit_position" in scan.axes
    axes = ("layer", "edit_position", "head") if by_position else ("layer", "head")
    return head_out(scan, metric, direction, axes, min_denominator)
