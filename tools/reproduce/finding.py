"""What was published, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    experiment: str
    claim: str
    published: str
    found: str
    # Of how many published parts of the claim so many hold; 0 of 0 where nothing was published.
    holds: int = 0
    of: int = 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def ranked(effects: Mapping[str, float], count: int, *, largest: bool) -> list[str]:
    """The labels of the `count` largest (or smallest) effects."""
    return sorted(effects, key=lambda label: effects[label], reverse=largest)[:count]


def compare_heads(experiment: str, claim: str, published: list[str], found: list[str]) -> Finding:
    """How many of the published heads are among those found."""
    hits = len(set(published) & set(found))
    return Finding(experiment, claim, " ".join(published), " ".join(found), hits, len(published))


def show(findings: list[Finding], model: str, is_published: bool) -> None:
    if is_published:
        print(f"model {model}: the weights are those of OpenAI's GPT-2 Small, which the published results are about")
    else:
        print(f"model {model}: not OpenAI's GPT-2 Small, so that what was published of it need not hold here")
    experiment = ""
    for finding in findings:
        if finding.experiment != experiment:
            experiment = finding.experiment
            print(f"\n{experiment}")
        print(f"  {finding.claim}" + (f": {finding.holds} of {finding.of}" if finding.of else ""))
        print(f"    published  {finding.published}")
        print(f"    found      {finding.found}")
    print(f"\n{sum(f.holds for f in findings)} of {sum(f.of for f in findings)} published results found in all")
