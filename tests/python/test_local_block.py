"""`with ablate.local()`: a client for as long as the block, and nothing left behind it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

import ablate
from ablate._local import Local
from tests.oracle.models import DEMO
from tests.oracle.probe import BUILD_DIR
from tests.python.test_local import is_running, stand_in


def test_gives_a_client_for_as_long_as_the_block():
    local = ablate.local(program=BUILD_DIR / "bin" / "ablated", means_dir="none", threads=1)
    for _ in range(2):
        with local as client:
            assert client.scan("Berlin is", target=" Germany", layers="0", progress=False).array("kl_divergence").any()
            assert "listening on" in local.log
            with pytest.raises(RuntimeError, match="runs already"), local:
                pass
            assert client.address == local.address
        with pytest.raises(RuntimeError, match="does not run"):
            _ = local.address


def test_gives_an_asyncio_client_too():
    async def ask() -> str:
        async with ablate.local(program=BUILD_DIR / "bin" / "ablated", means_dir="none") as client:
            scan = await client.scan("Berlin is", target=" Germany", layers="0", progress=False)
            return scan.manifest.model.name

    assert asyncio.run(ask()) == "demo"


@pytest.mark.parametrize("cancellations", [1, 3])
def test_an_asyncio_block_that_is_cancelled_while_it_starts_leaves_no_server(tmp_path, cancellations):
    pid_file = tmp_path / "ablated.pid"
    program = stand_in(tmp_path, "echo $$ > $0.part; mv $0.part $0.pid; exec sleep 100")
    local = ablate.local(DEMO, program=program)

    async def enter() -> None:
        async with local:
            pass

    async def use() -> None:
        task = asyncio.create_task(enter())
        while not pid_file.exists():
            await asyncio.sleep(0.01)
        for _ in range(cancellations):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(use())
    assert not is_running(int(pid_file.read_text()))
    with pytest.raises(RuntimeError, match="does not run"):
        _ = local.address


def test_an_asyncio_block_that_is_cancelled_as_its_server_gets_ready_stops_it():
    stopped, ready = threading.Event(), threading.Event()

    class Slow:
        has_ended = False

        def stop(self) -> None:
            stopped.set()

    def start(given_up: threading.Event) -> Any:
        ready.set()
        assert given_up.wait(20)
        return Slow()

    async def use() -> None:
        local = Local(start)
        task = asyncio.create_task(local.__aenter__())
        await asyncio.to_thread(ready.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(use())
    assert stopped.is_set()


def test_the_server_stops_though_its_client_does_not_close(monkeypatch):
    """In both kinds of block."""
    stopped: list[bool] = []

    class Server:
        address, has_ended = "unix:/none", False

        def stop(self) -> None:
            stopped.append(True)

    def close(self: object) -> None:
        raise KeyboardInterrupt

    async def enter(local: Local) -> None:
        async with local:
            pass

    local = Local(lambda given_up: Server())  # type: ignore[return-value, arg-type]
    monkeypatch.setattr(ablate.Client, "close", close)
    monkeypatch.setattr(ablate.AsyncClient, "close", close)
    with pytest.raises(KeyboardInterrupt), local:
        pass
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(enter(local))
    assert stopped == [True, True]


def test_the_environments_token_and_authorities_are_another_servers(monkeypatch, tmp_path):
    monkeypatch.setenv("ABLATE_TOKEN", "s3cret")
    monkeypatch.setenv("ABLATE_TLS_CA", str(tmp_path / "none.pem"))
    with ablate.local(program=BUILD_DIR / "bin" / "ablated", means_dir="none") as client:
        assert client.health() == "SERVING"
        assert (client._connection.endpoint.token, client._connection.endpoint.credentials) == (None, None)

    async def ask() -> str:
        async with ablate.local(program=BUILD_DIR / "bin" / "ablated", means_dir="none") as client:
            assert client._connection.endpoint.token is None
            return await client.health()

    assert asyncio.run(ask()) == "SERVING"


def test_jobs_go_with_the_block_unless_a_folder_is_named(monkeypatch, tmp_path):
    """The default of `ablated` is the user's own, which has one server at a time."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    kept = tmp_path / "kept"
    for jobs_dir in (None, kept, "none"):
        local = ablate.local(program=BUILD_DIR / "bin" / "ablated", means_dir="none", jobs_dir=jobs_dir)
        with local as client:
            folder = Path(local.address.removeprefix("unix:")).parent
            if jobs_dir == "none":
                with pytest.raises(ablate.PreconditionError):
                    client.submit("Rome is in", target=" Italy", layers=0)
            else:
                assert client.submit("Rome is in", target=" Italy", layers=0).wait(60).state == "SUCCEEDED"
                assert (jobs_dir or folder / "jobs").is_dir()
        assert not folder.exists()
    assert kept.is_dir()
    assert not (tmp_path / "user").exists()


def test_an_error_in_the_block_tells_where_the_server_died():
    local = ablate.local(program=BUILD_DIR / "bin" / "ablated", means_dir="none")

    def use() -> None:
        with local as client:
            assert local._server is not None
            os.kill(local._server.pid, signal.SIGKILL)
            local._server._process.wait()
            client.scan("Berlin is", target=" Germany", timeout=5)

    with pytest.raises(ablate.UnavailableError) as caught:
        use()
    (note,) = caught.value.__notes__
    assert "local server was ended by signal 9; it wrote:" in note
