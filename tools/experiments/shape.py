"""What of an output must be the same when it is made again on another machine: all but digits and what is drawn."""

from __future__ import annotations

import re

# In this order.
SAME = (
    (re.compile(r"cpu \(.*?\) \|"), "cpu |"),  # the processor's name
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),  # a mean library's
    (re.compile(r"'[^']*'"), "TOKEN"),
    (re.compile(r"<?[-+]?\d+(\.\d+)?(e[-+]?\d+)?"), " 0 "),
    (re.compile(r"\bpass(es)?\b"), "pass"),  # as memory allows
    (re.compile(r"\b[MG]iB\b"), "bytes"),  # whichever fits
)
# Bars and curves are digits drawn. `|` stands in the middle of a bar.
DRAWN = re.compile(r"[#*.|]+")


def shape(output: str) -> list[str]:
    """A line each: words and columns."""
    lines = []
    for line in output.splitlines():
        for pattern, replacement in SAME:
            line = pattern.sub(replacement, line)
        lines.append(" ".join(DRAWN.sub(" ", line).split()))
    return lines


def first_difference(expected: str, found: str) -> str:
    """For people; empty where the shapes are equal."""
    want, have = shape(expected), shape(found)
    for number, (a, b) in enumerate(zip(want, have, strict=False), 1):
        if a != b:
            return f"line {number}: expected like {a!r}, found {b!r}"
    if len(want) != len(have):
        return f"expected {len(want)} lines, found {len(have)}"
    return ""
