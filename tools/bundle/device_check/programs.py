"""Runs the bundle's programs."""

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from device_check.reference import Scan
from device_check.torch_libs import library_path

# What an answer may take: a large model on a slow machine, in float64.
ANSWER_SECONDS = 120
BUNDLE = Path(__file__).resolve().parents[2]


class ProgramFailed(Exception):
    """A program of the bundle ended with an error, which the message holds."""


def program(place: str) -> str:
    """The path of a program of the bundle."""
    return str(BUNDLE / place)


def environment() -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": library_path()}


def as_json(scan: Scan) -> dict[str, Any]:
    """As libexec/engine_probe reads it."""
    return {
        "token_ids": list(scan.token_ids),
        "donor_token_ids": list(scan.donor_token_ids),
        "table": [list(row) for row in scan.table],
        "variants": [[asdict(edit) for edit in edits] for edits in scan.variants],
        "read_positions": list(scan.reads),
        "answers": [{"targets": [scan.target_id], "contrasts": [scan.contrast_id]}],
    }


BASELINE = -1
# By (scan, variant, position); those of a donor are left out.
Rows = dict[tuple[int, int, int], dict[str, Any]]


class Engine:
    """An engine in a process of its own (libexec/engine_probe)."""

    def __init__(
        self, model: Path, device: str, precision: str = "float32", max_packed_tokens: int = 0, **options: Any
    ) -> None:
        """`options`: further ones of EngineOptions."""
        self._process = subprocess.Popen(
            [program("libexec/engine_probe")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        options |= {"model_dir": str(model), "device": device, "precision": precision}
        try:
            self.info = self._ask({**options, "max_packed_tokens": max_packed_tokens})
        except ProgramFailed:
            self.close()
            raise

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()

    def run(self, scans: Sequence[Scan]) -> tuple[Rows, dict[str, Any]]:
        """Rows and statistics of all scans as one batch."""
        answer = self._ask({"scans": [as_json(scan) for scan in scans]})
        rows: Rows = {}
        for row in answer.pop("rows"):
            if row["variant"] < BASELINE:
                continue
            key = (row["scan"], row["variant"], row["position"])
            if key in rows:
                raise ProgramFailed(f"row {key} came twice")
            rows[key] = row
        return rows, answer

    def time(self, scans: Sequence[Scan], repeats: int) -> dict[str, Any]:
        """Statistics of the last of `repeats` runs behind a first one, and `walls_ns` of each."""
        return self._ask({"scans": [as_json(scan) for scan in scans], "repeats": repeats})

    def trace(self, scans: Sequence[Scan], repeats: int, file: Path) -> dict[str, Any]:
        """As `time`, of runs that a profiler writes into `file`, behind some that it does not. On a GPU ask
        an engine that has run nothing, and for nothing behind it: later traces may have lost events.
        """
        return self._ask({"scans": [as_json(scan) for scan in scans], "repeats": repeats, "trace": str(file)})

    def explain(self, scans: Sequence[Scan]) -> dict[str, Any]:
        """What a run of them takes: its layers, and what they compute and move."""
        return self._ask({"explain": [as_json(scan) for scan in scans]})

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        # A device that hangs ends one check, not all.
        watchdog = threading.Timer(ANSWER_SECONDS, self._process.kill)
        watchdog.start()
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watchdog.cancel()
        if not line:
            raise ProgramFailed(
                f"engine_probe ended with {self._process.wait()}, or was ended after {ANSWER_SECONDS} s"
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ProgramFailed(f"engine_probe: {answer['error']}")
        return answer


class Engines:
    """The engines of one model, device and precision, one for each token budget; one that failed is started anew."""

    def __init__(self, model: Path, device: str, precision: str) -> None:
        self._model, self._device, self._precision = model, device, precision
        self._running: dict[int, Engine] = {}

    def __enter__(self) -> "Engines":
        return self

    def __exit__(self, *_: object) -> None:
        for engine in self._running.values():
            engine.close()

    def run(self, scans: Sequence[Scan], max_packed_tokens: int) -> tuple[Rows, dict[str, Any]]:
        if max_packed_tokens not in self._running:
            self._running[max_packed_tokens] = Engine(self._model, self._device, self._precision, max_packed_tokens)
        try:
            return self._running[max_packed_tokens].run(scans)
        except ProgramFailed:
            self._running.pop(max_packed_tokens).close()
            raise
