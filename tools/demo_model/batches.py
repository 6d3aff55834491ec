"""Turns the corpus into batches of token ids: a pool of sentences made once, and word lists made as they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import ByteLevelBPETokenizer

from tools.demo_model import corpus
from tools.demo_model.corpus import Sentence
from tools.demo_model.tokenizer import end_of_text

IGNORED = -1
LENGTHS = (12, 16, 20, 24, 32, 48)  # rows are padded up to one of these


@dataclass(frozen=True)
class Rows:
    """Rows of equal length. Everything at or after `length` is padding."""

    ids: NDArray[np.int16]  # [B, T]
    answer: NDArray[np.bool_]  # [B, T], true where the *next* token is part of an answer
    text: NDArray[np.bool_]  # [B, T], true where the next token is other text of the row


class Pool:
    """Sentences as token ids, padded to the longest."""

    def __init__(self, sentences: Sequence[Sentence], tokenizer: ByteLevelBPETokenizer) -> None:
        end, full_stop = end_of_text(tokenizer), tokenizer.encode(".").ids
        prompts = tokenizer.encode_batch([s.prompt for s in sentences])
        answers = tokenizer.encode_batch([s.answer for s in sentences])
        rows = [p.ids + a.ids + full_stop + [end] for p, a in zip(prompts, answers, strict=True)]
        longest = max(map(len, rows))
        self.ids = np.full((len(rows), longest), end, np.int16)  # [S, T]
        self.lengths = np.array([len(row) for row in rows])  # [S]
        self.answer_from = np.array([len(p.ids) - 1 for p in prompts])  # [S], first position that predicts an answer
        self.answer_to = self.answer_from + np.array([len(a.ids) for a in answers])  # [S], one past the last
        for index, row in enumerate(rows):
            self.ids[index, : len(row)] = row

    def draw(self, count: int, random: np.random.Generator) -> list[Rows]:
        """Random sentences, sorted into groups of similar length so that little is spent on padding."""
        chosen = random.integers(len(self.ids), size=count)
        lengths = self.lengths[chosen]
        groups = []
        for low, high in zip((0, *LENGTHS[:-1]), LENGTHS, strict=True):
            picked = chosen[(low < lengths) & (lengths <= high)]
            if len(picked):
                groups.append(self._rows(picked, min(high, self.ids.shape[1])))
        return groups

    def _rows(self, picked: NDArray[np.int64], length: int) -> Rows:
        position = np.arange(length)[None, :]  # [1, T]
        answer = (position >= self.answer_from[picked, None]) & (position < self.answer_to[picked, None])
        text = (position < self.lengths[picked, None] - 1) & ~answer
        return Rows(self.ids[picked, :length], answer, text)


class WordLists:
    """Rows for induction: a list of words, then pieces of it again, so that what followed a word follows it again."""

    def __init__(self, tokenizer: ByteLevelBPETokenizer, *, held_out_words: bool = False) -> None:
        encoded = tokenizer.encode_batch([" " + word for word in corpus.list_words(held_out=held_out_words)])
        self.words = np.array([e.ids[0] for e in encoded if len(e.ids) == 1], np.int16)  # [W]

    def draw(
        self, count: int, length: int, longest: int, random: np.random.Generator, kinds: int | None = None
    ) -> Rows:
        """`count` rows of `length` tokens; a list has 3 to `longest` of the first `kinds` words.

        Half the rows repeat their list whole.
        """
        ids = np.empty((count, length), np.int16)
        answer = np.zeros((count, length), np.bool_)
        for row in range(count):
            size = int(random.integers(3, min(longest, length // 2) + 1))
            words = random.choice(self.words[:kinds], size, replace=False)
            whole = bool(random.integers(2))
            order, known = self._order(size, length + 1, random, whole=whole)
            ids[row] = words[order[:-1]]
            answer[row, :-1] = known[1:-1]
        return Rows(ids, answer, np.zeros_like(answer))

    @staticmethod
    def _order(
        size: int, length: int, random: np.random.Generator, *, whole: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Indices into the list [length], and whether each one follows from those before it [length]."""
        if whole:
            return np.arange(length) % size, np.arange(length) >= size + 1
        order, known = list(range(size)), [False] * size
        while len(order) < length:
            start = int(random.integers(size - 1))
            stop = min(size, start + int(random.integers(2, 7)))
            order += range(start, stop)
            known += [False] + [True] * (stop - start - 1)
        return np.array(order[:length]), np.array(known[:length])
