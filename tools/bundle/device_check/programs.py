"""Runs the bundle's programs."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_check.reference import Edit
from device_check.torch_libs import library_path

BUNDLE = Path(__file__).resolve().parents[2]


class ProgramFailed(Exception):
    """A program of the bundle ended with an error, which the message holds."""


def program(place: str) -> str:
    """The path of a program of the bundle."""
    return str(BUNDLE / place)


def environment() -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": library_path()}


@dataclass(frozen=True)
class Scan:
    """One prompt and its variants; every row is read at `reads`."""

    token_ids: Sequence[int]
    variants: Sequence[Sequence[Edit]]
    reads: Sequence[int]
    target_id: int
    contrast_id: int

    def as_json(self) -> dict[str, Any]:
        names = ("layer", "head", "begin", "end", "scale")
        return {
            "token_ids": list(self.token_ids),
            "variants": [[dict(zip(names, edit, strict=True)) for edit in edits] for edits in self.variants],
            "read_positions": list(self.reads),
            "answers": [{"targets": [self.target_id], "contrasts": [self.contrast_id]}],
        }


# By (scan, variant, position); variant -1 is the baseline.
Rows = dict[tuple[int, int, int], dict[str, Any]]


class Engine:
    """An engine in a process of its own (libexec/engine_probe)."""

    def __init__(self, model: Path, device: str, precision: str = "float32", max_packed_tokens: int = 0) -> None:
        self._process = subprocess.Popen(
            [program("libexec/engine_probe")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        options = {"model_dir": str(model), "device": device, "precision": precision}
        self.info = self._ask({**options, "max_packed_tokens": max_packed_tokens})

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, scans: Sequence[Scan]) -> tuple[Rows, dict[str, Any]]:
        """Rows and statistics of all scans as one batch."""
        answer = self._ask({"scans": [scan.as_json() for scan in scans]})
        rows: Rows = {}
        for row in answer.pop("rows"):
            key = (row["scan"], row["variant"], row["position"])
            if key in rows:
                raise ProgramFailed(f"row {key} came twice")
            rows[key] = row
        return rows, answer

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ProgramFailed(f"engine_probe ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ProgramFailed(f"engine_probe: {answer['error']}")
        return answer
