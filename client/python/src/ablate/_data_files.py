"""Data sets from files: CSV, JSON lines, JSON (a list, or auto-circuit's), parquet.

What a text file is, its beginning tells.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ablate._data_set import DataSet, from_records, from_table, rows_of

SUFFIXES = (".csv", ".jsonl", ".json", ".ndjson", ".parquet")


def read_file(path: Path) -> DataSet:
    """ValueError names file and line; OSError where it cannot be read."""
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path)
    source = path.name
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{source}: not valid UTF-8 at byte {error.start}") from None
    beginning = text.lstrip()[:1]
    if beginning not in ("{", "["):
        return _read_csv(source, text)
    return _read_document(source, text) if _is_document(text) else from_records(_json_lines(source, text))


def _read_csv(source: str, text: str) -> DataSet:
    records = _csv_records(source, text)
    _, header = next(records, ("", []))
    if not header:
        raise ValueError(f"{source} holds no prompt")
    names = [name or f"column_{number}" for number, name in enumerate(header, 1)]

    def checked() -> Iterator[tuple[str, list[str]]]:
        for origin, cells in records:
            if len(cells) != len(names):
                raise ValueError(f"{origin}: {len(cells)} fields, expected {len(names)} as in the header")
            yield origin, cells

    return from_table(names, checked(), source)


def _csv_records(source: str, text: str) -> Iterator[tuple[str, list[str]]]:
    """The origin, with the line on which a record begins, and its cells. Empty lines are skipped."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    first_line = 1
    try:
        for cells in reader:
            if cells:
                yield f"{source}, line {first_line}", cells
            first_line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{source}, line {first_line}: {error}") from None


def _is_document(text: str) -> bool:
    """Lines are far more common, and the first of them is read in no time."""
    if text.lstrip().startswith("["):
        return True  # no line of a data set is a list
    try:
        first = json.loads(text.lstrip().partition("\n")[0])
    except ValueError:
        try:
            first = json.loads(text)
        except ValueError:
            return False
    return isinstance(first, dict) and isinstance(first.get("prompts"), list)


def _read_document(source: str, text: str) -> DataSet:
    try:
        made = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{source}: not valid JSON: {error}") from None
    prompts = made if isinstance(made, list) else made["prompts"]
    return from_records((f"{source}, prompts[{number}]", prompt) for number, prompt in enumerate(prompts))


def _json_lines(source: str, text: str) -> Iterator[tuple[str, Any]]:
    # Not splitlines(), which also breaks at U+2028 and the like, which JSON may hold.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        origin = f"{source}, line {number}"
        try:
            record = json.loads(line)
        except ValueError:
            raise ValueError(f"{origin}: not valid JSON") from None
        yield origin, record


def _read_parquet(path: Path) -> DataSet:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise ImportError("parquet needs pyarrow (the extra [arrow]): pip install pyarrow") from None
    try:
        table = parquet.read_table(path)
    except pyarrow.ArrowException as error:
        raise ValueError(f"{path.name}: not valid parquet: {error}") from None
    return from_table(
        table.column_names, rows_of(table.column_names, table.to_pylist(), f"{path.name}, row"), path.name
    )
