"""Columns of the stream's blocks as arrays, each checked: whole, and numbers where the contract promises numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from ablate._rows import Ints
from ablate.errors import ContractError

Array = npt.NDArray[Any]
DTYPES: dict[int, type[Any]] = {
    FieldDescriptor.CPPTYPE_DOUBLE: np.float64,
    FieldDescriptor.CPPTYPE_INT32: np.int32,
    FieldDescriptor.CPPTYPE_BOOL: np.bool_,
}


@dataclass(frozen=True)
class Keys:
    """What names the entries of a block, [entries] each, with what absent columns say filled in."""

    prompt: Ints
    replacement: Ints
    variant: Ints
    edit_position: Ints


@dataclass(frozen=True)
class Entries:
    """A checked block: its columns, and the number of each entry among all of its kind (`RowSpace`)."""

    #: `rows`, `likelihood`, `compensation` or `summary`.
    kind: str
    columns: dict[str, Array]
    index: Ints
    tokens: dict[int, str] = field(default_factory=dict)


def read_columns(block: Message, rows: int, width: Callable[[str], int], allows_nan: bool = False) -> dict[str, Array]:
    """Every column that is present, [rows] or [rows, width].

    Written over the descriptor, so that a new column is read from its first day.

    ContractError names a column that is not whole, or holds what is no number (`allows_nan`: but for NaN).
    """
    columns: dict[str, Array] = {}
    for described in block.DESCRIPTOR.fields:
        dtype = DTYPES.get(described.cpp_type)
        if dtype is None or not described.is_repeated:
            continue
        column = to_array(getattr(block, described.name), dtype)
        if column.size == 0:
            continue
        wide = width(described.name)
        if column.size != rows * wide:
            raise ContractError(
                f"column {described.name} has {column.size} entries in a block of {rows} rows, expected {rows * wide}"
            )
        if column.dtype == np.float64:
            good = ~np.isinf(column) if allows_nan else np.isfinite(column)
            if not good.all():
                raise ContractError(
                    f"column {described.name} holds {column[np.argmin(good)]} in row {np.argmin(good) // wide}"
                )
        columns[described.name] = column if wide == 1 else column.reshape(rows, wide)
    return columns


def to_array(field: Any, dtype: type[Any]) -> Array:
    """A repeated field as an array that owns its memory."""
    # From protobuf 7 on they convert themselves, 30 times as fast.
    if hasattr(field, "__array__"):
        return np.asarray(field).astype(dtype, copy=False)
    return np.fromiter(field, dtype, len(field))


def require(columns: dict[str, Array], *names: str) -> None:
    for name in names:
        if name not in columns:
            raise ContractError(f"column {name} is missing")


def keys_of(columns: dict[str, Array], prompt: int | None, n_replacements: int, sweeps_positions: bool) -> Keys:
    """`prompt`: of a block that is of one prompt; None where there is a column."""
    require(columns, "variant")
    if n_replacements > 1:
        require(columns, "replacement")
    if sweeps_positions:
        require(columns, "edit_position")
    variant = columns["variant"].astype(np.int64)
    if prompt is None:
        require(columns, "prompt_index")
        prompts = columns["prompt_index"].astype(np.int64)
    else:
        prompts = np.full_like(variant, prompt)
    replacement = columns["replacement"].astype(np.int64) if "replacement" in columns else np.where(variant < 0, -1, 0)
    none = np.full_like(variant, -1)
    edit_position = columns["edit_position"].astype(np.int64) if "edit_position" in columns else none
    return Keys(prompts, replacement, variant, edit_position)


def empty_column(shape: tuple[int, ...], dtype: Any) -> Array:
    """Of what stands where a prompt has no such figure: no target, no contrast, no pair."""
    return np.full(shape, np.nan if np.issubdtype(dtype, np.floating) else False if dtype == np.bool_ else -1, dtype)


def objects(values: Sequence[Any]) -> Array:
    """[values], even where all have one length."""
    made = np.empty(len(values), object)
    for i, value in enumerate(values):
        made[i] = value
    return made
