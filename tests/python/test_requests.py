"""Options become the request that the command line's flags become."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format

import ablate
from ablate._proto.ablation.v1.means_pb2 import MeanLibrary
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest
from tests.e2e.programs import ABLATE

PAIR = {"prompt": "a b", "corrupted": "a c"}


def cli(*flags: str | Path) -> AblateRequest:
    done = subprocess.run([ABLATE, "scan", "--print-spec", *flags], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json_format.Parse(done.stdout, AblateRequest())


CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": ({}, []),
    "target and contrast": ({"target": " b", "contrast": " c"}, ["--target", " b", "--contrast", " c"]),
    "answer sets": (
        {"target": [" b", " c", 7], "contrast": 5, "reduction": "logsumexp"},
        ["--target", " b", "--target", " c", "--target-id", "7", "--contrast-id", "5", "--reduction", "logsumexp"],
    ),
    "bos": ({"prepend_bos": True}, ["--prepend-bos"]),
    "layers": ({"sweep": "layers", "layers": "0-3,5"}, ["--sweep", "layers", "--layers", "0-3,5"]),
    "numbers": ({"layers": [0, 3], "heads": 2}, ["--layers", "0,3", "--heads", "2"]),
    "range": ({"layers": range(4, 8)}, ["--layers", "4-7"]),
    "sites": ({"sites": ["L5H3", (9, 0), "L9H*"]}, ["--sites", "L5H3,L9H0,L9H*"]),
    "sites as text": ({"sites": "L5H3, L9H*"}, ["--sites", "L5H3,L9H*"]),
    "pairs": ({"sweep": "pairs", "strongest": 20}, ["--sweep", "pairs", "--strongest", "20"]),
    "groups": (
        {"sweep": "groups", "groups": {"movers": ["L9H9", "L9H6"], "one": "L5H1"}},
        ["--sweep", "groups", "--groups", "movers=L9H9+L9H6;one=L5H1"],
    ),
    "groups as text": (
        {"sweep": "groups", "groups": "movers=L9H9+L9H6; L5H1"},
        ["--sweep", "groups", "--groups", "movers=L9H9+L9H6; L5H1"],
    ),
    "groups as lists": (
        {"sweep": "groups", "groups": [["L9H9", (9, 6)], "one=L5H1"]},
        ["--sweep", "groups", "--groups", "L9H9+L9H6", "--groups", "one=L5H1"],
    ),
    "all but": (
        {"sweep": "all_but", "groups": "L9H9", "random_sets": 5, "seed": 3},
        ["--sweep", "all-but", "--groups", "L9H9", "--random-sets", "5", "--seed", "3"],
    ),
    "cumulative": (
        {"sweep": "cumulative", "order": ["L9H9", "L5H1"], "backwards": True, "steps": 1},
        ["--sweep", "cumulative", "--order", "L9H9,L5H1", "--backwards", "--steps", "1"],
    ),
    "replacements": (
        {"replace": ["zero", "scale", "constant", "mean"], "factor": [0.5, 2], "value": 0.1, "means": ["x", "y"]},
        ["--replace", "zero", "--replace", "scale", "--replace", "constant", "--replace", "mean", "--factor", "0.5",
         "--factor", "2", "--value", "0.1", "--means", "x", "--means", "y"],
    ),
    "keep value bias": ({"replace": "zero-keep-value-bias"}, ["--replace", "zero_keep_value_bias"]),
    "positions": ({"positions": "0,3,-1,2:5,:4"}, ["--positions", "0,3,-1,2:5,:4"]),
    "positions as values": (
        {"positions": [0, -1, slice(2, 5), slice(None, -2)], "each_position": True},
        ["--positions", "0,-1,2:5,:-2", "--each-position"],
    ),
    "last": ({"positions": "last", "read": "all"}, ["--positions", "last", "--read", "all"]),
    "all": ({"positions": "all", "read": [0, 2]}, ["--positions", "all", "--read", "0,2"]),
    "readout": (
        {"top_k": 5, "likelihood": True, "effects": True, "compensation": True, "min_denominator": 0.5},
        ["--top-k", "5", "--likelihood", "--effects", "--compensation", "--min-denominator", "0.5"],
    ),
    "sequence": (
        {"target": " b c", "target_mode": "sequence", "edit_appended": True},
        ["--target", " b c", "--target-mode", "sequence", "--edit-appended"],
    ),
    "summary": (
        {"summary": True, "min_effect": 0.1, "sign_flips": 20000, "bootstrap": 500, "seed": 9},
        ["--summary", "--min-effect", "0.1", "--sign-flips", "20000", "--bootstrap", "500", "--seed", "9"],
    ),
    "resample": (
        {"replace": "resample", "direction": ["noising", "denoising"], "corrupted": "a c"},
        ["--replace", "resample", "--direction", "noising", "--direction", "denoising", "--corrupted", "a c"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_options_and_flags_make_the_same_request(name):
    options, flags = CASES[name]
    assert ablate.request("a b", **options) == cli("--prompt", "a b", *flags)


def test_a_vector_is_a_constant(tmp_path):
    (tmp_path / "v.json").write_text("[0.1, 2, -3]")
    expected = cli("--prompt", "a", "--replace", "constant", "--value-file", tmp_path / "v.json")
    assert ablate.request("a", replace="constant", vector=np.array([0.1, 2, -3])) == expected


def test_a_library_stands_for_its_id():
    made = ablate.request("a", replace="mean", means=MeanLibrary(id="x" * 32))
    assert made.replacements[0].mean.library == "x" * 32


def test_none_is_as_if_left_out():
    assert ablate.request("a", target=None, layers=None, sweep=None) == ablate.request("a")


def test_a_whole_request_goes_as_it_is():
    request = ablate.request("a", target=" b", layers=3)
    assert ablate.request(request) == request
    with pytest.raises(ValueError, match="drop target"):
        ablate.request(request, target=" c")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"sweep": "head"}, "sweep 'head': expected one of heads"),
    ({"layers": "3-1"}, "layers '3-1'"),
    ({"layers": [1, 1]}, "1 is named a second time"),
    ({"layers": -1}, "layers: -1 is not a number"),
    ({"layers": True}, "layers"),
    ({"sites": "L5H3,,"}, "a site is missing"),
    ({"sites": []}, "a site is missing"),
    ({"strongest": 3}, "strongest belongs to sweep='pairs'"),
    ({"groups": "L1H1"}, "groups belongs to sweep='groups' or sweep='all-but'"),
    ({"sweep": "groups"}, "needs groups"),
    ({"sweep": "groups", "groups": "L1H1", "layers": 3}, "layers does not go with sweep='groups'"),
    ({"replace": "zeros"}, "replace 'zeros'"),
    ({"replace": []}, "replace: got nothing"),
    ({"replace": ["zero", "zero"]}, "zero is given twice"),
    ({"replace": "mean"}, "needs means"),
    ({"replace": "scale"}, "needs factor"),
    ({"replace": "scale", "factor": float("nan")}, "factor nan: expected a finite number"),
    ({"replace": "constant", "value": 1e39}, "value 1e+39"),
    ({"replace": "constant"}, "needs value"),
    ({"replace": "constant", "vector": [[1.0]]}, "vector"),
    ({"replace": "resample", "direction": "noising"}, "`corrupted` prompt"),
    ({"replace": "resample", "corrupted": "a c"}, "needs direction"),
    ({"replace": "resample", "corrupted": "a c", "direction": "up"}, "direction 'up'"),
    ({"corrupted": "a c"}, "corrupted belongs to replace='resample'"),
    ({"value": 1.0}, "value belongs to replace='constant'"),
    ({"positions": "x"}, "'x' is no position"),
    ({"positions": slice(0, 4, 2)}, "is no position"),
    ({"positions": []}, "positions: got nothing"),
    ({"read": "1-2"}, "is no position"),
    ({"reduction": "sum"}, "reduction 'sum'"),
    ({"target_mode": "many"}, "target_mode 'many'"),
    ({"edit_appended": True}, "edit_appended belongs to target_mode='sequence'"),
    ({"target_mode": "sequence", "read": "all"}, "reads at the last position only"),
    ({"min_denominator": -1}, "min_denominator -1"),
    ({"split": True}, "split belongs to summary=True"),
    ({"seed": 3}, "seed belongs to random_sets or summary"),
    ({"summary": True, "min_effect": -0.1}, "min_effect -0.1"),
    ({"target": 1.5}, "is not a token id or a text"),
    ({"target": -1}, "is not a token id"),
    ({"tokenizer_of": "gpt2"}, "tokenizer_of"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_what_cannot_be_meant_is_refused(options, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        ablate.request("a b", **options)
    assert message in str(caught.value)


def test_an_unknown_option_is_refused_with_the_nearest_name():
    with pytest.raises(TypeError, match="did you mean 'target'"):
        ablate.request("a", traget=" b")


def test_a_request_as_a_file_is_the_command_lines(tmp_path):
    request = ablate.request("a b", target=" c", sweep="cumulative", steps=3, replace="scale", factor=0.1)
    ablate.write_request(request, tmp_path / "fall.json")
    assert ablate.read_request(tmp_path / "fall.json") == request
    assert cli("--spec", tmp_path / "fall.json") == request
    done = subprocess.run([ABLATE, "scan", "--print-spec", "--prompt", "a b"], capture_output=True, check=True)
    (tmp_path / "theirs.json").write_bytes(done.stdout)
    assert ablate.read_request(tmp_path / "theirs.json") == ablate.request("a b")
    (tmp_path / "none.json").write_text('{"promts": []}')
    with pytest.raises(ValueError, match=r"none.json: not an AblateRequest .*promts"):
        ablate.read_request(tmp_path / "none.json")
