"""The axes that a sweep's variants lie along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ablate._blocks import Array
from ablate._rows import Ints

if TYPE_CHECKING:
    from ablate._proto.ablation.v1.scan_pb2 import Manifest, Variant


class Layout:
    """From [..., variant] to the sweep's own axes; what no variant is about is NaN.

    | sweep | axes |
    |---|---|
    | heads | layer, head |
    | layers | layer |
    | pairs | site, site: symmetric, single sites on the diagonal |
    | any other | variant |
    """

    def __init__(self, manifest: Manifest, variants: Sequence[Variant]) -> None:
        kind = manifest.sweep.WhichOneof("kind") or "heads"
        model = manifest.model
        self.axes: tuple[str, ...] = ("variant",)
        self._shape: tuple[int, ...] = (len(variants),)
        self._at: tuple[Ints, ...] = (np.arange(len(variants)),)
        self._mirrored = False
        if kind == "heads":
            self.axes, self._shape = ("layer", "head"), (model.n_layers, model.n_heads)
            self._at = (_ints(v.sites[0].layer for v in variants), _ints(v.sites[0].head for v in variants))
        elif kind == "layers":
            self.axes, self._shape = ("layer",), (model.n_layers,)
            self._at = (_ints(v.sites[0].layer for v in variants),)
        elif kind == "pairs":
            number = {site: i for i, site in enumerate(single_sites(variants))}
            ends = [(number[_key(v.sites[0])], number[_key(v.sites[-1])]) for v in variants]
            self.axes, self._shape = ("site", "site"), (len(number), len(number))
            self._at = (_ints(a for a, _ in ends), _ints(b for _, b in ends))
            self._mirrored = True

    def place(self, values: Array) -> Array:
        """[..., variant] -> [..., *axes]."""
        made: Array = np.full((*values.shape[:-1], *self._shape), np.nan, values.dtype)
        at: tuple[Any, ...] = (..., *self._at)
        made[at] = values
        if self._mirrored:
            at = (..., *reversed(self._at))
            made[at] = values
        return made


def single_sites(variants: Sequence[Variant]) -> list[tuple[int, int]]:
    """(layer, head) of the variants that edit one head, in their order."""
    return [_key(v.sites[0]) for v in variants if len(v.sites) == 1]


def _key(site: Any) -> tuple[int, int]:
    return site.layer, site.head


def _ints(values: Any) -> Ints:
    return np.fromiter(values, np.int64)
