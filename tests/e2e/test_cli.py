"""The real `ablate` against the real `ablated` with the bundled model, over real sockets, beside HF's hooks."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GPT2TokenizerFast

from tests.e2e.programs import (
    ABLATE,
    ABLATED,
    DEADLINE,
    FAILED,
    INTERRUPTED,
    OK,
    READER_LEFT,
    UNAVAILABLE,
    USAGE,
    Server,
    ablate,
    scan_jsonl,
)
from tests.oracle import hf
from tests.oracle.compare import assert_close
from tests.oracle.models import DEMO

PROMPT, TARGET, CONTRAST = "Berlin is the capital of", " Germany", " France"
REAL_COLUMNS = ("target_logit", "contrast_logit", "target_logprob", "contrast_logprob", "kl_divergence", "entropy")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server"))
    assert ablate(started, "health", "--wait", "60s").returncode == OK
    yield started
    assert started.stop() == 0


# gRPC by itself tries again after seconds, and sees a connection seconds after it has come about.
@pytest.mark.alone
def test_waiting_for_a_server_ends_when_it_is_there(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/socket"
    with subprocess.Popen([ABLATE, "health", "--wait", "60s", "--server", address]) as waiting:
        time.sleep(3)
        options = (
            "--device",
            "cpu",
            "--threads",
            "1",
            "--jobs-dir",
            "none",
            "--means-dir",
            "none",
            "--listen",
            address,
        )
        begin = time.monotonic()
        with subprocess.Popen([ABLATED, "--model", DEMO, *options], stderr=subprocess.DEVNULL) as late:
            assert waiting.wait(timeout=60) == OK
            seconds = time.monotonic() - begin
            late.terminate()
            assert late.wait(timeout=60) == OK
    assert seconds < 3, "it starts in half a second"


REFERENCE = ("--prompt", PROMPT, "--target", TARGET, "--contrast", CONTRAST)


def oracle(dtype: torch.dtype) -> dict[str, dict[str, float]]:
    """The reference experiment by hooks, by variant label."""
    model = hf.load(str(DEMO), dtype)
    tokenizer = GPT2TokenizerFast.from_pretrained(DEMO)
    ids = tokenizer(PROMPT)["input_ids"]
    target, contrast = tokenizer(TARGET)["input_ids"][0], tokenizer(CONTRAST)["input_ids"][0]
    base = hf.logits(model, ids)[-1]
    rows = {"baseline": hf.measure(base, base, target, contrast)}
    for layer in range(model.config.n_layer):
        for head in range(model.config.n_head):
            y = hf.logits(model, ids, [hf.Edit(layer, head)])[-1]
            rows[f"L{layer}H{head}"] = hf.measure(y, base, target, contrast)
    return rows


def test_reference_experiment_equals_hooks(server: Server) -> None:
    manifest, rows = scan_jsonl(server, *REFERENCE)
    exact, theirs = oracle(torch.float64), oracle(torch.float32)
    assert [row["variant"] for row in rows] == list(exact)
    assert (rows[0]["layer"], rows[0]["head"]) == (None, None)
    assert (rows[15]["layer"], rows[15]["head"]) == (1, 2)
    for name in REAL_COLUMNS:
        want = np.array([row[name] for row in exact.values()])
        their_error = np.abs(np.array([row[name] for row in theirs.values()]) - want).max()
        rounding = float(np.spacing(np.float32(np.abs(want).max())))
        assert_close([row[name] for row in rows], want, 2 * their_error + rounding, name)
    tokenizer = GPT2TokenizerFast.from_pretrained(DEMO)
    (prompt,) = manifest["prompts"]
    assert prompt["token_texts"] == [tokenizer.decode([token]) for token in prompt["token_ids"]]
    assert [variant["label"] for variant in manifest["variants"]] == list(exact)[1:]
    assert (manifest["n_prompts"], manifest["n_variants"], manifest["total_rows"]) == (1, 144, "145")
    assert prompt["token_ids"] == tokenizer(PROMPT)["input_ids"]
    assert [token["text"] for token in prompt["targets"]] == [TARGET]
    assert [token["text"] for token in prompt["contrasts"]] == [CONTRAST]
    assert manifest["runtime"]["precision"] == "PRECISION_FLOAT32"
    assert manifest["runtime"]["batch_invariant"] is True
    for row, want in zip(rows, exact.values(), strict=True):
        assert row["top1_token"] == tokenizer.decode([row["top1_id"]])
        assert row["top1_id"] == want["top1_id"]
        assert row["target_is_top1"] == (row["target_rank"] == 0)


def test_csv_holds_the_same_numbers(server: Server) -> None:
    _, rows = scan_jsonl(server, *REFERENCE, "--layers", "5")
    done = ablate(server, "scan", "--format", "csv", *REFERENCE, "--layers", "5")
    table = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["variant"] for row in table] == [row["variant"] for row in rows]
    for text, row in zip(table, rows, strict=True):
        assert float(text["delta_target_logprob"]) == row["delta_target_logprob"]
        assert text["top1_token"] == row["top1_token"]


def test_many_prompts_equal_single_ones_bit_for_bit(server: Server, tmp_path: Path) -> None:
    prompts = ["Berlin is the capital of", "Paris is the capital of", "The capital of Japan is", "Rome", " of of of of"]
    file = tmp_path / "prompts.jsonl"
    file.write_text("".join(json.dumps({"prompt": p, "target": TARGET, "contrast": CONTRAST}) + "\n" for p in prompts))
    _, together = scan_jsonl(server, "--prompts", file)
    for index, prompt in enumerate(prompts):
        _, alone = scan_jsonl(server, "--prompt", prompt, "--target", TARGET, "--contrast", CONTRAST)
        for row in alone:
            row["prompt_index"] = index
        assert alone == [row for row in together if row["prompt_index"] == index]


@pytest.mark.parametrize("args", [(), ("--sweep", "pairs", "--layers", "3-4"), ("--likelihood", "--read", "all")])
def test_a_scan_takes_what_explain_told(server: Server, args: tuple[str, ...]) -> None:
    told = ablate(server, "scan", *REFERENCE, *args, "--explain", "--format", "jsonl")
    assert told.returncode == OK, told.stderr
    plan = json.loads(told.stdout)["plan"]
    manifest, _ = scan_jsonl(server, *REFERENCE, *args)
    assert plan["cost"] == manifest["cost"]
    assert plan["total_rows"] == manifest["total_rows"]
    table = ablate(server, "scan", *REFERENCE, *args).stdout
    passes = re.search(r"forward [0-9.]+ s in (\d+) pass", table)
    assert passes is not None, table
    assert plan["forward_passes"] == passes[1]


def test_explain_answers_where_a_scan_is_too_dear(server: Server, tmp_path: Path) -> None:
    manifest, _ = scan_jsonl(server, *REFERENCE)
    limit = int(manifest["cost"]) - 1
    small = Server(tmp_path, "--max-request-cost", str(limit))
    try:
        assert ablate(small, "health", "--wait", "60s").returncode == OK
        assert ablate(small, "scan", *REFERENCE).returncode == FAILED
        told = ablate(small, "scan", *REFERENCE, "--explain")
        assert told.returncode == OK, told.stderr
        assert f"one request may only {limit}: TOO MUCH" in told.stdout
        pairs = ablate(small, "scan", *REFERENCE, "--sweep", "pairs", "--explain")
        assert pairs.returncode == FAILED
        assert "ten times what one request may cost (--max-request-cost)" in pairs.stderr
    finally:
        assert small.stop() == 0


def test_a_memory_budget_for_no_pass_names_its_option() -> None:
    done = subprocess.run(
        [ABLATED, "--model", DEMO, "--device", "cpu", "--listen", "127.0.0.1:0", "--memory-budget", "1KiB"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert re.search(r"got 1024, expected 0 \(automatic\) or at least \d+, .* \(--memory-budget\)$", done.stderr, re.M)


def test_local_starts_and_stops_its_own_server() -> None:
    done = ablate(
        None, "scan", "--local", "--model", DEMO, "--device", "cpu", *REFERENCE, "--no-color", "--focus-layer", "5"
    )
    assert done.returncode == OK, done.stderr
    focus = done.stdout[done.stdout.index("Layer 5, each head ablated alone") :]
    assert re.findall(r"^ +(L5H\d+) ", focus, re.MULTILINE) == [f"L5H{head}" for head in range(12)]
    assert re.search(r"^\d+ of 144 ablations keep the top-1 token", done.stdout, re.MULTILINE)
    assert "\x1b" not in done.stdout


def test_output_appears_whole_or_not_at_all(server: Server, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    assert ablate(server, "scan", *REFERENCE, "--format", "csv", "--output", good).returncode == OK
    assert len(good.read_text().splitlines()) == 146
    assert (
        ablate(server, "scan", "--prompt", PROMPT, "--target", "xyzzy", "--format", "csv", "--output", bad).returncode
        == USAGE
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["good.csv"]


LONG = "word " * 200
BAD_REQUESTS = [
    (("--prompt", "", "--target", TARGET), USAGE, ["prompt", "empty"]),
    (("--prompt", LONG, "--target", TARGET), USAGE, ["prompts[0]", "tokens"]),
    (("--prompt", PROMPT, "--target", " Germany France"), USAGE, ["target", "Germany", "France"]),
    (("--prompt", PROMPT, "--target-id", "99999"), USAGE, ["target", "99999"]),
    (("--prompt", PROMPT, "--target", ""), USAGE, ["target"]),
    ((*REFERENCE, "--layers", "12"), USAGE, ["layers", "12"]),
    ((*REFERENCE, "--heads", "3,3"), USAGE, ["heads", "3"]),
    ((*REFERENCE, "--layers", "5-x"), USAGE, ["--layers"]),
    ((*REFERENCE, "--top-k", "101"), USAGE, ["top-k"]),
    ((*REFERENCE, "--format", "xml"), USAGE, ["--format"]),
    ((*REFERENCE, "--prompts", "/nonexistent.jsonl"), USAGE, ["--prompt"]),
    ((*REFERENCE, "--replace", "mean", "--means", "nosuch"), USAGE, ["--means", "nosuch", "ablate means list"]),
    ((*REFERENCE, "--format", "csv", "--output", "/no/such/folder/a.csv"), USAGE, ["--output", "/no/such/folder"]),
    (("--prompts", "/nonexistent.jsonl"), USAGE, ["/nonexistent.jsonl"]),
]


@pytest.mark.parametrize(("args", "status", "words"), BAD_REQUESTS)
def test_bad_requests_name_the_field(server: Server, args: tuple[str, ...], status: int, words: list[str]) -> None:
    done = ablate(server, "scan", *args)
    print(f"{' '.join(args)[:60]!r}: {done.stderr.strip()}")
    assert done.returncode == status, done.stderr
    for word in words:
        assert word.lower() in done.stderr.lower()
    assert "baseline" not in done.stdout


def test_a_server_that_is_not_there() -> None:
    done = subprocess.run(
        [ABLATE, "scan", "--server", "127.0.0.1:1", *REFERENCE], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == UNAVAILABLE
    assert "127.0.0.1:1" in done.stderr


def cpu_seconds(pid: int, during: float) -> float:
    """CPU time that the process uses in the next `during` seconds."""

    def used() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = used()
    time.sleep(during)
    return used() - before


def becomes_idle(server: Server) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if cpu_seconds(server.process.pid, 1.0) <= 0.03:
            return True
    return False


@pytest.fixture
def long_scan(tmp_path: Path) -> Path:
    """A file whose scan keeps the device busy for minutes."""
    file = tmp_path / "long.jsonl"
    file.write_text((json.dumps({"prompt": PROMPT, "target": TARGET}) + "\n") * 50_000)
    return file


def test_a_deadline_ends_the_call_and_the_work(server: Server, long_scan: Path) -> None:
    done = ablate(server, "scan", "--prompts", long_scan, "--timeout", "3s", "--format", "jsonl")
    assert done.returncode == DEADLINE
    assert "3s" in done.stderr
    assert becomes_idle(server), "the server goes on with work that nobody waits for"


def test_an_interrupt_ends_the_call_and_the_work(server: Server, long_scan: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    with rows.open("w") as out:
        running = subprocess.Popen(
            [ABLATE, "scan", "--server", server.address, "--prompts", long_scan, "--format", "jsonl"], stdout=out
        )
        deadline = time.monotonic() + 60
        # Rows come behind the line of the manifest, which is long: the prompts are in it.
        while b"\n{" not in rows.read_bytes():
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert cpu_seconds(server.process.pid, 1.0) >= 0.1, "the scan keeps the server busy"
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=30) == INTERRUPTED
    assert becomes_idle(server), "the server goes on with work that nobody waits for"
    assert ablate(server, "scan", *REFERENCE).returncode == OK


@pytest.mark.parametrize("output_format", ["table", "jsonl", "csv"])
def test_a_reader_that_leaves_ends_the_call_and_the_work(server: Server, long_scan: Path, output_format: str) -> None:
    running = subprocess.Popen(
        [ABLATE, "scan", "--server", server.address, "--prompts", long_scan, "--format", output_format],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    assert running.stderr is not None
    assert running.stdout.readline()
    running.stdout.close()
    assert running.wait(timeout=60) == READER_LEFT
    assert running.stderr.read() == ""
    assert becomes_idle(server), "the server goes on with work that nobody waits for"


def test_describe_and_tokenize(server: Server) -> None:
    described = json.loads(ablate(server, "describe", "--format", "json").stdout)
    assert described["model"]["n_layers"] == 12
    assert described["runtime"]["device"] == "cpu"
    done = ablate(server, "tokenize", "--format", "jsonl", TARGET)
    assert "Germany" in done.stdout


@pytest.mark.parametrize("command", ["", "scan", "tokenize", "describe", "health"])
def test_help_explains(command: str) -> None:
    done = subprocess.run([ABLATE, *filter(None, [command]), "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == OK
    assert len(done.stdout.splitlines()) > 8
    assert "ablate" in done.stdout


def test_sigterm_drains(tmp_path: Path) -> None:
    server = Server(tmp_path)
    assert ablate(server, "health", "--wait", "60s").returncode == OK
    file = tmp_path / "many.jsonl"
    file.write_text((json.dumps({"prompt": PROMPT, "target": TARGET}) + "\n") * 100)
    rows = tmp_path / "rows.jsonl"
    with rows.open("w") as out:
        running = subprocess.Popen(
            [ABLATE, "scan", "--server", server.address, "--prompts", file, "--format", "jsonl"], stdout=out
        )
        while rows.stat().st_size == 0:
            assert running.poll() is None
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        assert running.wait(timeout=120) == OK
    assert len(rows.read_text().splitlines()) == 1 + 100 * 145
    assert server.process.wait(timeout=60) == 0


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--model", "/nonexistent"], FAILED, ["/nonexistent"]),
        (["--model", DEMO, "--device", "cuda:99"], FAILED, ["device"]),
        (["--model", DEMO, "--precision", "float8"], USAGE, ["float32", "float64"]),
        (["--model", DEMO, "--queue-size", "-1"], USAGE, ["queue-size"]),
    ],
)
def test_a_server_that_cannot_start_says_why(options: list[str | Path], status: int, words: list[str]) -> None:
    done = subprocess.run(
        [ABLATED, "--listen", "127.0.0.1:0", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == status, done.stderr
    for word in words:
        assert word in done.stderr
