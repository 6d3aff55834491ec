"""`./run reproduce`: its whole path on the bundled model and on a smaller one, and what it takes for found."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
import torch

from tests.oracle.models import DEMO, ROOT, TINY, write_random_model
from tests.oracle.probe import BUILD_DIR
from tools.demo_model import tokenizer
from tools.reproduce import induction, ioi, ioi_prompts, prefix_matching, report, sites
from tools.reproduce.checkpoint import identify, openai_sha256
from tools.reproduce.report import Finding, Section
from tools.reproduce.service import Scan, ServiceError

STATEMENTS = 10  # 3 of the reference study, 5 of IOI, 2 of induction


def reproduce(*options: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.reproduce", "--device", "cpu", "--build", BUILD_DIR, *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict]:
    """What is printed, and the file."""
    file = tmp_path_factory.mktemp("reproduce") / "found.json"
    done = reproduce("--sentences", "3", "--sequences", "3", "--json", file)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(file.read_text())


def test_says_that_the_bundled_model_is_not_openais(bundled: tuple[str, dict]) -> None:
    text, document = bundled
    assert "NOT OpenAI's GPT-2 Small but the bundled teaching model" in text.splitlines()[1]
    assert document["is_openai_gpt2_small"] is False
    assert document["model"]["weights_sha256"] in text


def test_counts_what_was_found(bundled: tuple[str, dict]) -> None:
    text, document = bundled
    findings = [finding for experiment in document["experiments"] for finding in experiment["findings"]]
    assert len(findings) == document["published"] == STATEMENTS
    assert sum(finding["holds"] for finding in findings) == document["found"]
    assert f"{document['found']} of {STATEMENTS} published results found" in text
    assert [experiment["error"] for experiment in document["experiments"]] == [None] * 3
    for finding in findings:
        assert re.search(rf"{re.escape(finding['statement'])} +{re.escape(finding['published'])}", text)


def test_the_reference_study_has_all_replacements(bundled: tuple[str, dict]) -> None:
    text, document = bundled
    data = document["experiments"][0]["data"]
    assert list(data["replacements"]) == ["zero", "mean", "constant"]
    for name, figures in data["replacements"].items():
        falls = [delta for delta in figures["delta_target_logprob"].values() if delta < 0]
        rises = [delta for delta in figures["delta_contrast_logprob"].values() if delta > 0]
        assert (figures["heads"], figures["target_falls"], figures["contrast_rises"]) == (12, len(falls), len(rises))
        line = rf"{name} +{figures['top1_kept']} of 12 +{len(falls)} of 12 +{len(rises)} of 12"
        assert re.search(line, text)
    # The model's card has these from hooks: block 5 under zero.
    card = json.loads((DEMO / "evaluation.json").read_text())["reference"]
    assert data["baseline"]["target_logprob"] == pytest.approx(card["target_logprob"], abs=1e-4)


def test_every_head_has_its_effects_and_scores(bundled: tuple[str, dict]) -> None:
    _, document = bundled
    _, indirect, repeated = (experiment["data"] for experiment in document["experiments"])
    every = {f"L{layer}H{head}" for layer in range(12) for head in range(12)}
    for scores in (indirect["direct_effect"], indirect["total_effect"]):
        assert scores.keys() == every
    for scores in (repeated["prefix_matching"], repeated["second_half_change"]):
        assert scores.keys() == every
    assert all(0 <= score <= 1 + 1e-6 for score in repeated["prefix_matching"].values())
    # The model does both tasks (models/demo/README.md), else neither says anything.
    assert indirect["share_right"] > 0.9
    assert repeated["second_half_logprob"] > -1
    assert max(repeated["prefix_matching"].values()) > 0.5


def test_a_model_without_such_blocks_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    model = write_random_model(tmp_path / "model", TINY, seed=71)
    done = reproduce("--model", model, "--sentences", "1", "--sequences", "2", "--json", file)
    assert done.returncode == 1
    assert "not run: the model has 3 blocks, expected more than 5" in done.stdout
    assert "but another model" in done.stdout
    errors = [bool(experiment["error"]) for experiment in json.loads(file.read_text())["experiments"]]
    assert errors == [True, True, False], "its tokenizer knows no names, but any model has prefix-matching scores"
    assert "2 of 3 experiments could not be run" in done.stdout


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = reproduce("--model", tmp_path / "none")
    assert done.returncode == 1
    assert str(tmp_path / "none") in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--sentences", "--sequences"])
def test_counts_are_positive(option: str) -> None:
    done = reproduce(option, "0")
    assert done.returncode == 2
    assert option in done.stderr


def test_openai_is_known_by_its_weights() -> None:
    model = {"n_layers": 12, "n_heads": 12, "n_positions": 1024, "vocab_size": 50257, "bos_token_id": 50256}
    pinned = openai_sha256(ROOT / "tools" / "deps" / "models.txt")
    theirs = identify(DEMO, {"model": {**model, "weights_sha256": pinned}})
    assert theirs.is_openai
    assert theirs.verdict().startswith("this is OpenAI's GPT-2 Small")
    other = identify(DEMO, {"model": {**model, "weights_sha256": "0" * 64}})
    assert not other.is_openai
    assert "NOT OpenAI's" in other.verdict()


def test_movers_are_found_only_among_as_many_as_are_published() -> None:
    scores = {"L9H9": -3.0, "L9H6": -2.0, "L10H0": -1.0, "L0H0": 0.0, "L10H7": 1.0, "L11H10": 2.0}
    movers = ioi._finding(ioi.NAME_MOVERS, scores, negative=True, what="")
    assert [finding.holds for finding in movers] == [True] * 3
    assert [f.holds for f in ioi._finding(ioi.NEGATIVE_NAME_MOVERS, scores, negative=False, what="")] == [True] * 2
    scores["L0H0"] = -1.5
    assert [f.holds for f in ioi._finding(ioi.NAME_MOVERS, scores, negative=True, what="")] == [True, True, False]
    assert not any(f.holds for f in ioi._finding(ioi.NAME_MOVERS, {"L0H0": 1.0}, negative=True, what=""))


def test_ranks_and_names() -> None:
    scores = {"L0H0": 1.0, "L0H1": -2.0, "L10H2": 3.0}
    assert sites.strongest(scores, 2) == ["L10H2", "L0H0"]
    assert sites.strongest(scores, 1, negative=True) == ["L0H1"]
    assert sites.rank(scores, "L0H0", negative=True) == 2
    assert sites.short("L10H2") == "10.2"
    rows = [{"variant": v, "layer": layer, "x": x} for v, layer, x in (("baseline", None, 9.0), ("L0H0", 0, 1.0))]
    assert sites.mean_by_variant([*rows, {"variant": "L0H0", "layer": 0, "x": 2.0}], "x") == {"L0H0": 1.5}
    with pytest.raises(ValueError, match="column x of L0H0"):
        sites.mean_by_variant([{"variant": "L0H0", "layer": 0, "x": None}], "x")


def test_prefix_matching_is_one_for_a_perfect_head_only() -> None:
    half, length = 4, 9
    perfect, previous = torch.zeros(length, length), torch.zeros(length, length)
    for i in range(1, length):
        previous[i, i - 1] = 1
        # What followed the earlier copy; before there is one, the first position.
        perfect[i, i - half + 1 if i > half else 0] = 1
    assert prefix_matching.of_pattern(torch.stack([perfect, previous]), half).tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="expected"):
        prefix_matching.of_pattern(torch.zeros(1, 8, 8), half)


def test_the_second_half_leaves_out_its_first_token() -> None:
    # BOS a b c a b c: six predictions, those of the second b and c count.
    unedited = {"prompt_index": 0, "variant": "baseline", "token_logprob": [-9.0, -9.0, -9.0, -9.0, -1.0, -3.0]}
    edited = {"prompt_index": 0, "variant": "L0H0", "token_logprob": [0.0, 0.0, 0.0, 0.0, -2.0, -5.0]}
    assert induction.second_half(Scan({}, likelihoods=[unedited, edited]), 3) == (-2.0, {"L0H0": -1.5})


def test_sequences_repeat_different_tokens() -> None:
    (made,) = induction.sequences(range(10), 99, 5, 1, Random(1))
    assert made[0] == 99
    assert made[1:6] == made[6:]
    assert len(set(made[1:6])) == 5


def single_in_demo(texts: Sequence[str]) -> list[bool]:
    tokens = tokenizer.load(DEMO)
    return [len(tokens.encode(text).ids) == 1 for text in texts]


def test_sentences_differ_only_in_single_tokens() -> None:
    tokens = tokenizer.load(DEMO)
    templates = ioi_prompts.usable_templates(single_in_demo)
    # The one that begins with a name has none that is one token there.
    assert len(templates) == 9
    assert not any(slots.template.startswith("{a}") for slots in templates)
    made = ioi_prompts.sentences(templates, 4, Random(2)) + ioi_prompts.three_names(templates, 4, Random(3))
    lengths = {(s.template, len(tokens.encode(s.prompt).ids)) for s in made}
    assert len(lengths) == len(templates)


def test_sentences_name_the_subject_twice_and_the_answer_once() -> None:
    templates = ioi_prompts.usable_templates(lambda texts: [True] * len(texts))
    assert len(templates) == 10
    for sentence in ioi_prompts.sentences(templates, 4, Random(4)):
        words = re.findall(r"\w+", sentence.prompt)
        assert (words.count(sentence.subject), words.count(sentence.indirect)) == (2, 1)
        other = re.findall(r"\w+", ioi_prompts.swapped(sentence))
        assert (other.count(sentence.subject), other.count(sentence.indirect)) == (1, 2)
    for sentence in ioi_prompts.three_names(templates, 4, Random(5)):
        words = re.findall(r"\w+", sentence.prompt)
        names = {sentence.slots[slot] for slot in ("a", "b", "s")}
        assert len(names) == 3
        assert all(words.count(name) == 1 for name in names)


def test_uneven_sentences_of_a_template_are_refused() -> None:
    prompts = [{"template": "x"}, {"template": "x"}]
    even = Scan({"prompts": [{"token_ids": [1, 2]}, {"token_ids": [3, 4]}]})
    ioi.check_shapes(even, prompts)
    uneven = Scan({"prompts": [{"token_ids": [1, 2]}, {"token_ids": [3]}]})
    with pytest.raises(ServiceError, match=r"'x' have \[1, 2\] tokens"):
        ioi.check_shapes(uneven, prompts)


def test_report_puts_published_beside_found() -> None:
    section = Section("Title", "source", findings=[Finding("a", "1", "1", True), Finding("b", "2", "0", False)])
    lines = section.lines(3)
    assert lines[0] == "3. Title"
    assert [line.split() for line in lines[-2:]] == [["a", "1", "1", "found"], ["b", "2", "0", "not", "found"]]
    assert report.count([section, Section("other", "", error="why")]) == (1, 2)
    assert Section("other", "s", error="why").lines(1)[-1].strip() == "not run: why"
