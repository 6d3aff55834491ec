"""An `ablated` of one's own, and `ablate` run against it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ABLATE_BUILD_DIR", ROOT / "build" / "release"))


class CommandFailed(Exception):
    """`ablate` or `ablated` ended with an error; the message is theirs."""


class Service:
    """A server on a private unix socket, whose mean libraries go with it. Used as a context manager."""

    def __init__(self, model: Path, *, build: Path = BUILD, device: str = "auto") -> None:
        self._bin = build / "bin"
        self._folder = tempfile.TemporaryDirectory(prefix="ablate-")
        self.address = f"unix:{self._folder.name}/socket"
        self._log = (Path(self._folder.name) / "log").open("w+")
        self._process = subprocess.Popen(
            [
                *(self._bin / "ablated", "--model", model, "--device", device),
                *("--listen", self.address, "--means-dir", f"{self._folder.name}/means"),
            ],
            stdout=self._log,
            stderr=self._log,
        )

    def __enter__(self) -> Self:
        try:
            self.run("health", "--wait", "120s", "--quiet")
        except CommandFailed as error:
            self._log.seek(0)
            log = self._log.read()
            self.close()
            raise CommandFailed(log or str(error)) from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=60)
        self._log.close()
        self._folder.cleanup()

    @property
    def environment(self) -> dict[str, str]:
        """In which `ablate` is found and finds the server."""
        return {**os.environ, "PATH": f"{self._bin}:{os.environ['PATH']}", "ABLATE_SERVER": self.address}

    def run(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """What `ablate` writes. CommandFailed where it fails."""
        done = subprocess.run(
            [self._bin / "ablate", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
        )
        if done.returncode != 0:
            raise CommandFailed(done.stderr.strip())
        sys.stderr.write(done.stderr)
        return done.stdout

    def scan(self, prompts: list[dict[str, Any]], *options: str) -> list[dict[str, Any]]:
        """The objects that `ablate scan --format jsonl` writes, the manifest first."""
        lines = "".join(json.dumps(prompt) + "\n" for prompt in prompts)
        output = self.run("scan", "--prompts", "-", "--format", "jsonl", *options, stdin=lines)
        return [json.loads(line) for line in output.splitlines()]

    def means(self, prompts: list[dict[str, Any]], name: str, *options: str) -> str:
        """Computes a mean library and gives its id."""
        lines = "".join(json.dumps(prompt) + "\n" for prompt in prompts)
        arguments = ("means", "compute", "--prompts", "-", "--name", name, "--format", "id", *options)
        return self.run(*arguments, stdin=lines).strip()
