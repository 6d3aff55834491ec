"""`ablate.streams` with await."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ablate import _calls
from ablate._request import Made
from ablate._scan_stream import StreamHead
from ablate.errors import AblateError

if TYPE_CHECKING:
    from ablate.aio import AsyncClient


class AsyncScanStream(StreamHead, AsyncIterator[dict[str, Any]]):
    """`ScanStream`, for `async for` and `async with`."""

    def __init__(self, client: AsyncClient, made: Made, timeout: float | None) -> None:
        super().__init__(made)
        self._made = made
        self._client = client
        self._responses = client._connection.stream(_calls.ABLATE, made.request, timeout)
        self._rows: Iterator[dict[str, Any]] = iter(())
        self._is_closed = False
        self._is_checked = made.tokenizer_of is None

    async def __anext__(self) -> dict[str, Any]:
        if not self._is_checked:
            _calls.check_tokenizer(self._made, await self._client.describe())
            self._is_checked = True
        while True:
            for row in self._rows:
                return row
            if self._is_closed:
                raise StopAsyncIteration
            try:
                response = await anext(self._responses)
            except StopAsyncIteration:
                if not self._is_closed:
                    self._reader.check.end()
                raise
            except AblateError as error:
                raise _calls.name_origins(error, self._made.data) from None
            try:
                self._rows = iter(self._reader.take(response))
            except BaseException:
                await self.close()
                raise

    async def close(self) -> None:
        """Cancels the scan where it still runs; no row comes any more, to another task that waits for one neither.

        >>> rows = client.stream("Berlin is the capital of", target=" Germany")
        >>> (await anext(rows))["prompt_index"]
        0
        >>> await rows.close()
        """
        self._is_closed, self._rows = True, iter(())
        self._responses.cancel()

    async def __aenter__(self) -> AsyncScanStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
