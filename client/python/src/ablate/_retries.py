"""Trying again where a connection broke, or a server is about to be there again.

The figures of client/cpp/retries.h.
"""

from __future__ import annotations

import math
import time

import grpc

from ablate.errors import AblateError

#: Tries behind the first, without anything new in between.
TRIES = 10
#: Seconds before the second try; they double with each.
FIRST_DELAY, MAX_DELAY = 0.2, 10.0
# Nobody answered, or the server gave its place away.
_TRANSIENT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED)
# A call is given as much, however late it is: the last look at what there is.
_LEAST_TIMEOUT = 0.1


class Retries:
    """Of calls that are one to the user: they share a timeout, and a number of tries."""

    def __init__(self, timeout: float | None = None) -> None:
        """`timeout`: seconds from now; None: as long as it takes."""
        self.timeout = math.inf if timeout is None else timeout
        self._end = time.monotonic() + self.timeout
        self._failures = 0

    @property
    def is_over(self) -> bool:
        """Whether the timeout is."""
        return time.monotonic() >= self._end

    def limit(self, most: float) -> float:
        """Seconds for the next call, which by itself may take `most`."""
        return min(most, max(_LEAST_TIMEOUT, self._end - time.monotonic()))

    def rest(self, delay: float) -> float:
        """`delay`, or less where the timeout comes sooner."""
        return min(delay, max(0.0, self._end - time.monotonic()))

    def reset(self) -> None:
        """An answer came: the tries count anew."""
        self._failures = 0

    def delay(self, error: AblateError) -> float:
        """Seconds until the next try; raises `error` where that would not help."""
        if error.code not in _TRANSIENT or self._failures >= TRIES:
            raise error
        delay = FIRST_DELAY * 2.0**self._failures
        self._failures += 1
        return min(MAX_DELAY, max(delay, error.retry_delay or 0.0))
