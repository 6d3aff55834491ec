"""Indirect-object sentences for any tokenizer: names, places and objects that are one token each where they stand.

Then all sentences of a template have the same tokens at the same positions but for what fills its slots, and means by
position mean the same thing in each (arXiv 2211.00593, section 2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from tools.demo_model.facts import lines

# Whether each text is one token, leading space included.
IsSingle = Callable[[Sequence[str]], list[bool]]

FILES = {"a": "names", "b": "names", "s": "names", "place": "places", "object": "objects"}
MIN_FILLERS = 8


@dataclass(frozen=True)
class Slots:
    """A template and what may stand in each of its slots."""

    template: str
    fillers: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Sentence:
    """`indirect` is the right answer, `subject` the name that occurs twice."""

    template: str
    prompt: str
    indirect: str
    subject: str
    slots: dict[str, str]


def usable_templates(is_single: IsSingle) -> list[Slots]:
    """The templates whose every slot has MIN_FILLERS fillers of one token, or more."""
    words = sorted({word for name in set(FILES.values()) for word in lines(name)})
    inside = dict(zip(words, is_single([f" {word}" for word in words]), strict=True))
    first = dict(zip(words, is_single(words), strict=True))
    usable = []
    for template in lines("ioi_templates"):
        fillers: dict[str, tuple[str, ...]] = {}
        for slot, name in FILES.items():
            places = [match.start() for match in re.finditer(rf"\{{{slot}\}}", template)]
            # A name is an answer too: with its space it must be one token in any case.
            fits = [inside] + [first] * (0 in places)
            fillers[slot] = tuple(word for word in lines(name) if all(fit[word] for fit in fits))
        # Both orders of two names are used, so that a name must fit wherever one stands.
        names = tuple(name for name in fillers["a"] if name in fillers["b"] and name in fillers["s"])
        fillers |= {"a": names, "b": names, "s": names}
        if all(len(words_) >= MIN_FILLERS for words_ in fillers.values()):
            usable.append(Slots(template, fillers))
    return usable


def _fill(slots: Slots, names: tuple[str, str, str], random: Random) -> tuple[str, dict[str, str]]:
    filled = {"a": names[0], "b": names[1], "s": names[2]}
    filled |= {slot: random.choice(slots.fillers[slot]) for slot in ("place", "object")}
    return slots.template.format(**filled), filled


def sentences(templates: Sequence[Slots], a_template: int, random: Random) -> list[Sentence]:
    """`a_template` of each; by turns the first and the second name is the one that occurs twice."""
    made = []
    for slots in templates:
        for index in range(a_template):
            first, second = random.sample(slots.fillers["a"], 2)
            subject, indirect = (first, second) if index % 2 else (second, first)
            prompt, filled = _fill(slots, (first, second, subject), random)
            made.append(Sentence(slots.template, prompt, indirect, subject, filled))
    return made


def three_names(templates: Sequence[Slots], a_template: int, random: Random) -> list[Sentence]:
    """The paper's p_ABC: the third name is a third one, so that no name is right or wrong."""
    made = []
    for slots in templates:
        for _ in range(a_template):
            first, second, third = random.sample(slots.fillers["a"], 3)
            prompt, filled = _fill(slots, (first, second, third), random)
            made.append(Sentence(slots.template, prompt, second, third, filled))
    return made


def swapped(sentence: Sentence) -> str:
    """The sentence with the other name a second time, which turns the answer round (symmetric token replacement, arXiv
    2309.16042)."""
    return sentence.template.format(**{**sentence.slots, "s": sentence.indirect})
