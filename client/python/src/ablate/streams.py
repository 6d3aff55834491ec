"""Rows of a scan as they are computed."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

from ablate import _calls
from ablate._connection import Connection
from ablate._request import Made
from ablate._scan_stream import StreamHead
from ablate.errors import AblateError


class ScanStream(StreamHead, Iterator[dict[str, Any]]):
    """Rows as they are computed, in no promised order, none kept.

    Left early (`close`, from any thread, or a `with` block's end), the scan ends.
    """

    def __init__(self, connection: Connection, made: Made, timeout: float | None) -> None:
        super().__init__(made)
        self._made = made
        self._responses = connection.stream(_calls.ABLATE, made.request, timeout)
        self._rows: Iterator[dict[str, Any]] = iter(())
        self._is_closed = False

    def __next__(self) -> dict[str, Any]:
        while True:
            for row in self._rows:
                return row
            if self._is_closed:
                raise StopIteration
            try:
                response = next(self._responses)
            except StopIteration:
                if not self._is_closed:
                    self._reader.check.end()
                raise
            except AblateError as error:
                raise _calls.name_origins(error, self._made.data) from None
            try:
                self._rows = iter(self._reader.take(response))
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Cancels the scan where it still runs; no row comes any more, to another thread that waits for one neither.

        >>> rows = client.stream("Berlin is the capital of", target=" Germany")
        >>> next(rows)["prompt_index"]
        0
        >>> rows.close()
        """
        self._is_closed, self._rows = True, iter(())
        self._responses.cancel()

    def __enter__(self) -> ScanStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
