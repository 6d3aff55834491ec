"""What each sweep edits: lists of site sets, by the contract's words, and how many of them there are."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence

Site = tuple[int, int]  # (layer, head)
SiteSet = tuple[Site, ...]  # in layer-head order

SWEEPS = ("heads", "layers", "pairs", "groups", "all_but", "cumulative")


def in_order(sites: Iterable[Site]) -> SiteSet:
    return tuple(sorted(set(sites)))


def all_sites(n_layers: int, n_heads: int) -> SiteSet:
    return tuple(itertools.product(range(n_layers), range(n_heads)))


def heads(sites: Sequence[Site]) -> list[SiteSet]:
    return [(site,) for site in sites]


def layers(sites: Sequence[Site]) -> list[SiteSet]:
    return [in_order(group) for _, group in itertools.groupby(sites, key=lambda site: site[0])]


def pairs(sites: Sequence[Site]) -> list[SiteSet]:
    return heads(sites) + list(itertools.combinations(sites, 2))


def all_but(sites: Sequence[Site], keep: Sequence[SiteSet]) -> list[SiteSet]:
    """Without the random sets."""
    return [in_order(sites), *(in_order(set(sites) - set(group)) for group in keep)]


def cumulative(order: Sequence[Site], steps: int = 0) -> list[SiteSet]:
    return [in_order(order[:n]) for n in range(1, (steps or len(order)) + 1)]


def random_groups(generator: random.Random, sites: Sequence[Site], n: int) -> list[SiteSet]:
    return [in_order(generator.sample(sites, generator.randint(1, min(5, len(sites))))) for _ in range(n)]


def sets_of(kind: str, sites: Sequence[Site], generator: random.Random) -> list[SiteSet]:
    """A sweep of this kind over `sites`, with random groups and order."""
    if kind == "groups":
        return random_groups(generator, sites, 3)
    if kind == "all_but":
        return all_but(sites, random_groups(generator, sites, 2))
    if kind == "cumulative":
        return cumulative(generator.sample(sites, len(sites)))
    return {"heads": heads, "layers": layers, "pairs": pairs}[kind](sites)


def label(sites: Sequence[Site], n_heads: int) -> str:
    """`L0H1+L2H3`; a whole layer is `L3H*`."""
    parts = []
    for layer, group in itertools.groupby(sites, key=lambda site: site[0]):
        found = list(group)
        parts += [f"L{layer}H*"] if len(found) == n_heads and n_heads > 1 else [f"L{la}H{he}" for la, he in found]
    return "+".join(parts)


def prefixes(sets: Iterable[SiteSet], layer: int) -> set[SiteSet]:
    """The distinct restrictions of the sets, and of the baseline, to the layers before `layer`."""
    return {(), *(tuple(site for site in sites if site[0] < layer) for sites in sets)}


def rows_entering(sets: Sequence[SiteSet], n_layers: int) -> int:
    """Rows entering all layers, counted one by one."""
    return sum(len(prefixes(sets, layer)) for layer in range(n_layers))
