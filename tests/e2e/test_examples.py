"""The examples, as their README says."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.programs import ABLATE, OK, Server, ablate
from tests.oracle.models import DEMO

EXAMPLES = Path(__file__).parents[2] / "examples"
# One prompt: its unedited run, and each of the heads.
ROWS = 145
# Of each data set.
PROMPTS = 8

# What Slurm does with a script: a run for each index of its array, the options behind it handed on.
SBATCH = """#!/usr/bin/env bash
set -euo pipefail
script=$1; shift
last=$(sed -n 's/^#SBATCH --array=0-//p' "$script")
for index in $(seq 0 "$last"); do
  SLURM_ARRAY_TASK_ID=$index SLURM_ARRAY_TASK_COUNT=$((last + 1)) SLURM_CPUS_PER_TASK=1 bash "$script" "$@"
done
"""


def run(*command: str | Path, **environment: str | Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)


def table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_makefile(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def make(*targets: str) -> subprocess.CompletedProcess[str]:
        return run("make", "-C", EXAMPLES, f"ABLATE={ABLATE}", f"OUT={out}", *targets)

    done = make()
    assert done.returncode == 0, done.stderr
    assert sorted(file.name for file in out.iterdir()) == [
        "capitals.half.csv", "capitals.zero.csv", "lists.half.csv", "lists.zero.csv",
    ]  # fmt: skip
    for file in out.iterdir():
        rows = table(file)
        assert len(rows) == PROMPTS * ROWS
        assert {row["fields.id"] for row in rows} == {f"{file.name.split('.')[0]}-{i}" for i in range(PROMPTS)}
    half, zero = table(out / "capitals.half.csv"), table(out / "capitals.zero.csv")
    assert {row["replacement"] for row in half} == {"", "scale"}
    assert [row["target_logit"] for row in half] != [row["target_logit"] for row in zero]
    # Nothing has changed.
    assert "scan" not in make().stdout
    checked = make("check")
    assert checked.returncode == 0, checked.stderr
    assert f"none of {PROMPTS * ROWS} rows moved" in checked.stdout
    # Something has.
    file = out / "capitals.zero.csv"
    lines = file.read_text().splitlines()
    column = lines[0].split(",").index("delta_logit_diff")
    fields = lines[7].split(",")
    fields[column] = str(float(fields[column]) + 1)
    lines[7] = ",".join(fields)
    file.write_text("\n".join(lines) + "\n")
    moved = make("check")
    assert moved.returncode == 2  # make's own, for whatever a recipe ends with
    assert f"1 of {PROMPTS * ROWS} rows moved" in moved.stderr


def test_slurm_array(tmp_path: Path) -> None:
    tools, out = tmp_path / "bin", tmp_path / "results"
    tools.mkdir()
    (tools / "sbatch").write_text(SBATCH)
    (tools / "sbatch").chmod(0o755)
    command = (tools / "sbatch", EXAMPLES / "array.sbatch", EXAMPLES / "data" / "capitals.jsonl", out)
    done = run(*command, ABLATE=ABLATE, MODEL=DEMO, DEVICE="cpu")
    assert done.returncode == 0, done.stderr
    parts = sorted(out.iterdir())
    assert [part.name for part in parts] == [f"part-{task:04d}.jsonl" for task in range(4)]
    ids: list[str] = []
    for part in parts:
        rows = [json.loads(line) for line in part.read_text().splitlines()[1:]]
        assert len(rows) == PROMPTS // 4 * ROWS
        ids += {row["fields"]["id"] for row in rows}
    assert sorted(ids) == [f"capitals-{i}" for i in range(PROMPTS)]
    # Queued again: what is there is not made again.
    before = {part: part.stat().st_mtime_ns for part in parts}
    parts[1].unlink()
    assert run(*command, ABLATE=ABLATE, MODEL=DEMO, DEVICE="cpu").returncode == 0
    assert sorted(out.iterdir()) == parts
    assert [part for part in parts if part.stat().st_mtime_ns != before[part]] == [parts[1]]


def snakemake() -> str | None:
    root = EXAMPLES.parent
    places = [str(root / venv / "bin") for venv in (".venv", ".venv-peers")]
    return shutil.which("snakemake", path=os.pathsep.join([*places, os.environ.get("PATH", "")]))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path, "--jobs-dir", tmp_path / "jobs")
    assert ablate(started, "health", "--wait", "60s").returncode == OK
    yield started
    started.stop()


@pytest.mark.long
@pytest.mark.skipif(snakemake() is None, reason="snakemake is not installed in .venv or .venv-peers")
def test_snakefile(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def make(*options: str) -> subprocess.CompletedProcess[str]:
        tool = snakemake()
        assert tool is not None
        what: list[str | Path] = ["--snakefile", EXAMPLES / "Snakefile", "--cores", "2", "--directory", tmp_path]
        return run(tool, *what, *options, "--config", f"ablate={ABLATE}", f"out={out}", ABLATE_SERVER=server.address)

    done = make()
    assert done.returncode == 0, done.stderr
    files = sorted(out.glob("*.csv"))
    assert [file.name for file in files] == [
        "capitals.half.csv", "capitals.zero.csv", "lists.half.csv", "lists.zero.csv",
    ]  # fmt: skip
    assert [len(table(file)) for file in files] == [PROMPTS * ROWS] * 4
    # All over again, the workflow finds its jobs.
    shutil.rmtree(out)
    assert make("--forceall").returncode == 0
    assert len(ablate(server, "job", "list", "--format", "id").stdout.split()) == 4
