"""What the numbers in a row stand for: the labels of variants and replacements, as `ablate scan` writes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ablate._proto.ablation.v1.experiment_pb2 import DIRECTION_DENOISING, Replacement

if TYPE_CHECKING:
    from ablate._proto.ablation.v1.scan_pb2 import Manifest, Variant


class Legend:
    """Immutable. Its arrays are indexed by what a row says, -1 and -2 included: those are the last two entries."""

    def __init__(self, manifest: Manifest, variants: Sequence[Variant]) -> None:
        unedited: list[str | None] = [None, None]
        self.replacements = replacement_labels(manifest)
        self.replacement = _objects([*self.replacements, *unedited])
        self.variant = _objects([*(v.label for v in variants), "corrupted", "baseline"])
        self.name = _objects([*(v.name or None for v in variants), *unedited])
        only = [v.sites[0] if len(v.sites) == 1 else None for v in variants]
        #: Where a single head is edited; -1 elsewhere.
        self.layer = np.array([-1 if s is None else s.layer for s in only] + [-1, -1], np.int32)
        self.head = np.array([-1 if s is None else s.head for s in only] + [-1, -1], np.int32)


def replacement_labels(manifest: Manifest) -> list[str]:
    """`zero`, `mean`, ...; where there are several of a kind, with what tells them apart: `scale(0.5)`."""
    kinds = [r.WhichOneof("kind") or "unknown" for r in manifest.replacements]
    count = Counter(kinds)
    seen: Counter[str] = Counter()
    labels = []
    for kind, replacement in zip(kinds, manifest.replacements, strict=True):
        label = f"{kind}({_parameter(replacement)})" if count[kind] > 1 else kind
        seen[label] += 1
        # Two vectors, say.
        labels.append(label if seen[label] == 1 else f"{label}#{seen[label]}")
    return labels


def _parameter(replacement: Replacement) -> str:
    kind = replacement.WhichOneof("kind")
    if kind == "mean":
        return replacement.mean.library
    if kind == "constant":
        is_scalar = replacement.constant.WhichOneof("value") == "scalar"
        return _number(replacement.constant.scalar) if is_scalar else "vector"
    if kind == "scale":
        return _number(replacement.scale.factor)
    if kind == "resample":
        return "denoising" if replacement.resample.direction == DIRECTION_DENOISING else "noising"
    return ""


def _number(value: float) -> str:
    """The shortest text that gives the float32 back, as C++'s to_chars has it."""
    single = np.float32(value)
    fixed = np.format_float_positional(single, trim="-")
    scientific = np.format_float_scientific(single, trim="-", exp_digits=2)
    return min(fixed, scientific, key=len)


def _objects(values: Sequence[str | None]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    made = np.empty(len(values), object)
    made[:] = values
    return made
