"""`ablate.local()`: a server of one's own for as long as a `with` block."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from ablate._local_server import LocalServer
from ablate._server_files import find_server

if TYPE_CHECKING:
    from ablate.aio import AsyncClient
    from ablate.client import Client

PathLike = str | os.PathLike[str]


class Local:
    """What `local()` returns: `with` gives a `Client`, `async with` an `AsyncClient`. Once left, it may be entered
    again."""

    def __init__(self, start: Callable[[threading.Event], LocalServer]) -> None:
        """`start` gives up where its event is set."""
        self._new_server = start
        self._server: LocalServer | None = None
        self._client: Client | None = None
        self._async_client: AsyncClient | None = None

    @property
    def address(self) -> str:
        """`unix:/...`, for further clients, e.g. `ablate scan --server`. RuntimeError where it does not run."""
        return self._running().address

    @property
    def log(self) -> str:
        """The end of what the server has written, for looking into a failure. RuntimeError where it does not run."""
        return self._running().log()

    def __enter__(self) -> Client:
        from ablate.client import Client

        self._start(threading.Event())
        try:
            # Not by `connect`: a token and authorities of the environment are another server's.
            self._client = Client(self.address)
        except BaseException:
            self._stop(None)
            raise
        return self._client

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        try:
            if client is not None:
                client.close()
        finally:
            self._stop(error)

    async def __aenter__(self) -> AsyncClient:
        from ablate.aio import AsyncClient

        await self._start_async()
        try:
            self._async_client = AsyncClient(self.address)
        except BaseException:
            self._stop(None)
            raise
        return self._async_client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client, self._async_client = self._async_client, None
        try:
            if client is not None:
                await client.close()
        finally:
            await asyncio.to_thread(self._stop, error)

    def _start(self, given_up: threading.Event) -> None:
        if self._server is not None:
            raise RuntimeError("this local server runs already: ablate.local() once more starts another")
        self._server = self._new_server(given_up)

    async def _start_async(self) -> None:
        """In a thread, since it takes seconds. Where this task is cancelled meanwhile, no server is left behind."""
        given_up = threading.Event()
        start = asyncio.get_running_loop().run_in_executor(None, self._start, given_up)
        try:
            await asyncio.shield(start)
        except asyncio.CancelledError:
            given_up.set()
            # Moments, through which to be cancelled once more is nothing new.
            while not start.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([start])
            if start.exception() is None:
                self._stop(None)
            raise

    def _stop(self, error: BaseException | None) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        if error is not None and server.has_ended:
            error.add_note(f"the local server {server.how_it_ended()}")
        server.stop()

    def _running(self) -> LocalServer:
        if self._server is None:
            raise RuntimeError("the local server does not run: enter `with ablate.local() as client:` first")
        return self._server


def local(
    model: PathLike = "demo",
    device: str = "cpu",
    *,
    precision: str | None = None,
    threads: int | None = None,
    means_dir: PathLike | None = None,
    jobs_dir: PathLike | None = None,
    program: PathLike | None = None,
    arguments: Sequence[str] = (),
    start_timeout: float = 120,
    stop_timeout: float = 5,
) -> Local:
    """A server of one's own, which runs while the block does, and never longer than this process.

        >>> import ablate
        >>> with ablate.local() as client:
        ...     scan = client.scan("Berlin is the capital of", target=" Germany", contrast=" France")
        ...     scan.array("delta_logit_diff").shape
        (12, 12)

    `async with` gives the asyncio client. The server listens on a unix socket that only this user reaches, and ends
    with this process however that ends, by SIGKILL too.

    Args:
        model: `demo` (the bundled teaching model, which is not OpenAI's), or the folder of a GPT-2 in Hugging Face's
            layout.
        device: `cpu`, `cuda:N`, or `auto`: a GPU where there is a usable one.
        precision: `float32` (the default), `bf16` (faster, less exact), `tf32` (on a GPU) or `float64` (the oracle).
        threads: of the CPU; the default is one a core.
        means_dir: folder of mean libraries; the default is the user's, `none` keeps none.
        jobs_dir: folder of jobs (`submit`), of one server at a time; the default is the server's own, which goes when
            the block ends; `none` keeps none.
        program: the `ablated` to start. The default is ABLATE_SERVER_BIN of the environment, else that of the wheel
            `ablate-server`, of the build folder that ABLATE_BUILD_DIR names, or on PATH.
        arguments: further options of `ablated`, e.g. `["--log-level", "debug"]`.
        start_timeout: seconds that loading may take.
        stop_timeout: seconds that running requests have at the end.

    Raises:
        LocalServerError: on entering, where no server or model is found, or the server does not start; the message
            holds the ways out, or the end of the server's log.
    """
    options = {
        "--device": device, "--precision": precision, "--threads": threads, "--means-dir": means_dir,
        "--jobs-dir": jobs_dir,
    }  # fmt: skip
    given = [part for name, value in options.items() if value is not None for part in (name, _text(value))]

    def start(given_up: threading.Event) -> LocalServer:
        files = find_server(program)
        return LocalServer(files, files.model(model), [*given, *arguments], start_timeout, stop_timeout, given_up)

    return Local(start)


def _text(value: PathLike | int) -> str:
    return str(value) if isinstance(value, int) else os.fspath(value)
