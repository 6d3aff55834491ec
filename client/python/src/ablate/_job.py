"""What the sync and the asyncio `Job` share."""

from __future__ import annotations

from typing import Literal

import grpc

from ablate._assembly import Assembler
from ablate._proto.ablation.v1 import jobs_pb2
from ablate.errors import AblateError, CancelledError, ErrorDetails, IncompleteError, error_class
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
#: A broken stream of results goes on from where it broke, so many times without a new result.
RESUMES = 5


class JobBase:
    """What is known of a job: as it was when it was last asked for.

    Attributes:
        message: everything (`ablation.v1.Job`).
    """

    def __init__(self, message: jobs_pb2.Job) -> None:
        self.message = message

    @property
    def id(self) -> str:
        """32 hex digits: `client.job(id)` finds it again."""
        return self.message.id

    @property
    def state(self) -> JobState:
        return STATES.get(self.message.state, "UNSPECIFIED")

    @property
    def is_final(self) -> bool:
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

    def poll_delay(self, asked: int) -> float:
        """Seconds to wait before the next look: short at first, and no longer than what remains."""
        delay = min(0.1 * 1.5 ** min(asked, 20), 5.0)
        return delay if not self.remaining else max(0.1, min(delay, self.remaining))


class ResultReader:
    """Takes a job's stream of results, broken or whole, and makes the `Scan`."""

    def __init__(self) -> None:
        self._assembler = Assembler(None, ())
        self.offset = 0
        self.job: jobs_pb2.Job | None = None
        self._failures = 0

    def request(self, job_id: str, only_stored: bool) -> jobs_pb2.StreamJobResultsRequest:
        return jobs_pb2.StreamJobResultsRequest(id=job_id, offset=self.offset, only_stored=only_stored)

    def take(self, response: jobs_pb2.StreamJobResultsResponse) -> None:
        if response.HasField("result"):
            self._assembler.take(response.result)
        elif response.HasField("job"):
            self.job = response.job
        self.offset = response.next_offset
        self._failures = 0

    @property
    def prompts_done(self) -> int:
        """Of the rows' prompts, so many are there."""
        return self._assembler.prompts_done

    def may_resume(self) -> bool:
        """Whether to try once more after the stream broke."""
        self._failures += 1
        return self._failures <= RESUMES

    def delay(self) -> float:
        return min(0.2 * 3.0 ** (self._failures - 1), 5.0)

    def finish(self, allow_partial: bool) -> Scan:
        """The exception of a job that failed or was cancelled; IncompleteError where the stream ended too early."""
        if self.job is None:
            raise IncompleteError(
                f"incomplete: the job's results ended at offset {self.offset}, without the job itself"
            )
        state = STATES.get(self.job.state, "UNSPECIFIED")
        if not allow_partial:
            if state == "FAILED":
                raise _failure(self.job)
            if state == "CANCELLED":
                raise CancelledError(
                    f"the job {self.job.id} was cancelled after {self.job.prompts_done} of {self.job.n_prompts} "
                    "prompts; allow_partial=True gives what there is"
                )
        scan = self._assembler.finish(may_be_partial=allow_partial)
        unexplained = self._assembler.missing_prompts() - {skipped.prompt_index for skipped in self.job.skipped_prompts}
        if unexplained and not allow_partial:
            raise IncompleteError(f"incomplete: results of prompt {min(unexplained)} of job {self.job.id} are missing")
        return scan


def _failure(job: jobs_pb2.Job) -> AblateError:
    code = next((c for c in grpc.StatusCode if c.value[0] == job.error.code), grpc.StatusCode.UNKNOWN)
    details = ErrorDetails(code=code, reason=job.error.reason)
    return error_class(details)(f"the job {job.id} failed: {job.error.message}", details)
