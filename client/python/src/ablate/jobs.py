"""Jobs: scans that outlive their client, and the server's death."""

from __future__ import annotations

import time

from ablate._calls import CANCEL_JOB, DEFAULT_TIMEOUT, DELETE_JOB, GET_JOB, STREAM_JOB, default_timeout
from ablate._connection import Connection
from ablate._job import Fields, JobBase
from ablate._progress import Progress
from ablate._prompts import Prompts
from ablate._proto.ablation.v1 import jobs_pb2
from ablate._retries import Retries
from ablate.errors import AblateError
from ablate.scan import Scan


class Job(JobBase):
    """A job of a server. Made by `Client.submit`, `Client.job` and `Client.jobs`."""

    def __init__(self, connection: Connection, message: jobs_pb2.Job, fields: Fields = ()) -> None:
        super().__init__(message, fields)
        self._connection = connection

    def refresh(self) -> Job:
        """Asks how it is now; itself. NotFoundError where it was deleted.

        >>> client.submit("Berlin is in", target=" Germany").refresh().state in ("QUEUED", "RUNNING", "SUCCEEDED")
        True
        """
        self._look(DEFAULT_TIMEOUT)
        return self

    def wait(self, timeout: float | None = None, progress: bool | None = None) -> Job:
        """Waits until it has ended, however; itself. DeadlineError where that takes longer than `timeout` seconds.

        A server that goes and comes back is waited for, for about a minute. Warns (UserWarning) where the server does
        not take it up, e.g. since it holds another model: once of each reason (`message.waiting_reason`).

        >>> client.submit("Berlin is in", target=" Germany").wait(timeout=60).is_final
        True
        """
        retries, asked = Retries(timeout), 0
        with Progress(progress, "prompts") as bar:
            while True:
                failure: AblateError | None = None
                try:
                    self._look(retries.limit(DEFAULT_TIMEOUT))
                except AblateError as error:
                    failure = error
                else:
                    if self.is_final:
                        return self
                    self._tell_why_it_waits()
                    bar.show(self.message.prompts_done, self.message.n_prompts)
                    retries.reset()
                time.sleep(self._pause(retries, asked, failure))
                asked += 1

    def results(
        self, allow_partial: bool = False, progress: bool | None = None, *, data: Prompts | None = None
    ) -> Scan:
        """What a scan would have given; waits for what is not there yet.

        A stream that breaks goes on from where it broke; a server that goes and comes back is waited for, for about a
        minute.

        Args:
            allow_partial: also of a job that failed, was cancelled, or still runs, whose missing figures are NaN.
            progress: a bar, as `Client.scan`'s.
            data: the data set that was submitted, once more, for its other columns (`Scan.fields`), which the server
                does not keep. Not needed of the job that `submit` gave.

        Raises the error of a job that failed; CancelledError; UnavailableError where the server stays away; ValueError
        where `data` has another number of prompts.

        >>> client.submit("Berlin is in", target=" Germany").results().array("delta_target_logprob").shape
        (12, 12)
        """
        reader, retries = self._reader(data), Retries()
        with Progress(progress, "prompts") as bar:
            while reader.job is None:
                request = reader.request(self.id, allow_partial)
                try:
                    with self._connection.stream(STREAM_JOB, request, None) as responses:
                        for response in responses:
                            reader.take(response)
                            bar.show(reader.prompts_done, self.message.n_prompts)
                            retries.reset()
                    break
                except AblateError as error:
                    time.sleep(retries.delay(error))
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

    def _look(self, timeout: float) -> None:
        request = jobs_pb2.GetJobRequest(id=self.id)
        self.message = self._connection.unary(GET_JOB, request, timeout).job
