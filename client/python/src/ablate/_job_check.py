"""What must have come of a stored job, whose prompts may have been skipped, and which may not have ended.

The rules of client/cpp/stream_check_job.cc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ablate._proto.ablation.v1 import jobs_pb2
from ablate.errors import ContractError, IncompleteError

if TYPE_CHECKING:
    from ablate._stream_check import StreamCheck


def check_end(check: StreamCheck, job: jobs_pb2.Job) -> None:
    """`job`: as it is behind the last result. One that succeeded is whole, one that is partial but for the prompts that
    were skipped. ContractError, IncompleteError."""
    if job.state not in (jobs_pb2.JOB_STATE_SUCCEEDED, jobs_pb2.JOB_STATE_PARTIAL):
        if check.completion is not None:
            raise ContractError("a completion came of a job that did not succeed")
        return
    check.end()
    skipped = {prompt.prompt_index for prompt in job.skipped_prompts}
    if bool(skipped) != (job.state == jobs_pb2.JOB_STATE_PARTIAL):
        state = "whole" if skipped else "partial"
        raise ContractError(f"the job is said to be {state}, and {len(skipped)} of its prompts to be skipped")
    for kind, (came, expected) in check.entries_of_prompts().items():
        for prompt, (n, whole) in enumerate(zip(came.tolist(), expected.tolist(), strict=True)):
            if prompt in skipped and n:
                raise ContractError(f"{n} entries of {kind} came of prompt {prompt}, which the job says was skipped")
            if prompt not in skipped and n != whole:
                raise IncompleteError(
                    f"incomplete: {n} of {whole} entries of {kind} of prompt {prompt} of job {job.id} came"
                )
