"""When calls may be made: in the process that made the client, until it is closed."""

from __future__ import annotations

import os


class Lifetime:
    """Of one client."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._is_closed = False

    @property
    def is_here(self) -> bool:
        """False in a forked child, which has the parent's sockets and none of gRPC's threads."""
        return os.getpid() == self._process

    def check(self) -> None:
        """RuntimeError where a call would wait for ever, or for nobody."""
        if not self.is_here:
            raise RuntimeError(
                f"this client was made in process {self._process} and does not work in a forked child: close it before "
                "the fork and connect in the child, or start the child by spawn"
            )
        if self._is_closed:
            raise RuntimeError("this client is closed: ablate.connect() gives another")

    def end(self) -> None:
        self._is_closed = True
