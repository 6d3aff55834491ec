"""A server of one's own: found, started, and never outliving us."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import grpc
import pytest

from ablate._local_server import LocalServer, LocalServerError, _environment
from ablate._server_files import find_server
from tests.oracle.models import DEMO, ROOT
from tests.oracle.probe import BUILD_DIR

PACKAGE = ROOT / "client" / "python" / "src"


def start(*arguments: str, start_timeout: float = 60, stop_timeout: float = 5) -> LocalServer:
    files = find_server(BUILD_DIR / "bin" / "ablated")
    return LocalServer(files, DEMO, ["--means-dir", "none", *arguments], start_timeout, stop_timeout)


def is_running(pid: int) -> bool:
    try:
        # A zombie has ended.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not is_running(pid)


def stand_in(folder: Path, script: str) -> Path:
    """A program in the server's place."""
    program = folder / "ablated"
    program.write_text("#!/bin/sh\n" + textwrap.dedent(script))
    program.chmod(0o755)
    return program


def test_serves_until_it_is_stopped():
    server = start()
    folder = Path(server.address.removeprefix("unix:")).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700, "only this user reaches the socket"
    with grpc.insecure_channel(server.address) as channel:
        describe = channel.unary_unary("/ablation.v1.AblationService/DescribeModel")
        assert b"demo" in describe(b"", timeout=20)
    assert "listening on unix:" in server.log()
    server.stop()
    assert not is_running(server.pid)
    assert not folder.exists()
    server.stop()


def test_says_what_the_server_wrote_where_it_does_not_start():
    with pytest.raises(LocalServerError, match=r"(?s)exit code 2; it wrote:.*--precision.*half") as caught:
        start("--precision", "half")
    assert "see ablated --help" in str(caught.value)


def test_gives_up_on_a_server_that_never_gets_ready(tmp_path):
    program = stand_in(tmp_path, "echo I am thinking; echo $$ > $0.pid; exec sleep 100")
    with pytest.raises(
        LocalServerError, match=r"(?s)not ready within 0\.5 s, it is running; it wrote:\n  I am thinking"
    ):
        LocalServer(find_server(program), DEMO, [], 0.5, 5)
    assert not is_running(int((tmp_path / "ablated.pid").read_text()))


def test_tells_of_a_signal_and_of_silence(tmp_path):
    with pytest.raises(LocalServerError, match="ended by signal 9; it wrote nothing"):
        LocalServer(find_server(stand_in(tmp_path, "kill -9 $$")), DEMO, [], 20, 5)


def test_a_program_that_cannot_run(tmp_path):
    program = tmp_path / "ablated"
    program.write_text("#!/no/such/shell\n")
    program.chmod(0o755)
    with pytest.raises(LocalServerError, match=f"cannot run {program}"):
        LocalServer(find_server(program), DEMO, [], 20, 5)


def test_a_server_that_does_not_drain_is_killed(tmp_path):
    server = start(stop_timeout=0)
    os.kill(server.pid, signal.SIGSTOP)
    server.stop()
    assert not is_running(server.pid)


# What the parent does once the server runs, and how it ends. `server` is a LocalServer; its pid goes to stdout first.
PARENT = """
import os, signal, sys, threading, time
sys.path.insert(0, {package!r})
from ablate._local_server import LocalServer
from ablate._server_files import find_server
def start():
    files = find_server({program!r})
    return LocalServer(files, files.model("demo"), ["--means-dir", "none"], 60, 5)
server = start()
print(server.pid, os.path.dirname(server.address.removeprefix("unix:")), flush=True)
{end}
"""


def run_parent(end: str) -> tuple[subprocess.CompletedProcess[str], int, Path]:
    code = PARENT.format(package=str(PACKAGE), program=str(BUILD_DIR / "bin" / "ablated"), end=textwrap.dedent(end))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout, done.stderr
    pid, folder = done.stdout.split()[:2]
    return done, int(pid), Path(folder)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os.abort()", -signal.SIGABRT),
        ("os._exit(3)", 3),
    ],
)
def test_ends_with_an_interpreter_that_has_no_time_to_stop_it(end, code):
    done, pid, folder = run_parent(end)
    assert done.returncode == code
    assert wait_until_gone(pid)
    assert not (folder / "ablated.sock").exists(), "it stopped in order"


def test_ends_at_the_interpreters_exit():
    done, pid, folder = run_parent("")
    assert done.returncode == 0, done.stderr
    assert not is_running(pid), "the exit waits for it"
    assert not folder.exists()


def test_outlives_the_thread_that_started_it():
    server_of = """
    server.stop()
    box = []
    thread = threading.Thread(target=lambda: box.append(start()))
    thread.start(); thread.join()
    time.sleep(0.3)
    assert not box[0].has_ended, box[0].log()
    print("fine")
    """
    done, _, _ = run_parent(server_of)
    assert done.stdout.split()[-1] == "fine", done.stderr


def test_a_forked_child_neither_stops_nor_keeps_it():
    forks = """
    child = os.fork()
    if child == 0:
        server.stop()
        sys.exit(0)  # with the handlers of atexit
    os.waitpid(child, 0)
    time.sleep(0.3)
    assert not server.has_ended, server.log()
    if os.fork() == 0:
        os.close(1); os.close(2)
        time.sleep(5)  # inherits our descriptors
        os._exit(0)
    print("fine", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    """
    done, pid, _ = run_parent(forks)
    assert done.stdout.split()[-1] == "fine", done.stderr
    assert wait_until_gone(pid, 3)


def test_takes_only_what_says_how_to_compute_from_the_environment():
    kept = {"ABLATE_THREADS": "2", "ABLATE_MEMORY_BUDGET": "1GiB", "PATH": "/bin", "LD_LIBRARY_PATH": "/theirs"}
    ours = {"ABLATE_PORT_FILE": "x", **kept}
    assert _environment(ours, "") == kept
    assert _environment(ours, "/ours")["LD_LIBRARY_PATH"] == "/ours:/theirs"
    assert _environment({}, "/ours") == {"LD_LIBRARY_PATH": "/ours"}


class TestFindServer:
    @pytest.fixture(autouse=True)
    def _bare(self, monkeypatch, tmp_path):
        for name in ("ABLATE_SERVER_BIN", "ABLATE_BUILD_DIR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PATH", str(tmp_path / "none"))
        monkeypatch.setitem(sys.modules, "ablate_server", None)

    def test_tells_the_ways_out(self):
        with pytest.raises(LocalServerError) as caught:
            find_server()
        for way in ("./run wheel", "ABLATE_BUILD_DIR", "ABLATE_SERVER_BIN", "ablate.connect"):
            assert way in str(caught.value)

    def test_order(self, monkeypatch, tmp_path):
        places = {}
        for name in ("path", "build/bin", "wheel", "variable", "argument"):
            (tmp_path / name).mkdir(parents=True)
            places[name] = stand_in(tmp_path / name, "")
        monkeypatch.setenv("PATH", str(tmp_path / "path"))
        assert find_server().program == places["path"]
        monkeypatch.setenv("ABLATE_BUILD_DIR", str(tmp_path / "build"))
        assert find_server().program == places["build/bin"]

        class Wheel:
            MODELS = tmp_path / "models"
            UnsuitableTorch = ZeroDivisionError

            @staticmethod
            def program(name):
                return places["wheel"]

            @staticmethod
            def library_path():
                return "/torch"

        monkeypatch.setitem(sys.modules, "ablate_server", Wheel)
        assert (find_server().program, find_server().library_path) == (places["wheel"], "/torch")
        monkeypatch.setenv("ABLATE_SERVER_BIN", str(places["variable"]))
        assert find_server().program == places["variable"]
        assert find_server(places["argument"]).program == places["argument"]

    @pytest.mark.parametrize("variable", ["ABLATE_SERVER_BIN", "ABLATE_BUILD_DIR"])
    def test_a_place_that_is_named_is_not_passed_over(self, monkeypatch, tmp_path, variable):
        monkeypatch.setenv(variable, str(tmp_path / "nothing"))
        with pytest.raises(LocalServerError, match=rf"nothing.*from {variable}"):
            find_server()

    def test_an_unsuitable_torch_is_told(self, monkeypatch):
        class Wheel:
            MODELS = None
            UnsuitableTorch = ZeroDivisionError
            program = staticmethod(lambda name: None)
            library_path = staticmethod(lambda: 1 / 0)

        monkeypatch.setitem(sys.modules, "ablate_server", Wheel)
        with pytest.raises(LocalServerError, match="division by zero"):
            find_server()


class TestModel:
    def test_bundled_by_name_and_any_by_path(self, monkeypatch, tmp_path):
        files = find_server(BUILD_DIR / "bin" / "ablated")
        assert files.model("demo") == DEMO
        assert files.model(DEMO) == DEMO
        (tmp_path / "demo").mkdir()
        (tmp_path / "demo" / "config.json").touch()
        monkeypatch.chdir(tmp_path)
        assert files.model("demo") == DEMO
        assert files.model("./demo") == tmp_path / "demo"

    @pytest.mark.parametrize("name", ["gpt5", "", "no/such/folder"])
    def test_unknown(self, name):
        with pytest.raises(LocalServerError, match=rf"model '{name}'.*Expected `demo`"):
            find_server(BUILD_DIR / "bin" / "ablated").model(name)
