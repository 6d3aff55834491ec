"""Python's results are the command line's, bit for bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import ablate
from tests.e2e.programs import scan_lines

PROMPT = ["--prompt", "Berlin is the capital of", "--target", " Germany", "--contrast", " France"]
SCAN = {"prompts": "Berlin is the capital of", "target": " Germany", "contrast": " France"}
PAIR = "Madrid is the capital of"
CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "heads": ({}, []),
    "top_k": ({"top_k": 3, "prepend_bos": True}, ["--top-k", "3", "--prepend-bos"]),
    "top_1": ({"top_k": 1}, ["--top-k", "1"]),
    "layers": ({"sweep": "layers"}, ["--sweep", "layers"]),
    "pairs": ({"sweep": "pairs", "sites": "L5H*"}, ["--sweep", "pairs", "--sites", "L5H*"]),
    "groups": (
        {"sweep": "groups", "groups": {"a": "L5H1+L6H2", "b": "L0H0"}},
        ["--sweep", "groups", "--groups", "a=L5H1+L6H2;b=L0H0"],
    ),
    "all but": (
        {"sweep": "all-but", "groups": "a=L5H*", "random_sets": 2, "summary": True},
        ["--sweep", "all-but", "--groups", "a=L5H*", "--random-sets", "2", "--summary"],
    ),
    "cumulative": ({"sweep": "cumulative", "steps": 5}, ["--sweep", "cumulative", "--steps", "5"]),
    "replacements": (
        {"replace": ["zero", "scale", "constant", "zero-keep-value-bias"], "factor": [0.5, 1e5, 0.1],
         "value": [1, -2.5e-7]},
        ["--replace", "zero", "--replace", "scale", "--replace", "constant", "--replace", "zero-keep-value-bias",
         "--factor", "0.5", "--factor", "1e5", "--factor", "0.1", "--value", "1", "--value", "-2.5e-7"],
    ),
    "each position": ({"each_position": True, "layers": 5}, ["--each-position", "--layers", "5"]),
    "all reads": ({"read": "all", "layers": 5}, ["--read", "all", "--layers", "5"]),
    "effects": ({"effects": True, "compensation": True}, ["--effects", "--compensation"]),
    "likelihood": ({"likelihood": True, "layers": "3-5"}, ["--likelihood", "--layers", "3-5"]),
    "resample": (
        {"replace": ["resample", "zero"], "direction": ["noising", "denoising"], "corrupted": PAIR},
        ["--replace", "resample", "--replace", "zero", "--direction", "noising", "--direction", "denoising",
         "--corrupted", PAIR],
    ),
}  # fmt: skip


def same(ours: Any, theirs: Any, exact: bool = False) -> bool:
    """`theirs` as JSON has it: the shortest text of a float32, or (`exact`) of a float64."""
    if isinstance(ours, np.ndarray | list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs, [exact] * len(ours)))
    if theirs is None:
        return ours is None or ours != ours
    if isinstance(theirs, float) or (isinstance(theirs, int) and isinstance(ours, float | np.floating)):
        return float(ours) == (theirs if exact else float(np.float32(theirs)))
    return bool(ours == theirs)


def check_rows(rows: list[dict[str, Any]], lines: list[dict[str, Any]]) -> None:
    assert len(rows) == len(lines)
    for row, line in zip(rows, lines, strict=True):
        top_k = line.pop("top_k", None) or []
        for name, value in line.items():
            assert same(row.get(name), value), (name, row, line)
        for k, entry in enumerate(top_k, 1):
            for name in ("id", "token", "logprob"):
                assert same(row[f"top_k_{k}_{name}"], entry[name])


@pytest.mark.parametrize("name", CASES)
def test_rows(server, client, name):
    options, flags = CASES[name]
    scan = client.scan(**SCAN, **options)
    manifest, *lines = scan_lines(server, *PROMPT, *flags)
    rows = [line for line in lines if "prompt_index" in line]
    assert [variant["label"] for variant in manifest["manifest"]["variants"]] == [v.label for v in scan.variants]
    check_rows(list(scan), rows)
    check_extras(scan, lines)


def check_extras(scan: ablate.Scan, lines: list[dict[str, Any]]) -> None:
    likelihoods = [line["likelihood"] for line in lines if "likelihood" in line]
    frame = scan.likelihood
    assert (frame is None) == (not likelihoods)
    for at, line in enumerate(likelihoods):
        row = frame.iloc[at]
        for column in ("mean_nll", "delta_mean_nll"):
            assert same(row[column], line[column], exact=True)
        assert math.isclose(row["perplexity"], line["perplexity"], rel_tol=1e-15)
        assert same(row["token_logprob"], line["token_logprob"])
        assert row["variant"] == line["variant"]
    compensations = [line["compensation"] for line in lines if "compensation" in line]
    compensation = scan.compensation
    assert (compensation is None) == (not compensations)
    for at, line in enumerate(compensations):
        assert compensation.rows["variant"].iloc[at] == line["variant"]
        for part in ("heads", "mlps", "layer_norm"):
            assert same(getattr(compensation, part)[at], line[part])
    summaries = [line["summary"] for line in lines if "summary" in line]
    assert (scan.summary is None) == (not summaries)
    for at, line in enumerate(summaries):
        for column, value in line.items():
            if column in scan.summary:
                ours = scan.summary[column].iloc[at]
                assert same(ours.item() if isinstance(ours, np.generic) else ours, value, exact=True), column


def test_many_prompts_of_unequal_length_with_gaps(server, client, tmp_path):
    path = tmp_path / "facts.jsonl"
    path.write_text(
        '{"prompt": "Berlin is the capital of", "target": " Germany", "contrast": " France", "mine": 1}\n'
        '{"prompt": "Rome is the capital of", "target": [" Italy", " Spain"], "other": "x"}\n'
        '{"prompt": "Paris is in"}\n'
    )
    scan = client.scan(path, layers="0-2", read="0,-1")
    _, *lines = scan_lines(server, "--prompts", path, "--layers", "0-2", "--read", "0,-1")
    rows = list(scan)
    for row, line in zip(rows, lines, strict=True):
        for name, value in line.pop("fields").items():
            assert row[f"fields.{name}"] == value
    check_rows(rows, lines)


@pytest.mark.parametrize("options", [{"read": "all", "layers": 3}, {"effects": True}], ids=["all reads", "effects"])
def test_streamed_rows_are_the_scans(client, options):
    columns = ["prompt_index", "variant", "position"]
    whole = {tuple(row[c] for c in columns): row for row in client.scan(**SCAN, **options)}
    streamed = list(client.stream(**SCAN, **options))
    assert len(streamed) == len(whole)
    for row in streamed:
        expected = whole[tuple(row[c] for c in columns)]
        assert all(expected[name] == value for name, value in row.items())
