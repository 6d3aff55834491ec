"""Jobs of the real server."""

from __future__ import annotations

import asyncio
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import ablate
from tests.e2e.programs import Server

TEXTS = [f"{city} is the capital of" for city in ("Berlin", "Rome", "Paris", "Madrid")]
OPTIONS = {"target": " Germany", "contrast": " France", "top_k": 2, "likelihood": True, "summary": True}


def check_same(scan: ablate.Scan, expected: ablate.Scan) -> None:
    assert scan.columns.keys() == expected.columns.keys()
    for name, column in expected.columns.items():
        np.testing.assert_array_equal(scan.columns[name], column)
    assert scan.summary.equals(expected.summary)
    assert [v.label for v in scan.variants] == [v.label for v in expected.variants]


def test_a_jobs_results_are_the_scans_bit_for_bit(client):
    job = client.submit(TEXTS, name="capitals", **OPTIONS)
    assert job.wait(timeout=60).state == "SUCCEEDED"
    assert (job.message.display_name, job.message.prompts_done) == ("capitals", 4)
    expected = client.scan(TEXTS, **OPTIONS)
    check_same(job.results(), expected)
    check_same(client.job(job.id).results(), expected)
    assert job.id in [one.id for one in client.jobs("SUCCEEDED")]
    assert job.id not in [one.id for one in client.jobs("FAILED", "QUEUED")]
    job.delete()
    with pytest.raises(ablate.NotFoundError):
        job.refresh()


def test_results_are_waited_for(client):
    check_same(client.submit(TEXTS, **OPTIONS).results(), client.scan(TEXTS, **OPTIONS))


def test_a_job_is_submitted_once(client):
    request_id = str(uuid.uuid4())
    first = client.submit(TEXTS, request_id=request_id, **OPTIONS)
    assert client.submit(TEXTS, request_id=request_id, **OPTIONS).id == first.id
    with pytest.raises(ablate.InvalidRequestError):
        client.submit(TEXTS[:1], request_id=request_id, **OPTIONS)
    assert client.submit(TEXTS, **OPTIONS).id != first.id


def test_a_prompt_at_fault_is_named(client, tmp_path):
    path = tmp_path / "facts.csv"
    path.write_text("prompt,target\nRome is in, Italy\nRome is in, qqzzx\n")
    with pytest.raises(ablate.InvalidRequestError) as caught:
        client.submit(path)
    assert caught.value.__notes__ == ["prompts[1] is facts.csv, line 3"]


def test_a_cancelled_job_keeps_what_there_is(client):
    job = client.submit(TEXTS * 200, sweep="pairs", target=" Germany", layers="0-2")
    assert job.cancel().state == "CANCELLED"
    with pytest.raises(ablate.CancelledError):
        job.results()
    assert job.wait(timeout=10).is_final


def test_a_job_outlives_its_server(tmp_path, client):
    folder = ["--means-dir", "none", "--jobs-dir", tmp_path / "jobs"]
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    server = Server(tmp_path / "first", *folder)
    with ablate.connect(server.address) as first:
        first.wait_ready(60)
        job_id = first.submit(TEXTS * 5, **OPTIONS).id
    server.process.kill()
    server.process.wait(60)
    server = Server(tmp_path / "second", *folder)
    try:
        with ablate.connect(server.address) as second:
            second.wait_ready(60)
            check_same(second.job(job_id).results(), client.scan(TEXTS * 5, **OPTIONS))
    finally:
        assert server.stop() == 0


def test_those_who_wait_outlive_the_server_too(tmp_path, client):
    """Longer than gRPC's own tries."""
    options = ["--means-dir", "none", "--jobs-dir", tmp_path / "jobs"]
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    texts = TEXTS * 50
    server = Server(tmp_path / "first", *options)

    async def wait(job_id: str) -> str:
        async with ablate.connect_async(server.address) as a:
            return (await (await a.job(job_id)).wait(120)).state

    async def read(job_id: str) -> ablate.Scan:
        async with ablate.connect_async(server.address) as a:
            return await (await a.job(job_id)).results()

    with ablate.connect(server.address) as c, ThreadPoolExecutor(4) as threads:
        c.wait_ready(60)
        job = c.submit(texts, **OPTIONS)
        states = [threads.submit(lambda: c.job(job.id).wait(120).state), threads.submit(asyncio.run, wait(job.id))]
        scans = [threads.submit(c.job(job.id).results), threads.submit(asyncio.run, read(job.id))]
        while not job.refresh().message.prompts_done:
            time.sleep(0.05)
        server.process.kill()
        server.process.wait(60)
        time.sleep(4)
        assert not any(one.done() for one in [*states, *scans])
        server = Server(tmp_path / "second", *options, listen=server.address)
        try:
            assert [one.result(120) for one in states] == ["SUCCEEDED", "SUCCEEDED"]
            expected = client.scan(texts, **OPTIONS)
            for scan in scans:
                check_same(scan.result(120), expected)
        finally:
            assert server.stop() == 0


def test_async_jobs(server, client):
    async def use() -> ablate.Scan:
        async with ablate.connect_async(server.address) as a:
            job = await a.submit(TEXTS, **OPTIONS)
            await job.wait(timeout=60)
            assert job.id in [one.id async for one in a.jobs()]
            return await job.results()

    check_same(asyncio.run(use()), client.scan(TEXTS, **OPTIONS))
