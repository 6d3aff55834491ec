"""One asyncio channel, and calls on it whose errors are ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Generic, Protocol, TypeVar, cast

import grpc
import grpc.aio

from ablate._calls import Method
from ablate._channel import Endpoint
from ablate._lifetime import Lifetime
from ablate._status import RpcFailure, from_rpc

Req = TypeVar("Req")
Res = TypeVar("Res")
Out = TypeVar("Out", covariant=True)


class StreamCall(Protocol[Out]):
    """gRPC's, of a call that streams."""

    def __aiter__(self) -> AsyncIterator[Out]: ...
    def cancel(self) -> object: ...


class AsyncConnection:
    """Of the event loop in which the first call is made. RuntimeError of calls behind `close` and in a forked child."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._lifetime = Lifetime()
        self._opened: grpc.aio.Channel | None = None

    async def unary(self, method: Method[Req, Res], request: Req, timeout: float | None) -> Res:
        call = self.channel.unary_unary(method.path, method.serialize, method.parse)
        metadata, request_id = self.endpoint.metadata()
        with self.errors(request_id, timeout):
            return await call(request, timeout=timeout, metadata=metadata)

    def stream(self, method: Method[Req, Res], request: Req, timeout: float | None) -> AsyncResponses[Req, Res]:
        return AsyncResponses(self, method, request, timeout)

    async def upload(self, method: Method[Req, Res], requests: Iterable[Req], timeout: float | None) -> Res:
        call = self.channel.stream_unary(method.path, method.serialize, method.parse)
        metadata, request_id = self.endpoint.metadata()
        with self.errors(request_id, timeout):
            return await call(iter(requests), timeout=timeout, metadata=metadata)

    async def close(self) -> None:
        self._lifetime.end()
        if self._opened is not None and self._lifetime.is_here:
            await self._opened.close()

    @property
    def channel(self) -> grpc.aio.Channel:
        self._lifetime.check()
        # Not sooner: a channel belongs to the loop that runs when it is made, and clients are made where none runs yet.
        if self._opened is None:
            self._opened = self.endpoint.open_async()
        return self._opened

    @contextmanager
    def errors(self, request_id: str, timeout: float | None) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as failure:
            error = from_rpc(cast(RpcFailure, failure), self.endpoint.address, request_id, timeout)
        else:
            return
        # gRPC's own error says nothing that ours does not.
        raise error from None


class AsyncResponses(Generic[Req, Res], AsyncIterator[Res]):
    """`Responses`, for `async for` by one task. (`with`, not `async with`: to cancel is nothing to wait for.)"""

    def __init__(
        self, connection: AsyncConnection, method: Method[Req, Res], request: Req, timeout: float | None
    ) -> None:
        self._connection, self._method = connection, method
        self._request, self._timeout = request, timeout
        self._request_id = ""
        self._call: StreamCall[Res] | None = None
        self._answers: AsyncIterator[Res] | None = None
        self._is_cancelled = False

    async def __anext__(self) -> Res:
        answers = self._begin()
        try:
            with self._connection.errors(self._request_id, self._timeout):
                if answers is not None:
                    async for response in answers:
                        return response
        except asyncio.CancelledError:
            # gRPC tells a reader that waits of `cancel` as if its task were cancelled.
            task = asyncio.current_task()
            if not self._is_cancelled or (task is not None and task.cancelling()):
                raise
        raise StopAsyncIteration

    def cancel(self) -> None:
        """From any task, and as often as one likes; a reader that waits gets no more."""
        self._is_cancelled = True
        if self._call is not None:
            self._call.cancel()

    def __enter__(self) -> AsyncResponses[Req, Res]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    def _begin(self) -> AsyncIterator[Res] | None:
        if self._is_cancelled:
            return None
        if self._answers is None:
            method = self._method
            start = self._connection.channel.unary_stream(method.path, method.serialize, method.parse)
            metadata, self._request_id = self._connection.endpoint.metadata()
            self._call = start(self._request, timeout=self._timeout, metadata=metadata)
            self._answers = aiter(self._call)
        return self._answers
