"""A scan that is left, by whatever way, ends on the server: sync and asyncio."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

import ablate
from ablate import _calls
from ablate._assembly import Assembler
from ablate._proto.ablation.v1.scan_pb2 import AblateResponse
from tests.python.fake_server import Call
from tests.python.test_streams import run


def test_leaving_the_block_ends_the_scan(endless, request_):
    with ablate.connect(endless.address) as client:
        with client.stream(request_) as rows:
            next(rows)
        assert endless.calls[0].cancelled.wait(20)
        assert list(rows) == []


def test_another_thread_may_end_a_stream_that_one_waits_for(endless, request_):
    """A generator would have answered that it runs already."""
    with ablate.connect(endless.address) as client, ThreadPoolExecutor(1) as thread:
        rows = client.stream(request_)
        for _ in range(13):
            next(rows)
        waiting = thread.submit(next, rows, "no more")
        assert not wait([waiting], 0.3).done
        for _ in range(2):
            rows.close()
        assert waiting.result(20) == "no more"
        assert endless.calls[0].cancelled.wait(20)


def test_a_stream_that_is_closed_before_its_first_row_is_not_asked_for(endless, request_):
    with ablate.connect(endless.address) as client:
        rows = client.stream(request_)
        rows.close()
        assert list(rows) == []
    assert not endless.calls


def test_what_the_contract_does_not_have_ends_the_scan(fake, recorded, request_):
    """At once, though the error, and so the stream, is held."""

    def answer(call: Call) -> Iterator[AblateResponse]:
        yield from [recorded[0], recorded[0]]
        assert call.cancelled.wait(20), "the call goes on"

    async def use(client: ablate.AsyncClient) -> None:
        rows = client.stream(request_)
        for read in (anext(rows), client.scan(request_)):
            with pytest.raises(ablate.ContractError) as caught:
                await read
            assert await asyncio.to_thread(fake.calls[-1].cancelled.wait, 20), caught

    fake.answer(_calls.ABLATE, answer)
    with ablate.connect(fake.address) as client:
        rows = client.stream(request_)
        for read in (lambda: next(rows), lambda: client.scan(request_)):
            with pytest.raises(ablate.ContractError) as caught:
                read()
            assert fake.calls[-1].cancelled.wait(20), caught
    run(fake.address, use)


def test_a_stream_that_nobody_holds_ends(endless, request_):
    with ablate.connect(endless.address) as client:
        next(client.stream(request_))
        gc.collect()
        assert endless.calls[0].cancelled.wait(20)


def test_an_interrupt_ends_the_scan(endless, request_, monkeypatch):
    """As Ctrl-C does, whose exception comes out of the loop over the messages."""
    with ablate.connect(endless.address) as client:

        def interrupted(self: Assembler, response: AblateResponse) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Assembler, "take", interrupted)
        with pytest.raises(KeyboardInterrupt) as held:
            client.scan(request_)
        assert endless.calls[0].cancelled.wait(20), held


# The asyncio client.


def test_leaving_an_async_block_ends_the_scan(endless, request_):
    async def use(a: ablate.AsyncClient) -> None:
        async with a.stream(request_) as rows:
            await anext(rows)
        assert await asyncio.to_thread(endless.calls[0].cancelled.wait, 20)
        assert [row async for row in rows] == []

    run(endless.address, use)


def test_another_task_may_end_a_stream_that_one_waits_for(endless, request_):
    async def use(a: ablate.AsyncClient) -> None:
        rows = a.stream(request_)
        for _ in range(13):
            await anext(rows)
        waiting = asyncio.ensure_future(anext(rows, "no more"))
        assert not (await asyncio.wait([waiting], timeout=0.3))[0]
        for _ in range(2):
            await rows.close()
        assert await waiting == "no more"
        assert await asyncio.to_thread(endless.calls[0].cancelled.wait, 20)

    run(endless.address, use)


def test_a_task_that_is_cancelled_while_it_waits_for_a_row_hears_of_it(endless, request_):
    """Though its stream is closed as well."""

    async def use(a: ablate.AsyncClient) -> None:
        for closes in (False, True):
            rows = a.stream(request_)
            for _ in range(13):
                await anext(rows)
            waiting = asyncio.ensure_future(anext(rows, "no more"))
            await asyncio.sleep(0.1)
            waiting.cancel()
            if closes:
                await rows.close()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    run(endless.address, use)


def test_cancelling_a_task_ends_the_scan(endless, request_):
    async def use(a: ablate.AsyncClient) -> None:
        task = asyncio.create_task(a.scan(request_))
        while not endless.calls:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(endless.calls[0].cancelled.wait, 20)

    run(endless.address, use)
