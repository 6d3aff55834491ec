"""What a request in protobuf JSON means, by the contract's words: positions, sites, variants, answers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.oracle import sweeps
from tests.oracle.models import Geometry
from tests.oracle.readout import Answers
from tests.oracle.sweeps import Site, SiteSet

Json = dict[str, Any]


@dataclass(frozen=True)
class Variant:
    sites: SiteSet
    label: str
    name: str = ""
    # Of all_but; -1: none.
    group: int = -1
    is_random: bool = False


def positions(spec: Json | None, length: int) -> list[int]:
    """The positions that a `Positions` names; all where it names none."""
    spec = spec or {}
    everything = range(length)
    found = {everything[p] for p in spec.get("positions", ())}
    for part in spec.get("ranges", ()):
        found |= set(everything[part.get("begin") : part.get("end")])
    return sorted(found) if spec.get("positions") or spec.get("ranges") else list(everything)


def read_positions(request: Json, length: int) -> list[int]:
    readout = request.get("readout", {})
    if readout.get("all_positions"):
        return list(range(length))
    return positions(readout.get("positions"), length) if readout.get("positions") else [length - 1]


def sites_of(text: str, geometry: Geometry) -> SiteSet:
    """`L5H3`, `5.3`, `A5.3`, `a5.h3`, with `*` for all layers or heads."""
    match = re.fullmatch(r"[la]?(\d+|\*)[.]?h?(\d+|\*)", text.lower())
    assert match, text
    layers, heads = (
        range(count) if part == "*" else [int(part)]
        for part, count in zip(match.groups(), (geometry.n_layer, geometry.n_head), strict=True)
    )
    return tuple(itertools.product(layers, heads))


def union_of(texts: Sequence[str], geometry: Geometry) -> SiteSet:
    return sweeps.in_order(site for text in texts for site in sites_of(text, geometry))


def filtered(sweep: Json, geometry: Geometry) -> SiteSet:
    spec = sweep.get("filter", {})
    named = set(union_of(spec["sites"], geometry)) if spec.get("sites") else None
    return tuple(
        (layer, head)
        for layer, head in sweeps.all_sites(geometry.n_layer, geometry.n_head)
        if (not spec.get("layers") or layer in spec["layers"])
        and (not spec.get("heads") or head in spec["heads"])
        and (named is None or (layer, head) in named)
    )


def needs_order(request: Json) -> bool:
    sweep = request.get("sweep", {})
    return bool(sweep.get("pairs", {}).get("strongest")) or (
        "cumulative" in sweep and not sweep["cumulative"].get("order")
    )


def variants(request: Json, geometry: Geometry, order: Sequence[Site] = ()) -> list[Variant]:
    """`order`: the strongest site first, where the sweep needs one. Without the random sets of `all_but`."""
    sweep = request.get("sweep") or {"heads": {}}
    sites = filtered(sweep, geometry)

    def named(sets: Sequence[SiteSet]) -> list[Variant]:
        return [Variant(found, sweeps.label(found, geometry.n_head)) for found in sets]

    def groups(specs: Sequence[Json]) -> list[Variant]:
        found = [union_of(spec["sites"], geometry) for spec in specs]
        labels = [variant.label for variant in named(found)]
        names = [spec.get("name") or label for spec, label in zip(specs, labels, strict=True)]
        return [Variant(*group) for group in zip(found, labels, names, strict=True)]

    if "layers" in sweep:
        return named(sweeps.layers(sites))
    if "pairs" in sweep:
        strongest = sweep["pairs"].get("strongest", 0)
        return named(sweeps.pairs(sorted(order[:strongest]) if strongest else sites))
    if "groups" in sweep:
        return groups(sweep["groups"]["groups"])
    if "all_but" in sweep:
        kept = groups(sweep["all_but"]["keep"])
        first, *rest = named(sweeps.all_but(sites, [group.sites for group in kept]))
        return [first] + [
            Variant(variant.sites, variant.label, group.name, index)
            for index, (variant, group) in enumerate(zip(rest, kept, strict=True))
        ]
    if "cumulative" in sweep:
        spec = sweep["cumulative"]
        taken = [site for text in spec.get("order", ()) for site in sites_of(text, geometry)] or list(order)
        if spec.get("backwards"):
            taken.reverse()
        return named(sweeps.cumulative(taken, spec.get("steps", 0)))
    return named(sweeps.heads(sites))


def resolve(refs: Sequence[Json], mode: str, tokenizer) -> tuple[int, ...]:
    """The tokens that targets or contrasts stand for; of a sequence, all of them."""
    ids: list[int] = []
    for ref in refs:
        found = [ref["id"]] if "id" in ref else tokenizer(ref["text"])["input_ids"]
        assert mode != "TARGET_MODE_SINGLE" or len(found) == 1, ref
        ids += found[:1] if mode == "TARGET_MODE_FIRST_TOKEN" else found
    return tuple(ids)


@dataclass(frozen=True)
class Prompt:
    ids: list[int]
    corrupted: list[int]  # empty: none
    answers: Answers  # of a sequence: its tokens in order
    template: str


def prompt(request: Json, index: int, tokenizer, bos: int) -> Prompt:
    spec = request["prompts"][index]
    front = [bos] if request.get("prepend_bos") else []
    mode = request.get("readout", {}).get("target_mode", "TARGET_MODE_SINGLE")

    def ids(text: str, token_ids: str) -> list[int]:
        if token_ids in spec:
            return front + list(spec[token_ids]["ids"])
        return front + tokenizer(spec[text])["input_ids"] if text in spec else []

    return Prompt(
        ids("text", "token_ids"),
        ids("corrupted_text", "corrupted_token_ids"),
        Answers(*(resolve(spec.get(side, ()), mode, tokenizer) for side in ("targets", "contrasts"))),
        spec.get("template", ""),
    )


def replacement_labels(replacements: Sequence[Json]) -> list[str]:
    """How `ablate` names them: by kind, with the parameter where a kind comes several times."""

    def number(value: float) -> str:
        return f"{value:g}"

    def parameter(kind: str, spec: Json) -> str:
        return {
            "mean": lambda: spec["library"],
            "constant": lambda: number(spec["scalar"]) if "scalar" in spec else "vector",
            "scale": lambda: number(spec["factor"]),
            "resample": lambda: spec["direction"].removeprefix("DIRECTION_").lower(),
        }.get(kind, lambda: "")()

    kinds = [next(iter(replacement)) for replacement in replacements]
    labels: list[str] = []
    for kind, replacement in zip(kinds, replacements, strict=True):
        label = f"{kind}({parameter(kind, replacement[kind])})" if kinds.count(kind) > 1 else kind
        again = sum(other == label or other.startswith(label + "#") for other in labels)
        labels.append(label if again == 0 else f"{label}#{again + 1}")
    return labels
