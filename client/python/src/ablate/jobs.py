"""Jobs: scans that outlive their client, and the server's death."""

from __future__ import annotations

import time

from ablate._calls import CANCEL_JOB, DELETE_JOB, GET_JOB, STREAM_JOB, default_timeout
from ablate._connection import Connection
from ablate._job import JobBase, ResultReader
from ablate._progress import Progress
from ablate._proto.ablation.v1 import jobs_pb2
from ablate.errors import DeadlineError, UnavailableError
from ablate.scan import Scan


class Job(JobBase):
    """A job of a server. Made by `Client.submit`, `Client.job` and `Client.jobs`."""

    def __init__(self, connection: Connection, message: jobs_pb2.Job) -> None:
        super().__init__(message)
        self._connection = connection

    def refresh(self) -> Job:
        """Asks how it is now; itself. NotFoundError where it was deleted.

        >>> client.submit("Berlin is in", target=" Germany").refresh().state in ("QUEUED", "RUNNING", "SUCCEEDED")
        True
        """
        request = jobs_pb2.GetJobRequest(id=self.id)
        self.message = self._connection.unary(GET_JOB, request, default_timeout(None)).job
        return self

    def wait(self, timeout: float | None = None, progress: bool | None = None) -> Job:
        """Waits until it has ended, however; itself. DeadlineError where that takes longer than `timeout` seconds.

        >>> client.submit("Berlin is in", target=" Germany").wait(timeout=60).is_final
        True
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with Progress(progress, "prompts") as bar:
            asked = 0
            while not self.refresh().is_final:
                bar.show(self.message.prompts_done, self.message.n_prompts)
                delay = self.poll_delay(asked)
                asked += 1
                if deadline is not None and time.monotonic() + delay > deadline:
                    raise DeadlineError(f"the job {self.id} has not ended within {timeout:g} s: {self!r}")
                time.sleep(delay)
        return self

    def results(self, allow_partial: bool = False, progress: bool | None = None) -> Scan:
        """What a scan would have given; waits for what is not there yet.

        A stream that breaks goes on from where it broke.

        `allow_partial`: also of a job that failed, was cancelled, or still runs, whose missing figures are NaN. The
        data set's other columns (`Scan.fields`) are not kept by the server.

        Raises the error of a job that failed; CancelledError; UnavailableError where the server stays away.

        >>> client.submit("Berlin is in", target=" Germany").results().array("delta_target_logprob").shape
        (12, 12)
        """
        reader = ResultReader()
        with Progress(progress, "prompts") as bar:
            while reader.job is None:
                try:
                    for response in self._connection.stream(STREAM_JOB, reader.request(self.id, allow_partial), None):
                        reader.take(response)
                        bar.show(reader.prompts_done, self.message.n_prompts)
                    break
                except UnavailableError:
                    if not reader.may_resume():
                        raise
                    time.sleep(reader.delay())
        if reader.job is not None:
            self.message = reader.job
        return reader.finish(allow_partial)

    def cancel(self) -> Job:
        """Ends it: no more than the batch under way is computed, and what there is is kept. Itself.

        >>> client.submit("Berlin is in", target=" Germany").cancel().is_final
        True
        """
        request = jobs_pb2.CancelJobRequest(id=self.id)
        self.message = self._connection.unary(CANCEL_JOB, request, default_timeout(None)).job
        return self

    def delete(self) -> None:
        """Cancels it and removes it with its results.

        >>> client.submit("Berlin is in", target=" Germany").delete()
        """
        self._connection.unary(DELETE_JOB, jobs_pb2.DeleteJobRequest(id=self.id), default_timeout(None))
