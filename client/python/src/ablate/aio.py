"""The asyncio client: `ablate.client` with await."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Unpack, overload

from ablate import _calls
from ablate._async_connection import AsyncConnection
from ablate._async_means_calls import AsyncMeansCalls
from ablate._calls import HealthStatus, Token, default_timeout
from ablate._channel import Endpoint, TlsChoice, from_environment
from ablate._job import JobState
from ablate._progress import Progress
from ablate._prompts import Prompts
from ablate._proto.ablation.v1 import explain_pb2, jobs_pb2, service_pb2
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest
from ablate._request import Made, make
from ablate._scan_stream import assembler
from ablate._signature import spelled_out
from ablate.async_jobs import AsyncJob
from ablate.async_streams import AsyncScanStream
from ablate.errors import AblateError, UnavailableError
from ablate.explanation import Explanation, explanation_of
from ablate.options import ScanOptions
from ablate.scan import Scan


class AsyncClient(AsyncMeansCalls):
    """`Client` for asyncio, made by `ablate.connect_async`: the same names, arguments and errors, with `await`.

    Belongs to the event loop in which its first call is made, and to the process that made it. Data sets are read
    before the first `await`. Examples await at the prompt, as `python -m asyncio` and notebooks do.
    """

    def __init__(self, address: str | None = None, *, token: str | None = None, tls: TlsChoice = None) -> None:
        self._connection = AsyncConnection(Endpoint.make(address, token, tls))

    @property
    def address(self) -> str:
        """`Client.address`."""
        return self._connection.endpoint.address

    @spelled_out(ScanOptions)
    async def scan(
        self,
        prompts: Prompts | AblateRequest,
        *,
        timeout: float | None = None,
        progress: bool | None = None,
        **options: Unpack[ScanOptions],
    ) -> Scan:
        """`Client.scan`.

        >>> import ablate, asyncio
        >>> async def two_prompts():
        ...     async with ablate.connect_async(address) as client:
        ...         texts = ["Berlin is the capital of", "Rome is the capital of"]
        ...         return await asyncio.gather(*(client.scan(text, target=" Germany") for text in texts))
        >>> [scan.array("delta_target_logprob").shape for scan in asyncio.run(two_prompts())]
        [(12, 12), (12, 12)]
        """
        made = await self._make(prompts, options)
        whole = assembler(made)
        responses = self._connection.stream(_calls.ABLATE, made.request, timeout)
        with Progress(progress, "rows") as bar, responses:
            try:
                async for response in responses:
                    whole.take(response)
                    if response.HasField("row_block") and whole.manifest is not None:
                        bar.show(whole.rows, whole.manifest.total_rows)
            except AblateError as error:
                raise _calls.name_origins(error, made.data) from None
        return whole.finish()

    @spelled_out(ScanOptions)
    def stream(
        self, prompts: Prompts | AblateRequest, *, timeout: float | None = None, **options: Unpack[ScanOptions]
    ) -> AsyncScanStream:
        """`Client.stream`: `async with client.stream(...) as rows`, `async for row in rows`.

        >>> async def count(**options):
        ...     async with client.stream("Berlin is the capital of", **options) as rows:
        ...         return sum([row["layer"] == 5 async for row in rows])
        >>> await count(target=" Germany", layers=5)
        12
        """
        return AsyncScanStream(self, make(prompts, options), timeout)

    @spelled_out(ScanOptions)
    async def explain(
        self, prompts: Prompts | AblateRequest, *, timeout: float | None = None, **options: Unpack[ScanOptions]
    ) -> Explanation:
        """`Client.explain`.

        >>> (await client.explain("Berlin is the capital of", target=" Germany", layers=5)).n_runs
        13
        """
        made = await self._make(prompts, options)
        request = explain_pb2.ExplainPlanRequest(request=made.request)
        try:
            return explanation_of(await self._connection.unary(_calls.EXPLAIN, request, timeout))
        except AblateError as error:
            raise _calls.name_origins(error, made.data) from None

    @spelled_out(ScanOptions)
    async def submit(
        self,
        prompts: Prompts | AblateRequest,
        *,
        name: str = "",
        request_id: str | None = None,
        **options: Unpack[ScanOptions],
    ) -> AsyncJob:
        """`Client.submit`.

        >>> job = await client.submit("Berlin is in", target=" Germany")
        >>> (await job.wait()).state
        'SUCCEEDED'
        """
        made = await self._make(prompts, options)
        parts = _calls.job_parts(made.request, name, request_id or str(uuid.uuid4()))
        try:
            response = await self._connection.upload(_calls.SUBMIT_JOB, parts, None)
        except AblateError as error:
            raise _calls.name_origins(error, made.data) from None
        return AsyncJob(self._connection, response.job, made.data.fields)

    async def job(self, id: str) -> AsyncJob:
        """`Client.job`.

        >>> job = await client.submit("Berlin is in", target=" Germany")
        >>> (await client.job(job.id)).id == job.id
        True
        """
        response = await self._connection.unary(_calls.GET_JOB, jobs_pb2.GetJobRequest(id=id), default_timeout(None))
        return AsyncJob(self._connection, response.job)

    async def jobs(self, *states: JobState) -> AsyncIterator[AsyncJob]:
        """`Client.jobs`, for `async for`.

        >>> job = await client.submit("Berlin is in", target=" Germany")
        >>> async def ids():
        ...     return [one.id async for one in client.jobs()]
        >>> job.id in await ids()
        True
        """
        request = _calls.list_jobs(states)
        while True:
            page = await self._connection.unary(_calls.LIST_JOBS, request, default_timeout(None))
            for message in page.jobs:
                yield AsyncJob(self._connection, message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    @overload
    async def tokenize(self, texts: str, *, prepend_bos: bool = False, timeout: float | None = None) -> list[Token]: ...  # type: ignore[overload-overlap]
    @overload
    async def tokenize(
        self, texts: Sequence[str], *, prepend_bos: bool = False, timeout: float | None = None
    ) -> list[list[Token]]: ...
    async def tokenize(
        self, texts: str | Sequence[str], *, prepend_bos: bool = False, timeout: float | None = None
    ) -> list[Token] | list[list[Token]]:
        """`Client.tokenize`.

        >>> [token.text for token in await client.tokenize("Rome is in Italy")]
        ['R', 'ome', ' is', ' in', ' Italy']
        """
        listed = [texts] if isinstance(texts, str) else list(texts)
        request = service_pb2.TokenizeRequest(texts=listed, prepend_bos=prepend_bos)
        response = await self._connection.unary(_calls.TOKENIZE, request, default_timeout(timeout))
        made = _calls.tokens_of(response, len(listed))
        return made[0] if isinstance(texts, str) else made

    async def describe(self, *, timeout: float | None = None) -> service_pb2.DescribeModelResponse:
        """`Client.describe`.

        >>> (await client.describe()).model.n_layers
        12
        """
        request = service_pb2.DescribeModelRequest()
        return await self._connection.unary(_calls.DESCRIBE, request, default_timeout(timeout))

    async def health(self, *, timeout: float | None = None) -> HealthStatus:
        """`Client.health`.

        >>> await client.health()
        'SERVING'
        """
        return await self._connection.unary(_calls.HEALTH, None, default_timeout(timeout))

    async def wait_ready(self, timeout: float = 120.0) -> None:
        """`Client.wait_ready`.

        >>> await client.wait_ready(timeout=30)
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                status: str = await self.health(timeout=max(0.1, deadline - time.monotonic()))
                if status == "SERVING":
                    return
            except (UnavailableError, TimeoutError) as error:
                status = str(error)
            if time.monotonic() > deadline:
                raise UnavailableError(f"the server at {self.address} is not ready after {timeout:g} s: {status}")
            await asyncio.sleep(0.1)

    async def close(self) -> None:
        """Ends all calls that run; calls behind it raise RuntimeError.

        >>> import ablate
        >>> other = ablate.connect_async(address)
        >>> await other.close()
        """
        await self._connection.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncClient of {self.address}>"

    async def _make(self, prompts: Prompts | AblateRequest, options: ScanOptions) -> Made:
        made = make(prompts, options)
        if made.tokenizer_of is not None:
            _calls.check_tokenizer(made, await self.describe())
        return made


def connect_async(address: str | None = None, *, token: str | None = None, tls: TlsChoice = None) -> AsyncClient:
    """`ablate.connect` for asyncio; may be called where no event loop runs yet.

    >>> import ablate, asyncio
    >>> async def health():
    ...     async with ablate.connect_async(address) as client:
    ...         return await client.health()
    >>> asyncio.run(health())
    'SERVING'
    """
    token, tls = from_environment(token, tls)
    return AsyncClient(address, token=token, tls=tls)
