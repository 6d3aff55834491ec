"""Scans as files, which appear only when they are whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from google.protobuf.json_format import MessageToJson

from ablate._blocks import Array

if TYPE_CHECKING:
    from ablate.scan import Scan

_KEYS = frozenset({"prompt_index", "replacement", "variant", "edit_position", "position", "top_k_id", "top_k_logprob"})


def to_parquet(scan: Scan, path: str | os.PathLike[str]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise ImportError("to_parquet needs pyarrow (the extra [arrow]): pip install pyarrow") from None
    table = pyarrow.Table.from_pandas(scan.to_pandas(), preserve_index=False)
    metadata = {**(table.schema.metadata or {}), b"ablate.manifest": manifest_json(scan).encode()}
    table = table.replace_schema_metadata(metadata)
    write_whole(path, lambda file: parquet.write_table(table, file))


def to_npz(scan: Scan, path: str | os.PathLike[str]) -> None:
    arrays: dict[str, Array] = {f"row.{name}": values for name, values in scan.columns.items()}
    for name in scan.columns.keys() - _KEYS:
        # [prompts, replacements, *axes]
        per_replacement = [scan.array(name, replacement=r) for r in range(len(scan.replacements))]
        arrays[name] = np.stack(per_replacement, axis=1 if len(scan.prompts) > 1 else 0)
        if len(scan.prompts) == 1:
            arrays[name] = arrays[name][np.newaxis]
    arrays["axes"] = np.array(scan.axes)
    arrays["replacements"] = np.array(scan.replacements)
    arrays["variants"] = np.array([variant.label for variant in scan.variants])
    arrays["manifest"] = np.array(manifest_json(scan))
    write_whole(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]


def manifest_json(scan: Scan) -> str:
    """Protobuf JSON with the contract's names."""
    return MessageToJson(scan.manifest, preserving_proto_field_name=True, indent=None)


def write_whole(path: str | os.PathLike[str], write: Callable[[IO[bytes]], object]) -> None:
    target = Path(path)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
        try:
            write(file)
            file.flush()
            # A temporary file is its maker's alone; this one is as any other new file.
            mask = os.umask(0)
            os.umask(mask)
            Path(file.name).chmod(0o666 & ~mask)
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
