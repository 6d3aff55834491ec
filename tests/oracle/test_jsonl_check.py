"""The comparison of a scan's lines: what must not pass."""

from __future__ import annotations

import copy

import pytest

from tests.oracle import jsonl_check
from tests.oracle.jsonl_check import Lines, Names
from tests.oracle.rows import Expectation, RunKey
from tests.oracle.spec import Variant

COLUMNS = dict.fromkeys((*jsonl_check.REAL, "target_rank", "target_is_top1", "top_k"))
REQUEST = {"replacements": [{"resample": {"direction": "DIRECTION_NOISING"}}]}
VARIANTS = [Variant(((0, 1),), "L0H1")]


def line(variant: str, replacement: str | None, value: float) -> dict:
    key = {"prompt_index": 0, "replacement": replacement, "variant": variant, "variant_name": None}
    columns = COLUMNS | {"entropy": value, "normalized": value, "top1_id": 3, "top1_preserved": True}
    return key | {"edit_position": None, "position": 2} | columns


def lines() -> list[dict]:
    rows = [line("baseline", None, 1.0), line("corrupted", None, 0.0), line("L0H1", "resample", 0.5)]
    extra = {"prompt_index": 0, "replacement": "resample", "variant": "L0H1", "variant_name": None}
    extra |= {"edit_position": None, "mean_nll": 2.0, "token_logprob": [-1.0, -3.0]}
    return [{"manifest": {"total_rows": "3"}}, *rows, {"likelihood": extra}]


def expectation() -> Expectation:
    expected = Expectation()
    for variant, replacement, value in ((-1, -1, 1.0), (-2, -1, 0.0), (0, 0, 0.5)):
        row = {"entropy": value, "normalized": value, "_denominator": 1.0, "top1_id": 3, "top1_preserved": True}
        expected.rows[RunKey(0, replacement, variant), 2] = row
    expected.likelihoods[RunKey(0, 0, 0)] = {"mean_nll": 2.0, "token_logprob": [-1.0, -3.0]}
    return expected


def check(found: list[dict]) -> int:
    return jsonl_check.check_lines(Lines(found), expectation(), Names(REQUEST, VARIANTS))


def test_what_is_right_passes():
    assert check(lines()) == 3


@pytest.mark.parametrize(
    ("index", "name", "value"),
    [
        (3, "entropy", 0.5 + 1e-8),
        (3, "entropy", float("nan")),
        (3, "entropy", None),
        (3, "normalized", None),
        (3, "normalized", 0.5 + 1e-7),
        (3, "target_logit", 0.0),
        (3, "top1_id", 4),
        (1, "top1_preserved", False),
        (3, "replacement", None),
        (3, "variant", "L0H2"),
        (3, "position", 1),
        (3, "edit_position", 2),
        (3, "top_k", [{"id": 3, "token": "a", "logprob": -1.0}]),
    ],
)
def test_a_wrong_row_does_not(index, name, value):
    found = lines()
    found[index][name] = value
    with pytest.raises(AssertionError):
        check(found)


@pytest.mark.parametrize("change", ["missing", "twice", "total", "likelihood", "token_logprob", "short"])
def test_a_wrong_set_of_lines_does_not(change):
    found = copy.deepcopy(lines())
    if change == "missing":
        del found[2]
    elif change == "twice":
        found.append(found[1])
    elif change == "total":
        found[0]["manifest"]["total_rows"] = "4"
    elif change == "likelihood":
        del found[-1]
    else:
        found[-1]["likelihood"]["token_logprob"] = [-1.0, -3.5] if change == "token_logprob" else [-1.0]
    with pytest.raises(AssertionError):
        check(found)
