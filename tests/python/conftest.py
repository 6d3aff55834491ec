"""One server with the bundled model for all tests of the Python package, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import ablate
from tests.e2e.programs import Server
from tests.python.fake_server import FakeServer


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
