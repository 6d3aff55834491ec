"""The facts and words that the corpus is made of, read from `data/`."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Fact:
    """A country and its capital; `article` is "the" where the country's name wants one."""

    country: str
    article: str
    capital: str
    region: str

    @property
    def country_phrase(self) -> str:
        """The country as it stands inside a sentence, such as "the Netherlands"."""
        return f"{self.article} {self.country}".strip()


@cache
def facts() -> tuple[Fact, ...]:
    """All facts, in the file's order: within a region, widely named countries come early."""
    with (DATA / "countries.csv").open(encoding="utf-8", newline="") as file:
        return tuple(Fact(**row) for row in csv.DictReader(file))


@cache
def lines(name: str) -> tuple[str, ...]:
    """The lines of `data/{name}.txt` without comments and blanks."""
    text = (DATA / f"{name}.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))
