"""`ablate.jobs` with await."""

from __future__ import annotations

import asyncio

from ablate._async_connection import AsyncConnection
from ablate._calls import CANCEL_JOB, DEFAULT_TIMEOUT, DELETE_JOB, GET_JOB, STREAM_JOB, default_timeout
from ablate._job import Fields, JobBase
from ablate._progress import Progress
from ablate._prompts import Prompts
from ablate._proto.ablation.v1 import jobs_pb2
from ablate._retries import Retries
from ablate.errors import AblateError
from ablate.scan import Scan


class AsyncJob(JobBase):
    """`Job` for asyncio. Made by `AsyncClient.submit`, `AsyncClient.job` and `AsyncClient.jobs`."""

    def __init__(self, connection: AsyncConnection, message: jobs_pb2.Job, fields: Fields = ()) -> None:
        super().__init__(message, fields)
        self._connection = connection

    async def refresh(self) -> AsyncJob:
        """`Job.refresh`.

        >>> job = await client.submit("Berlin is in", target=" Germany")
        >>> (await job.refresh()).state in ("QUEUED", "RUNNING", "SUCCEEDED")
        True
        """
        await self._look(DEFAULT_TIMEOUT)
        return self

    async def wait(self, timeout: float | None = None, progress: bool | None = None) -> AsyncJob:
        """`Job.wait`.

        >>> job = await client.submit("Berlin is in", target=" Germany")
        >>> (await job.wait(timeout=60)).is_final
        True
        """
        retries, asked = Retries(timeout), 0
        with Progress(progress, "prompts") as bar:
            while True:
                failure: AblateError | None = None
                try:
                    await self._look(retries.limit(DEFAULT_TIMEOUT))
                except AblateError as error:
                    failure = error
                else:
                    if self.is_final:
                        return self
                    self._tell_why_it_waits()
                    bar.show(self.message.prompts_done, self.message.n_prompts)
                    retries.reset()
                await asyncio.sleep(self._pause(retries, asked, failure))
                asked += 1

    async def results(
        self, allow_partial: bool = False, progress: bool | None = None, *, data: Prompts | None = None
    ) -> Scan:
        """`Job.results`.

        >>> job = await client.submit("Berlin is in", target=" Germany")
        >>> (await job.results()).array("delta_target_logprob").shape
        (12, 12)
        """
        reader, retries = self._reader(data), Retries()
        with Progress(progress, "prompts") as bar:
            while reader.job is None:
                request = reader.request(self.id, allow_partial)
                try:
                    with self._connection.stream(STREAM_JOB, request, None) as responses:
                        async for response in responses:
                            reader.take(response)
                            bar.show(reader.prompts_done, self.message.n_prompts)
                            retries.reset()
                    break
                except AblateError as error:
                    await asyncio.sleep(retries.delay(error))
        if reader.job is not None:
            self.message = reader.job
        return reader.finish(allow_partial)

    async def cancel(self) -> AsyncJob:
        """`Job.cancel`.

        >>> job = await client.submit("Berlin is in", target=" Germany")
        >>> (await job.cancel()).is_final
        True
        """
        request = jobs_pb2.CancelJobRequest(id=self.id)
        self.message = (await self._connection.unary(CANCEL_JOB, request, default_timeout(None))).job
        return self

    async def delete(self) -> None:
        """`Job.delete`.

        >>> job = await client.submit("Berlin is in", target=" Germany")
        >>> await job.delete()
        """
        await self._connection.unary(DELETE_JOB, jobs_pb2.DeleteJobRequest(id=self.id), default_timeout(None))

    async def _look(self, timeout: float) -> None:
        request = jobs_pb2.GetJobRequest(id=self.id)
        self.message = (await self._connection.unary(GET_JOB, request, timeout)).job
