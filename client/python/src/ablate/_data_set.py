"""A data set of prompts, whatever it looked like."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ablate._prompt_fields import check_has_input, is_prompt_key, make_prompt, plain, set_field, takes_list
from ablate._proto.ablation.v1.experiment_pb2 import (
    REDUCTION_PROB_SUM,
    REDUCTION_UNSPECIFIED,
    Prompt,
    Reduction,
    TokenRef,
)

_YEARS = 100


@dataclass
class DataSet:
    """Prompts, where each came from, and what their records say that is none of our business."""

    prompts: list[Prompt] = field(default_factory=list)
    #: Parallel to `prompts`, to name one in errors: `facts.csv, line 3`, `row 2`.
    origins: list[str] = field(default_factory=list)
    #: Parallel to `prompts`: the other columns, which come back with the rows.
    fields: list[dict[str, Any]] = field(default_factory=list)
    #: Answers are token ids of somebody's tokenizer (EAP-IG's correct_idx and incorrect_idx).
    has_foreign_ids: bool = False
    #: The layout tells how its answer sets are scored (EAP-IG's greater-than: by the sum of probabilities).
    reduction: Reduction = REDUCTION_UNSPECIFIED

    def add(self, prompt: Prompt, origin: str, fields: dict[str, Any]) -> None:
        self.prompts.append(prompt)
        self.origins.append(origin)
        self.fields.append(fields)


def from_records(records: Iterable[tuple[str, Any]]) -> DataSet:
    """From (origin, record) pairs; a record is a mapping with a prompt's keys, or a `Prompt`.

    ValueError names the origin.
    """
    data = DataSet()
    for origin, record in records:
        with _naming(origin):
            if isinstance(record, Prompt):
                check_has_input(record)
                data.add(record, origin, {})
            elif isinstance(record, Mapping):
                prompt, rest = make_prompt(record)
                data.add(prompt, origin, rest)
            else:
                raise ValueError(f"expected a mapping such as {{'prompt': ...}}, got {type(record).__name__}")
    return data


def from_table(names: Sequence[str], records: Iterable[tuple[str, Sequence[Any]]], source: str) -> DataSet:
    """From a table with named columns: CSV, a data frame, parquet, a `datasets` object. Knows EAP-IG's layouts."""
    _check_header(names, source)
    is_greater_than = _is_greater_than(names)
    data = DataSet(
        has_foreign_ids="correct_idx" in names or "incorrect_idx" in names,
        reduction=REDUCTION_PROB_SUM if is_greater_than else REDUCTION_UNSPECIFIED,
    )
    for origin, cells in records:
        with _naming(origin):
            prompt, rest = Prompt(), {}
            for name, cell in zip(names, cells, strict=True):
                value = plain(cell)
                if value is None or value == "":
                    continue
                if not _set_cell(name, value, is_greater_than, prompt):
                    rest[name] = value
            check_has_input(prompt)
            data.add(prompt, origin, rest)
    return data


def _set_cell(name: str, value: Any, is_greater_than: bool, prompt: Prompt) -> bool:
    """False: the column is none of ours."""
    if name in ("target_id", "correct_idx"):
        _set_id(name, value, prompt.targets)
    elif name in ("contrast_id", "incorrect_idx"):
        _set_id(name, value, prompt.contrasts)
    elif name == "label" and is_greater_than:
        _set_years(value, prompt)
    elif is_prompt_key(name):
        set_field(name, _list_of(name, value) if takes_list(name) else value, prompt)
    else:
        return False
    return True


def _list_of(name: str, value: Any) -> list[Any]:
    """CSV writes lists as JSON."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if not isinstance(value, list):
        raise ValueError(f'`{name}`: `{value}` is not a list in JSON, such as [" a", " b"]')
    return value


def _set_id(name: str, value: Any, tokens: Any) -> None:
    number = _integer(value)
    if number is None or not 0 <= number < 2**31:
        raise ValueError(f"`{name}`: `{value}` is not a token id")
    if len(tokens):
        raise ValueError(f"`{name}`: another column names the token too")
    tokens.append(TokenRef(id=number))


def _set_years(value: Any, prompt: Prompt) -> None:
    """EAP-IG's greater-than: years after the label are right, the others wrong."""
    year = _integer(value)
    if year is None or not 0 <= year < _YEARS - 1:
        raise ValueError(f"`label`: `{value}` is not a two-digit year from 0 to 98, which leaves a larger one")
    for i in range(_YEARS):
        (prompt.targets if i > year else prompt.contrasts).append(TokenRef(text=f"{i:02d}"))


def _integer(value: Any) -> int | None:
    """Frames hold the integers of a column with gaps as floats."""
    if isinstance(value, str):
        text = value.strip()
        return int(text) if text.isascii() and text.isdigit() else None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _is_greater_than(names: Sequence[str]) -> bool:
    """No column names an answer, the label is a year."""
    has_answer = any(n in ("correct_idx", "target_id", "target", "targets", "answers") for n in names)
    return {"label", "clean", "corrupted"} <= set(names) and not has_answer


def _check_header(names: Sequence[str], source: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{source}: the column `{name}` is there twice")
    if not {"prompt", "clean", "text", "token_ids"} & set(names):
        raise ValueError(
            f"{source}: no column `prompt` (or `clean`, `text`, or `token_ids`); there are {', '.join(names)}"
        )


class _naming:
    """Puts the origin in front of a ValueError's message."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ValueError):
            raise ValueError(f"{self._origin}: {error}") from None


def rows_of(
    names: Sequence[str], rows: Iterable[Mapping[str, Any]], what: str = "row"
) -> Iterator[tuple[str, list[Any]]]:
    for number, row in enumerate(rows):
        yield f"{what} {number}", [row.get(name) for name in names]
