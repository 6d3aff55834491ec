"""A job's results as something that can be compared bit for bit, whatever order the rows came in."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from ablate._proto.ablation.v1.scan_pb2 import AblateResponse, RowBlock

_KEYS = ("prompt_index", "replacement", "variant", "edit_position", "position")
# Not a column.
_TOKENS = "tokens"


@dataclass
class Table:
    """What a stream of results says."""

    #: Bytes of all other columns, by prompt_index, replacement, variant, edit_position, position.
    rows: dict[tuple[int, ...], bytes] = field(default_factory=dict)
    #: Keys that came again.
    twice: list[tuple[int, ...]] = field(default_factory=list)
    #: Everything else, in its order, without times.
    others: list[bytes] = field(default_factory=list)
    expected_rows: int = 0
    is_complete: bool = False


def make_table(messages: Iterable[bytes]) -> Table:
    table = Table()
    for data in messages:
        message = AblateResponse.FromString(data)
        if message.HasField("row_block"):
            _add_rows(table, message.row_block)
            continue
        if message.HasField("manifest"):
            table.expected_rows = message.manifest.total_rows
        if message.HasField("completion"):
            table.is_complete = True
            message.completion.ClearField("timing")
        table.others.append(message.SerializeToString(deterministic=True))
    return table


def _add_rows(table: Table, block: RowBlock) -> None:
    n = len(block.prompt_index)
    columns = {f.name: getattr(block, f.name) for f, _ in block.ListFields() if f.name != _TOKENS}
    keys = [columns.pop(name, None) or [0] * n for name in _KEYS]
    for row in range(n):
        key = tuple(column[row] for column in keys)
        if key in table.rows:
            table.twice.append(key)
        bits = [name.encode() + _bits(column, row, n) for name, column in sorted(columns.items())]
        table.rows[key] = b"".join(bits)


def _bits(column: list[float], row: int, n: int) -> bytes:
    """Of a [n] or [n, k] column: ints are exact in float64 here, and every bit of a float64 counts."""
    width = len(column) // n
    return struct.pack(f"<{width}d", *column[row * width : (row + 1) * width])


def contradictions(found: Table, expected: Table) -> list[str]:
    """In words; empty: each row that is there is there once, and bit for bit the same."""
    extra = found.rows.keys() - expected.rows.keys()
    unequal = [key for key in found.rows.keys() & expected.rows.keys() if found.rows[key] != expected.rows[key]]
    said = {
        "rows twice": found.twice,
        "rows that nobody expects": sorted(extra),
        "rows with other bits": sorted(unequal),
    }
    return [f"{len(keys)} {what}, e.g. {keys[0]}" for what, keys in said.items() if keys]


def differences(found: Table, expected: Table) -> list[str]:
    """In words; empty: bit for bit the same."""
    lines = contradictions(found, expected)
    missing = sorted(expected.rows.keys() - found.rows.keys())
    if missing:
        lines.append(f"{len(missing)} rows missing, e.g. {missing[0]}")
    if found.others != expected.others:
        lines.append("what is not rows differs: manifest, variants, prompts, summary or completion")
    if not found.is_complete or len(found.rows) != found.expected_rows:
        lines.append(f"{len(found.rows)} rows, the manifest promised {found.expected_rows}")
    return lines
