"""Rows as they come, sync and asyncio."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import numpy as np
import pytest

import ablate
from ablate import _calls
from tests.python.fake_server import Failure

SCAN: dict[str, Any] = {"prompts": "Berlin is the capital of", "target": " Germany", "contrast": " France"}


def test_rows_come_before_the_scan_has_ended(endless, request_):
    with ablate.connect(endless.address) as client, client.stream(request_) as rows:
        assert [next(rows)["variant"] for _ in range(2)]
        assert rows.manifest.n_variants == 12
        assert len(rows.variants) == 12
        assert len(rows.prompts) == 1
        assert rows.completion is None


def test_the_manifest_is_there_with_the_first_row(client):
    rows = client.stream(**SCAN, layers=5)
    with pytest.raises(RuntimeError, match="comes with the first row"):
        rows.manifest  # noqa: B018
    assert sum(1 for _ in rows) == 13
    assert rows.completion is not None
    assert list(rows) == []


def test_a_stream_that_is_not_whole_is_an_error(fake, recorded, request_):
    fake.answer(_calls.ABLATE, recorded[:-1])
    with ablate.connect(fake.address) as client:
        rows = client.stream(request_)
        for _ in range(13):
            next(rows)
        with pytest.raises(ablate.IncompleteError, match="after 13 of 13 rows"):
            next(rows)


# The asyncio client: the same answers to the same questions.


def run(address: str, use: Any) -> Any:
    async def inside() -> Any:
        async with ablate.connect_async(address) as client:
            return await use(client)

    return asyncio.run(asyncio.wait_for(inside(), 60))


def test_async_scans_are_the_sync_ones(server, client):
    options = {"top_k": 2, "effects": True, "replace": ["zero", "scale"], "factor": 0.5}
    ours = run(server.address, lambda a: a.scan(**SCAN, **options))
    theirs = client.scan(**SCAN, **options)
    assert ours.columns.keys() == theirs.columns.keys()
    for name, column in theirs.columns.items():
        np.testing.assert_array_equal(ours.columns[name], column)


def test_async_calls(server, client, tmp_path):
    async def use(a: ablate.AsyncClient) -> None:
        await a.wait_ready()
        assert await a.health() == "SERVING"
        assert (await a.describe()).model == client.describe().model
        assert await a.tokenize("Rome is") == client.tokenize("Rome is")
        assert await a.tokenize(["Rome", "is"]) == client.tokenize(["Rome", "is"])
        library = await a.compute_means(["Rome is in", "Bonn is in"], mode="pooled")
        assert library.id in [one.id for one in await a.means()]
        scan = await a.scan("Rome is", target=" in", replace="mean", means=library, layers=0)
        assert scan.replacements == ["mean"]
        await a.export_means(library, tmp_path / "means")
        await a.delete_means(library)
        assert (await a.import_means(tmp_path / "means")).id == library.id
        await a.delete_means(library.id)
        assert "127.0.0.1" in repr(a)

    run(server.address, use)


def test_async_rows(server):
    async def use(a: ablate.AsyncClient) -> list[dict[str, Any]]:
        async with a.stream(**SCAN, layers=5) as rows:
            return [row async for row in rows]

    assert len(run(server.address, use)) == 13


def test_async_errors(server, tmp_path):
    async def use(a: ablate.AsyncClient) -> None:
        with pytest.raises(ablate.InvalidRequestError) as caught:
            await a.scan(**SCAN, layers=99)
        assert caught.value.violations[0].field == "sweep.filter.layers[0]"
        with pytest.raises(ablate.InvalidRequestError):
            async for _ in a.stream(**SCAN, layers=99):
                pass
        path = tmp_path / "ids.csv"
        path.write_text("clean,correct_idx\nRome is in,3\n")
        for call in (a.scan(path, tokenizer_of="Llama"), anext(a.stream(path, tokenizer_of="Llama"))):
            with pytest.raises(ValueError, match="the server holds 'demo'"):
                await call
        rows = a.stream(path, tokenizer_of="demo", layers=0)
        assert len([row async for row in rows]) == 13

    run(server.address, use)


def test_an_async_stream_that_is_not_whole_is_an_error(fake, recorded, request_):
    fake.answer(_calls.ABLATE, recorded[:-1])

    async def use(a: ablate.AsyncClient) -> None:
        with pytest.raises(ablate.IncompleteError):
            async for _ in a.stream(request_):
                pass
        with pytest.raises(ablate.IncompleteError):
            await a.scan(request_)

    run(fake.address, use)


def test_async_calls_are_tried_again(fake, recorded, request_):
    unavailable = [Failure(grpc.StatusCode.UNAVAILABLE)]
    fake.answer(_calls.ABLATE, unavailable, recorded)

    async def use(a: ablate.AsyncClient) -> ablate.Scan:
        return await a.scan(request_)

    assert len(run(fake.address, use)) == 13


def test_an_async_client_may_be_made_where_no_loop_runs(server):
    a = ablate.connect_async(server.address)

    async def use() -> str:
        async with a:
            return await a.health()

    assert asyncio.run(use()) == "SERVING"
