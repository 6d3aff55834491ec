"""`./run reproduce` on the bundled model: its whole path, and that it judges by what it finds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.oracle.models import DEMO, ROOT
from tools.experiments.prompts import Words, ioi, repeated
from tools.reproduce.finding import compare_heads, ranked


def reproduce(*options: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.reproduce", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)


def test_the_bundled_model(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = reproduce("--model", DEMO, "--device", "cpu", "--prompts", "20", "--json", report)
    assert done.returncode == 0, done.stderr
    assert "not OpenAI's GPT-2 Small" in done.stdout
    found = json.loads(report.read_text())
    assert not found["is_published_model"]
    claims = {finding["claim"]: finding for finding in found["findings"]}
    kept = claims["block 5, zero: heads that keep the top-1 token"]
    assert (kept["holds"], kept["of"]) == (12, 12)  # models/demo/README.md
    for claim in ("name movers", "negative name movers", "induction heads by prefix matching"):
        heads = claims[claim]["found"].split()
        assert len(set(heads)) == len(heads) > 0
        assert claims[claim]["holds"] == len(set(heads) & set(claims[claim]["published"].split()))
        assert claims[claim]["published"] in done.stdout


def test_a_missing_model_is_an_error() -> None:
    done = reproduce("--model", "no/such/folder")
    assert done.returncode == 1
    assert "no/such/folder" in done.stderr


def test_heads_are_compared_as_sets_and_ranked_by_their_effects() -> None:
    effects = {"L0H0": -2.0, "L0H1": 1.0, "L0H2": 0.5}
    assert ranked(effects, 2, largest=True) == ["L0H1", "L0H2"]
    assert ranked(effects, 1, largest=False) == ["L0H0"]
    finding = compare_heads("", "", ["L0H2", "L9H9"], ["L0H1", "L0H2"])
    assert (finding.holds, finding.of) == (1, 2)


@pytest.fixture(scope="module")
def words() -> Words:
    return Words(DEMO)


def test_ioi_prompts_are_pairs_of_equal_length_with_one_right_name(words: Words) -> None:
    for line in ioi(words, 50, seed=5):
        assert len(words.ids(line["prompt"])) == len(words.ids(line["corrupted"]))
        target, contrast = line["target"].strip(), line["contrast"].strip()
        clean, corrupted = (re.findall(r"\w+", line[key]) for key in ("prompt", "corrupted"))
        assert clean.count(target) == 1
        assert clean.count(contrast) == 2
        assert not {target, contrast} & set(corrupted)


def test_sequences_repeat(words: Words) -> None:
    for line in repeated(words, 5, 8, seed=6):
        ids = line["token_ids"]
        assert ids[:8] == ids[8:]
        assert len(set(ids)) == 8
