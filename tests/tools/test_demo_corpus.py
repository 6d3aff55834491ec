"""The corpus of the bundled model: splits, facts, and what the tokenizer makes of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest
from tokenizers import ByteLevelBPETokenizer

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.demo_model import corpus, tokenizer
from tools.demo_model.batches import LENGTHS, Pool, WordLists
from tools.demo_model.card import card
from tools.demo_model.facts import facts, lines

KINDS = ("capital", "country")


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> ByteLevelBPETokenizer:
    """The tokenizer, learned anew."""
    return tokenizer.train(tmp_path_factory.mktemp("tokenizer"))


def test_facts_are_unique_and_complete() -> None:
    countries = [fact.country for fact in facts()]
    assert len(countries) > 170
    assert len(set(countries)) == len(countries)
    assert len({fact.capital for fact in facts()}) == len(countries)
    assert all(fact.region and fact.article in ("", "the") for fact in facts())
    assert {"Germany": "Berlin", "France": "Paris"}.items() <= {f.country: f.capital for f in facts()}.items()


@pytest.mark.parametrize("name", ["names", "objects", "places", "words"])
def test_words_are_unique(name: str) -> None:
    words = lines(name)
    assert len(set(words)) == len(words)
    assert all(word.isalpha() for word in words)


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_facts_never_occur_in_training(kind: str) -> None:
    held_out = corpus.held_out_capital_sentences(kind, Random(1))
    trained = corpus.capital_sentences(kind, 1, Random(1))
    pairs = len(lines(f"{kind}_templates")) * len(facts())
    assert len(held_out) + len(trained) == pairs
    assert 0.10 < len(held_out) / pairs < 0.20
    assert {s.prompt for s in held_out}.isdisjoint(s.prompt for s in trained)


@pytest.mark.parametrize("kind", KINDS)
def test_capital_sentences_err_as_often_as_they_say(kind: str) -> None:
    sentences = corpus.capital_sentences(kind, 2, Random(1))
    wrong = sum(s.answer != s.expected for s in sentences) / len(sentences)
    assert corpus.ERROR_RATE_MIN < wrong < corpus.ERROR_RATE_MAX
    assert all(s.answer == s.expected for s in corpus.held_out_capital_sentences(kind, Random(1)))


def test_ioi_answers_with_the_name_that_occurs_once() -> None:
    for sentence in corpus.ioi_sentences(200, Random(1), held_out=True):
        words = sentence.prompt.replace(",", "").split()
        assert words.count(sentence.expected.strip()) == 1
        assert sentence.answer == sentence.expected


def test_name_pairs_are_held_out_in_either_order() -> None:
    pairs = [(a, b) for a in lines("names") for b in lines("names") if a < b]
    assert all(corpus.names_are_held_out(a, b) == corpus.names_are_held_out(b, a) for a, b in pairs)
    share = sum(corpus.names_are_held_out(a, b) for a, b in pairs) / len(pairs)
    assert 0.08 < share < 0.12


def test_the_same_seed_writes_the_same_corpus() -> None:
    assert corpus.capital_sentences("capital", 1, Random(3)) == corpus.capital_sentences("capital", 1, Random(3))
    assert corpus.ioi_sentences(50, Random(3), held_out=False) == corpus.ioi_sentences(50, Random(3), held_out=False)


def test_tokenizer_keeps_the_reference_experiment_short(tokens: ByteLevelBPETokenizer) -> None:
    assert len(tokens.encode("Berlin is the capital of").ids) <= 7
    for word in (" Germany", " France", " Berlin", " Mary", " John"):
        assert tokens.encode(word).tokens == ["Ġ" + word.strip()]
    assert tokenizer.end_of_text(tokens) == tokens.get_vocab_size() - 1
    assert tokens.get_vocab_size() < 2**15  # ids are kept as int16


def test_tokenizer_is_the_bundled_one(tokens: ByteLevelBPETokenizer) -> None:
    bundled = tokenizer.load(ROOT / "models" / "demo")
    assert bundled.get_vocab() == tokens.get_vocab()


def test_pool_marks_the_answer(tokens: ByteLevelBPETokenizer) -> None:
    sentence = corpus.Sentence("The capital of Germany is", " Berlin", " Berlin")
    (rows,) = Pool([sentence], tokens).draw(1, np.random.default_rng(0))
    (position,) = np.flatnonzero(rows.answer[0])
    assert tokens.decode([int(rows.ids[0, position + 1])]) == " Berlin"
    assert rows.ids.shape[1] <= LENGTHS[0]
    assert not (rows.answer & rows.text).any()


def test_pool_draws_every_sentence_into_some_group(tokens: ByteLevelBPETokenizer) -> None:
    pool = Pool(corpus.capital_sentences("capital", 1, Random(1)), tokens)
    groups = pool.draw(500, np.random.default_rng(0))
    assert sum(len(rows.ids) for rows in groups) == 500
    assert all(rows.answer.any(axis=1).all() for rows in groups)


def test_word_lists_can_be_predicted_where_they_say(tokens: ByteLevelBPETokenizer) -> None:
    rows = WordLists(tokens).draw(50, 32, 10, np.random.default_rng(0))
    assert rows.answer.any(axis=1).all()
    for ids, answer in zip(rows.ids, rows.answer, strict=True):
        for position in np.flatnonzero(answer):
            earlier = np.flatnonzero(ids[:position] == ids[position])
            assert ids[position + 1] in ids[earlier + 1]


def test_held_out_words_are_in_no_training_list(tokens: ByteLevelBPETokenizer) -> None:
    known, unknown = WordLists(tokens), WordLists(tokens, held_out_words=True)
    assert len(unknown.words) > 30
    assert set(known.words.tolist()).isdisjoint(unknown.words.tolist())


def test_card_is_written_from_the_evaluation() -> None:
    folder = ROOT / "models" / "demo"
    numbers = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    assert (folder / "README.md").read_text(encoding="utf-8") == card(numbers)
