"""`sweep` and what belongs to it."""

from __future__ import annotations

from ablate import _places
from ablate._proto.ablation.v1.experiment_pb2 import SiteGroup
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest
from ablate.options import ScanOptions

_KINDS = ("heads", "layers", "pairs", "groups", "all-but", "cumulative")


def demand_for(name: str, holds: bool, needed: str) -> None:
    """ValueError where the argument `name` was given without what it belongs to."""
    if not holds:
        raise ValueError(f"{name} belongs to {needed}; drop it, or add that")


def set_sweep(given: ScanOptions, request: AblateRequest) -> None:
    kind = given.get("sweep", "heads").replace("_", "-")
    if kind not in _KINDS:
        raise ValueError(f"sweep {kind!r}: expected one of {', '.join(_KINDS)}")
    _check_dependents(kind, given)
    sweep = request.sweep
    if kind == "layers":
        sweep.layers.SetInParent()
    elif kind == "pairs":
        sweep.pairs.strongest = given.get("strongest", 0)
    elif kind == "groups":
        sweep.groups.groups.extend(_groups(kind, given))
    elif kind == "all-but":
        sweep.all_but.keep.extend(_groups(kind, given))
        sweep.all_but.random_sets = given.get("random_sets", 0)
        sweep.all_but.seed = given.get("seed", 0) if "random_sets" in given else 0
    elif kind == "cumulative":
        sweep.cumulative.backwards = given.get("backwards", False)
        sweep.cumulative.steps = given.get("steps", 0)
        if "order" in given:
            sweep.cumulative.order.extend(_places.sites("order", given["order"]))
    else:
        sweep.heads.SetInParent()
    if "layers" in given:
        sweep.filter.layers.extend(_places.ranges("layers", given["layers"]))
    if "heads" in given:
        sweep.filter.heads.extend(_places.ranges("heads", given["heads"]))
    if "sites" in given:
        sweep.filter.sites.extend(_places.sites("sites", given["sites"]))


def _groups(kind: str, given: ScanOptions) -> list[SiteGroup]:
    made = _places.groups("groups", given["groups"]) if "groups" in given else []
    if not made:
        raise ValueError(f"sweep={kind!r} needs groups, such as groups={{'movers': ['L9H9', 'L9H6']}}")
    return made


def _check_dependents(kind: str, given: ScanOptions) -> None:
    belongs = {
        "strongest": ("pairs",),
        "steps": ("cumulative",),
        "order": ("cumulative",),
        "backwards": ("cumulative",),
        "random_sets": ("all-but",),
        "groups": ("groups", "all-but"),
    }
    for name, kinds in belongs.items():
        if name in given:
            demand_for(name, kind in kinds, " or ".join(f"sweep={k!r}" for k in kinds))
    for name in ("layers", "heads", "sites"):
        if kind == "groups" and name in given:
            raise ValueError(
                f"{name} does not go with sweep='groups', whose groups name their sites themselves; drop it"
            )
    if "seed" in given:
        demand_for("seed", "random_sets" in given or bool(given.get("summary")), "random_sets or summary")
