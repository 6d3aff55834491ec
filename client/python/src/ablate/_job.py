"""What the sync and the asyncio `Job` share."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import grpc

from ablate._assembly import Assembler
from ablate._prompts import Prompts, read_prompts
from ablate._proto.ablation.v1 import jobs_pb2
from ablate._retries import Retries
from ablate.errors import (
    AblateError,
    CancelledError,
    ContractError,
    DeadlineError,
    ErrorDetails,
    IncompleteError,
    error_class,
)
from ablate.scan import Scan

JobState = Literal["UNSPECIFIED", "QUEUED", "RUNNING", "SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED"]
FINAL: frozenset[JobState] = frozenset({"SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED"})
STATES: dict[int, JobState] = {
    jobs_pb2.JOB_STATE_QUEUED: "QUEUED",
    jobs_pb2.JOB_STATE_RUNNING: "RUNNING",
    jobs_pb2.JOB_STATE_SUCCEEDED: "SUCCEEDED",
    jobs_pb2.JOB_STATE_PARTIAL: "PARTIAL",
    jobs_pb2.JOB_STATE_FAILED: "FAILED",
    jobs_pb2.JOB_STATE_CANCELLED: "CANCELLED",
}


#: [prompts]: the other columns of the data set.
Fields = Sequence[dict[str, Any]]


class JobBase:
    """What is known of a job: as it was when it was last asked for.

    Attributes:
        message: everything (`ablation.v1.Job`).
    """

    def __init__(self, message: jobs_pb2.Job, fields: Fields = ()) -> None:
        """`fields`: of its data set, which only the client that submitted it has."""
        self.message = message
        self._fields = fields
        self._told: set[str] = set()

    @property
    def id(self) -> str:
        """32 hex digits: `client.job(id)` finds it again."""
        return self.message.id

    @property
    def state(self) -> JobState:
        """`QUEUED`, `RUNNING`, `SUCCEEDED`, `PARTIAL`, `FAILED` or `CANCELLED`, when it was last asked."""
        return STATES.get(self.message.state, "UNSPECIFIED")

    @property
    def is_final(self) -> bool:
        """Whether it has ended, however."""
        return self.state in FINAL

    @property
    def remaining(self) -> float | None:
        """Seconds until it ends, as things go now; None: not known yet."""
        return self.message.remaining_ms / 1e3 if self.message.HasField("remaining_ms") else None

    def __repr__(self) -> str:
        message = self.message
        return (
            f"<{type(self).__name__} {message.id}: {self.state}, {message.prompts_done} of {message.n_prompts} prompts>"
        )

    def _tell_why_it_waits(self) -> None:
        """Of `wait`: warns its caller, once of each reason."""
        reason = self.message.waiting_reason
        if reason and reason not in self._told:
            self._told.add(reason)
            warnings.warn(f"job {self.id} waits: {reason}", stacklevel=3)

    def _pause(self, retries: Retries, asked: int, error: AblateError | None) -> float:
        """Seconds until the next look: short at first, and no longer than what remains.

        Raises `error` where no look would help, DeadlineError where the time is over.
        """
        if retries.is_over:
            raise DeadlineError(f"the job {self.id} has not ended within {retries.timeout:g} s: {self!r}") from error
        if error is not None:
            return retries.rest(retries.delay(error))
        delay = min(0.1 * 1.5 ** min(asked, 20), 5.0)
        return retries.rest(delay if not self.remaining else max(0.1, min(delay, self.remaining)))

    def _reader(self, data: Prompts | None) -> ResultReader:
        """ValueError where the data set is of another number of prompts."""
        n, fields = self.message.n_prompts, self._fields
        if data is not None:
            fields = read_prompts(data, {}).fields
            if len(fields) != n:
                raise ValueError(f"data: the data set holds {len(fields)} prompts, the job {self.id} has {n}")
        return ResultReader(n, fields)


class ResultReader:
    """Takes a job's stream of results, broken or whole, and makes the `Scan`."""

    def __init__(self, n_prompts: int, fields: Fields) -> None:
        self._assembler = Assembler(None, fields, n_prompts)
        self.offset = 0
        self.job: jobs_pb2.Job | None = None

    def request(self, job_id: str, only_stored: bool) -> jobs_pb2.StreamJobResultsRequest:
        return jobs_pb2.StreamJobResultsRequest(id=job_id, offset=self.offset, only_stored=only_stored)

    def take(self, response: jobs_pb2.StreamJobResultsResponse) -> None:
        is_result = response.HasField("result")
        expected = self.offset + is_result
        if self.job is not None:
            raise ContractError("a message came after the job")
        if response.next_offset != expected:
            raise ContractError(f"next_offset is {response.next_offset}, expected {expected}")
        self.offset = expected
        if is_result:
            self._assembler.take(response.result)
        elif response.HasField("job"):
            self.job = response.job

    @property
    def prompts_done(self) -> int:
        """Of the rows' prompts, so many are there."""
        return self._assembler.prompts_done

    def finish(self, allow_partial: bool) -> Scan:
        """The exception of a job that failed or was cancelled; ContractError, IncompleteError where the results are not
        what the job's state promises."""
        if self.job is None:
            raise IncompleteError(
                f"incomplete: the job's results ended at offset {self.offset}, without the job itself"
            )
        self._assembler.end_of_job(self.job)
        state = STATES.get(self.job.state, "UNSPECIFIED")
        if not allow_partial:
            if state == "FAILED":
                raise _failure(self.job)
            if state == "CANCELLED":
                raise CancelledError(
                    f"the job {self.job.id} was cancelled after {self.job.prompts_done} of {self.job.n_prompts} "
                    "prompts; allow_partial=True gives what there is"
                )
        return self._assembler.finish(may_be_partial=allow_partial)


def _failure(job: jobs_pb2.Job) -> AblateError:
    code = next((c for c in grpc.StatusCode if c.value[0] == job.error.code), grpc.StatusCode.UNKNOWN)
    details = ErrorDetails(code=code, reason=job.error.reason)
    return error_class(details)(f"the job {job.id} failed: {job.error.message}", details)
