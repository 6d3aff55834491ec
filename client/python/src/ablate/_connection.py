"""One channel, and calls on it whose errors are ours."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Generic, Protocol, TypeVar, cast

import grpc

from ablate._calls import Method
from ablate._channel import Endpoint
from ablate._lifetime import Lifetime
from ablate._status import RpcFailure, from_rpc
from ablate.errors import AblateError

Req = TypeVar("Req")
Res = TypeVar("Res")
Out = TypeVar("Out", covariant=True)


class StreamCall(Protocol[Out]):
    """gRPC's, of a call that streams."""

    def __iter__(self) -> Iterator[Out]: ...
    def cancel(self) -> object: ...


class Connection:
    """Thread-safe. RuntimeError of calls behind `close` and in a forked child."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._lifetime = Lifetime()
        self._opened = endpoint.open()

    def unary(self, method: Method[Req, Res], request: Req, timeout: float | None) -> Res:
        call = self.channel.unary_unary(method.path, method.serialize, method.parse)
        metadata, request_id = self.endpoint.metadata()
        with self.errors(request_id, timeout):
            return call(request, timeout=timeout, metadata=metadata)

    def stream(self, method: Method[Req, Res], request: Req, timeout: float | None) -> Responses[Req, Res]:
        return Responses(self, method, request, timeout)

    def upload(self, method: Method[Req, Res], requests: Iterable[Req], timeout: float | None) -> Res:
        call = self.channel.stream_unary(method.path, method.serialize, method.parse)
        metadata, request_id = self.endpoint.metadata()
        with self.errors(request_id, timeout):
            return call(iter(requests), timeout=timeout, metadata=metadata)

    def close(self) -> None:
        self._lifetime.end()
        if self._lifetime.is_here:
            self._opened.close()

    @property
    def channel(self) -> grpc.Channel:
        self._lifetime.check()
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


class Responses(Generic[Req, Res], Iterator[Res]):
    """One call's answers, for one reader; the first `next` begins it. The call ends with its last answer, a `with`
    block, or `cancel`, and when nobody holds it any more."""

    def __init__(self, connection: Connection, method: Method[Req, Res], request: Req, timeout: float | None) -> None:
        self._connection, self._method = connection, method
        self._request, self._timeout = request, timeout
        self._lock = threading.Lock()
        self._request_id = ""
        self._call: StreamCall[Res] | None = None
        self._is_cancelled = False

    def __next__(self) -> Res:
        call = self._begin()
        try:
            with self._connection.errors(self._request_id, self._timeout):
                if call is not None:
                    for response in call:
                        return response
        except AblateError:
            # A reader that waits learns of `cancel` as of the end.
            if not self._is_cancelled:
                raise
        raise StopIteration

    def cancel(self) -> None:
        """From any thread, and as often as one likes; a reader that waits gets no more."""
        with self._lock:
            self._is_cancelled = True
            if self._call is not None:
                self._call.cancel()

    def __enter__(self) -> Responses[Req, Res]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    def _begin(self) -> StreamCall[Res] | None:
        with self._lock:
            if self._is_cancelled:
                return None
            if self._call is None:
                method = self._method
                start = self._connection.channel.unary_stream(method.path, method.serialize, method.parse)
                metadata, self._request_id = self._connection.endpoint.metadata()
                self._call = start(self._request, timeout=self._timeout, metadata=metadata)
            return self._call
