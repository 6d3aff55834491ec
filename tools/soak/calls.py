"""The calls on jobs, without the retries of the Python package: a soak must see what breaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import grpc

from ablate._proto.ablation.v1 import jobs_pb2 as v1
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest

SERVICE = "/ablation.v1.AblationService/"
# A connection of its own for each object, that comes back soon after its server.
CHANNEL_OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
]
# A call that hangs is a finding too.
TIMEOUT_S = 60.0


class Calls:
    """A connection. Thread-safe."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)

    def close(self) -> None:
        self._channel.close()

    def submit(self, request: AblateRequest, request_id: str = "", timeout: float = TIMEOUT_S) -> v1.Job:
        return self.submit_parts([v1.SubmitJobRequest(request=request, request_id=request_id)], timeout)

    def submit_parts(self, parts: Sequence[v1.SubmitJobRequest], timeout: float = TIMEOUT_S) -> v1.Job:
        call = self._channel.stream_unary(
            SERVICE + "SubmitJob", v1.SubmitJobRequest.SerializeToString, v1.SubmitJobResponse.FromString
        )
        return call(iter(parts), timeout=timeout).job

    def get(self, job: str) -> v1.Job:
        return self._unary("GetJob", v1.GetJobRequest(id=job), v1.GetJobResponse).job

    def cancel(self, job: str) -> v1.Job:
        return self._unary("CancelJob", v1.CancelJobRequest(id=job), v1.CancelJobResponse).job

    def delete(self, job: str) -> None:
        self._unary("DeleteJob", v1.DeleteJobRequest(id=job), v1.DeleteJobResponse)

    def list_page(self, request: v1.ListJobsRequest) -> v1.ListJobsResponse:
        return self._unary("ListJobs", request, v1.ListJobsResponse)

    def list_all(self, page_size: int = 0) -> list[v1.Job]:
        """All pages', the newest first."""
        request, jobs = v1.ListJobsRequest(page_size=page_size), list[v1.Job]()
        while True:
            page = self.list_page(request)
            jobs.extend(page.jobs)
            if not page.next_page_token:
                return jobs
            request.page_token = page.next_page_token

    def stream(
        self, job: str, offset: int = 0, only_stored: bool = False, timeout: float | None = None
    ) -> Iterator[v1.StreamJobResultsResponse]:
        """The call itself: it can be cancelled."""
        call = self._channel.unary_stream(
            SERVICE + "StreamJobResults",
            v1.StreamJobResultsRequest.SerializeToString,
            v1.StreamJobResultsResponse.FromString,
        )
        request = v1.StreamJobResultsRequest(id=job, offset=offset, only_stored=only_stored)
        return call(request, timeout=timeout)

    def stored(self, job: str, offset: int = 0) -> tuple[list[bytes], v1.Job]:
        """The results that are there, serialised, and the job. AssertionError where offsets are wrong."""
        messages, end = list[bytes](), None
        for response in self.stream(job, offset, only_stored=True, timeout=TIMEOUT_S):
            assert end is None, "a message behind the job"
            if response.HasField("job"):
                end = response.job
            else:
                messages.append(response.result.SerializeToString(deterministic=True))
            assert response.next_offset == offset + len(messages), (response.next_offset, offset, len(messages))
        assert end is not None, "the stream ended without the job"
        return messages, end

    def _unary(self, name: str, request: Any, response: type[Any]) -> Any:
        call = self._channel.unary_unary(SERVICE + name, type(request).SerializeToString, response.FromString)
        return call(request, timeout=TIMEOUT_S)
