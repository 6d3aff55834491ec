"""The examples, as their README says."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
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

# What Slurm does with a script: a run for each index of its array, the options behind it handed on. `--array` in front
# of the script goes before its own.
SBATCH = """#!/usr/bin/env bash
set -euo pipefail
array=
if [[ $1 == --array=* ]]; then array=${1#--array=}; shift; fi
script=$1; shift
array=${array:-$(sed -n 's/^#SBATCH --array=//p' "$script")}
indices=()
for part in ${array//,/ }; do mapfile -t -O ${#indices[@]} indices < <(seq "${part%-*}" "${part#*-}"); done
for index in "${indices[@]}"; do
  SLURM_ARRAY_TASK_ID=$index SLURM_ARRAY_TASK_COUNT=${#indices[@]} SLURM_ARRAY_TASK_MAX=${indices[-1]} \\
    SLURM_CPUS_PER_TASK=1 bash "$script" "$@"
done
"""


# `ablate`, of a server that says it has other weights where the environment names some.
DESCRIBE_ANOTHER = """#!/usr/bin/env bash
set -euo pipefail
if [[ $1 != describe || ! -v WEIGHTS ]]; then exec "$ABLATE" "$@"; fi
"$ABLATE" "$@" | sed -E 's/("weights_sha256": *")[0-9a-f]+/\\1'"$WEIGHTS"'/'
"""


def n_jobs(server: Server) -> int:
    return len(ablate(server, "job", "list", "--format", "id").stdout.split())


def run(*command: str | Path, **environment: str | Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)


def table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def ids_of(lines: str) -> set[str]:
    """Of a part's prompts."""
    rows = [json.loads(line) for line in lines.splitlines()[1:]]
    assert len(rows) == PROMPTS // 4 * ROWS
    return {row["fields"]["id"] for row in rows}


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

    def submit(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        what = (*options, EXAMPLES / "array.sbatch", EXAMPLES / "data" / "capitals.jsonl", out)
        return run(tools / "sbatch", *what, ABLATE=ABLATE, MODEL=DEMO, DEVICE="cpu", **environment)

    done = submit()
    assert done.returncode == 0, done.stderr
    parts = sorted(out.iterdir())
    assert [part.name for part in parts] == [f"part-{task:04d}.jsonl" for task in range(4)]
    ids: list[str] = []
    for part in parts:
        ids += ids_of(part.read_text())
    assert sorted(ids) == [f"capitals-{i}" for i in range(PROMPTS)]
    # Queued again: what is there is not made again.
    before = {part: part.stat().st_mtime_ns for part in parts}
    texts = [parts[i].read_text() for i in (1, 3)]
    for i in (1, 3):
        parts[i].unlink()
    # Some tasks alone: the data is split as before, though Slurm counts two of them.
    assert submit("--array=1,3").returncode == 0
    assert sorted(out.iterdir()) == parts
    assert [part for part in parts if part.stat().st_mtime_ns != before[part]] == [parts[1], parts[3]]
    for text, i in zip(texts, (1, 3), strict=True):
        assert ids_of(parts[i].read_text()) == ids_of(text)
    refused = submit("--array=0-5")
    assert refused.returncode == 2
    assert "no task 5 of 4" in refused.stderr
    assert sorted(out.iterdir()) == parts


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path, "--jobs-dir", tmp_path / "jobs")
    assert ablate(started, "health", "--wait", "60s").returncode == OK
    yield started
    started.stop()


def test_snakefile(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "out"

    tool = tmp_path / "ablate"
    tool.write_text(DESCRIBE_ANOTHER)
    tool.chmod(0o755)

    def make(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        what: list[str | Path] = ["--snakefile", EXAMPLES / "Snakefile", "--cores", "2", "--directory", tmp_path]
        # Snakemake of the tests, whatever is on PATH.
        what = [sys.executable, "-m", "snakemake", *what, *options, "--config", f"ablate={tool}", f"out={out}"]
        return run(*what, ABLATE=ABLATE, ABLATE_SERVER=server.address, **environment)

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
    assert n_jobs(server) == 4
    # Another model is another job.
    assert make("--forcerun", "submit", "--until", "submit", WEIGHTS="0" * 64).returncode == 0
    assert n_jobs(server) == 8
