"""TransformerLens: hook names, its BOS, its processed weights, and arrays as `transformer_lens.patching` returns them.

>>> from ablate.interop import transformer_lens as tl
>>> tl.hook_name("L5H3")
'blocks.5.attn.hook_z'
>>> scan = client.scan("Berlin is the capital of", target=" Germany", **tl.scan_options())
>>> scan.manifest.prepend_bos
True
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from ablate.interop import labels
from ablate.interop._patching import Floats, head_out, normalized
from ablate.interop._tokens import check_tokens

if TYPE_CHECKING:
    from ablate.scan import Scan

__all__ = [
    "ScanOptions",
    "act_patch_attn_head_out_all_pos",
    "act_patch_attn_head_out_by_pos",
    "check_tokens",
    "hook_name",
    "normalized",
    "parse_hook_name",
    "scan_options",
    "zero_hooks",
]

_HOOK = re.compile(r"blocks\.(\d+)\.attn\.hook_z")


class ScanOptions(TypedDict):
    """Options of `client.scan`."""

    prepend_bos: bool
    replace: Literal["zero", "zero-keep-value-bias"]


def scan_options(weights: Literal["processed", "raw"] = "processed") -> ScanOptions:
    """What makes a scan mean what zeroing `hook_z` means there, to be given to `client.scan(..., **scan_options())`.

    TransformerLens prepends BOS. Its processed weights (HookedTransformer's default, and TransformerBridge after
    `enable_compatibility_mode()`) fold the value bias into the output's, so that zeroing `hook_z` leaves it: our
    `zero-keep-value-bias`. `raw` weights (`from_pretrained_no_processing`, `boot_transformers`) are Hugging Face's:
    `zero`.

    >>> scan_options("raw")
    {'prepend_bos': True, 'replace': 'zero'}
    """
    if weights not in ("processed", "raw"):
        raise ValueError(f"weights {weights!r}: expected processed or raw")
    return {"prepend_bos": True, "replace": "zero-keep-value-bias" if weights == "processed" else "zero"}


def hook_name(site: str | int) -> str:
    """The hook (and cache key) of heads' outputs, [batch, pos, head, d_head], by a head's label or its layer.

    >>> hook_name(5)
    'blocks.5.attn.hook_z'
    """
    layer = site if isinstance(site, int) else labels.parse(site)[0]
    return f"blocks.{layer}.attn.hook_z"


def parse_hook_name(name: str) -> int:
    """The layer of a `hook_z`. ValueError of any other hook.

    >>> parse_hook_name("blocks.5.attn.hook_z")
    5
    """
    found = _HOOK.fullmatch(name)
    if found is None:
        raise ValueError(f"hook {name!r}: expected blocks.LAYER.attn.hook_z, where heads' outputs are before W_O")
    return int(found[1])


def zero_hooks(sites: str | Iterable[str]) -> list[tuple[str, Callable[..., Any]]]:
    """`fwd_hooks` of `model.run_with_hooks` that zero these heads, e.g. to look at a variant's whole run there.

    Args:
        sites: a variant's label (`L0H1+L2H3`), or several heads' labels.

    >>> [name for name, _ in zero_hooks("L0H1+L2H3")]
    ['blocks.0.attn.hook_z', 'blocks.2.attn.hook_z']
    """
    parts = sites.split("+") if isinstance(sites, str) else list(sites)
    heads: dict[int, list[int]] = {}
    for layer, head in map(labels.parse, parts):
        heads.setdefault(layer, []).append(head)
    return [(hook_name(layer), _zero(of_layer)) for layer, of_layer in sorted(heads.items())]


def act_patch_attn_head_out_all_pos(
    scan: Scan,
    metric: str = "normalized",
    *,
    direction: Literal["denoising", "noising"] = "denoising",
    min_denominator: float = 0.1,
) -> Floats:
    """[n_layers, n_heads], float64: what `patching.get_act_patch_attn_head_out_all_pos` returns, as an array.

    There the clean activation is put into the corrupted run: our `denoising`.

    Args:
        scan: with `corrupted=...`, `replace="resample"`, `direction=...`; of several prompts, means (as of a batch
            there).
        metric: a column, e.g. `logit_diff`: its level in the patched run; or `normalized`: of the primary metric's
            means, 1 is as clean, 0 as corrupted.
        direction: that of the replacement to take.
        min_denominator: the least |clean - corrupted|, in the metric's unit, for which `normalized` is given.

    Raises:
        ValueError: the scan has other axes, does not patch in that direction, or its ends are too close.
        KeyError: there is no such column.

    >>> pair = {"corrupted": "Madrid is the capital of", "replace": "resample", "direction": "denoising"}
    >>> scan = client.scan("Berlin is the capital of", target=" Germany", contrast=" France", **pair)
    >>> act_patch_attn_head_out_all_pos(scan).shape
    (12, 12)
    """
    return head_out(scan, metric, direction, ("layer", "head"), min_denominator)


def act_patch_attn_head_out_by_pos(
    scan: Scan,
    metric: str = "normalized",
    *,
    direction: Literal["denoising", "noising"] = "denoising",
    min_denominator: float = 0.1,
) -> Floats:
    """[n_layers, pos, n_heads], float64: as above, of a scan over all positions (`each_position=True`).

    >>> pair = {"corrupted": "Madrid is the capital of", "replace": "resample", "direction": "denoising"}
    >>> pair |= {"target": " Germany", "contrast": " France", "each_position": True}
    >>> scan = client.scan("Berlin is the capital of", layers=5, **pair)
    >>> act_patch_attn_head_out_by_pos(scan).shape[1] == len(scan.prompts[0].tokens)
    True
    """
    return head_out(scan, metric, direction, ("layer", "edit_position", "head"), min_denominator)


def _zero(heads: list[int]) -> Callable[..., Any]:
    def zero(z: Any, hook: object) -> Any:  # [batch, pos, head, d_head]
        z[:, :, heads] = 0
        return z

    return zero
