"""`ablated verify` on the bundled model, and where its floors go."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.test_cli import ABLATED, CONTRAST, PROMPT, TARGET, Server, ablate, scan_jsonl
from tests.oracle.models import DEMO

LENGTHS = (8, 32, 128)
# What a float32 run of this model stays under by far, and what one with a mistake in it does not.
LIMIT = 1e-3


def verify(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ABLATED, "verify", "--device", "cpu", *args], capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the bundled model: the measurement is kept beside it."""
    copy = tmp_path_factory.mktemp("model") / "demo"
    shutil.copytree(DEMO, copy)
    return copy


@pytest.fixture(scope="module")
def runs(model: Path) -> dict[str, dict]:
    """By precision: all that this machine computes in."""
    done = verify("--model", model, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert "float64: prompt 1 of" in done.stderr
    return {run["runtime"]["precision"]: run for run in json.loads(done.stdout)["runs"]}


@pytest.fixture(scope="module")
def report(runs: dict[str, dict]) -> dict:
    return runs["float32"]


def test_float32_is_close_to_float64(report: dict) -> None:
    columns: dict[str, list[dict]] = {}
    for error in report["errors"]:
        columns.setdefault(error["column"], []).append(error)
    assert len(columns) >= 26
    for column, errors in columns.items():
        assert tuple(error["n_tokens"] for error in errors) == LENGTHS, column
        for error in errors:
            assert error["n_values"] >= 300, error
            assert 0 <= error["median"] <= error["floor"] <= error["worst"], error
            if column == "target_rank":
                # Near a tie two tokens may change places.
                assert error["worst"] <= 3, error
            else:
                assert 0 < error["floor"] < LIMIT, error
    thousands = [error["n_values"] for error in report["errors"] if error["column"] != "interaction"]
    assert min(thousands) > 2500


def test_float32_keeps_the_order_of_the_heads(report: dict) -> None:
    for length in report["lengths"]:
        assert length["n_heads"] == 144
        assert length["spearman_worst"] > 0.999, length
        assert length["overlap_worst"] >= 9, length
        assert length["seconds"] > 0
        assert length["reference_seconds"] > 0


def test_bfloat16_is_measured_where_the_processor_has_it(runs: dict[str, dict]) -> None:
    has_bf16 = "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    assert set(runs) == ({"float32", "bf16"} if has_bf16 else {"float32"})
    if has_bf16:
        for fine, coarse in zip(runs["float32"]["errors"], runs["bf16"]["errors"], strict=True):
            assert (fine["column"], fine["n_values"]) == (coarse["column"], coarse["n_values"])
            # 16 bits of fraction less.
            assert coarse["median"] >= 100 * fine["median"], (fine, coarse)
        for length in runs["bf16"]["lengths"]:
            assert 0.9 < length["spearman_worst"] < 1, length


def test_one_thread_finds_the_same_and_a_folder_that_cannot_be_written_is_said(report: dict, tmp_path: Path) -> None:
    # A folder in the place of the file: root may write everywhere else.
    model = tmp_path / "demo"
    shutil.copytree(DEMO, model)
    (model / "numeric_floor.json").mkdir()
    done = verify("--model", model, "--precision", "float32", "--format", "json", "--threads", "1")
    assert done.returncode == 0, done.stderr
    assert "not kept" in done.stderr
    assert json.loads(done.stdout)["runs"][0]["errors"] == report["errors"], (
        "bits depend on threads, or the set is not fixed"
    )


def manifest_of(folder: Path, *options: str | Path) -> tuple[dict, str]:
    """Of a scan by a server with these options, and the server's log."""
    server = Server(folder, *(str(option) for option in options))
    try:
        assert ablate(server, "health", "--wait", "60s").returncode == 0
        manifest, _ = scan_jsonl(server, "--prompt", PROMPT, "--target", TARGET, "--contrast", CONTRAST)
        described = json.loads(ablate(server, "describe", "--format", "json").stdout)
        assert described["runtime"].get("numeric_floor") == manifest["runtime"].get("numeric_floor")
        return manifest, server.text()
    finally:
        assert server.stop() == 0


def test_manifests_carry_the_floors(model: Path, report: dict, tmp_path: Path) -> None:
    manifest, log = manifest_of(tmp_path, "--model", model)
    assert "numeric_floor.json" in log
    carried = {(floor["column"], floor["n_tokens"]): floor["floor"] for floor in manifest["runtime"]["numeric_floor"]}
    measured = {(error["column"], error["n_tokens"]): error["floor"] for error in report["errors"]}
    assert carried.keys() == measured.keys()
    np.testing.assert_array_equal([carried[key] for key in measured], list(measured.values()))


def test_floors_of_another_precision_do_not_count(model: Path, report: dict, tmp_path: Path) -> None:
    assert report["runtime"]["precision"] == "float32"
    manifest, log = manifest_of(tmp_path, "--model", model, "--precision", "float64")
    assert not manifest["runtime"].get("numeric_floor")
    assert "nothing measured" in log


@pytest.mark.parametrize("text", ["{", '{"model_type": "gpt2"}'])
def test_a_damaged_file_is_passed_over_with_a_warning(text: str, tmp_path: Path) -> None:
    file = tmp_path / "floor.json"
    file.write_text(text)
    manifest, log = manifest_of(tmp_path, "--numeric-floor", file)
    assert not manifest["runtime"].get("numeric_floor")
    assert any("warn" in line and "floor.json" in line for line in log.splitlines()), log


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--model", "/nonexistent"], 1, ["/nonexistent"]),
        (["--model", DEMO, "--precision", "tf32"], 1, ["precision", "tf32", "float32"]),
        (["--model", DEMO, "--precision", "float64"], 2, ["precision", "float64", "float32"]),
        (["--model", DEMO, "--device", "cuda:99"], 1, ["device"]),
        ([], 2, ["--model"]),
    ],
)
def test_a_measurement_that_cannot_be_says_why(options: list[str | Path], status: int, words: list[str]) -> None:
    done = subprocess.run(
        [ABLATED, "verify", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == status, done.stderr
    for word in words:
        assert word in done.stderr
    assert done.stdout == ""
