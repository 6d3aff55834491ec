"""Files that appear only when they are whole; scans as `.npz`."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from ablate._blocks import Array
from ablate._manifest_json import manifest_json

if TYPE_CHECKING:
    from ablate.scan import Scan

_KEYS = frozenset({"prompt_index", "replacement", "variant", "edit_position", "position", "top_k_id", "top_k_logprob"})


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


def write_whole(path: str | os.PathLike[str], write: Callable[[IO[bytes]], object]) -> None:
    """OSError where it cannot be written; then nothing is left."""
    target = Path(path)
    made = target.parent / f".{target.name}.{secrets.token_hex(4)}"
    # Not tempfile's, whose files are their maker's alone: this one is as any other new file, by the process's umask.
    number = os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(number, "wb") as file:
            write(file)
        # Closed: Windows moves no open file.
        made.replace(target)
    except BaseException:
        made.unlink(missing_ok=True)
        raise
