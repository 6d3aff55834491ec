"""A gRPC server in this process that answers as a test tells it to, and keeps what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from ablate._calls import Method

# A call's answers, one after the other: messages, or an error that ends it.
Answers = Sequence["Message | Failure"]


@dataclass(frozen=True)
class Failure:
    """How a call ends."""

    code: grpc.StatusCode
    message: str = ""
    details: Sequence[Message] = ()
    metadata: Sequence[tuple[str, str]] = ()

    def abort(self, context: grpc.ServicerContext) -> None:
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        for detail in self.details:
            status.details.add().Pack(detail)
        trailing: list[tuple[str, str | bytes]] = list(self.metadata)
        if self.details:
            trailing.append(("grpc-status-details-bin", status.SerializeToString()))
        context.set_trailing_metadata(tuple(trailing))
        context.abort(self.code, self.message)


@dataclass
class Call:
    """What came."""

    path: str
    metadata: dict[str, str | bytes]
    requests: list[bytes] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)


class FakeServer:
    """`answer` names what the n-th call of a method gets; the last entry answers all calls behind it."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.calls: list[Call] = []
        self._answers: dict[str, list[Answers | Callable[[Call], Iterator[Any]]]] = {}
        self._server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((_Handler(self),))
        where = "127.0.0.1:0"
        port = (
            self._server.add_secure_port(where, credentials) if credentials else self._server.add_insecure_port(where)
        )
        self.address = f"127.0.0.1:{port}"
        self.port = port
        self._server.start()

    def answer(self, method: Method[Any, Any], *calls: Answers | Callable[[Call], Iterator[Any]]) -> None:
        self._answers[method.path] = list(calls)

    def called(self, method: Method[Any, Any]) -> list[Call]:
        return [call for call in self.calls if call.path == method.path]

    def stop(self) -> None:
        self._server.stop(0).wait()

    def respond(self, path: str, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        call = Call(path, dict(context.invocation_metadata()))
        self.calls.append(call)
        context.add_callback(call.cancelled.set)
        call.requests.extend(requests)
        answers = self._answers.get(path)
        if not answers:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "")
            return
        now = answers.pop(0) if len(answers) > 1 else answers[0]
        for answer in now(call) if callable(now) else now:
            if isinstance(answer, Failure):
                answer.abort(context)
            yield answer if isinstance(answer, bytes) else answer.SerializeToString()


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        path = details.method
        # One kind of handler serves all: on the wire a call of one message is a stream of one.
        return grpc.stream_stream_rpc_method_handler(
            lambda requests, context: self._server.respond(path, requests, context)
        )


def field_error(field: str, description: str, reason: str = "BAD") -> list[Message]:
    violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
    return [
        error_details_pb2.ErrorInfo(reason=reason, domain="ablate"),
        error_details_pb2.BadRequest(field_violations=[violation]),
    ]


def retry_info(seconds: float) -> Message:
    whole = int(seconds)
    delay = duration_pb2.Duration(seconds=whole, nanos=round((seconds - whole) * 1e9))
    return error_details_pb2.RetryInfo(retry_delay=delay)
