"""Scans for the engine: every sweep's shape x every replacement x every kind of positions, at random otherwise."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import torch

from tests.oracle import sweeps
from tests.oracle.hf import Edit
from tests.oracle.models import Geometry
from tests.oracle.probe import Scan
from tests.oracle.readout import Answers
from tests.oracle.sweeps import SWEEPS, Site

# `mixture` is no replacement of the contract: everything that an edit can say at once.
REPLACEMENTS = ("zero", "zero_keep_value_bias", "mean", "constant", "scale", "resample", "mixture")
POSITIONS = ("all", "last", "list", "range", "each")
END = 2**31 - 1

Range = tuple[int, int]


def ranges_of(kind: str, length: int) -> list[list[Range]]:
    """For each variant of a set: the ranges that it edits."""
    if kind == "each":
        return [[(p, p + 1)] for p in range(length)]
    return [
        {"all": [(0, END)], "last": [(length - 1, length)], "list": [(0, 1), (length - 2, length - 1)]}.get(
            kind, [(2, length - 1)]
        )
    ]


class Values:
    """The table of a scan, [E, Dh], and what an edit takes from it."""

    def __init__(self, geometry: Geometry, length: int, folded: torch.Tensor, generator: random.Random) -> None:
        self._geometry, self._length = geometry, length
        d_head = geometry.n_embd // geometry.n_head
        sites = geometry.n_layer * geometry.n_head

        def noise() -> list[float]:
            return [generator.gauss(0, 1) for _ in range(d_head)]

        self.table: list[list[float]] = folded.flatten(0, 1).tolist()  # a row a site; then one a site and position
        self.table += [noise() for _ in range(sites * length)]
        self._constant = len(self.table)
        self.table += [[0.375] * d_head, noise()]
        self._sites = sites
        self._generator = generator

    def edit(self, kind: str, site: Site, where: Range) -> Edit:
        number = site[0] * self._geometry.n_head + site[1]
        by_position = self._sites + number * self._length
        fields = {
            "zero": {},
            "zero_keep_value_bias": {"entry": number},
            "mean": {"entry": by_position, "entry_stride": 1},
            "constant": {"entry": self._constant + number % 2},
            "scale": {"scale": self._generator.choice([0.5, -1.5, 1.0])},
            "resample": {"scale": 1.0, "from_donor": True},
            "mixture": {
                "scale": 0.5,
                "from_donor": self._generator.random() < 0.5,
                "entry": by_position,
                "entry_stride": 1,
            },
        }[kind]
        return Edit(*site, *where, **fields)


def random_answers(geometry: Geometry, generator: random.Random) -> Answers:
    ids = generator.sample(range(geometry.vocab_size), generator.choice([2, 2, 3, 6]))
    cut = generator.randint(1, len(ids) - 1)
    return Answers(tuple(ids[:cut]), tuple(ids[cut:]))


def scan_of(
    geometry: Geometry, sites: Sequence[Site], folded: torch.Tensor, kinds: tuple[str, str, str], seed: str
) -> Scan:
    """`kinds`: sweep, replacement, positions. `folded`: the value biases, [L, H, Dh]."""
    sweep, replacement, positions = kinds
    generator = random.Random(seed)
    length = generator.randint(5, 8)
    values = Values(geometry, length, folded, generator)
    variants = [
        [values.edit(replacement, site, where) for site in sites for where in ranges]
        for sites in sweeps.sets_of(sweep, sites, generator)
        for ranges in ranges_of(positions, length)
    ]
    reads = generator.choice([[length - 1], sorted(generator.sample(range(length), 2)), list(range(length))])
    answers = [random_answers(geometry, generator) for _ in range(generator.choice([1, len(reads)]))]
    has_donor = replacement in ("resample", "mixture") or generator.random() < 0.1
    reduction = generator.choice(["mean_logit", "logsumexp"])

    def ids() -> list[int]:
        return [generator.randrange(geometry.vocab_size) for _ in range(length)]

    return Scan(
        token_ids=ids(),
        variants=variants,
        read_positions=reads,
        donor_token_ids=ids() if has_donor else (),
        table=values.table if any(edit.entry >= 0 for edits in variants for edit in edits) else (),
        answers=answers,
        reduction=reduction,
        effects=reduction == "mean_logit",
        compensation=reduction == "mean_logit" and generator.random() < 0.5,
    )


def scans_of(
    geometry: Geometry, sites: Sequence[Site], folded: torch.Tensor, replacement: str, seed: int
) -> list[Scan]:
    """One for each sweep and kind of positions."""
    return [
        scan_of(geometry, sites, folded, (sweep, replacement, positions), f"{seed} {sweep} {replacement} {positions}")
        for sweep in SWEEPS
        for positions in POSITIONS
    ]


def alone(scan: Scan, variant: int) -> Scan:
    return replace(scan, variants=[scan.variants[variant]])
