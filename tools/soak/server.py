"""An `ablated` that is started on the same folder again and again, however it ends."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

# Of the job store (server/jobs/job_store.cc).
_LEDGER, _WAL = "running", "jobs.sqlite-wal"


class Ablated:
    """Not running until `start`. Its address stays the same."""

    def __init__(self, program: Path, model: Path, folder: Path, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.address = f"unix:{folder / 'socket'}"
        self.jobs_dir = folder / "jobs"
        self.log_path = folder / "log"
        #: Set while it serves.
        self.serving = threading.Event()
        self._log = self.log_path.open("ab")
        where: list[str | Path] = ["--listen", self.address, "--jobs-dir", self.jobs_dir, "--means-dir", "none"]
        self._command: list[str | Path] = [program, "--model", model, "--device", "cpu", *where, *options]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Does not wait for it."""
        assert self._process is None
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=self._log, stdin=subprocess.DEVNULL
        )

    def wait_ready(self) -> None:
        """Until it serves. RuntimeError where it ends before."""
        assert self._process is not None and self._process.stdout is not None
        if b"serving on" not in self._process.stdout.readline():
            raise RuntimeError(f"ablated did not start: {self._tail()}")
        self.serving.set()

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._end()

    def stop(self) -> None:
        """SIGTERM. RuntimeError where it does not end as it should; nothing where it does not run."""
        if self._process is None:
            return
        self._process.terminate()
        code = self._end()
        if code != 0:
            raise RuntimeError(f"ablated ended with {code}: {self._tail()}")

    def await_end(self) -> int:
        """Until it dies by itself. The signal, negative, or the exit code."""
        return self._end()

    def was_running(self) -> int:
        """Prompts of jobs that the device was busy with when the process died."""
        ledger = self.jobs_dir / _LEDGER
        return ledger.read_text().count("r ") if ledger.exists() else 0

    def await_commits(self, n: int, timeout_s: float) -> bool:
        """Busily, until the store's log was written to `n` times: the last one has only just begun."""
        wal, deadline = self.jobs_dir / _WAL, time.monotonic() + timeout_s
        seen = _changed(wal)
        while time.monotonic() < deadline:
            now = _changed(wal)
            if now != seen:
                seen, n = now, n - 1
                if n <= 0:
                    return True
        return False

    def _end(self) -> int:
        assert self._process is not None
        self.serving.clear()
        code = self._process.wait(timeout=120)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return code

    def _tail(self) -> str:
        return self.log_path.read_text(errors="replace")[-2000:]


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
