"""Heads by name, and orders of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Scores = Mapping[str, float]  # by label, `L9H6`


def short(label: str) -> str:
    """As the papers write it: `L9H6` is 9.6."""
    return label[1:].replace("H", ".")


def strongest(scores: Scores, count: int, *, negative: bool = False) -> list[str]:
    """The labels with the largest scores (negative: the smallest), the first of equals first."""
    return sorted(scores, key=lambda label: scores[label] if negative else -scores[label])[:count]


def rank(scores: Scores, label: str, *, negative: bool = False) -> int:
    """1 is the strongest."""
    return strongest(scores, len(scores), negative=negative).index(label) + 1


def mean_by_variant(rows: Iterable[Mapping[str, object]], column: str) -> dict[str, float]:
    """The mean over all rows of each variant but the unedited ones."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if row["layer"] is not None:
            value = row[column]
            if not isinstance(value, (int, float)):
                raise ValueError(f"column {column} of {row['variant']} is {value!r}, expected a number")
            values.setdefault(str(row["variant"]), []).append(value)
    return {variant: sum(v) / len(v) for variant, v in values.items()}
