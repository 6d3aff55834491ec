"""One channel, and calls on it whose errors are ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

import grpc

from ablate._calls import Method
from ablate._channel import Endpoint
from ablate._status import RpcFailure, from_rpc

Req = TypeVar("Req")
Res = TypeVar("Res")


class Connection:
    """Thread-safe."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._channel = endpoint.open()

    def unary(self, method: Method[Req, Res], request: Req, timeout: float | None) -> Res:
        call = self._channel.unary_unary(method.path, method.serialize, method.parse)
        metadata, request_id = self.endpoint.metadata()
        with self._errors(request_id, timeout):
            return call(request, timeout=timeout, metadata=metadata)

    def stream(self, method: Method[Req, Res], request: Req, timeout: float | None) -> Iterator[Res]:
        """A generator that is closed, or left by an exception, cancels the call."""
        metadata, request_id = self.endpoint.metadata()
        with self._errors(request_id, timeout):
            call = self._channel.unary_stream(method.path, method.serialize, method.parse)(
                request, timeout=timeout, metadata=metadata
            )
            try:
                yield from call
            finally:
                call.cancel()

    def upload(self, method: Method[Req, Res], requests: Iterable[Req], timeout: float | None) -> Res:
        call = self._channel.stream_unary(method.path, method.serialize, method.parse)
        metadata, request_id = self.endpoint.metadata()
        with self._errors(request_id, timeout):
            return call(iter(requests), timeout=timeout, metadata=metadata)

    def close(self) -> None:
        self._channel.close()

    @contextmanager
    def _errors(self, request_id: str, timeout: float | None) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as failure:
            error = from_rpc(cast(RpcFailure, failure), self.endpoint.address, request_id, timeout)
        else:
            return
        # gRPC's own error says nothing that ours does not.
        raise error from None
