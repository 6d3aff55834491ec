"""Scans as parquet files: the rows, and beside them what is no row, as `ablate scan --format csv` has it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from google.protobuf.json_format import MessageToJson

from ablate._files import write_whole
from ablate._manifest_json import manifest_json

if TYPE_CHECKING:
    from ablate.scan import Scan

_SUFFIX = ".parquet"


def to_parquet(scan: Scan, path: str | os.PathLike[str]) -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ImportError("to_parquet needs pyarrow (the extra [arrow]): pip install pyarrow") from None
    metadata = {"ablate.manifest": manifest_json(scan)}
    if (likelihood := scan.likelihood) is not None:
        _write(likelihood, _beside(path, "likelihood"), metadata)
    if (compensation := _compensation(scan)) is not None:
        _write(compensation, _beside(path, "compensation"), metadata)
    if (summary := scan.summary) is not None:
        head = MessageToJson(scan.summary_head, preserving_proto_field_name=True, indent=None)  # type: ignore[arg-type]
        _write(summary, _beside(path, "summary"), {**metadata, "ablate.summary_head": head})
    # The last: where the rows are, all is.
    rows = scan.to_pandas()
    as_json = _write_carried_as_json(rows)
    _write(rows, Path(path), {**metadata, "ablate.json_columns": json.dumps(as_json)} if as_json else metadata)


def _write(frame: pd.DataFrame, path: Path, metadata: Mapping[str, str]) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    ours = {name.encode(): text.encode() for name, text in metadata.items()}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **ours})
    write_whole(path, lambda file: pyarrow.parquet.write_table(table, file))


def _beside(path: str | os.PathLike[str], what: str) -> Path:
    """`scan.parquet` -> `scan.summary.parquet`."""
    whole = os.fspath(path)
    return Path(f"{whole.removesuffix(_SUFFIX)}.{what}{_SUFFIX}")


def _compensation(scan: Scan) -> pd.DataFrame | None:
    """A line a row and part of the model, as CSV's."""
    found = scan.compensation
    if found is None:
        return None
    model = scan.manifest.model
    parts = [f"L{layer}H{head}" for layer in range(model.n_layers) for head in range(model.n_heads)]
    parts += [f"L{layer}MLP" for layer in range(model.n_layers)] + ["layer_norm"]
    n = len(found.rows)
    changes = np.hstack([found.heads.reshape(n, -1), found.mlps, found.layer_norm[:, np.newaxis]])
    made = found.rows.loc[found.rows.index.repeat(len(parts))].reset_index(drop=True)
    made["part"] = np.tile(np.array(parts, object), n)
    made["change"] = changes.ravel()
    return made


def _write_carried_as_json(rows: pd.DataFrame) -> list[str]:
    """Carried columns that no column of parquet holds (numbers beside texts, objects) become JSON; which did."""
    changed = [str(name) for name in rows if str(name).startswith("fields.") and not _fits(rows[name])]
    for name in changed:
        rows[name] = [None if value is None else json.dumps(value, default=_plain) for value in rows[name]]
    return changed


def _fits(column: pd.Series[Any]) -> bool:
    import pyarrow

    if column.dtype != object:
        return True
    try:
        made = pyarrow.array(column, from_pandas=True).type
    except (pyarrow.ArrowException, OverflowError, ValueError, TypeError):
        return False
    # A struct would have every key that any of the objects has.
    while pyarrow.types.is_list(made):
        made = made.value_type
    return not pyarrow.types.is_struct(made)


def _plain(value: Any) -> Any:
    """What JSON has no word for: arrays and tensors as lists, a date as a text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
