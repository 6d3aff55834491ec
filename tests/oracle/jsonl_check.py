"""The lines of `ablate scan --format jsonl` beside the oracle: the set of rows, and every column of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tests.oracle import readout, spec
from tests.oracle.compare import max_abs_diff
from tests.oracle.engine_check import FLOAT64_TOLERANCE
from tests.oracle.experiment import EFFECTS, TOTALS
from tests.oracle.rows import BASELINE, CORRUPTED, Expectation, Row, RunKey
from tests.oracle.spec import Json, Variant

REAL = (*readout.REAL, "kl_to_clean", "normalized", "interaction", *EFFECTS, *TOTALS)

Name = tuple[Any, ...]  # prompt, replacement, variant, name, edit position and, of rows, the position


class Lines:
    """What came, by what it is about."""

    def __init__(self, lines: Sequence[Json]) -> None:
        self.manifest = lines[0]["manifest"]
        self.rows = [line for line in lines[1:] if "variant" in line]
        self.compensations = [line["compensation"] for line in lines[1:] if "compensation" in line]
        self.likelihoods = [line["likelihood"] for line in lines[1:] if "likelihood" in line]


def variants_of(manifest: Json) -> list[Variant]:
    return [
        Variant(
            tuple((site["layer"], site["head"]) for site in variant["sites"]),
            variant["label"],
            variant["name"],
            variant.get("group", -1),
            variant["is_random"],
        )
        for variant in manifest["variants"]
    ]


def check_variants(found: Sequence[Variant], expected: Sequence[Variant], request: Json, geometry) -> None:
    """The random sets of `all_but` come last, and are what they are said to be."""
    assert [variant for variant in found if not variant.is_random] == list(expected)
    assert list(found[: len(expected)]) == list(expected)
    options = request.get("sweep", {}).get("all_but", {})
    sites = set(spec.filtered(request.get("sweep", {}), geometry))
    random_sets = found[len(expected) :]
    assert Counter(variant.group for variant in random_sets) == Counter(
        dict.fromkeys(range(len(options["keep"])), options["random_sets"]) if "random_sets" in options else {}
    )
    for variant in random_sets:
        like = next(v for v in expected if v.group == variant.group)
        assert len(variant.sites) == len(like.sites), variant
        assert set(variant.sites) <= sites and list(variant.sites) == sorted(set(variant.sites)), variant


def _name(line: Json) -> Name:
    fields = ("prompt_index", "replacement", "variant", "variant_name", "edit_position", "position")
    return tuple(line.get(field) for field in fields)


class Names:
    """What a line calls the runs of a request."""

    def __init__(self, request: Json, variants: Sequence[Variant]) -> None:
        self._labels = spec.replacement_labels(request.get("replacements") or [{"zero": {}}])
        self._variants = variants

    def of(self, run: RunKey, position: int | None) -> Name:
        edit_position = None if run.edit_position < 0 else run.edit_position
        if run.variant < 0:
            label = {BASELINE: "baseline", CORRUPTED: "corrupted"}[run.variant]
            return (run.prompt, None, label, None, None, position)
        variant = self._variants[run.variant]
        label = self._labels[run.replacement]
        return (run.prompt, label, variant.label, variant.name or None, edit_position, position)


def _assert_set(found: Iterable[Name], expected: Iterable[Name]) -> None:
    """Two variants may have the same name and sites, and then as many lines."""
    came, wanted = Counter(found), Counter(expected)
    assert came == wanted, f"missing {list((wanted - came).items())[:3]}, too many {list((came - wanted).items())[:3]}"


def check_row(line: Json, row: Row) -> None:
    for name in REAL:
        want, got = row.get(name), line[name]
        assert (want is None) == (got is None), f"{name}: found {got}, expected {want}"
        if want is None:
            continue
        # What the columns that this one is made of may be off by.
        tolerance = FLOAT64_TOLERANCE
        if name == "interaction":
            tolerance *= 3
        if name == "normalized":
            tolerance *= 4 * (1 + abs(want)) / abs(row["_denominator"])
        diff = max_abs_diff([got], [want])
        assert diff <= tolerance, f"{name}: found {got}, expected {want}, which is {diff:.3g} away"
    for name in readout.COUNTS:
        assert line[name] == row.get(name), f"{name}: found {line[name]}, expected {row.get(name)}"
    if row.get("top_k") is None:
        assert line["top_k"] is None
    else:
        ids, logprobs = row["top_k"]
        assert [entry["id"] for entry in line["top_k"]] == ids
        assert max_abs_diff([entry["logprob"] for entry in line["top_k"]], logprobs) <= FLOAT64_TOLERANCE


def _by_name(entries: Mapping[Any, Row], names: Names) -> dict[Name, Row]:
    return {names.of(*key) if isinstance(key, tuple) else names.of(key, None): row for key, row in entries.items()}


def check_lines(lines: Lines, expected: Expectation, names: Names) -> int:
    """Returns how many rows were compared."""
    kinds = (
        ("row", lines.rows, expected.rows, check_row),
        ("compensation", lines.compensations, expected.compensations, _check_arrays),
        ("likelihood", lines.likelihoods, expected.likelihoods, _check_arrays),
    )
    for kind, found, wanted, check in kinds:
        all_names = [names.of(*key) if isinstance(key, tuple) else names.of(key, None) for key in wanted]
        _assert_set(map(_name, found), all_names)
        by_name = _by_name(wanted, names)
        for line in found:
            try:
                check(line, by_name[_name(line)])
            except AssertionError as error:
                raise AssertionError(f"{kind} {_name(line)}: {error}") from error
    assert int(lines.manifest["total_rows"]) == len(lines.rows)
    return len(lines.rows)


def _check_arrays(line: Json, row: Row) -> None:
    for name, want in row.items():
        diff = max_abs_diff(line[name], np.asarray(want))
        assert diff <= FLOAT64_TOLERANCE, f"{name} is {diff:.3g} away"
