"""The calls of the contract, typed, and what the sync and the asyncio client share about each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from ablate._data_set import DataSet
from ablate._job import STATES, JobState
from ablate._proto.ablation.v1 import explain_pb2, jobs_pb2, means_pb2, scan_pb2, service_pb2
from ablate._proto.ablation.v1.model_pb2 import Token as TokenMessage
from ablate._request import Made
from ablate.errors import AblateError, ContractError, InvalidRequestError, PreconditionError

Req = TypeVar("Req")
Res = TypeVar("Res")

HealthStatus = Literal["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"]
#: Seconds that a call with a single short answer may take.
DEFAULT_TIMEOUT = 30.0
# Servers take messages of 4 MB by default; a job's prompts travel in parts.
_PART_BYTES = 1 << 20
# The contract's limit is a MiB.
_PIECE_BYTES = 1 << 19


@dataclass(frozen=True)
class Method(Generic[Req, Res]):
    """One call of the service."""

    path: str
    serialize: Callable[[Req], bytes]
    parse: Callable[[bytes], Res]


def _method(name: str, request: type[Any], response: type[Any]) -> Method[Any, Any]:
    return Method(f"/ablation.v1.AblationService/{name}", request.SerializeToString, response.FromString)


ABLATE: Method[scan_pb2.AblateRequest, scan_pb2.AblateResponse] = _method(
    "Ablate", scan_pb2.AblateRequest, scan_pb2.AblateResponse
)
EXPLAIN: Method[explain_pb2.ExplainPlanRequest, explain_pb2.ExplainPlanResponse] = _method(
    "ExplainPlan", explain_pb2.ExplainPlanRequest, explain_pb2.ExplainPlanResponse
)
TOKENIZE: Method[service_pb2.TokenizeRequest, service_pb2.TokenizeResponse] = _method(
    "Tokenize", service_pb2.TokenizeRequest, service_pb2.TokenizeResponse
)
DESCRIBE: Method[service_pb2.DescribeModelRequest, service_pb2.DescribeModelResponse] = _method(
    "DescribeModel", service_pb2.DescribeModelRequest, service_pb2.DescribeModelResponse
)
COMPUTE_MEANS: Method[means_pb2.ComputeMeansRequest, means_pb2.ComputeMeansResponse] = _method(
    "ComputeMeans", means_pb2.ComputeMeansRequest, means_pb2.ComputeMeansResponse
)
LIST_MEANS: Method[means_pb2.ListMeanLibrariesRequest, means_pb2.ListMeanLibrariesResponse] = _method(
    "ListMeanLibraries", means_pb2.ListMeanLibrariesRequest, means_pb2.ListMeanLibrariesResponse
)
DELETE_MEANS: Method[means_pb2.DeleteMeanLibraryRequest, means_pb2.DeleteMeanLibraryResponse] = _method(
    "DeleteMeanLibrary", means_pb2.DeleteMeanLibraryRequest, means_pb2.DeleteMeanLibraryResponse
)
EXPORT_MEANS: Method[means_pb2.ExportMeanLibraryRequest, means_pb2.ExportMeanLibraryResponse] = _method(
    "ExportMeanLibrary", means_pb2.ExportMeanLibraryRequest, means_pb2.ExportMeanLibraryResponse
)
IMPORT_MEANS: Method[means_pb2.ImportMeanLibraryRequest, means_pb2.ImportMeanLibraryResponse] = _method(
    "ImportMeanLibrary", means_pb2.ImportMeanLibraryRequest, means_pb2.ImportMeanLibraryResponse
)
SUBMIT_JOB: Method[jobs_pb2.SubmitJobRequest, jobs_pb2.SubmitJobResponse] = _method(
    "SubmitJob", jobs_pb2.SubmitJobRequest, jobs_pb2.SubmitJobResponse
)
GET_JOB: Method[jobs_pb2.GetJobRequest, jobs_pb2.GetJobResponse] = _method(
    "GetJob", jobs_pb2.GetJobRequest, jobs_pb2.GetJobResponse
)
LIST_JOBS: Method[jobs_pb2.ListJobsRequest, jobs_pb2.ListJobsResponse] = _method(
    "ListJobs", jobs_pb2.ListJobsRequest, jobs_pb2.ListJobsResponse
)
CANCEL_JOB: Method[jobs_pb2.CancelJobRequest, jobs_pb2.CancelJobResponse] = _method(
    "CancelJob", jobs_pb2.CancelJobRequest, jobs_pb2.CancelJobResponse
)
DELETE_JOB: Method[jobs_pb2.DeleteJobRequest, jobs_pb2.DeleteJobResponse] = _method(
    "DeleteJob", jobs_pb2.DeleteJobRequest, jobs_pb2.DeleteJobResponse
)
STREAM_JOB: Method[jobs_pb2.StreamJobResultsRequest, jobs_pb2.StreamJobResultsResponse] = _method(
    "StreamJobResults", jobs_pb2.StreamJobResultsRequest, jobs_pb2.StreamJobResultsResponse
)


def _parse_health(data: bytes) -> HealthStatus:
    names: tuple[HealthStatus, ...] = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
    number = data[1] if len(data) == 2 and data[0] == 0x08 else 0
    return names[number] if number < len(names) else "UNKNOWN"


#: gRPC's own health call, of the whole server: an empty request; the answer is field 1, an enum. Written out, since a
#: second copy of its proto in one process (grpcio-health-checking has one) is an error of protobuf's.
HEALTH: Method[None, HealthStatus] = Method("/grpc.health.v1.Health/Check", lambda _: b"", _parse_health)


class Token(NamedTuple):
    """One entry of the vocabulary."""

    id: int
    #: As Hugging Face's tokenizer decodes it: bytes that are not UTF-8 become U+FFFD.
    text: str
    #: The token's bytes, exactly.
    raw: bytes


def tokens_of(response: service_pb2.TokenizeResponse, n_texts: int) -> list[list[Token]]:
    if len(response.texts) != n_texts:
        raise ContractError(f"it tokenised {len(response.texts)} of {n_texts} texts")
    return [[_token(token) for token in text.tokens] for text in response.texts]


def _token(token: TokenMessage) -> Token:
    return Token(token.id, token.text, token.raw)


def check_tokenizer(made: Made, description: service_pb2.DescribeModelResponse) -> None:
    """ValueError where the prompts hold ids of another tokenizer than the server's."""
    model = description.model
    if made.tokenizer_of in (model.name, model.tokenizer_sha256):
        return
    raise ValueError(
        f"tokenizer_of {made.tokenizer_of!r}: the server holds {model.name!r}, whose tokenizer has the SHA-256 "
        f"{model.tokenizer_sha256}; ids of another tokenizer mean other tokens"
    )


def name_origins(error: AblateError, data: DataSet) -> AblateError:
    """The same error, with a note for each prompt at fault: where it came from."""
    if isinstance(error, InvalidRequestError | PreconditionError):
        for violation in error.violations:
            if violation.field.startswith("prompts["):
                index = violation.field[len("prompts[") :].partition("]")[0]
                if index.isdigit() and int(index) < len(data.origins):
                    origin = data.origins[int(index)]
                    if origin != f"prompts[{index}]":
                        error.add_note(f"prompts[{index}] is {origin}")
    return error


def job_parts(
    request: scan_pb2.AblateRequest, display_name: str, request_id: str
) -> Sequence[jobs_pb2.SubmitJobRequest]:
    """A job in messages of about a MiB."""
    head = scan_pb2.AblateRequest()
    head.CopyFrom(request)
    head.ClearField("prompts")
    n_prompts = len(request.prompts)
    parts = [
        jobs_pb2.SubmitJobRequest(request=head, display_name=display_name, request_id=request_id, n_prompts=n_prompts)
    ]
    size = 0
    for prompt in request.prompts:
        size += prompt.ByteSize()
        if size > _PART_BYTES:
            parts.append(jobs_pb2.SubmitJobRequest())
            size = prompt.ByteSize()
        (parts[0].request.prompts if len(parts) == 1 else parts[-1].prompts).append(prompt)
    return parts


def default_timeout(timeout: float | None) -> float:
    return DEFAULT_TIMEOUT if timeout is None else timeout


def library_id(library: str | means_pb2.MeanLibrary) -> str:
    return library.id if isinstance(library, means_pb2.MeanLibrary) else library


def read_pieces(path: Path) -> list[means_pb2.ImportMeanLibraryRequest]:
    """A file in messages. Read at once: an error of the file's is no error of the call's."""
    data = path.read_bytes()
    pieces = (data[at : at + _PIECE_BYTES] for at in range(0, len(data), _PIECE_BYTES))
    return [means_pb2.ImportMeanLibraryRequest(data=piece) for piece in pieces]


def list_jobs(states: Sequence[JobState]) -> jobs_pb2.ListJobsRequest:
    """The first page's. ValueError names a state that there is not."""
    numbers = {name: number for number, name in STATES.items()}
    for state in states:
        if state not in numbers:
            raise ValueError(f"state {state!r}: expected one of {', '.join(numbers)}")
    return jobs_pb2.ListJobsRequest(page_size=1000, states=[numbers[state] for state in states])  # type: ignore[misc]
