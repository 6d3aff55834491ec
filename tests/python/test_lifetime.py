"""A client that is closed, or was made by the parent of a forked process."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

import ablate
from tests.oracle.models import ROOT

# Calls of each kind: one answer, a stream, an upload.
CALLS = {
    "health": lambda client: client.health(),
    "scan": lambda client: client.scan("Rome is in", target=" Italy", progress=False),
    "stream": lambda client: next(client.stream("Rome is in", target=" Italy")),
    "submit": lambda client: client.submit("Rome is in", target=" Italy"),
}
ASYNC_CALLS = CALLS | {"stream": lambda client: anext(client.stream("Rome is in", target=" Italy"))}


@pytest.mark.parametrize("call", CALLS)
def test_a_closed_client_says_so(call):
    with ablate.connect("127.0.0.1:1") as client:
        pass
    client.close()
    with pytest.raises(RuntimeError, match="this client is closed"):
        CALLS[call](client)


@pytest.mark.parametrize("call", ASYNC_CALLS)
@pytest.mark.parametrize("was_used", [False, True])
def test_a_closed_asyncio_client_says_so(call, was_used):
    async def use() -> None:
        async with ablate.connect_async("127.0.0.1:1") as client:
            if was_used:
                with pytest.raises(ablate.UnavailableError):
                    await client.health()
        with pytest.raises(RuntimeError, match="this client is closed"):
            await ASYNC_CALLS[call](client)

    asyncio.run(use())


# Forks a process of its own: this one has gRPC's threads of other tests.
FORK = """
import asyncio, os, sys
sys.path[:0] = [{package!r}, {root!r}]
import ablate
from tests.python.test_lifetime import ASYNC_CALLS, CALLS

def try_all():
    for name, call in CALLS.items():
        try:
            call(client)
        except Exception as error:
            print(name, type(error).__name__, error, flush=True)

async def try_all_async():
    for name, call in ASYNC_CALLS.items():
        try:
            await call(other)
        except Exception as error:
            print(name, type(error).__name__, error, flush=True)
    await other.close()

client, other = ablate.connect("127.0.0.1:1"), ablate.connect_async("127.0.0.1:1")
try:
    client.health()
except ablate.UnavailableError:
    pass
child = os.fork()
if child == 0:
    with client:
        try_all()
    asyncio.run(try_all_async())
    sys.exit(7)
print("parent", os.getpid(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child_is_told_rather_than_left_waiting():
    code = FORK.format(package=str(ROOT / "client" / "python" / "src"), root=str(ROOT))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    *told, parent = done.stdout.splitlines()
    _, pid, exit_code = parent.split()
    assert exit_code == "7", done.stderr
    says = f"RuntimeError this client was made in process {pid} and does not work in a forked child: "
    assert [line.partition(" ")[0] for line in told] == [*CALLS, *ASYNC_CALLS]
    assert all(line.partition(" ")[2].startswith(says) for line in told)
