#!/usr/bin/env python3
"""Runs the notebooks of examples/notebooks/ on the bundled model and stores what they show: `python -m tools.notebook`.

Needs `ablated` (./run build). tests/python/test_notebook.py runs them again and holds them against what is stored.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.image
import nbformat
import numpy as np
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "examples" / "notebooks"
# What is not of the interpreter that ran it last.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_TIMEOUT_S = 300
_DECIMAL = re.compile(r"[-+]?\d+\.\d+")
# Of a picture's pixels, how many may differ: a digit has about 40 of 300,000, a word or a bar hundreds.
_DIFFERING_PIXELS = 0.001
# Of 1: less is the colour of a value whose last bits differ.
_DIFFERENT_COLOUR = 0.05


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def executed(path: Path, build: Path) -> NotebookNode:
    """The notebook with the outputs of a run in a process of its own. CellExecutionError names a cell that fails."""
    notebook = read(path)
    with tempfile.TemporaryDirectory(prefix="ablate-") as folder:
        # Sockets in a folder of ours: over TCP, anybody on this machine could listen.
        kernel = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=f"{folder}/kernel")
        where = {"metadata": {"path": str(path.parent)}}
        client = NotebookClient(notebook, kernel, timeout=CELL_TIMEOUT_S, record_timing=False, resources=where)
        client.execute(env=_environment(build, Path(folder)), cleanup_kc=True)
    notebook.metadata = NotebookNode(METADATA)
    return notebook


def _environment(build: Path, folder: Path) -> dict[str, str]:
    """Nothing of the user's: no settings, no mean libraries, no jobs. No progress bars: a slow machine shows more."""
    # Else it says where pictures go, and not into the notebook.
    kept = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    return {
        **{name: value for name, value in kept.items() if not name.startswith("ABLATE_")},
        "ABLATE_BUILD_DIR": str(build.resolve()),
        "ABLATE_MEANS_DIR": "none",
        "XDG_DATA_HOME": str(folder),
        "IPYTHONDIR": str(folder),
        "PYTHONPATH": str(ROOT / "client" / "python" / "src"),
        "TQDM_DISABLE": "1",
    }


def differences(stored: NotebookNode, made: NotebookNode) -> list[str]:
    """One line for each output that is not as stored; none: they are alike.

    Texts must be equal, but for the last digit of a decimal number, and pictures show the same: processors differ in a
    figure's last bits, which may round to either side.
    """
    left, right = list(_outputs(stored)), list(_outputs(made))
    if [where for where, _ in left] != [where for where, _ in right]:
        missing = [where for where, _ in left if where not in dict(right)]
        new = [where for where, _ in right if where not in dict(left)]
        return [f"outputs: stored but not made: {missing}; made but not stored: {new}"]
    found = []
    for (where, a), (_, b) in zip(left, right, strict=True):
        difference = _of_pictures(a, b) if where.endswith("image/png") else _of_texts(a, b)
        if difference:
            found.append(f"{where}: {difference}")
    return found


def _outputs(notebook: NotebookNode) -> Iterator[tuple[str, str]]:
    """Where and what; every name once."""
    for number, cell in enumerate(notebook.cells):
        for at, output in enumerate(cell.get("outputs", [])):
            where = f"cell {number}, output {at}, {output.output_type}"
            if output.output_type == "stream":
                yield f"{where} {output.name}", output.text
            for kind, content in sorted(output.get("data", {}).items()):
                yield f"{where} {kind}", content


def _of_texts(stored: str, made: str) -> str:
    for a, b in zip(stored.splitlines(), made.splitlines(), strict=False):
        alike = _DECIMAL.sub("0", a) == _DECIMAL.sub("0", b)
        if not alike or not all(map(_rounds_alike, _DECIMAL.findall(a), _DECIMAL.findall(b))):
            return f"stored {a.strip()!r}, made {b.strip()!r}"
    n_stored, n_made = len(stored.splitlines()), len(made.splitlines())
    return "" if n_stored == n_made else f"{n_stored} lines are stored, {n_made} were made"


def _rounds_alike(a: str, b: str) -> bool:
    decimals = [len(text.partition(".")[2]) for text in (a, b)]
    # In units of the last digit.
    apart = abs(float(a) - float(b)) * 10.0 ** decimals[0]
    return decimals[0] == decimals[1] and round(apart) <= 1


def _of_pictures(stored: str, made: str) -> str:
    a, b = _pixels(stored), _pixels(made)
    if a.shape != b.shape:
        return f"the stored picture has the shape {a.shape}, that made {b.shape}"
    share = float(np.mean(np.any(np.abs(a - b) > _DIFFERENT_COLOUR, axis=-1)))
    return "" if share <= _DIFFERING_PIXELS else f"{share:.2%} of the picture's pixels differ"


def _pixels(png: str) -> Any:
    """[height, width, channels], 0 .. 1."""
    return matplotlib.image.imread(io.BytesIO(base64.b64decode(png)), format="png")


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of examples/notebooks/")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release", help="folder with bin/ablated")
    options = parser.parse_args()
    for path in options.notebooks or sorted(NOTEBOOKS.glob("*.ipynb")):
        try:
            made = executed(path.resolve(), options.build)
        except CellExecutionError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            return 1
        changed = differences(read(path), made)
        nbformat.validate(made)
        nbformat.write(made, path)
        print("\n  ".join([f"{path.name}: {len(changed)} changes", *changed]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
