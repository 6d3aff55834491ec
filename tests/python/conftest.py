"""One server with the bundled model for all tests of the Python package, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import ablate
from ablate import _calls
from ablate._connection import Connection
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest, AblateResponse
from tests.e2e.programs import Server
from tests.python.fake_server import Call, FakeServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    server = Server(folder, "--means-dir", folder / "means", "--jobs-dir", folder / "jobs")
    with ablate.connect(server.address) as client:
        client.wait_ready(60)
    yield server
    assert server.stop() == 0, server.text()


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[ablate.Client]:
    with ablate.connect(server.address) as client:
        yield client


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    """A server that answers as a test tells it to."""
    server = FakeServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def request_() -> AblateRequest:
    """A scan of 13 rows."""
    return ablate.request("Berlin is the capital of", target=" Germany", contrast=" France", layers=5)


@pytest.fixture(scope="module")
def recorded(client: ablate.Client, request_: AblateRequest) -> list[AblateResponse]:
    """What the real server answers to `request_`."""
    connection: Connection = client._connection
    return list(connection.stream(_calls.ABLATE, request_, None))


@pytest.fixture
def endless(fake: FakeServer, recorded: list[AblateResponse]) -> FakeServer:
    """Sends its rows, and then waits for the client to leave."""

    def answer(call: Call) -> Iterator[AblateResponse]:
        yield from recorded[:-1]
        assert call.cancelled.wait(20), "the call goes on"

    fake.answer(_calls.ABLATE, answer)
    return fake
