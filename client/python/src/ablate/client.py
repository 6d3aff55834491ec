"""The client."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Unpack, overload

from ablate import _calls
from ablate._calls import HealthStatus, Token, default_timeout
from ablate._channel import Endpoint, TlsChoice
from ablate._connection import Connection
from ablate._job import JobState
from ablate._means_calls import MeansCalls
from ablate._progress import Progress
from ablate._prompts import Prompts
from ablate._proto.ablation.v1 import explain_pb2, jobs_pb2, service_pb2
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest
from ablate._request import Made, make
from ablate._scan_stream import assembler
from ablate._signature import spelled_out
from ablate.errors import AblateError, UnavailableError
from ablate.explanation import Explanation, explanation_of
from ablate.jobs import Job
from ablate.options import ScanOptions
from ablate.scan import Scan
from ablate.streams import ScanStream


class Client(MeansCalls):
    """A connection to an `ablated`, made by `ablate.connect`. Thread-safe; a context manager that closes it.

    Every call raises `ablate.AblateError` (its subclasses say what is wrong), and ValueError or TypeError for arguments
    that cannot be meant. A call that nobody has answered yet is tried again as the service config says
    (`ablate._channel.SERVICE_CONFIG`); once a first message has come, never. RuntimeError behind `close`, and in a
    forked child, which gRPC does not survive: close before the fork and connect in the child, or start the child by
    spawn.
    """

    def __init__(self, address: str | None = None, *, token: str | None = None, tls: TlsChoice = None) -> None:
        self._connection = Connection(Endpoint.make(address, token, tls))

    @property
    def address(self) -> str:
        """Where the server is: `HOST:PORT` or `unix:PATH`."""
        return self._connection.endpoint.address

    @spelled_out(ScanOptions)
    def scan(
        self,
        prompts: Prompts | AblateRequest,
        *,
        timeout: float | None = None,
        progress: bool | None = None,
        **options: Unpack[ScanOptions],
    ) -> Scan:
        """Runs a scan and waits for it.

        Args:
            prompts: a text; token ids; a data set: a path (CSV, JSON lines, JSON, parquet), an iterable of dicts, a
                pandas frame, a Hugging Face `datasets` object, with the keys or columns `prompt`, `target`, `contrast`,
                `corrupted`, `template` (docs/formats.md); or a whole request (`ablate.request`).
            timeout: seconds until the last row; the server drops the work when they are over.
            progress: a bar. None: in terminals and notebooks, where it takes longer than a moment.
            options: `ablate.options.ScanOptions`, by the names of `ablate scan`'s flags: target, contrast, sweep,
                replace, ...

        Raises:
            ValueError, TypeError: an option is at fault, or does not go with another.
            InvalidRequestError, PreconditionError: the server refused it; `violations` names the fields.
            BusyError, TooLargeError, UnavailableError, DeadlineError, ServerError.

        >>> scan = client.scan("Berlin is the capital of", target=" Germany", contrast=" France")
        >>> scan.array("delta_logit_diff").shape
        (12, 12)
        """
        made = self._make(prompts, options)
        whole = assembler(made)
        responses = self._connection.stream(_calls.ABLATE, made.request, timeout)
        with Progress(progress, "rows") as bar, responses:
            try:
                for response in responses:
                    whole.take(response)
                    if response.HasField("row_block") and whole.manifest is not None:
                        bar.show(whole.rows, whole.manifest.total_rows)
            except AblateError as error:
                raise _calls.name_origins(error, made.data) from None
        return whole.finish()

    @spelled_out(ScanOptions)
    def stream(
        self, prompts: Prompts | AblateRequest, *, timeout: float | None = None, **options: Unpack[ScanOptions]
    ) -> ScanStream:
        """Runs a scan and gives its rows as they are computed: dicts with the names of `Scan.to_pandas`.

        Arguments and errors are `scan`'s; the server's errors come with the first row. Nothing is kept, so that a scan
        may be larger than memory. After the last row IncompleteError where the stream was not whole.

        >>> with client.stream("Berlin is the capital of", target=" Germany", layers=5) as rows:
        ...     sum(row["layer"] == 5 for row in rows)
        12
        """
        return ScanStream(self._connection, self._make(prompts, options), timeout)

    @spelled_out(ScanOptions)
    def explain(
        self, prompts: Prompts | AblateRequest, *, timeout: float | None = None, **options: Unpack[ScanOptions]
    ) -> Explanation:
        """What `scan` with these arguments would take - forward passes, cost, operations, time -, without running it.

        Arguments and errors are `scan`'s, but that a scan which costs too much is explained too: `Explanation.fits` is
        then False. UnimplementedError of servers without this call.

        >>> plan = client.explain("Berlin is the capital of", target=" Germany")
        >>> plan.n_runs, plan.forward_passes, plan.fits
        (145, 1, True)
        """
        made = self._make(prompts, options)
        request = explain_pb2.ExplainPlanRequest(request=made.request)
        try:
            return explanation_of(self._connection.unary(_calls.EXPLAIN, request, timeout))
        except AblateError as error:
            raise _calls.name_origins(error, made.data) from None

    @spelled_out(ScanOptions)
    def submit(
        self,
        prompts: Prompts | AblateRequest,
        *,
        name: str = "",
        request_id: str | None = None,
        **options: Unpack[ScanOptions],
    ) -> Job:
        """Stores a scan on the server, to be run behind those of clients that wait: it outlives both.

        Args:
            prompts, options: as `scan`'s.
            name: for people, at most 200 bytes.
            request_id: a UUID; the job of an id that was submitted before is returned as it is now. None: a new one.

        Raises: as `scan`; PreconditionError where the server keeps no jobs, UnimplementedError of servers without them.

        >>> job = client.submit(["Berlin is in", "Rome is in"], target=" Germany", name="two towns")
        >>> job.wait().state
        'SUCCEEDED'
        >>> job.results().array("delta_target_logprob").shape
        (2, 12, 12)
        """
        made = self._make(prompts, options)
        parts = _calls.job_parts(made.request, name, request_id or str(uuid.uuid4()))
        try:
            response = self._connection.upload(_calls.SUBMIT_JOB, parts, None)
        except AblateError as error:
            raise _calls.name_origins(error, made.data) from None
        return Job(self._connection, response.job, made.data.fields)

    def job(self, id: str) -> Job:
        """The job of this id. NotFoundError where there is none.

        >>> id = client.submit("Berlin is in", target=" Germany").id
        >>> client.job(id).wait().state
        'SUCCEEDED'
        """
        response = self._connection.unary(_calls.GET_JOB, jobs_pb2.GetJobRequest(id=id), default_timeout(None))
        return Job(self._connection, response.job)

    def jobs(self, *states: JobState) -> Iterator[Job]:
        """The server's jobs, the newest first; only those in one of `states`, where any is named.

        >>> job = client.submit("Berlin is in", target=" Germany")
        >>> job.id in [one.id for one in client.jobs("QUEUED", "RUNNING", "SUCCEEDED")]
        True
        """
        request = _calls.list_jobs(states)
        while True:
            page = self._connection.unary(_calls.LIST_JOBS, request, default_timeout(None))
            yield from (Job(self._connection, message) for message in page.jobs)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    @overload
    def tokenize(self, texts: str, *, prepend_bos: bool = False, timeout: float | None = None) -> list[Token]: ...  # type: ignore[overload-overlap]
    @overload
    def tokenize(
        self, texts: Sequence[str], *, prepend_bos: bool = False, timeout: float | None = None
    ) -> list[list[Token]]: ...
    def tokenize(
        self, texts: str | Sequence[str], *, prepend_bos: bool = False, timeout: float | None = None
    ) -> list[Token] | list[list[Token]]:
        """The tokens of a text, or of each of many.

        >>> [token.text for token in client.tokenize("Rome is in Italy")]
        ['R', 'ome', ' is', ' in', ' Italy']
        """
        listed = [texts] if isinstance(texts, str) else list(texts)
        request = service_pb2.TokenizeRequest(texts=listed, prepend_bos=prepend_bos)
        response = self._connection.unary(_calls.TOKENIZE, request, default_timeout(timeout))
        made = _calls.tokens_of(response, len(listed))
        return made[0] if isinstance(texts, str) else made

    def describe(self, *, timeout: float | None = None) -> service_pb2.DescribeModelResponse:
        """What the server holds (`model`: sizes, hashes) and how it computes (`runtime`: device, precision, limits).

        >>> client.describe().model.n_layers
        12
        """
        request = service_pb2.DescribeModelRequest()
        return self._connection.unary(_calls.DESCRIBE, request, default_timeout(timeout))

    def health(self, *, timeout: float | None = None) -> HealthStatus:
        """SERVING, or NOT_SERVING: it loads or drains. UnavailableError where nobody answers.

        >>> client.health()
        'SERVING'
        """
        return self._connection.unary(_calls.HEALTH, None, default_timeout(timeout))

    def wait_ready(self, timeout: float = 120.0) -> None:
        """Waits until the server is SERVING. UnavailableError where it is not within `timeout` seconds.

        >>> client.wait_ready(timeout=30)
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                status: str = self.health(timeout=max(0.1, deadline - time.monotonic()))
                if status == "SERVING":
                    return
            except (UnavailableError, TimeoutError) as error:
                status = str(error)
            if time.monotonic() > deadline:
                raise UnavailableError(f"the server at {self.address} is not ready after {timeout:g} s: {status}")
            time.sleep(0.1)

    def close(self) -> None:
        """Ends all calls that run; calls behind it raise RuntimeError.

        >>> import ablate
        >>> other = ablate.connect(address)
        >>> other.close()
        """
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self.address}>"

    def _make(self, prompts: Prompts | AblateRequest, options: ScanOptions) -> Made:
        made = make(prompts, options)
        if made.tokenizer_of is not None:
            _calls.check_tokenizer(made, self.describe())
        return made
