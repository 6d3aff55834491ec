"""The byte-level BPE of the bundled model, in GPT-2's layout: `vocab.json`, `merges.txt` and `<|endoftext|>`."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from tokenizers import ByteLevelBPETokenizer

from tools.demo_model import corpus
from tools.demo_model.facts import facts, lines

END_OF_TEXT = "<|endoftext|>"
VOCABULARY = 4096  # at most: merges end where nothing frequent is left to merge
MIN_FREQUENCY = 12
WORD_REPEATS = 24  # above MIN_FREQUENCY: a word inside a sentence becomes one token
SENTENCE_REPEATS = 1  # below it: a capital that opens a sentence stays in pieces, as `Ber` `lin` does in GPT-2


def _training_text() -> list[str]:
    random = Random(0)
    words = list(corpus.list_words(held_out=False) + corpus.list_words(held_out=True))
    words += [f"{fact.country_phrase} {fact.capital} {fact.region}" for fact in facts()]
    inside = [" " + word for word in words for _ in range(WORD_REPEATS)]
    phrases = [*corpus.OF_PHRASES, *corpus.IN_PHRASES, *corpus.GIVE_PHRASES] * WORD_REPEATS
    sentences: list[str] = []
    for kind in ("capital", "country"):
        for template in lines(f"{kind}_templates"):
            # The open slot at a sentence's beginning stays empty: no capital is learned there.
            text = template.replace("{city}", "").replace("{name}", "")
            text = text.format(country="", other_city="", other_country="")
            sentences += [text] * WORD_REPEATS
    sentences += [s.prompt + s.answer + "." for s in corpus.ioi_sentences(1000, random, held_out=False)]
    openings = [fact.capital for fact in facts()] * SENTENCE_REPEATS
    return inside + phrases + sentences + openings


def train(folder: Path) -> ByteLevelBPETokenizer:
    """Learns the merges and writes `vocab.json` and `merges.txt` into the folder."""
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(
        _training_text(), vocab_size=VOCABULARY - 1, min_frequency=MIN_FREQUENCY, show_progress=False
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_model(str(folder))
    path = folder / "vocab.json"
    vocabulary = json.loads(path.read_text(encoding="utf-8"))
    vocabulary[END_OF_TEXT] = len(vocabulary)  # last, as in GPT-2
    path.write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    return load(folder)


def load(folder: Path) -> ByteLevelBPETokenizer:
    """Reads the tokenizer from `vocab.json` and `merges.txt`."""
    return ByteLevelBPETokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))


def end_of_text(tokenizer: ByteLevelBPETokenizer) -> int:
    """The id of `<|endoftext|>`."""
    token = tokenizer.token_to_id(END_OF_TEXT)
    assert token is not None
    return token
