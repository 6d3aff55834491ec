"""What an experiment found, beside what is published: for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One published statement and what was found. A statement holds or does not."""

    statement: str
    published: str
    found: str
    holds: bool


@dataclass
class Section:
    """One experiment."""

    title: str
    source: str
    setting: list[str] = field(default_factory=list)  # what was run, a line each
    findings: list[Finding] = field(default_factory=list)
    table: list[str] = field(default_factory=list)  # lines for people
    data: dict[str, Any] = field(default_factory=dict)  # the figures behind them
    error: str = ""  # why it could not be run; empty: it was

    def lines(self, number: int) -> list[str]:
        """For people."""
        head = [f"{number}. {self.title}", f"   {self.source}"]
        if self.error:
            return [*head, f"   not run: {self.error}"]
        rows = [("", "published", "found", "")]
        rows += [(f.statement, f.published, f.found, "found" if f.holds else "not found") for f in self.findings]
        body = [*self.setting, "", *columns(rows), *(["", *self.table] if self.table else [])]
        return [*head, *(f"   {line}".rstrip() for line in body)]


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Cells one below the other, two blanks between them. Equally many in each row."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def count(sections: Sequence[Section]) -> tuple[int, int]:
    """How many statements hold, and how many there are."""
    findings = [finding for section in sections for finding in section.findings]
    return sum(finding.holds for finding in findings), len(findings)


def as_json(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """Everything but the lines for people."""
    return [
        {
            "title": section.title,
            "source": section.source,
            "error": section.error or None,
            "setting": section.setting,
            "findings": [asdict(finding) for finding in section.findings],
            "data": section.data,
        }
        for section in sections
    ]
