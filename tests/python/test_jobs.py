"""Jobs, against a server that plays its part of the contract."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import grpc
import numpy as np
import pytest

import ablate
from ablate import _calls
from ablate._proto.ablation.v1 import jobs_pb2 as v1
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest, AblateResponse
from tests.python.fake_server import Failure, FakeServer

ID = "0123456789abcdef" * 2
PROMPTS = [{"prompt": "Berlin is the capital of", "target": " Germany"}, {"prompt": "Rome is in", "target": " Italy"}]
RUNNING = v1.Job(id=ID, state=v1.JOB_STATE_RUNNING, n_prompts=2, prompts_done=1)
SUCCEEDED = v1.Job(id=ID, state=v1.JOB_STATE_SUCCEEDED, n_prompts=2, prompts_done=2)
UNAVAILABLE = Failure(grpc.StatusCode.UNAVAILABLE, "gone")


@pytest.fixture(scope="module")
def request_() -> AblateRequest:
    return ablate.request(PROMPTS, layers="0-1", summary=True, likelihood=True)


@pytest.fixture(scope="module")
def results(client, request_) -> list[AblateResponse]:
    return list(client._connection.stream(_calls.ABLATE, request_, None))


@pytest.fixture(scope="module")
def expected(client, request_) -> ablate.Scan:
    return client.scan(request_)


def stream(results: list[AblateResponse], job: v1.Job | None, first: int = 0) -> list[v1.StreamJobResultsResponse]:
    made = [v1.StreamJobResultsResponse(result=r, next_offset=i + 1) for i, r in enumerate(results)][first:]
    return made + ([v1.StreamJobResultsResponse(job=job, next_offset=len(results))] if job else [])


@pytest.fixture
def jobs(fake: FakeServer):
    fake.answer(_calls.GET_JOB, [v1.GetJobResponse(job=SUCCEEDED)])
    with ablate.connect(fake.address) as client:
        yield client


def check_same(scan: ablate.Scan, expected: ablate.Scan) -> None:
    assert scan.columns.keys() == expected.columns.keys()
    for name, column in expected.columns.items():
        np.testing.assert_array_equal(scan.columns[name], column)
    assert scan.summary is not None
    assert scan.summary.equals(expected.summary)


def test_submitting_sends_everything_once(fake, jobs, request_):
    fake.answer(_calls.SUBMIT_JOB, [UNAVAILABLE], [v1.SubmitJobResponse(job=RUNNING)])
    job = jobs.submit(PROMPTS, name="facts", layers="0-1", summary=True, likelihood=True)
    assert (job.id, job.state, job.is_final) == (ID, "RUNNING", False)
    first, second = fake.called(_calls.SUBMIT_JOB)
    assert first.requests == second.requests, "tried again under the same request id"
    (part,) = map(v1.SubmitJobRequest.FromString, second.requests)
    assert part.request == request_
    assert part.display_name == "facts"
    assert uuid.UUID(part.request_id).version == 4


def test_a_large_data_set_travels_in_parts(fake, jobs):
    fake.answer(_calls.SUBMIT_JOB, [v1.SubmitJobResponse(job=RUNNING)])
    texts = [f"{i} " + "x" * 10_000 for i in range(1000)]
    jobs.submit(texts, request_id="8f14e45f-ceea-467f-a8d2-6f1f2b1b8b7e")
    parts = [v1.SubmitJobRequest.FromString(one) for one in fake.called(_calls.SUBMIT_JOB)[0].requests]
    assert len(parts) > 5
    assert max(part.ByteSize() for part in parts) < 1_200_000
    assert all(not part.request_id and not part.n_prompts and not part.HasField("request") for part in parts[1:])
    assert parts[0].n_prompts == 1000
    assert parts[0].request_id == "8f14e45f-ceea-467f-a8d2-6f1f2b1b8b7e"
    sent = [*parts[0].request.prompts, *(prompt for part in parts[1:] for prompt in part.prompts)]
    assert [prompt.text for prompt in sent] == texts


def test_waiting_ends_with_the_job(fake, jobs):
    fake.answer(_calls.GET_JOB, *[[v1.GetJobResponse(job=RUNNING)]] * 3, [v1.GetJobResponse(job=SUCCEEDED)])
    job = jobs.job(ID)
    assert job.wait() is job
    assert job.state == "SUCCEEDED"
    assert v1.GetJobRequest.FromString(fake.called(_calls.GET_JOB)[0].requests[0]).id == ID


OTHER_MODEL = v1.Job(id=ID, state=v1.JOB_STATE_QUEUED, n_prompts=2, waiting_reason="the server holds another model")
IN_TROUBLE = v1.Job(id=ID, state=v1.JOB_STATE_RUNNING, n_prompts=2, waiting_reason="the engine failed with it")


def answer_with_reasons(fake: FakeServer) -> None:
    looks = [OTHER_MODEL, OTHER_MODEL, IN_TROUBLE, RUNNING, IN_TROUBLE, SUCCEEDED]
    fake.answer(_calls.GET_JOB, *[[v1.GetJobResponse(job=job)] for job in looks])


def check_reasons(caught: pytest.WarningsRecorder) -> None:
    told = ["the server holds another model", "the engine failed with it"]
    assert [str(one.message) for one in caught] == [f"job {ID} waits: {reason}" for reason in told]
    assert {one.filename for one in caught} == {__file__}


def test_waiting_tells_why_nobody_takes_it_up(fake, jobs):
    answer_with_reasons(fake)
    with pytest.warns(UserWarning, match="waits") as caught:
        jobs.job(ID).wait()
    check_reasons(caught)


def test_async_waiting_tells_it_too(fake):
    answer_with_reasons(fake)

    async def use() -> None:
        async with ablate.connect_async(fake.address) as client:
            await (await client.job(ID)).wait()

    with pytest.warns(UserWarning, match="waits") as caught:
        asyncio.run(asyncio.wait_for(use(), 60))
    check_reasons(caught)


def test_waiting_has_an_end(fake, jobs):
    fake.answer(_calls.GET_JOB, [v1.GetJobResponse(job=RUNNING)])
    with pytest.raises(ablate.DeadlineError, match=r"not ended within 0.3 s: <Job .*: RUNNING, 1 of 2 prompts>"):
        jobs.job(ID).wait(timeout=0.3)


def test_results_are_the_scans(fake, jobs, results, expected):
    fake.answer(_calls.STREAM_JOB, stream(results, SUCCEEDED))
    check_same(jobs.job(ID).results(), expected)


def test_a_broken_stream_goes_on_from_where_it_broke(fake, jobs, results, expected):
    fake.answer(
        _calls.STREAM_JOB,
        [*stream(results, None)[:3], UNAVAILABLE],
        [*stream(results, None, 3)[:1], UNAVAILABLE],
        stream(results, SUCCEEDED, 4),
    )
    check_same(jobs.job(ID).results(), expected)
    calls = fake.called(_calls.STREAM_JOB)
    assert [v1.StreamJobResultsRequest.FromString(call.requests[0]).offset for call in calls] == [0, 3, 4]


def test_a_stream_without_its_job_is_incomplete(fake, jobs, results):
    fake.answer(_calls.STREAM_JOB, stream(results, None))
    with pytest.raises(ablate.IncompleteError, match="without the job itself"):
        jobs.job(ID).results()


def test_a_job_that_succeeded_must_have_all_of_its_results(fake, jobs, results):
    fake.answer(_calls.STREAM_JOB, stream(results[:-1], SUCCEEDED))
    with pytest.raises(ablate.IncompleteError, match="without its completion"):
        jobs.job(ID).results()


def without_prompt(results: list[AblateResponse], prompt: int) -> list[AblateResponse]:
    """What a job gives that set a prompt aside."""
    kept = []
    for response in results:
        made = AblateResponse()
        made.CopyFrom(response)
        if made.HasField("row_block"):
            keep = [i for i, p in enumerate(made.row_block.prompt_index) if p != prompt]
            if not keep:
                continue
            for field in made.row_block.DESCRIPTOR.fields:
                column = getattr(made.row_block, field.name)
                if field.name != "tokens" and len(column):
                    column[:] = [column[i] for i in keep]
        elif made.HasField("likelihood_block") and made.likelihood_block.prompt_index == prompt:
            continue
        elif made.HasField("completion"):
            rows = sum(len(r.row_block.variant) for r in kept if r.HasField("row_block"))
            made.completion.rows = rows
        kept.append(made)
    return kept


def test_a_partial_job_has_gaps(fake, jobs, results, expected):
    partial = v1.Job(id=ID, state=v1.JOB_STATE_PARTIAL, n_prompts=2, prompts_done=1)
    partial.skipped_prompts.add(prompt_index=1, reason="the server died twice")
    fake.answer(_calls.STREAM_JOB, stream(without_prompt(results, 1), partial))
    scan = jobs.job(ID).results()
    np.testing.assert_array_equal(scan.array("entropy", prompt=0), expected.array("entropy", prompt=0))
    assert np.isnan(scan.array("entropy", prompt=1)).all()
    frame = scan.to_pandas()
    assert frame["variant"].tolist() == expected.to_pandas()["variant"].tolist()
    assert frame[frame.prompt_index == 1]["target_logprob"].isna().all()
    assert frame[frame.prompt_index == 1]["target_rank"].isna().all()


def test_gaps_that_nobody_announced_are_an_error(fake, jobs, results):
    fake.answer(_calls.STREAM_JOB, stream(without_prompt(results, 1), SUCCEEDED))
    with pytest.raises(ablate.IncompleteError, match="prompt 1"):
        jobs.job(ID).results()


def test_a_failed_job_raises_its_error(fake, jobs, results):
    failed = v1.Job(id=ID, state=v1.JOB_STATE_FAILED)
    failed.error.code, failed.error.reason, failed.error.message = 3, "RESULT_NOT_FINITE", "not finite"
    fake.answer(_calls.STREAM_JOB, stream(results[:-2], failed))
    with pytest.raises(ablate.InvalidRequestError, match="failed: not finite") as caught:
        jobs.job(ID).results()
    assert caught.value.reason == "RESULT_NOT_FINITE"
    assert len(jobs.job(ID).results(allow_partial=True)) == 50


def test_a_cancelled_job(fake, jobs, results):
    cancelled = v1.Job(id=ID, state=v1.JOB_STATE_CANCELLED, n_prompts=2)
    fake.answer(_calls.CANCEL_JOB, [v1.CancelJobResponse(job=cancelled)])
    fake.answer(_calls.STREAM_JOB, stream(results[:4], cancelled))
    job = jobs.job(ID).cancel()
    assert job.state == "CANCELLED"
    with pytest.raises(ablate.CancelledError, match="allow_partial"):
        job.results()
    assert len(job.results(allow_partial=True)) == 50


def test_what_ended_before_its_first_row_has_no_scan(fake, jobs):
    cancelled = v1.Job(id=ID, state=v1.JOB_STATE_CANCELLED, n_prompts=2)
    fake.answer(_calls.STREAM_JOB, stream([], cancelled))
    with pytest.raises(ablate.IncompleteError):
        jobs.job(ID).results(allow_partial=True)


def test_pages_of_jobs(fake, jobs):
    def page(call: Any) -> list[v1.ListJobsResponse]:
        request = v1.ListJobsRequest.FromString(call.requests[0])
        assert list(request.states) == [v1.JOB_STATE_QUEUED, v1.JOB_STATE_RUNNING]
        token = "" if request.page_token else "more"
        return [v1.ListJobsResponse(jobs=[RUNNING], next_page_token=token)]

    fake.answer(_calls.LIST_JOBS, lambda call: iter(page(call)))
    assert [job.id for job in jobs.jobs("QUEUED", "RUNNING")] == [ID, ID]
    with pytest.raises(ValueError, match="state 'DONE'"):
        list(jobs.jobs("DONE"))


def test_deleting(fake, jobs):
    fake.answer(_calls.DELETE_JOB, [v1.DeleteJobResponse()])
    jobs.job(ID).delete()
    assert v1.DeleteJobRequest.FromString(fake.called(_calls.DELETE_JOB)[0].requests[0]).id == ID


def test_a_job_that_is_not_there(fake, jobs):
    fake.answer(_calls.GET_JOB, [Failure(grpc.StatusCode.NOT_FOUND, "no job")])
    with pytest.raises(ablate.NotFoundError):
        jobs.job(ID)


def test_async_jobs(fake, results, expected):
    fake.answer(_calls.SUBMIT_JOB, [v1.SubmitJobResponse(job=RUNNING)])
    fake.answer(_calls.GET_JOB, [v1.GetJobResponse(job=RUNNING)], [v1.GetJobResponse(job=SUCCEEDED)])
    fake.answer(_calls.STREAM_JOB, [*stream(results, None)[:2], UNAVAILABLE], stream(results, SUCCEEDED, 2))
    fake.answer(_calls.CANCEL_JOB, [v1.CancelJobResponse(job=SUCCEEDED)])
    fake.answer(_calls.DELETE_JOB, [v1.DeleteJobResponse()])
    fake.answer(_calls.LIST_JOBS, [v1.ListJobsResponse(jobs=[SUCCEEDED])])

    async def use() -> ablate.Scan:
        async with ablate.connect_async(fake.address) as client:
            job = await client.submit(PROMPTS, layers="0-1")
            assert (await job.wait()).state == "SUCCEEDED"
            assert [one.id async for one in client.jobs()] == [ID]
            scan = await (await client.job(ID)).results()
            await job.cancel()
            await job.delete()
            return scan

    check_same(asyncio.run(asyncio.wait_for(use(), 60)), expected)
