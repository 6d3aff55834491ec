"""`ablate.jobs` with await."""

from __future__ import annotations

import asyncio
import time

from ablate._async_connection import AsyncConnection
from ablate._calls import CANCEL_JOB, DELETE_JOB, GET_JOB, STREAM_JOB, default_timeout
from ablate._job import JobBase, ResultReader
from ablate._progress import Progress
from ablate._proto.ablation.v1 import jobs_pb2
from ablate.errors import DeadlineError, UnavailableError
from ablate.scan import Scan


class AsyncJob(JobBase):
    """`Job` for asyncio. Made by `AsyncClient.submit`, `AsyncClient.job` and `AsyncClient.jobs`."""

    def __init__(self, connection: AsyncConnection, message: jobs_pb2.Job) -> None:
        super().__init__(message)
        self._connection = connection

    async def refresh(self) -> AsyncJob:
        """`Job.refresh`."""
        request = jobs_pb2.GetJobRequest(id=self.id)
        self.message = (await self._connection.unary(GET_JOB, request, default_timeout(None))).job
        return self

    async def wait(self, timeout: float | None = None, progress: bool | None = None) -> AsyncJob:
        """`Job.wait`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with Progress(progress, "prompts") as bar:
            asked = 0
            while not (await self.refresh()).is_final:
                bar.show(self.message.prompts_done, self.message.n_prompts)
                delay = self.poll_delay(asked)
                asked += 1
                if deadline is not None and time.monotonic() + delay > deadline:
                    raise DeadlineError(f"the job {self.id} has not ended within {timeout:g} s: {self!r}")
                await asyncio.sleep(delay)
        return self

    async def results(self, allow_partial: bool = False, progress: bool | None = None) -> Scan:
        """`Job.results`."""
        reader = ResultReader()
        with Progress(progress, "prompts") as bar:
            while reader.job is None:
                try:
                    request = reader.request(self.id, allow_partial)
                    async for response in self._connection.stream(STREAM_JOB, request, None):
                        reader.take(response)
                        bar.show(reader.prompts_done, self.message.n_prompts)
                    break
                except UnavailableError:
                    if not reader.may_resume():
                        raise
                    await asyncio.sleep(reader.delay())
        if reader.job is not None:
            self.message = reader.job
        return reader.finish(allow_partial)

    async def cancel(self) -> AsyncJob:
        """`Job.cancel`."""
        request = jobs_pb2.CancelJobRequest(id=self.id)
        self.message = (await self._connection.unary(CANCEL_JOB, request, default_timeout(None))).job
        return self

    async def delete(self) -> None:
        """`Job.delete`."""
        await self._connection.unary(DELETE_JOB, jobs_pb2.DeleteJobRequest(id=self.id), default_timeout(None))
