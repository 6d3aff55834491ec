"""What a job's results must be, and what brings them back: against a server that plays its part of the contract."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

import ablate
from ablate import _calls, _channel, _retries
from ablate._proto.ablation.v1 import jobs_pb2 as v1
from ablate._proto.ablation.v1.scan_pb2 import AblateResponse
from ablate._retries import Retries
from tests.python.fake_server import Answers, Call, Failure, FakeServer, retry_info
from tests.python.test_jobs import ID, PROMPTS, RUNNING, SUCCEEDED, UNAVAILABLE, stream, without_prompt

ABORTED = Failure(grpc.StatusCode.ABORTED, "a reader that is too slow")
PARTIAL = v1.Job(id=ID, state=v1.JOB_STATE_PARTIAL, n_prompts=2, prompts_done=1, skipped_prompts=[{"prompt_index": 1}])
SOME = {"town": "Berlin"}, {"town": "Rome", "size": 3}
DATA = [prompt | fields for prompt, fields in zip(PROMPTS, SOME, strict=True)]


@pytest.fixture(scope="module")
def results(client: ablate.Client) -> list[AblateResponse]:
    # Compensation is of a difference of answers.
    prompts = [prompt | {"contrast": " France"} for prompt in PROMPTS]
    request = ablate.request(prompts, layers="0-1", summary=True, likelihood=True, compensation=True)
    return list(client._connection.stream(_calls.ABLATE, request, None))


@pytest.fixture(params=["sync", "asyncio"])
def of_job(request: pytest.FixtureRequest, fake: FakeServer) -> Callable[..., Any]:
    """Calls a job's method, in both clients; the job has two prompts."""
    fake.answer(_calls.GET_JOB, [v1.GetJobResponse(job=SUCCEEDED)])

    def call(method: str, **options: Any) -> Any:
        with ablate.connect(fake.address) as client:
            return getattr(client.job(ID), method)(**options)

    async def call_async(method: str, **options: Any) -> Any:
        async with ablate.connect_async(fake.address) as client:
            return await getattr(await client.job(ID), method)(**options)

    if request.param == "sync":
        return call
    return lambda method, **options: asyncio.run(call_async(method, **options))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our tries, and gRPC's behind each."""
    monkeypatch.setattr(_retries, "FIRST_DELAY", 0.001)
    monkeypatch.setitem(_channel.SERVICE_CONFIG["methodConfig"][0]["retryPolicy"], "initialBackoff", "0.01s")


def get(*answers: v1.Job | Failure) -> list[Answers]:
    return [[one if isinstance(one, Failure) else v1.GetJobResponse(job=one)] for one in answers]


def hung(call: Call) -> Iterator[Any]:
    call.cancelled.wait(20)
    yield from ()


# Trying again.


def test_delays_and_tries_are_those_of_the_cpp_client():
    error = ablate.UnavailableError("gone", ablate.errors.ErrorDetails(code=grpc.StatusCode.UNAVAILABLE))
    retries = Retries()
    expected = [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10, 10]
    assert [retries.delay(error) for _ in expected] == pytest.approx(expected)
    with pytest.raises(ablate.UnavailableError):
        retries.delay(error)
    retries.reset()
    assert retries.delay(error) == 0.2


def test_a_server_may_ask_for_more_time_but_not_for_ever(fake):
    fake.answer(_calls.HEALTH, *([Failure(grpc.StatusCode.ABORTED, "", [retry_info(s)])] for s in (3, 300)))
    for expected in (3, 10):
        with ablate.connect(fake.address) as client, pytest.raises(ablate.ServerError) as caught:
            client.health()
        assert Retries().delay(caught.value) == expected


def test_waiting_outlives_a_server_that_goes(fake, of_job, quick):
    """gRPC's own four tries are over with the first failures."""
    gone = [UNAVAILABLE] * 7
    fake.answer(_calls.GET_JOB, *get(RUNNING, *gone, RUNNING, ABORTED, *gone, SUCCEEDED))
    assert of_job("wait").state == "SUCCEEDED"


def test_waiting_does_not_outlive_what_is_for_good(fake, of_job, quick):
    fake.answer(_calls.GET_JOB, *get(RUNNING, Failure(grpc.StatusCode.NOT_FOUND, "deleted")))
    with pytest.raises(ablate.NotFoundError):
        of_job("wait")


def test_waiting_gives_up_on_a_server_that_stays_away(fake, of_job, quick, monkeypatch):
    monkeypatch.setattr(_retries, "TRIES", 1)
    fake.answer(_calls.GET_JOB, *get(RUNNING, UNAVAILABLE))
    with pytest.raises(ablate.UnavailableError):
        of_job("wait")
    assert len(fake.called(_calls.GET_JOB)) == 1 + 2 * 4, "gRPC tries each four times"


def test_waiting_ends_in_time_though_the_server_hangs(fake, of_job):
    fake.answer(_calls.GET_JOB, *get(RUNNING), hung)
    began = time.monotonic()
    with pytest.raises(ablate.DeadlineError, match=r"not ended within 0.3 s: <\w*Job .*: RUNNING, 1 of 2 prompts>"):
        of_job("wait", timeout=0.3)
    assert time.monotonic() - began < 5


def test_waiting_without_time_is_a_look(of_job):
    assert of_job("wait", timeout=0).state == "SUCCEEDED"


@pytest.mark.parametrize("failure", [UNAVAILABLE, ABORTED])
def test_results_go_on_behind_what_passes(fake, of_job, quick, results, failure):
    """More often than there are tries: each answer begins them anew."""
    broken = [[*stream(results, None, i)[:1], failure] for i in range(len(results) - 1)]
    fake.answer(_calls.STREAM_JOB, *broken, stream(results, SUCCEEDED, len(results) - 1))
    assert len(of_job("results")) == 50
    calls = fake.called(_calls.STREAM_JOB)
    offsets = [v1.StreamJobResultsRequest.FromString(call.requests[0]).offset for call in calls]
    assert offsets == list(range(len(results)))


# What comes.


def test_a_stream_that_counts_wrong_is_refused(fake, of_job, results):
    good = stream(results, SUCCEEDED)
    for i, offset in ((1, 1), (2, 4), (len(good) - 1, len(good))):
        wrong = stream(results, SUCCEEDED)
        wrong[i].next_offset = offset
        fake.answer(_calls.STREAM_JOB, wrong)
        with pytest.raises(ablate.ContractError, match=f"next_offset is {offset}, expected"):
            of_job("results")


def test_nothing_comes_after_the_job(fake, of_job, results):
    job = v1.StreamJobResultsResponse(job=SUCCEEDED, next_offset=len(results))
    fake.answer(_calls.STREAM_JOB, [*stream(results, SUCCEEDED), job])
    with pytest.raises(ablate.ContractError, match="after the job"):
        of_job("results")


def test_a_manifest_of_another_number_of_prompts_is_refused(fake, of_job, results):
    fake.answer(_calls.GET_JOB, *get(v1.Job(id=ID, state=v1.JOB_STATE_SUCCEEDED, n_prompts=3)))
    fake.answer(_calls.STREAM_JOB, stream(results, SUCCEEDED))
    with pytest.raises(ablate.ContractError, match="announces 2 prompts, the request holds 3"):
        of_job("results")


@pytest.mark.parametrize("kind", ["likelihood_block", "compensation_block"])
def test_a_whole_job_has_everything_of_each_prompt(fake, of_job, results, kind):
    dropped = next(i for i, one in enumerate(results) if one.HasField(kind))
    fake.answer(_calls.STREAM_JOB, stream(results[:dropped] + results[dropped + 1 :], SUCCEEDED))
    for allow_partial in (False, True):
        with pytest.raises(ablate.IncompleteError, match=rf"0 of \d+ entries of {kind[:-6]} of prompt 0"):
            of_job("results", allow_partial=allow_partial)


def test_a_summary_that_began_is_whole(fake, of_job, results):
    fake.answer(_calls.STREAM_JOB, stream([one for one in results if not one.HasField("summary_block")], SUCCEEDED))
    with pytest.raises(ablate.ContractError, match="after 0 of 24 entries of summary"):
        of_job("results")


def test_a_job_is_partial_where_prompts_were_skipped_and_only_there(fake, of_job, results):
    whole, gaps = results, without_prompt(results, 1)
    without_word = v1.Job(id=ID, state=v1.JOB_STATE_PARTIAL, n_prompts=2)
    too_many = v1.Job(id=ID, state=v1.JOB_STATE_SUCCEEDED, n_prompts=2, skipped_prompts=[{"prompt_index": 1}])
    for came, job, message in (
        (whole, without_word, "said to be partial, and 0 of its prompts"),
        (gaps, too_many, "said to be whole, and 1 of its prompts"),
        (whole, PARTIAL, "of prompt 1, which the job says was skipped"),
    ):
        fake.answer(_calls.STREAM_JOB, stream(came, job))
        with pytest.raises(ablate.ContractError, match=message):
            of_job("results")


def test_what_did_not_succeed_is_not_completed(fake, of_job, results):
    fake.answer(_calls.STREAM_JOB, stream(results, v1.Job(id=ID, state=v1.JOB_STATE_CANCELLED, n_prompts=2)))
    with pytest.raises(ablate.ContractError, match="did not succeed"):
        of_job("results", allow_partial=True)


# The data set's other columns.


def test_the_job_that_was_submitted_knows_its_data_sets_columns(fake, results):
    fake.answer(_calls.SUBMIT_JOB, [v1.SubmitJobResponse(job=RUNNING)])
    fake.answer(_calls.STREAM_JOB, stream(results, SUCCEEDED))

    async def use() -> ablate.Scan:
        async with ablate.connect_async(fake.address) as client:
            return await (await client.submit(DATA)).results()

    with ablate.connect(fake.address) as client:
        scans = [client.submit(DATA).results(), asyncio.run(use())]
    for scan in scans:
        assert list(scan.fields) == list(SOME)
        assert scan.to_pandas().groupby("prompt_index")["fields.town"].first().tolist() == ["Berlin", "Rome"]


def test_another_jobs_columns_come_from_its_data_set(fake, of_job, results, tmp_path: Path):
    fake.answer(_calls.STREAM_JOB, stream(results, SUCCEEDED))
    assert list(of_job("results").fields) == []
    assert list(of_job("results", data=DATA).fields) == list(SOME)
    path = tmp_path / "towns.csv"
    path.write_text("prompt,target,town\nBerlin is in, Germany,Berlin\n")
    with pytest.raises(ValueError, match=f"holds 1 prompts, the job {ID} has 2"):
        of_job("results", data=path)
