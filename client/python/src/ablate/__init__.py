"""Ablate: what does each attention head of a GPT-2 do to a prediction?

>>> import ablate
>>> client = ablate.connect(address)  # or: with ablate.local() as client
>>> scan = client.scan("Berlin is the capital of", target=" Germany", contrast=" France")
>>> scan.array("delta_logit_diff").shape
(12, 12)
"""

from __future__ import annotations

from ablate._calls import Token
from ablate._channel import Tls
from ablate._connect import connect
from ablate._extras import Compensation
from ablate._local import local
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest
from ablate._request import request
from ablate._server_files import LocalServerError
from ablate._spec import read_request, write_request
from ablate._version import __version__
from ablate.aio import AsyncClient, connect_async
from ablate.async_jobs import AsyncJob
from ablate.async_streams import AsyncScanStream
from ablate.client import Client
from ablate.errors import (
    AblateError,
    AccessError,
    BusyError,
    CancelledError,
    ContractError,
    DeadlineError,
    FieldViolation,
    IncompleteError,
    InvalidRequestError,
    NotFoundError,
    PreconditionError,
    ServerError,
    TooLargeError,
    UnavailableError,
    UnimplementedError,
)
from ablate.explanation import Explanation, PlannedLayer
from ablate.jobs import Job
from ablate.scan import Scan
from ablate.streams import ScanStream

__all__ = [
    "AblateError",
    "AblateRequest",
    "AccessError",
    "AsyncClient",
    "AsyncJob",
    "AsyncScanStream",
    "BusyError",
    "CancelledError",
    "Client",
    "Compensation",
    "ContractError",
    "DeadlineError",
    "Explanation",
    "FieldViolation",
    "IncompleteError",
    "InvalidRequestError",
    "Job",
    "LocalServerError",
    "NotFoundError",
    "PlannedLayer",
    "PreconditionError",
    "Scan",
    "ScanStream",
    "ServerError",
    "Tls",
    "Token",
    "TooLargeError",
    "UnavailableError",
    "UnimplementedError",
    "__version__",
    "connect",
    "connect_async",
    "local",
    "read_request",
    "request",
    "write_request",
]
