"""One asyncio channel, and calls on it whose errors are ours."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

import grpc
import grpc.aio

from ablate._calls import Method
from ablate._channel import Endpoint
from ablate._status import RpcFailure, from_rpc

Req = TypeVar("Req")
Res = TypeVar("Res")


class AsyncConnection:
    """Of the event loop in which the first call is made."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._opened: grpc.aio.Channel | None = None

    async def unary(self, method: Method[Req, Res], request: Req, timeout: float | None) -> Res:
        call = self._channel.unary_unary(method.path, method.serialize, method.parse)
        metadata, request_id = self.endpoint.metadata()
        with self._errors(request_id, timeout):
            return await call(request, timeout=timeout, metadata=metadata)

    async def stream(self, method: Method[Req, Res], request: Req, timeout: float | None) -> AsyncGenerator[Res, None]:
        """A generator that is closed, or left by an exception, cancels the call."""
        metadata, request_id = self.endpoint.metadata()
        with self._errors(request_id, timeout):
            call = self._channel.unary_stream(method.path, method.serialize, method.parse)(
                request, timeout=timeout, metadata=metadata
            )
            try:
                async for response in call:
                    yield response
            finally:
                call.cancel()

    async def upload(self, method: Method[Req, Res], requests: Iterable[Req], timeout: float | None) -> Res:
        call = self._channel.stream_unary(method.path, method.serialize, method.parse)
        metadata, request_id = self.endpoint.metadata()
        with self._errors(request_id, timeout):
            return await call(iter(requests), timeout=timeout, metadata=metadata)

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()

    @property
    def _channel(self) -> grpc.aio.Channel:
        # Not sooner: a channel belongs to the loop that runs when it is made, and clients are made where none runs yet.
        if self._opened is None:
            self._opened = self.endpoint.open_async()
        return self._opened

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
