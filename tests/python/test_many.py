"""A hundred scans at once through one asyncio client: each gets its own rows, and what Python adds to a scan."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import ablate
from tests.e2e.programs import Server
from tools.demo_model.facts import facts

N_SCANS = 100
TEMPLATES = ("{} is the capital of", "The city of {} is the capital of", "{} is in", "The capital,{} , belongs to")
# In turn, so that neighbours differ in their variants, rows and columns too.
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"sweep": "layers", "read": "all"},
    {"replace": ["zero", "constant"], "value": 0.5, "layers": "3-8"},
    {"top_k": 3},
    {"sweep": "pairs", "sites": "L0H*"},
    {"each_position": True, "layers": 5},
    {"effects": True},
)


@pytest.fixture(scope="module")
def requests(client: ablate.Client) -> list[ablate.AblateRequest]:
    """Each another prompt, with an answer of its own."""
    of_one_token = [
        fact
        for fact, tokens in zip(facts(), client.tokenize([f" {fact.country}" for fact in facts()]), strict=True)
        if len(tokens) == 1
    ][:N_SCANS]
    assert len(of_one_token) == N_SCANS
    return [
        ablate.request(
            TEMPLATES[i % len(TEMPLATES)].format(fact.capital),
            target=f" {fact.country}",
            contrast=f" {of_one_token[i - 1].country}",
            **OPTIONS[i % len(OPTIONS)],
        )
        for i, fact in enumerate(of_one_token)
    ]


@pytest.fixture(scope="module")
def alone(client: ablate.Client, requests: Sequence[ablate.AblateRequest]) -> list[ablate.Scan]:
    """One after the other."""
    return [client.scan(request, progress=False) for request in requests]


@dataclass
class Run:
    """The scans of `requests`, and seconds: of the loop's clock, and of this process's processor time."""

    scans: list[ablate.Scan]
    wall: float
    processor: float


async def run_at_once(address: str, requests: Sequence[ablate.AblateRequest]) -> Run:
    async with ablate.connect_async(address) as client:
        await client.wait_ready(60)
        wall, processor = time.perf_counter(), time.process_time()
        scans = await asyncio.gather(*(client.scan(request, progress=False) for request in requests))
        return Run(list(scans), time.perf_counter() - wall, time.process_time() - processor)


def contents(scan: ablate.Scan) -> dict[str, Any]:
    """All that a scan holds but how long it took; arrays as bits."""
    return {
        "manifest": scan.manifest,
        "prompts": list(scan.prompts),
        "variants": list(scan.variants),
        "token_texts": dict(scan.token_texts),
        "columns": {name: (a.dtype, a.shape, a.tobytes()) for name, a in scan.columns.items()},
    }


def check_same(scan: ablate.Scan, expected: ablate.Scan) -> None:
    ours, theirs = contents(scan), contents(expected)
    for part in theirs:
        assert ours[part] == theirs[part], part


def test_each_gets_its_own_rows(server, requests, alone):
    run = asyncio.run(run_at_once(server.address, requests))
    assert len(run.scans) == N_SCANS
    # They were on the server together.
    assert sum(scan.completion.timing.total_ns for scan in run.scans) > 2e9 * run.wall
    for scan, expected in zip(run.scans, alone, strict=True):
        check_same(scan, expected)


def test_scans_alone_differ(requests, alone):
    """So that one who got another's rows would be seen."""
    assert len({scan.columns["kl_divergence"].tobytes() for scan in alone}) == N_SCANS
    assert len({tuple(token.id for token in scan.prompts[0].tokens) for scan in alone}) == N_SCANS
    for request, scan in zip(requests, alone, strict=True):
        assert "".join(token.text for token in scan.prompts[0].tokens) == request.prompts[0].text
        assert np.isfinite(scan.columns["target_logprob"]).all()


async def collected(rows: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row async for row in rows]


def test_each_stream_gives_its_own_rows(server, requests, alone):
    async def streams() -> list[list[dict[str, Any]]]:
        async with ablate.connect_async(server.address) as client:
            return await asyncio.gather(*(collected(client.stream(request)) for request in requests))

    for rows, scan in zip(asyncio.run(streams()), alone, strict=True):
        names = ["variant", "replacement", "edit_position", "position"]
        expected = {tuple(str(row[name]) for name in names): row for row in scan}
        assert len(rows) == len(scan) == len(expected)
        for row in rows:
            theirs = expected[tuple(str(row[name]) for name in names)]
            assert [name for name, value in row.items() if not same(value, theirs[name])] == [], (row, theirs)


def same(a: Any, b: Any) -> bool:
    return a == b or (a != a and b != b)


def refused(request: ablate.AblateRequest) -> ablate.AblateRequest:
    made = ablate.AblateRequest()
    made.CopyFrom(request)
    made.prompts[0].text = ""
    return made


def test_those_refused_or_left_disturb_nobody(server, requests, alone):
    """Every fifth is refused, and every fifth is cancelled at some moment of its life."""

    async def mixed() -> list[ablate.Scan | BaseException]:
        async with ablate.connect_async(server.address) as client:
            await client.wait_ready(60)

            async def one(i: int) -> ablate.Scan:
                return await client.scan(refused(requests[i]) if i % 5 == 1 else requests[i], progress=False)

            tasks = [asyncio.create_task(one(i)) for i in range(N_SCANS)]
            for i in range(2, N_SCANS, 5):
                await asyncio.sleep(0.002)
                tasks[i].cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(mixed())
    assert len(results) == N_SCANS
    assert any(isinstance(result, asyncio.CancelledError) for result in results)
    for i, (result, expected) in enumerate(zip(results, alone, strict=True)):
        if i % 5 == 1:
            assert isinstance(result, ablate.InvalidRequestError), result
        elif i % 5 == 2 and isinstance(result, BaseException):
            assert isinstance(result, asyncio.CancelledError), result
        else:
            assert isinstance(result, ablate.Scan), result
            check_same(result, expected)


def test_overhead_is_measured(server: Server, client: ablate.Client, capsys):
    """No bound: how fast this machine is, and what else it does, is not the package's fault."""
    request = ablate.request("Berlin is the capital of", target=" Germany", contrast=" France")
    client.scan(request, progress=False)
    added, processor = [], time.process_time()
    for _ in range(N_SCANS):
        begin = time.perf_counter()
        scan = client.scan(request, progress=False)
        added.append(time.perf_counter() - begin - scan.completion.timing.total_ns / 1e9)
    processor = time.process_time() - processor
    run = asyncio.run(run_at_once(server.address, [request] * N_SCANS))
    # What the server counts lies inside what the client does.
    assert min(added) > 0
    assert processor > 0 and run.processor > 0
    with capsys.disabled():
        print(
            f"\nPython's part of a scan of {len(scan)} rows: one after the other {1e3 * np.median(added):.2f} ms "
            f"(median of wall time less the server's), {1e3 * processor / N_SCANS:.2f} ms of processor time; "
            f"{N_SCANS} at once {1e3 * run.processor / N_SCANS:.2f} ms of processor time each, "
            f"{1e3 * run.wall / N_SCANS:.2f} ms of wall time with the server's"
        )
