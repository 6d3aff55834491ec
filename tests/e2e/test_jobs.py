"""Jobs of the real `ablated`: who gets which, in what order results come back, and what outlives a server."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

import ablate
from ablate._proto.ablation.v1 import jobs_pb2 as v1
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest
from tests.oracle.models import DEMO, Geometry, write_random_model
from tests.oracle.probe import BUILD_DIR
from tools.soak.calls import Calls
from tools.soak.server import Ablated
from tools.soak.table import differences, make_table
from tools.soak.workload import make_requests

PROGRAM = BUILD_DIR / "bin" / "ablated"
#: Of tests/server/fake_ablated.cc: starts at once, and has token ids 0 .. 260.
FAKE = BUILD_DIR / "tests" / "ablated_with_fake_engine"
HEADS = make_requests()["heads"]
# Small enough that a reader who does not read fills it.
STREAM_BYTES = 64 << 10


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ablated]:
    server = Ablated(PROGRAM, DEMO, tmp_path_factory.mktemp("server"), "--max-stream-bytes", f"{STREAM_BYTES}")
    server.start()
    server.wait_ready()
    yield server
    server.stop()


@pytest.fixture
def calls(server: Ablated) -> Iterator[Calls]:
    """A connection; no job has anything to do when it goes."""
    calls = Calls(server.address)
    yield calls
    for job in calls.list_all():
        calls.delete(job.id)
    calls.close()


def small(token: int = 0) -> AblateRequest:
    """One prompt of one token, one variant."""
    request = AblateRequest()
    request.prompts.add().token_ids.ids.append(token)
    request.sweep.heads.SetInParent()
    request.sweep.filter.sites.append("L0H0")
    return request


def large() -> AblateRequest:
    """Some 7 MB of results."""
    request = AblateRequest()
    request.CopyFrom(HEADS)
    request.readout.top_k = 100
    return request


def error_of(call: Iterator[v1.StreamJobResultsResponse]) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as raised:
        list(call)
    return raised.value


def wait_until(calls: Calls, job: str, done: int) -> v1.Job:
    """Until so many prompts are stored."""
    deadline = time.monotonic() + 60
    while (now := calls.get(job)).prompts_done < done:
        assert time.monotonic() < deadline, now
        time.sleep(0.01)
    return now


def follow(calls: Calls, job: str) -> tuple[list[bytes], v1.Job]:
    """Reads the job to its end."""
    *results, last = calls.stream(job, timeout=120)
    return [r.result.SerializeToString(deterministic=True) for r in results], last.job


def read_until_it_breaks(stream: Iterator[v1.StreamJobResultsResponse]) -> tuple[list[bytes], int, grpc.RpcError]:
    """The results, the last next_offset, and why."""
    seen, offset = [], 0
    try:
        for response in stream:
            seen.append(response.result.SerializeToString(deterministic=True))
            offset = response.next_offset
    except grpc.RpcError as error:
        return seen, offset, error
    raise AssertionError("the stream ended as if all was there")


def test_a_request_id_names_one_job(calls: Calls) -> None:
    request_id = str(uuid.uuid4())
    with ThreadPoolExecutor(8) as pool:
        jobs = set(pool.map(lambda _: calls.submit(small(), request_id).id, range(8)))
    assert len(jobs) == 1
    assert [job.id for job in calls.list_all()] == list(jobs)
    with pytest.raises(grpc.RpcError) as raised:
        calls.submit(small(1), request_id)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert raised.value.details().startswith("request_id: ")
    follow(calls, jobs.pop())
    assert calls.submit(small(), request_id).state == v1.JOB_STATE_SUCCEEDED, "as it is now"


def test_a_job_gives_what_a_scan_gives(server: Ablated, calls: Calls) -> None:
    with ablate.connect(server.address) as client:
        scan = list(client._connection.stream(ablate._calls.ABLATE, HEADS, None))
    messages, job = follow(calls, calls.submit(HEADS).id)
    assert job.state == v1.JOB_STATE_SUCCEEDED
    assert differences(make_table(messages), make_table(m.SerializeToString() for m in scan)) == []


def test_every_offset_gives_the_tail(calls: Calls) -> None:
    job = calls.submit(HEADS).id
    messages, end = follow(calls, job)
    assert end.n_results == len(messages) > 40
    for offset in range(len(messages) + 1):
        tail, _ = calls.stored(job, offset)
        assert tail == messages[offset:], offset


def test_readers_do_not_wait_for_each_other(calls: Calls, server: Ablated) -> None:
    job = calls.submit(large()).id
    slow_calls = Calls(server.address)
    slow = iter(slow_calls.stream(job, timeout=120))
    seen = [next(slow).result.SerializeToString(deterministic=True)]
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: follow(calls, job), range(2))
    assert first == second
    assert first[1].state == v1.JOB_STATE_SUCCEEDED
    assert sum(map(len, first[0])) > 50 * STREAM_BYTES
    seen += [r.result.SerializeToString(deterministic=True) for r in slow if r.HasField("result")]
    assert seen == first[0]
    slow_calls.close()


def test_a_reader_who_leaves_holds_up_nobody(calls: Calls) -> None:
    job = calls.submit(large()).id
    left = calls.stream(job)
    next(iter(left))
    left.cancel()  # type: ignore[attr-defined]
    assert follow(calls, job)[1].state == v1.JOB_STATE_SUCCEEDED


@pytest.mark.alone
def test_cancelled_it_computes_no_more(calls: Calls) -> None:
    job = calls.submit(HEADS).id
    assert wait_until(calls, job, 2).state == v1.JOB_STATE_RUNNING
    cancelled = calls.cancel(job)
    assert cancelled.state == v1.JOB_STATE_CANCELLED
    begin = time.monotonic()
    follow(calls, calls.submit(small()).id)
    assert time.monotonic() - begin < 5, "the next one waits for a batch at most"
    messages, now = calls.stored(job)
    assert (now.n_results, now.prompts_done) == (cancelled.n_results, cancelled.prompts_done)
    assert len(messages) == now.n_results
    assert now.prompts_done < now.n_prompts
    assert calls.cancel(job).ended_unix_ms == cancelled.ended_unix_ms, "it stays as it ended"


def test_deleted_it_is_gone(calls: Calls) -> None:
    running, ended = calls.submit(HEADS).id, calls.submit(small()).id
    stream = calls.stream(running, timeout=60)
    next(iter(stream))
    calls.delete(running)
    assert error_of(stream).code() == grpc.StatusCode.NOT_FOUND
    follow(calls, ended)
    calls.delete(ended)
    assert calls.list_all() == []
    for call in (calls.get, calls.cancel, calls.delete):
        with pytest.raises(grpc.RpcError) as raised:
            call(ended)
        assert raised.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.alone
def test_scans_wait_for_a_batch_at_most(server: Ablated, calls: Calls) -> None:
    job = calls.submit(large()).id
    wait_until(calls, job, 1)
    seconds = []
    with ablate.connect(server.address) as client:
        while calls.get(job).state == v1.JOB_STATE_RUNNING:
            begin = time.monotonic()
            client.scan(small())
            seconds.append(time.monotonic() - begin)
    assert len(seconds) >= 4, "too few to tell"
    # Batches of jobs are of half a second (server/request_queue.cc), by the device's speed until then.
    assert sorted(seconds)[len(seconds) // 2] < 0.8, seconds
    assert max(seconds) < 3, seconds


def test_jobs_do_not_starve(server: Ablated, calls: Calls) -> None:
    job_ended = threading.Event()
    scans = []

    def scan_on() -> None:
        with ablate.connect(server.address) as client:
            while not job_ended.is_set():
                scans.append(client.scan(HEADS.prompts[0].text, target=HEADS.prompts[0].targets[0].text))

    threads = [threading.Thread(target=scan_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        request = AblateRequest(prompts=HEADS.prompts[:6])
        assert follow(calls, calls.submit(request).id)[1].state == v1.JOB_STATE_SUCCEEDED
    finally:
        job_ended.set()
        for thread in threads:
            thread.join()
    assert len(scans) > 9, "nobody else wanted the device"


def test_a_drain_ends_streams_and_the_next_server_goes_on(tmp_path: Path) -> None:
    server = Ablated(PROGRAM, DEMO, tmp_path)
    server.start()
    server.wait_ready()
    calls = Calls(server.address)
    job = calls.submit(HEADS).id
    stream = calls.stream(job, timeout=120)
    wait_until(calls, job, 3)
    stopper = threading.Thread(target=server.stop)
    stopper.start()
    seen, offset, error = read_until_it_breaks(stream)
    stopper.join()
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    server.start()
    server.wait_ready()
    assert error.details().endswith(f"go on from offset {offset}")
    rest, end = [], None
    for response in calls.stream(job, offset, timeout=120):
        if response.HasField("job"):
            end = response.job
        else:
            rest.append(response.result.SerializeToString(deterministic=True))
    assert end is not None
    assert end.state == v1.JOB_STATE_SUCCEEDED
    stored, _ = calls.stored(job)
    assert 0 < offset < len(stored)
    assert seen == stored[:offset]
    assert rest == stored[offset:]
    assert differences(make_table(stored), make_table(stored)) == []
    server.stop()


def test_another_models_server_leaves_a_job_alone(tmp_path: Path) -> None:
    fake = Ablated(FAKE, Path("stuck"), tmp_path / "folder")
    fake.start()
    fake.wait_ready()
    job = Calls(fake.address).submit(small()).id
    while Calls(fake.address).get(job).state != v1.JOB_STATE_RUNNING:
        time.sleep(0.01)
    fake.kill()
    geometry = Geometry(n_layer=2, n_head=2, n_embd=16, n_positions=16, vocab_size=300)
    server = Ablated(PROGRAM, write_random_model(tmp_path / "model", geometry, seed=1), tmp_path / "folder")
    server.start()
    server.wait_ready()
    calls = Calls(server.address)
    mine = calls.submit(small()).id
    assert follow(calls, mine)[1].state == v1.JOB_STATE_SUCCEEDED
    waiting = calls.get(job)
    assert waiting.state == v1.JOB_STATE_QUEUED, "also where the other server had begun it"
    assert "the server holds another one" in waiting.waiting_reason
    assert waiting.prompts_done == 0
    server.stop()


def test_pages_over_a_thousand_jobs(tmp_path: Path) -> None:
    server = Ablated(FAKE, Path("stuck"), tmp_path, "--max-open-jobs", "2000")
    server.start()
    server.wait_ready()
    calls = Calls(server.address)
    with ThreadPoolExecutor(8) as pool:
        submitted = list(pool.map(lambda i: calls.submit(small(i % 256)).id, range(1000)))
    assert len(set(submitted)) == 1000
    first = calls.list_page(v1.ListJobsRequest())
    assert len(first.jobs) == 100, "the default"
    listed = [job.id for job in first.jobs]
    newer = calls.submit(small()).id
    while first.next_page_token:
        first = calls.list_page(v1.ListJobsRequest(page_size=170, page_token=first.next_page_token))
        listed += [job.id for job in first.jobs]
    assert len(listed) == 1000
    assert set(listed) == set(submitted)
    every = calls.list_page(v1.ListJobsRequest(page_size=1000))
    assert every.jobs[0].id == newer, "the newest first"
    assert every.next_page_token
    calls.cancel(newer)
    cancelled = calls.list_page(v1.ListJobsRequest(states=[v1.JOB_STATE_CANCELLED]))
    assert [job.id for job in cancelled.jobs] == [newer]
    assert not cancelled.next_page_token
    server.kill()


# With it, or by a loss of the device, which ends the server.
@pytest.mark.parametrize(
    ("variable", "code"), [("FAKE_ABORT_AT_TOKEN", -signal.SIGABRT), ("FAKE_LOSE_AT_TOKEN", 1)], ids=["abort", "lost"]
)
def test_a_prompt_that_crashes_the_server_twice_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, code: int
) -> None:
    monkeypatch.setenv(variable, "99")
    server = Ablated(FAKE, Path("m"), tmp_path)
    server.start()
    server.wait_ready()
    calls = Calls(server.address)
    request = AblateRequest()
    for token in (*range(40), 99, *range(100, 140)):
        request.prompts.add().token_ids.ids.append(token)
    request_id = str(uuid.uuid4())
    # It may die before it answers.
    with contextlib.suppress(grpc.RpcError):
        calls.submit(request, request_id)
    for _ in range(2):
        assert server.await_end() == code
        server.start()
    server.wait_ready()
    job = calls.submit(request, request_id).id
    messages, end = follow(calls, job)
    assert end.state == v1.JOB_STATE_PARTIAL
    assert [skipped.prompt_index for skipped in end.skipped_prompts] == [40]
    assert "crashed 2 times" in end.skipped_prompts[0].reason
    assert end.prompts_done == 80
    table = make_table(messages)
    assert {key[0] for key in table.rows} == set(range(81)) - {40}
    assert table.twice == []
    assert len(calls.list_all()) == 1
    server.stop()


# The job's thread prepares it anew in each server.
def test_a_job_that_crashes_the_server_outside_of_its_prompts_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = Ablated(FAKE, Path("stuck"), tmp_path)
    stuck.start()
    stuck.wait_ready()
    job = Calls(stuck.address).submit(small()).id
    stuck.kill()
    monkeypatch.setenv("FAKE_ABORT_AT_PRICE", "1")
    server = Ablated(FAKE, Path("m"), tmp_path)
    for _ in range(2):
        server.start()
        assert server.await_end() == -signal.SIGABRT
    server.start()
    server.wait_ready()
    end = Calls(server.address).get(job)
    assert end.state == v1.JOB_STATE_FAILED
    assert end.error.reason == "SERVER_CRASHED"
    assert "crashed 2 times while it prepared this job" in end.error.message
    server.stop()
