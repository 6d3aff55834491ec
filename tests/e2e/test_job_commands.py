"""`ablate job` against the real `ablated`: results are a scan's, whatever happens to the server meanwhile."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.programs import ABLATE, ABLATED, OK, UNAVAILABLE, USAGE
from tests.oracle.models import DEMO

CANCELLED = 6
CITIES = ("Berlin", "Paris", "Rome", "Madrid", "London", "Athens")


class KeptServer:
    """On one socket and one folder of jobs, whoever serves there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"unix:{folder}/socket"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command: list[str | Path] = [
            ABLATED,
            "--model",
            DEMO,
            "--device",
            "cpu",
            "--listen",
            self.address,
            "--threads",
            "1",
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*command, "--jobs-dir", self.folder / "jobs"], stderr=log)
        done = self.ablate("health", "--wait", "60s")
        assert done.returncode == OK, (self.folder / "log").read_text()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ablate(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ABLATE, *command, "--server", self.address], capture_output=True, text=True, timeout=300, check=False
        )

    def submit(self, *options: str | Path) -> str:
        done = self.ablate("job", "submit", *options)
        assert done.returncode == OK, done.stderr
        return done.stdout.strip()

    def job(self, job_id: str) -> dict:
        done = self.ablate("job", "show", job_id, "--format", "json")
        assert done.returncode == OK, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KeptServer]:
    kept = KeptServer(tmp_path)
    kept.start()
    yield kept
    kept.kill()


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    file = tmp_path / "prompts.jsonl"
    lines = ({"prompt": f"{c} is the capital of", "target": " Germany", "contrast": " France"} for c in CITIES)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_results_are_a_scans_byte_for_byte(server: KeptServer, prompts: Path, tmp_path: Path, form: str) -> None:
    what = ("--prompts", prompts, "--summary", "--likelihood", "--compensation", "--top-k", "3", "--layers", "0-2")
    assert server.ablate("scan", *what, "--format", form, "--output", tmp_path / "scan.csv").returncode == OK
    job = server.submit(*what, "--name", "the same")
    done = server.ablate("job", "results", job, "--format", form, "--output", tmp_path / "job.csv")
    assert done.returncode == OK, done.stderr
    for name in ["", ".summary", ".likelihood", ".compensation"] if form == "csv" else [""]:
        ours, theirs = tmp_path / f"job{name}.csv", tmp_path / f"scan{name}.csv"
        assert ours.read_bytes() == theirs.read_bytes(), name
    assert server.job(job)["display_name"] == "the same"


def test_a_server_that_is_killed_and_comes_back_loses_nothing(
    server: KeptServer, prompts: Path, tmp_path: Path
) -> None:
    many = tmp_path / "many.jsonl"
    many.write_text(prompts.read_text() * 5)
    what = ("--prompts", many, "--sweep", "pairs", "--layers", "0-2")
    job = server.submit(*what)
    file = tmp_path / "job.jsonl"
    command: list[str | Path] = [
        "job",
        "results",
        job,
        "--format",
        "jsonl",
        "--output",
        file,
        "--server",
        server.address,
    ]
    with subprocess.Popen([ABLATE, *command], stderr=subprocess.PIPE, text=True) as reader:
        done = 0
        while done == 0:
            done = int(server.job(job)["prompts_done"])
            assert reader.poll() is None
        server.kill()
        assert done < 5 * len(CITIES), "nothing was under way"
        time.sleep(0.5)
        assert reader.poll() is None, "it gave up"
        server.start()
        _, errors = reader.communicate(timeout=300)
    assert reader.returncode == OK, errors
    state = server.job(job)
    assert state["state"] == "JOB_STATE_SUCCEEDED", state
    scanned = tmp_path / "scan.jsonl"
    assert server.ablate("scan", *what, "--format", "jsonl", "--output", scanned).returncode == OK
    assert file.read_bytes() == scanned.read_bytes()


def test_a_cancelled_job_keeps_what_it_has(server: KeptServer, prompts: Path) -> None:
    job = server.submit("--prompts", prompts, "--sweep", "pairs")
    cancelled = server.ablate("job", "cancel", job)
    assert cancelled.returncode == OK, cancelled.stderr
    assert server.ablate("job", "watch", job).returncode == CANCELLED
    refused = server.ablate("job", "results", job)
    assert refused.returncode == CANCELLED
    assert "was cancelled" in refused.stderr
    listed = server.ablate("job", "list", "--state", "cancelled", "--format", "id")
    assert listed.stdout.split() == [job]
    assert server.ablate("job", "delete", job).returncode == OK
    assert server.ablate("job", "show", job).returncode == USAGE


def test_one_request_id_is_one_job(server: KeptServer, prompts: Path) -> None:
    named = ("--prompts", prompts, "--request-id", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
    first = server.submit(*named)
    assert server.submit(*named) == first
    other = server.ablate("job", "submit", *named, "--layers", "3")
    assert other.returncode == USAGE
    assert "--request-id" in other.stderr


def test_waiting_for_a_job(server: KeptServer, prompts: Path) -> None:
    done = server.ablate("job", "submit", "--prompts", prompts, "--wait", "--format", "json", "--layers", "1")
    assert done.returncode == OK, done.stderr
    job = json.loads(done.stdout)
    assert job["state"] == "JOB_STATE_SUCCEEDED"
    assert job["prompts_done"] == len(CITIES)
    watched = server.ablate("job", "watch", job["id"])
    assert (watched.returncode, watched.stdout) == (OK, f"succeeded  {len(CITIES)} of {len(CITIES)} prompts\n")
    table = server.ablate("job", "results", job["id"])
    # Six prompts, each with its unedited run and twelve heads.
    assert "\n78 rows in" in table.stdout


def test_without_a_server_or_its_jobs(tmp_path: Path, prompts: Path) -> None:
    nobody = KeptServer(tmp_path)
    assert nobody.ablate("job", "list").returncode == UNAVAILABLE
    assert nobody.ablate("job", "submit", "--prompts", prompts).returncode == UNAVAILABLE
    done = subprocess.run(
        [ABLATE, "job", "submit", "--prompts", prompts, "--local"], capture_output=True, text=True, check=False
    )
    assert done.returncode == USAGE
