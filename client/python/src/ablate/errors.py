"""What goes wrong, as exceptions: the server's message, the fields at fault, when to try again, the request's id.

>>> import ablate
>>> try:
...     client.scan("Berlin is the capital of", target=" Germany", layers=[99])
... except ablate.InvalidRequestError as error:
...     print(error.violations[0].field)
sweep.filter.layers[0]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import grpc


class FieldViolation(NamedTuple):
    """A field of the request that is at fault."""

    #: Path in the contract, e.g. `prompts[0].targets[0].text`.
    field: str
    #: What came, and what was expected.
    description: str


@dataclass(frozen=True)
class ErrorDetails:
    """What a server says about an error beside its message; each part may be missing."""

    #: The gRPC status; None where the error is the client's own finding.
    code: grpc.StatusCode | None = None
    #: `google.rpc.ErrorInfo.reason`, e.g. `UNKNOWN_SITE`: for programs.
    reason: str = ""
    violations: tuple[FieldViolation, ...] = ()
    #: Seconds to wait before the next try.
    retry_delay: float | None = None
    #: The request asks for more than one may ever: trying again does not help.
    over_quota: bool = False
    #: To find the request in the server's log; empty: the server gave none.
    request_id: str = ""


class AblateError(Exception):
    """Base of every error of this package that a server, or the way to it, caused.

    Attributes:
        message: in English, with the fields at fault and the way out.
        details: the parts that programs read; `reason`, `violations`, `retry_delay`, `request_id`, `code` are at hand
            directly.
    """

    def __init__(self, message: str, details: ErrorDetails | None = None) -> None:
        self.message = message
        self.details = details or ErrorDetails()
        super().__init__(message)

    def __str__(self) -> str:
        return f"{self.message} (request id {self.request_id})" if self.request_id else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors come back from worker processes with all they know.
        return _restore, (type(self), self.message, self.details, list(getattr(self, "__notes__", [])))

    @property
    def code(self) -> grpc.StatusCode | None:
        """The gRPC status; None where the error is the client's own finding."""
        return self.details.code

    @property
    def reason(self) -> str:
        """`google.rpc.ErrorInfo.reason`, e.g. `UNKNOWN_SITE`: for programs."""
        return self.details.reason

    @property
    def violations(self) -> tuple[FieldViolation, ...]:
        """The fields of the request that are at fault."""
        return self.details.violations

    @property
    def retry_delay(self) -> float | None:
        """Seconds to wait before the next try; None where the server names none."""
        return self.details.retry_delay

    @property
    def request_id(self) -> str:
        """To find the request in the server's log; empty where there is none."""
        return self.details.request_id


def _restore(kind: type[AblateError], message: str, details: ErrorDetails, notes: list[str]) -> AblateError:
    error = kind.__new__(kind)
    AblateError.__init__(error, message, details)
    for note in notes:
        error.add_note(note)
    return error


class InvalidRequestError(AblateError, ValueError):
    """INVALID_ARGUMENT, OUT_OF_RANGE: the request is at fault; `violations` names the fields."""


class PreconditionError(AblateError):
    """FAILED_PRECONDITION: the request needs what the server does not have, e.g. a mean library of its model."""


class NotFoundError(AblateError, LookupError):
    """NOT_FOUND: no job or mean library of this id."""


class BusyError(AblateError):
    """RESOURCE_EXHAUSTED, for now: too much is waiting; `retry_delay` says when to try again."""


class TooLargeError(AblateError):
    """RESOURCE_EXHAUSTED, for good: the request is larger or dearer than one may be. Send less at a time."""


class UnavailableError(AblateError, ConnectionError):
    """UNAVAILABLE: nobody answers, or the server loads, drains, or left."""


class DeadlineError(AblateError, TimeoutError):
    """DEADLINE_EXCEEDED: not done within the timeout; the server has dropped the work."""


class CancelledError(AblateError):
    """CANCELLED: somebody ended the call."""


class AccessError(AblateError, PermissionError):
    """UNAUTHENTICATED, PERMISSION_DENIED: the token is missing, wrong, or not good for this."""


class UnimplementedError(AblateError, NotImplementedError):
    """UNIMPLEMENTED: the server does not offer this call."""


class ServerError(AblateError):
    """INTERNAL, UNKNOWN, ABORTED, DATA_LOSS: the server failed, or gave up on a reader that was too slow."""


class ContractError(ServerError):
    """What came is not what the contract promises: a server of another version, or a fault of it."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the server broke the contract: {what}")


class IncompleteError(ServerError):
    """The stream ended before its completion; what came is not the whole."""


_CLASSES: dict[grpc.StatusCode, type[AblateError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequestError,
    grpc.StatusCode.FAILED_PRECONDITION: PreconditionError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
    grpc.StatusCode.CANCELLED: CancelledError,
    grpc.StatusCode.UNAUTHENTICATED: AccessError,
    grpc.StatusCode.PERMISSION_DENIED: AccessError,
    grpc.StatusCode.UNIMPLEMENTED: UnimplementedError,
}


def error_class(details: ErrorDetails) -> type[AblateError]:
    """The exception that stands for a status."""
    if details.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return BusyError if details.retry_delay is not None and not details.over_quota else TooLargeError
    return _CLASSES.get(details.code, ServerError) if details.code else ServerError


def with_fields(message: str, violations: Iterable[FieldViolation]) -> str:
    """The message and the fields at fault, each said once."""
    parts = []
    for name, description in violations:
        if description and description in message:
            if name not in message:
                parts.append(f"field {name}")
        else:
            parts.append(description if name in description else f"{name}: {description}")
    return "; ".join([message] * bool(message) + parts)
