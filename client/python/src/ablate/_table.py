"""Columns as people read them: tidy frames, and rows as dicts.

Names and order are those of `ablate scan --format csv`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ablate._blocks import Array
from ablate._legend import Legend

_KEYS = ("prompt_index", "replacement", "variant", "variant_name", "layer", "head", "edit_position", "position")
_METRICS = (
    "target_logit", "contrast_logit", "target_logprob", "contrast_logprob", "target_prob", "prob_diff", "logit_diff",
    "delta_target_logit", "delta_contrast_logit", "delta_target_logprob", "delta_contrast_logprob", "delta_target_prob",
    "delta_prob_diff", "delta_logit_diff", "target_rank", "target_is_top1", "top1_id", "top1_token", "top1_preserved",
    "kl_divergence", "kl_to_clean", "entropy", "normalized", "interaction", "direct_contribution", "direct_effect",
    "direct_effect_live", "total_effect", "indirect_effect", "self_repair",
)  # fmt: skip


class Fields:
    """The data set's other columns."""

    def __init__(self, records: Sequence[Mapping[str, Any]]) -> None:
        self.records = records
        self.names = list(dict.fromkeys(name for record in records for name in record))


#: Columns in order; arrays of numpy's or pandas' own, [rows] each.
Columns = dict[str, Any]


def tidy(legend: Legend, columns: Mapping[str, Array], texts: Mapping[int, str], fields: Fields) -> Columns:
    """One row an entry of `columns`; columns that did not come are left out, but for those that name the row."""
    made: Columns = key_columns(legend, columns)
    made["layer"] = _nullable(legend.layer[columns["variant"]])
    made["head"] = _nullable(legend.head[columns["variant"]])
    has_target = columns["target_rank"] >= 0 if "target_rank" in columns else None
    for name in [*_METRICS, *sorted(columns.keys() - set(_METRICS))]:
        if name == "top1_token" and "top1_id" in columns:
            made[name] = _texts(columns["top1_id"], texts)
        elif name not in columns or name in made or name.startswith("top_k_"):
            continue
        elif name == "target_rank":
            made[name] = _nullable(columns[name])
        elif name == "target_is_top1" and has_target is not None and not has_target.all():
            made[name] = pd.arrays.BooleanArray(columns[name].copy(), ~has_target)
        else:
            made[name] = columns[name]
    _add_top_k(made, columns, texts)
    _add_fields(made, columns["prompt_index"], fields)
    order = [*_KEYS, *(name for name in made if name not in _KEYS)]
    return {name: made[name] for name in order}


def key_columns(legend: Legend, columns: Mapping[str, Array]) -> Columns:
    """What names a run or row, in words; of positions only those that are there."""
    variant = columns["variant"]
    # Unedited runs have -1, the last entry; so has a block that leaves the column out.
    replacement = columns["replacement"] if "replacement" in columns else np.where(variant < 0, -1, 0)
    made: Columns = {
        "prompt_index": columns["prompt_index"],
        "replacement": legend.replacement[replacement],
        "variant": legend.variant[variant],
        "variant_name": legend.name[variant],
        "edit_position": _nullable(columns.get("edit_position", np.full(len(variant), -1, np.int32))),
    }
    if "position" in columns:
        made["position"] = columns["position"]
    return made


def records(columns: Columns) -> Iterator[dict[str, Any]]:
    """Rows as dicts of Python's own types; None where there is no figure."""
    # Column by column: pandas' own row iterators box each cell anew.
    for row in zip(*map(_cells, columns.values()), strict=True):
        yield dict(zip(columns, row, strict=True))


def _cells(column: Any) -> list[Any]:
    if not isinstance(column, np.ndarray):
        cells: list[Any] = column.to_numpy(object, na_value=None).tolist()
        return cells
    cells = column.tolist()
    if column.dtype.kind == "f":
        for at in np.flatnonzero(np.isnan(column)):
            cells[at] = None
    return cells


def strongest(keys: Columns, values: Array, kept: Array, clusters: Array, name: str) -> pd.DataFrame:
    """Means of the kept rows' values over all rows of the same keys, that furthest from 0 first; none of NaN.

    `clusters`: [rows]; they are weighed alike, whatever their size.
    """
    frame = pd.DataFrame({**keys, "": clusters, name: values.astype(np.float64)})[kept]

    def means_of(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
        return frame.groupby(list(names), sort=False, dropna=False, observed=True)[name].mean().reset_index()

    means = means_of(means_of(frame, *keys, ""), *keys).dropna(subset=[name])
    order = means[name].abs().sort_values(ascending=False, kind="stable").index
    return means.loc[order].reset_index(drop=True)


def _nullable(values: Array) -> Any:
    """-1 is none."""
    return pd.arrays.IntegerArray(values.astype(np.int32), values < 0)


def _texts(ids: Array, texts: Mapping[int, str]) -> Array:
    unique, inverse = np.unique(ids, return_inverse=True)
    made = np.empty(len(unique), object)
    made[:] = [texts.get(int(one)) for one in unique]
    found: Array = made[inverse]
    return found


def _add_top_k(made: Columns, columns: Mapping[str, Array], texts: Mapping[int, str]) -> None:
    if "top_k_id" not in columns:
        return
    ids, logprobs = (columns[name].reshape(len(columns["variant"]), -1) for name in ("top_k_id", "top_k_logprob"))
    for k in range(ids.shape[1]):
        made[f"top_k_{k + 1}_id"] = ids[:, k]
        made[f"top_k_{k + 1}_token"] = _texts(ids[:, k], texts)
        made[f"top_k_{k + 1}_logprob"] = logprobs[:, k]


def _add_fields(made: Columns, prompt: Array, fields: Fields) -> None:
    if not fields.names:
        return
    # Only of the prompts that are here: a block of a stream has few.
    unique, inverse = np.unique(prompt, return_inverse=True)
    for name in fields.names:
        values = np.empty(len(unique), object)
        values[:] = [fields.records[p].get(name) for p in unique]
        made[f"fields.{name}"] = pd.Series(values).infer_objects().to_numpy()[inverse]
