"""An `ablated` of this process's own, on a private unix socket."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import grpc

from ablate._server_files import LocalServerError, ServerFiles

# Variables that say how to compute, and with which means. Every option of `ablated` is also a variable, and one that is
# meant for another server (a port file, a limit) must not hold for this one.
_KEPT = {
    "ABLATE_DEVICE", "ABLATE_PRECISION", "ABLATE_THREADS", "ABLATE_MAX_PACKED_TOKENS", "ABLATE_MEMORY_BUDGET",
    "ABLATE_LOG_LEVEL", "ABLATE_MEANS_DIR",
}  # fmt: skip
# The path of a socket has at most 107 bytes.
_LONGEST_PARENT = 70
_POLL_S = 0.02
_LOG_BYTES, _LOG_LINES = 8192, 20
_HEALTH = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"


class LocalServer:
    """Runs from construction to `stop()`, and never longer than this process, however that ends.

    The server reads the other end of a pipe that only we hold: the kernel closes it when this process ends, by SIGKILL
    too, and whichever thread started it. (A parent-death signal would come when the starting *thread* ends.) A child
    that is forked from here neither holds the pipe nor stops the server.
    """

    def __init__(
        self,
        files: ServerFiles,
        model: Path,
        arguments: Sequence[str],
        start_timeout: float,
        stop_timeout: float,
        given_up: threading.Event | None = None,
    ) -> None:
        """Returns once the server's health is SERVING. LocalServerError, with the end of its log, where that fails, or
        `given_up` is set before."""
        self._stop_timeout = stop_timeout
        self._given_up = given_up or threading.Event()
        self._lock = threading.Lock()
        self._owner = os.getpid()
        # Without a name: nothing of it is left, however we end. The server writes to its own descriptor.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        parent = tempfile.gettempdir()
        self._folder = Path(
            tempfile.mkdtemp(prefix="ablate-", dir=parent if len(os.fsencode(parent)) <= _LONGEST_PARENT else "/tmp")
        )
        self.address = f"unix:{self._folder / 'ablated.sock'}"
        command = [str(files.program), "--model", str(model), "--listen", self.address, "--stop-with-stdin"]
        command += ["--drain-timeout", str(stop_timeout), *arguments]
        if not any(argument.partition("=")[0] == "--jobs-dir" for argument in arguments):
            # A store has one server at a time: the user's is for one that stays.
            command += ["--jobs-dir", str(self._folder / "jobs")]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=self._log,
                stderr=self._log,
                env=_environment(os.environ, files.library_path),
                # Ctrl-C reaches us, and we stop the server in order.
                process_group=0,
            )
        except OSError as error:
            self._clean()
            raise LocalServerError(f"cannot run {files.program}: {error.strerror or error}") from error
        _live.add(self)
        try:
            self._wait_until_serving(start_timeout)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def log(self) -> str:
        """What the server wrote, the last 8 KiB of it."""
        if self._log.closed:
            return ""
        size = os.fstat(self._log.fileno()).st_size
        start = max(0, size - _LOG_BYTES)
        return os.pread(self._log.fileno(), size - start, start).decode(errors="replace")

    def how_it_ended(self) -> str:
        """For messages: the exit code or signal, and the log's last lines."""
        code = self._process.poll()
        if code is None:
            how = "is running"
        else:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        lines = [line for line in self.log().splitlines() if line.strip()][-_LOG_LINES:]
        return "\n  ".join([f"{how}; it wrote:", *lines]) if lines else f"{how}; it wrote nothing"

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where the server has not drained within its time. Harmless when it has ended already."""
        if os.getpid() != self._owner:  # Before the lock, which a thread may have held at the fork.
            return
        with self._lock:
            if self._process.poll() is None:
                self._process.terminate()
                try:
                    self._process.wait(self._stop_timeout + 1)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            self.let_go()
            self._clean()
            _live.discard(self)

    def let_go(self) -> None:
        """Closes our end of the pipe."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def _clean(self) -> None:
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_until_serving(self, timeout: float) -> None:
        end = time.monotonic() + timeout
        socket = self._folder / "ablated.sock"
        # Asking before the socket is there would put gRPC's reconnection on hold for a second.
        while not socket.exists():
            self._pause(end, timeout)
        with grpc.insecure_channel(self.address, [("grpc.enable_http_proxy", 0)]) as channel:
            check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
                _HEALTH, request_serializer=None, response_deserializer=None
            )
            while True:
                with contextlib.suppress(grpc.RpcError):
                    if check(b"", timeout=2) == _SERVING:
                        return
                self._pause(end, timeout)

    def _pause(self, end: float, timeout: float) -> None:
        if self.has_ended:
            raise LocalServerError(f"the local server {self.how_it_ended()}")
        if time.monotonic() > end:
            raise LocalServerError(f"the local server was not ready within {timeout:g} s, it {self.how_it_ended()}")
        if self._given_up.wait(_POLL_S):
            raise LocalServerError("the local server was given up before it was ready")


def _environment(ours: Mapping[str, str], library_path: str) -> dict[str, str]:
    environment = {name: value for name, value in ours.items() if not name.startswith("ABLATE_") or name in _KEPT}
    if library_path:
        inherited = ours.get("LD_LIBRARY_PATH")
        environment["LD_LIBRARY_PATH"] = f"{library_path}:{inherited}" if inherited else library_path
    return environment


# Strong: a server that nobody has stopped runs until this process ends.
_live: set[LocalServer] = set()


def _stop_all() -> None:
    for server in list(_live):
        server.stop()


def _let_go_of_all() -> None:
    for server in list(_live):
        server.let_go()
    _live.clear()


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):  # Not on Windows, where nothing forks.
    os.register_at_fork(after_in_child=_let_go_of_all)
