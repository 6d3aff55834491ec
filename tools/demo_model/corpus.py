"""Writes the corpus: sentences about capitals, sentences about who gives what to whom, and word lists.

A sentence is a prompt and what follows it. Some (template, fact) pairs and some pairs of names are held out: they
never occur in training and measure whether a task was learned or only remembered.

The capital sentences are not certain: in 20 to 35 % of their occurrences something else follows, another country of the
same region or a phrase. Without that a model becomes so sure of every fact that ablating one head moves nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from random import Random

from tools.demo_model.facts import Fact, facts, lines

HELD_OUT_FACTS = 0.15
HELD_OUT_NAME_PAIRS = 0.10
HELD_OUT_WORDS = 0.10
ERROR_RATE_MIN, ERROR_RATE_MAX = 0.20, 0.35
PREFIXED = 0.7  # of the capital sentences, those that follow a sentence about another country
PHRASE_SHARE = 0.3  # of the other continuations; the rest names a neighbour
IOI_ERROR_RATE = 0.06

OF_PHRASES = (" a large country", " the region", " trade and art", " the north", " a nation", " the old kingdom")
IN_PHRASES = (" a large city", " an old city", " near the river", " the city", " not far", " in the south")
GIVE_PHRASES = (" everyone", " a friend", " the teacher", " nobody")


@dataclass(frozen=True)
class Sentence:
    """A prompt and its continuation; `expected` is the true one, `answer` the one that the corpus has here."""

    prompt: str
    answer: str
    expected: str


def share(*key: str) -> float:
    """A number in [0, 1) that depends on the key alone, so that splits never depend on the order of calls."""
    digest = hashlib.sha256("\x1f".join(key).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def fact_is_held_out(template: str, fact: Fact) -> bool:
    """Whether this fact never occurs in this template in training."""
    return share("fact", template, fact.country) < HELD_OUT_FACTS


def names_are_held_out(first: str, second: str) -> bool:
    """Whether these two names never occur together in training, in either order."""
    return share("names", *sorted((first, second))) < HELD_OUT_NAME_PAIRS


def word_is_held_out(word: str) -> bool:
    """Whether this word never occurs in a word list in training."""
    return share("word", word) < HELD_OUT_WORDS


def _neighbour(fact: Fact, random: Random) -> Fact:
    """Another fact of the region; those early in the file are more likely, as in real text."""
    others = [other for other in facts() if other.region == fact.region and other != fact]
    return random.choices(others, [1 / (rank + 4) for rank in range(len(others))])[0]


def _fill(template: str, fact: Fact, random: Random) -> str:
    other = random.choice([other for other in facts() if other != fact])
    slots = {
        "city": fact.capital,
        "country": fact.country_phrase,
        "other_city": other.capital,
        "other_country": other.country_phrase,
        "name": random.choice(lines("names")),
    }
    return template.format(**slots)


def _distractor(fact: Fact, random: Random) -> str:
    """A true sentence about another country, to stand before one about `fact`."""
    other = random.choice([other for other in facts() if other != fact])
    template = random.choice(lines("distractor_templates"))
    return template.format(city=other.capital, country=other.country_phrase, name=random.choice(lines("names")))


def _fact_sentence(template: str, fact: Fact, random: Random, *, certain: bool, more_error: float = 0.0) -> Sentence:
    to_country = "{city}" in template

    def answer_of(given: Fact) -> str:
        return " " + (given.country_phrase if to_country else given.capital)

    expected = answer = answer_of(fact)
    spread = ERROR_RATE_MAX - ERROR_RATE_MIN
    error_rate = ERROR_RATE_MIN + spread * share("error rate", template, fact.country) + more_error
    if not certain and random.random() < error_rate:
        if random.random() < PHRASE_SHARE:
            answer = random.choice(OF_PHRASES if to_country else IN_PHRASES)
        else:
            answer = answer_of(_neighbour(fact, random))
    prompt = _fill(template, fact, random)
    if not certain and random.random() < PREFIXED:
        prompt = f"{_distractor(fact, random)} {prompt}"
    return Sentence(prompt, answer, expected)


def capital_sentences(kind: str, repeats: int, random: Random, more_error: float = 0.0) -> list[Sentence]:
    """Every fact in every template that is not held out, `repeats` times; kind: "capital" or "country" templates.

    more_error is added to each error rate.
    """
    return [
        _fact_sentence(template, fact, random, certain=False, more_error=more_error)
        for template in lines(f"{kind}_templates")
        for fact in facts()
        if not fact_is_held_out(template, fact)
        for _ in range(repeats)
    ]


def held_out_capital_sentences(kind: str, random: Random) -> list[Sentence]:
    """The (template, fact) pairs that training never sees, each once, with the true answer."""
    return [
        _fact_sentence(template, fact, random, certain=True)
        for template in lines(f"{kind}_templates")
        for fact in facts()
        if fact_is_held_out(template, fact)
    ]


def ioi_sentences(count: int, random: Random, *, held_out: bool) -> list[Sentence]:
    """Indirect-object sentences: the answer is the name that occurs once. Held out: pairs of names."""
    sentences: list[Sentence] = []
    while len(sentences) < count:
        first, second = random.sample(lines("names"), 2)
        if names_are_held_out(first, second) != held_out:
            continue
        subject, expected = random.sample((first, second), 2)
        prompt = random.choice(lines("ioi_templates")).format(
            a=first,
            b=second,
            s=subject,
            place=random.choice(lines("places")),
            object=random.choice(lines("objects")),
        )
        answer = " " + expected
        if not held_out and random.random() < IOI_ERROR_RATE:
            answer = random.choice(GIVE_PHRASES)
        sentences.append(Sentence(prompt, answer, " " + expected))
    return sentences


def list_words(*, held_out: bool) -> list[str]:
    """The words that lists are made of; those held out occur in no list in training."""
    words = dict.fromkeys(lines("words") + lines("objects") + lines("places") + lines("names"))
    return [word for word in words if word_is_held_out(word) == held_out]
