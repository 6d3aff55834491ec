"""One `ablated` of our own on a private socket, and what `ablate` says when it is asked."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Json = dict[str, Any]

# Texts of one `ablate tokenize`: far below what a command line may hold.
TEXTS_A_CALL = 500


class ServiceError(Exception):
    """What a program of ours said when it failed, in one line."""


@dataclass
class Scan:
    """The lines of `ablate scan --format jsonl`, by kind, in their order."""

    manifest: Json
    rows: list[Json] = field(default_factory=list)
    likelihoods: list[Json] = field(default_factory=list)
    summaries: list[Json] = field(default_factory=list)
    summary_head: Json = field(default_factory=dict)

    def of_variant(self, variant: str) -> list[Json]:
        """The rows of `baseline`, of `L5H0`, ..."""
        return [row for row in self.rows if row["variant"] == variant]


def parse_scan(text: str) -> Scan:
    """Lines of a kind that nothing here needs are passed over."""
    first, *lines = [json.loads(line) for line in text.splitlines()]
    scan = Scan(first["manifest"])
    for line in lines:
        if "summary_head" in line:
            scan.summary_head = line["summary_head"]
        elif "summary" in line:
            scan.summaries.append(line["summary"])
        elif "likelihood" in line:
            scan.likelihoods.append(line["likelihood"])
        elif "variant" in line:
            scan.rows.append(line)
    return scan


def as_lines(prompts: Iterable[Json]) -> str:
    """A data set as JSON lines."""
    return "".join(json.dumps(prompt, ensure_ascii=False) + "\n" for prompt in prompts)


class Service:
    """Runs while the `with` block runs. Its socket, its log and its mean libraries go with it."""

    def __init__(self, model: Path, build: Path, device: str = "auto") -> None:
        self.model, self.device, self.bin = model, device, build.resolve() / "bin"

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="ablate-")
        folder = Path(self._folder.name)
        self.address = f"unix:{folder / 'socket'}"
        self._log = (folder / "log").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [
                *(self.bin / "ablated", "--model", self.model, "--device", self.device),
                *("--listen", self.address, "--means-dir", folder / "means"),
            ],
            stdout=self._log,
            stderr=self._log,
        )
        try:
            self._ask("health", "--wait", "300s", "--quiet")
        except BaseException as error:
            self._stop()
            self._log.seek(0)
            said = self._log.read().strip()
            self._clean()
            if isinstance(error, ServiceError) and said:
                raise ServiceError(said.splitlines()[-1]) from None
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()
        self._clean()

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _clean(self) -> None:
        self._log.close()
        self._folder.cleanup()

    def _ask(self, *command: str | Path, given: str | None = None) -> str:
        asking = subprocess.Popen(
            [self.bin / "ablate", *command],
            stdin=subprocess.PIPE if given is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=self.environment,
        )
        with asking:
            # `health --wait` would wait on for a server that has ended.
            while True:
                try:
                    out, said = asking.communicate(given, timeout=1)
                    break
                except subprocess.TimeoutExpired:
                    if self._process.poll() is not None:
                        asking.terminate()
                    given = None
        if asking.returncode != 0:
            lines = said.strip().splitlines() or [f"exit status {asking.returncode}"]
            raise ServiceError(f"ablate {command[0]}: {lines[-1]}")
        return out

    @property
    def environment(self) -> dict[str, str]:
        """In which `ablate` is found and finds this server."""
        return {**os.environ, "PATH": f"{self.bin}:{os.environ.get('PATH', '')}", "ABLATE_SERVER": self.address}

    def describe(self) -> Json:
        """`model` and `runtime`."""
        return json.loads(self._ask("describe", "--format", "json"))

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text."""
        ids: list[list[int]] = []
        for begin in range(0, len(texts), TEXTS_A_CALL):
            out = self._ask("tokenize", "--format", "jsonl", "--", *texts[begin : begin + TEXTS_A_CALL])
            ids += [[token["id"] for token in json.loads(line)["tokens"]] for line in out.splitlines()]
        if len(ids) != len(texts):
            raise ServiceError(f"ablate tokenize: {len(ids)} answers to {len(texts)} texts")
        return ids

    def compute_means(self, prompts: Iterable[Json], name: str, *options: str) -> str:
        """The id of a mean library over the prompts."""
        command = ("means", "compute", "--prompts", "-", "--name", name, "--format", "id")
        return self._ask(*command, *options, given=as_lines(prompts)).strip()

    def scan(self, prompts: Iterable[Json], *options: str) -> Scan:
        """`ablate scan` of the data set."""
        return parse_scan(self._ask("scan", "--prompts", "-", "--format", "jsonl", *options, given=as_lines(prompts)))
