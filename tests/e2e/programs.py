"""The real `ablated` and `ablate`, for the end-to-end tests."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.oracle.models import DEMO
from tests.oracle.probe import BUILD_DIR

ABLATE = BUILD_DIR / "bin" / "ablate"
ABLATED = BUILD_DIR / "bin" / "ablated"

OK, FAILED, USAGE, UNAVAILABLE, DEADLINE, INTERRUPTED, READER_LEFT = 0, 1, 2, 3, 4, 130, 141


class Server:
    """`ablated` in a process of its own, ready or not."""

    def __init__(self, folder: Path, *options: str | Path, model: Path = DEMO, listen: str = "127.0.0.1:0") -> None:
        self.port_file = folder / "port"
        self.log = (folder / "log").open("w+")
        where: list[str | Path] = ["--listen", listen, "--port-file", self.port_file]
        # The developer's own are nobody's here.
        for folder_option in ("--jobs-dir", "--means-dir"):
            if folder_option not in options:
                where += [folder_option, "none"]
        self.process = subprocess.Popen(
            [ABLATED, "--model", model, "--device", "cpu", *where, *options], stderr=self.log
        )
        deadline = time.monotonic() + 60
        while not (self.port_file.exists() and self.port_file.read_text().strip()):
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < deadline, "no port file after 60 s"
            time.sleep(0.05)
        self.address = f"127.0.0.1:{self.port_file.read_text().strip()}"

    def text(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def ablate(server: Server | None, *command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """`command`: of `ablate`, its options last."""
    where = [] if server is None else ["--server", server.address]
    return subprocess.run(
        [ABLATE, *command, *where], capture_output=True, text=True, timeout=120, check=False, **options
    )


def scan_lines(server: Server, *args: str | Path) -> list[dict]:
    done = ablate(server, "scan", "--format", "jsonl", *args)
    assert done.returncode == OK, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def scan_jsonl(server: Server, *args: str | Path) -> tuple[dict, list[dict]]:
    """The manifest, and the rows."""
    first, *rows = scan_lines(server, *args)
    return first["manifest"], rows
