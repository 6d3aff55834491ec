"""`replace` and what belongs to it, and where edits apply."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np

from ablate import _places
from ablate._proto.ablation.v1.experiment_pb2 import DIRECTION_DENOISING, DIRECTION_NOISING, Replacement
from ablate._proto.ablation.v1.means_pb2 import MeanLibrary
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest
from ablate._sweep import demand_for
from ablate.options import ScanOptions

_BELONGS = {"value": "constant", "vector": "constant", "factor": "scale", "direction": "resample", "means": "mean"}
_DIRECTIONS = {"noising": DIRECTION_NOISING, "denoising": DIRECTION_DENOISING}


def set_replacements(given: ScanOptions, request: AblateRequest) -> None:
    kinds = [kind.replace("_", "-") for kind in _many(given.get("replace", "zero"))]
    if not kinds:
        raise ValueError("replace: got nothing, expected a replacement, or leave it out")
    for name, kind in _BELONGS.items():
        if name in given:
            demand_for(name, kind in kinds, f"replace={kind!r}")
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise ValueError(
                f"replace: {kind} is given twice; name each once (several values make several replacements)"
            )
        request.replacements.extend(_of_kind(kind, given))
    if "positions" in given:
        positions = _places.positions("positions", given["positions"])
        if positions is not None:
            request.edit_positions.positions.CopyFrom(positions)
    if given.get("each_position"):
        request.edit_positions.each = True


def _of_kind(kind: str, given: ScanOptions) -> list[Replacement]:
    made: list[Replacement] = []
    if kind == "zero":
        made = [Replacement()]
        made[0].zero.SetInParent()
    elif kind == "zero-keep-value-bias":
        made = [Replacement()]
        made[0].zero_keep_value_bias.SetInParent()
    elif kind == "mean":
        if "means" not in given:
            raise ValueError("replace='mean' needs means=ID, a mean library: client.compute_means() makes one")
        made = [_mean(library) for library in _many(given["means"])]
    elif kind == "constant":
        made = _constants(given)
    elif kind == "scale":
        if "factor" not in given:
            raise ValueError("replace='scale' needs factor=X, such as factor=0.5")
        for factor in _many(given["factor"]):
            made.append(Replacement())
            made[-1].scale.factor = _finite("factor", factor)
    elif kind == "resample":
        if "direction" not in given:
            raise ValueError(
                "replace='resample' needs direction='noising' (the clean run, values of the corrupted run put in) or "
                "direction='denoising' (the other way round)"
            )
        for direction in _many(given["direction"]):
            if direction not in _DIRECTIONS:
                raise ValueError(f"direction {direction!r}: expected noising or denoising")
            made.append(Replacement())
            made[-1].resample.direction = _DIRECTIONS[direction]
    else:
        raise ValueError(f"replace {kind!r}: expected zero, zero-keep-value-bias, mean, constant, scale or resample")
    return made


def _mean(library: Any) -> Replacement:
    made = Replacement()
    made.mean.library = library.id if isinstance(library, MeanLibrary) else library
    return made


def _constants(given: ScanOptions) -> list[Replacement]:
    if "value" not in given and "vector" not in given:
        raise ValueError("replace='constant' needs value=X (for every element) or vector=[...] (of the head's size)")
    made = []
    for value in _many(given.get("value", [])):
        made.append(Replacement())
        made[-1].constant.scalar = _finite("value", value)
    if "vector" in given:
        vector = np.asarray(given["vector"], dtype=np.float64)
        if vector.ndim != 1 or vector.size == 0:
            raise ValueError(f"vector: expected the head's size of numbers, [d_head], got the shape {vector.shape}")
        made.append(Replacement())
        made[-1].constant.vector.values.extend(_finite(f"vector[{i}]", float(one)) for i, one in enumerate(vector))
    return made


def _finite(name: str, value: Any) -> float:
    # As the wire has it: 1e39 is no float32.
    with np.errstate(over="ignore"):
        if isinstance(value, Real) and math.isfinite(np.float32(float(value))):
            return float(value)
    raise ValueError(f"{name} {value!r}: expected a finite number (float32)")


def _many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
