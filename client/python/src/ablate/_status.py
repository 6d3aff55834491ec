"""From a gRPC error to our exceptions: reads google.rpc.Status out of the trailing metadata."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from ablate.errors import AblateError, ErrorDetails, FieldViolation, error_class, with_fields

DETAILS_KEY = "grpc-status-details-bin"
REQUEST_ID_KEY = "x-request-id"


class RpcFailure(Protocol):
    """What grpc's sync and asyncio errors have in common."""

    def code(self) -> grpc.StatusCode: ...
    def details(self) -> str | None: ...
    def trailing_metadata(self) -> Any: ...


def from_rpc(failure: RpcFailure, address: str, sent_request_id: str = "", timeout: float | None = None) -> AblateError:
    """The exception for a failed call to `address`.

    `sent_request_id` stands where the server gives no id of its own.
    """
    metadata = dict(_pairs(failure.trailing_metadata()))
    details, has_status = _read(failure.code(), metadata, sent_request_id)
    message = with_fields(failure.details() or "", details.violations)
    code = details.code
    if code is grpc.StatusCode.UNAVAILABLE and not has_status:
        # Without details it is gRPC that speaks, of sockets: nobody answered, or the connection broke.
        message = f"no answer from a server at {address} ({message})"
    if code is grpc.StatusCode.DEADLINE_EXCEEDED and timeout is not None and not has_status:
        message = f"not done within the timeout of {timeout:g} s"
    message = message or f"the server gave no message ({failure.code().name})"
    way_out = _way_out(details, address, has_status)
    return error_class(details)(f"{message}; {way_out}" if way_out else message, details)


def _pairs(metadata: Any) -> Iterable[tuple[str, str | bytes]]:
    yield from metadata or ()


def _read(code: grpc.StatusCode, metadata: dict[str, str | bytes], sent_id: str) -> tuple[ErrorDetails, bool]:
    request_id = _text(metadata.get(REQUEST_ID_KEY, "")) or sent_id
    raw = metadata.get(DETAILS_KEY)
    status = status_pb2.Status()
    try:
        has_status = isinstance(raw, bytes) and bool(status.MergeFromString(raw))
    except DecodeError:
        has_status = False
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    quota = error_details_pb2.QuotaFailure()
    request = error_details_pb2.RequestInfo()
    found: set[str] = set()
    for detail in status.details if has_status else ():
        for kind in (info, bad, retry, quota, request):
            if _unpack(detail, kind):
                found.add(kind.DESCRIPTOR.name)
    delay = retry.retry_delay
    return ErrorDetails(
        code=code,
        reason=info.reason,
        violations=tuple(FieldViolation(v.field, v.description) for v in bad.field_violations),
        retry_delay=delay.seconds + delay.nanos / 1e9 if retry.HasField("retry_delay") else None,
        over_quota="QuotaFailure" in found,
        request_id=request.request_id or request_id,
    ), has_status


def _unpack(detail: Any, kind: Message) -> bool:
    try:
        return bool(detail.Unpack(kind))
    except DecodeError:
        return False


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _way_out(details: ErrorDetails, address: str, has_status: bool) -> str:
    if details.retry_delay is not None:
        return f"try again in {details.retry_delay:g} s"
    if details.code is grpc.StatusCode.UNAVAILABLE:
        if has_status:
            return "try again, or ask another server"
        return "start one with `ablated --model DIR`, connect to another, or use `ablate.local()`"
    if details.code is grpc.StatusCode.UNIMPLEMENTED:
        return f"the server at {address} does not offer this call: is it an `ablated` of this version?"
    if details.code is grpc.StatusCode.UNAUTHENTICATED:
        if details.reason == "TOKEN_MISSING":
            return "name a token: `ablate.connect(..., token=...)`, or ABLATE_TOKEN in the environment"
        return "ask who runs the server for another (`ablate token create`)"
    if details.code is grpc.StatusCode.PERMISSION_DENIED:
        return "ask who runs the server for a token with it (`ablate token create --scope`)"
    return ""
