"""What is measured, and the statistics over prompts."""

from __future__ import annotations

import math
from typing import Any

from ablate import _places
from ablate._proto.ablation.v1 import experiment_pb2 as v1
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest
from ablate._sweep import demand_for
from ablate.options import ScanOptions

_REDUCTIONS = {
    "mean_logit": v1.REDUCTION_MEAN_LOGIT,
    "logsumexp": v1.REDUCTION_LOGSUMEXP,
    "prob_sum": v1.REDUCTION_PROB_SUM,
}
_TARGET_MODES = {
    "single": v1.TARGET_MODE_SINGLE,
    "first_token": v1.TARGET_MODE_FIRST_TOKEN,
    "sequence": v1.TARGET_MODE_SEQUENCE,
}


def set_readout(given: ScanOptions, by_layout: v1.Reduction, request: AblateRequest) -> None:
    """`by_layout`: what the data set's layout says of its answer sets."""
    readout = request.readout
    readout.top_k = given.get("top_k", 0)
    _set_read(given, readout)
    readout.reduction = by_layout
    if "reduction" in given:
        reduction = choose("reduction", given["reduction"], _REDUCTIONS)
        if by_layout not in (v1.REDUCTION_UNSPECIFIED, reduction):
            raise ValueError(
                f"reduction {given['reduction']!r}: years (the column `label`) are scored by the sum of their "
                "probabilities; drop it, or name the answers in columns `targets` and `contrasts`"
            )
        readout.reduction = reduction
    if "target_mode" in given:
        readout.target_mode = choose("target_mode", given["target_mode"], _TARGET_MODES)
    is_sequence = readout.target_mode == v1.TARGET_MODE_SEQUENCE
    if given.get("edit_appended"):
        demand_for("edit_appended", is_sequence, "target_mode='sequence'")
    if is_sequence and given.get("read", "last") not in ("last", -1):
        raise ValueError("read: target_mode='sequence' reads at the last position only; drop it")
    for flag in ("edit_appended", "likelihood", "effects", "compensation"):
        setattr(readout, flag, bool(given.get(flag, False)))
    if "min_denominator" in given:
        readout.min_denominator = _not_negative("min_denominator", given["min_denominator"])


def set_summary(given: ScanOptions, request: AblateRequest) -> None:
    wanted = bool(given.get("summary"))
    for name in ("split", "min_effect", "sign_flips", "bootstrap"):
        if given.get(name):
            demand_for(name, wanted, "summary=True")
    if not wanted:
        return
    request.summary.SetInParent()
    request.summary.bootstrap_resamples = given.get("bootstrap", 0)
    request.summary.sign_flips = given.get("sign_flips", 0)
    request.summary.seed = given.get("seed", 0)
    request.summary.min_effect = _not_negative("min_effect", given.get("min_effect", 0.0))
    request.summary.split = bool(given.get("split", False))


def choose(name: str, value: str, choices: dict[str, Any]) -> Any:
    """`-` is as good as `_`."""
    found = choices.get(value.replace("-", "_"))
    if found is None:
        raise ValueError(f"{name} {value!r}: expected one of {', '.join(choices)}")
    return found


def _set_read(given: ScanOptions, readout: v1.Readout) -> None:
    read = given.get("read", "last")
    if isinstance(read, str) and read.strip() == "last":
        return
    positions = _places.positions("read", read)
    if positions is None:
        readout.all_positions = True
    else:
        readout.positions.CopyFrom(positions)


def _not_negative(name: str, value: float) -> float:
    if math.isfinite(value) and value >= 0:
        return value
    raise ValueError(f"{name} {value!r}: expected a finite number, 0 or more")
