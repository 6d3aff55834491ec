"""`ablate.local()`: a server of one's own for as long as a `with` block."""

from __future__ import annotations

import asyncio
import os
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

    def __init__(self, start: Callable[[], LocalServer]) -> None:
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
        import ablate

        self._start()
        try:
            self._client = ablate.connect(self.address)
        except BaseException:
            self._stop(None)
            raise
        return self._client

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        self._stop(error)

    async def __aenter__(self) -> AsyncClient:
        import ablate

        # Seconds, in which the loop goes on.
        await asyncio.to_thread(self._start)
        try:
            self._async_client = ablate.connect_async(self.address)
        except BaseException:
            self._stop(None)
            raise
        return self._async_client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._async_client is not None:
            await self._async_client.close()
            self._async_client = None
        await asyncio.to_thread(self._stop, error)

    def _start(self) -> None:
        if self._server is not None:
            raise RuntimeError("this local server runs already: ablate.local() once more starts another")
        self._server = self._new_server()

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
        precision: `float32` (the default) or `float64`.
        threads: of the CPU; the default is one a core.
        means_dir: folder of mean libraries; the default is the user's, `none` keeps none.
        program: the `ablated` to start. The default is ABLATE_SERVER_BIN of the environment, else that of the wheel
            `ablate-server`, of the build folder that ABLATE_BUILD_DIR names, or on PATH.
        arguments: further options of `ablated`, e.g. `["--log-level", "debug"]`.
        start_timeout: seconds that loading may take.
        stop_timeout: seconds that running requests have at the end.

    Raises:
        LocalServerError: on entering, where no server or model is found, or the server does not start; the message
            holds the ways out, or the end of the server's log.
    """
    options = {"--device": device, "--precision": precision, "--threads": threads, "--means-dir": means_dir}
    given = [part for name, value in options.items() if value is not None for part in (name, _text(value))]

    def start() -> LocalServer:
        files = find_server(program)
        return LocalServer(files, files.model(model), [*given, *arguments], start_timeout, stop_timeout)

    return Local(start)


def _text(value: PathLike | int) -> str:
    return str(value) if isinstance(value, int) else os.fspath(value)
