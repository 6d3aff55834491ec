"""device-check's parts: the plain GPT-2 that everything is measured against, and the comparator. And the bundle itself,
where the programs are built."""

import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from device_check import torch_libs
from device_check.cases import all_heads, cases, every_replacement, make_scan
from device_check.choices import check_same
from device_check.compare import Exact, Mismatch, Pool, Report, Standard, check_rows, find_exact, find_standard
from device_check.programs import ProgramFailed, Rows
from device_check.random_model import write_random_model
from device_check.reference import Config, Edit, Gpt2, Scan
from device_check.sanitize import sanitize
from tests.oracle import hf, probe
from tests.oracle.expected import expect_scan
from tools.bundle import make_bundle

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ABLATE_BUILD_DIR", ROOT / "build/release"))
TINY = Config(n_layer=3, n_head=4, n_embd=20, n_positions=40, vocab_size=300)
IDS = [5, 17, 250, 3, 99]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_model(tmp_path_factory.mktemp("model") / "tiny", TINY, seed=1)


@pytest.fixture(scope="module")
def scan() -> Scan:
    variants = [*all_heads(TINY), [Edit(0, 1, begin=2, scale=0.5), Edit(2, 3, end=4, scale=-1.5)]]
    return Scan(IDS, variants, reads=[1, 4], target_id=7, contrast_id=8)


@pytest.fixture(scope="module")
def exact(tiny: Path, scan: Scan) -> Exact:
    return find_exact(scan, Gpt2(tiny, "cpu", "float64"))


@pytest.fixture(scope="module")
def standard(tiny: Path, scan: Scan, exact: Exact) -> Standard:
    return find_standard(scan, exact, Gpt2(tiny, "cpu", "float32"))


def check(rows: Rows, scan: Scan, exact: Exact, standard: Standard | None) -> Report:
    report, pool = Report(), Pool()
    check_rows(rows, [scan], [exact], [standard], "test", report, pool)
    if standard is not None:
        pool.check()
    return report


def rows_of(scan: Scan, logits: torch.Tensor) -> Rows:
    """What an engine with these logits [R, P, V] would answer."""
    base = logits[0]
    rows: Rows = {}
    for r in range(logits.shape[0]):
        for i, position in enumerate(scan.reads):
            row = hf.measure(logits[r, i], base[i], scan.target_id, scan.contrast_id)
            rows[0, r - 1, position] = row
    return rows


def test_plain_gpt2_equals_hugging_face_with_hooks(tiny: Path, scan: Scan) -> None:
    generator = random.Random(3)
    everything = make_scan(TINY, 7, every_replacement(TINY, 7, generator), generator, reads=3)
    assert everything.table and everything.donor_token_ids
    theirs = hf.load(str(tiny), torch.float64)
    for asked in (scan, everything):
        plain = Gpt2(tiny, "cpu", "float64").logits(asked)
        variants = [[hf.Edit(**asdict(edit)) for edit in edits] for edits in asked.variants]
        wanted = probe.Scan(
            asked.token_ids,
            variants,
            asked.reads,
            asked.target_id,
            asked.contrast_id,
            donor_token_ids=asked.donor_token_ids,
            table=asked.table,
        )
        expected = expect_scan(theirs, wanted)
        for row in range(len(plain)):
            for i, position in enumerate(asked.reads):
                _, logits = expected[row - 1, position]
                assert float((plain[row, i] - logits).abs().max()) < 1e-10, (row, position)


def test_coarser_precisions_are_further_off(tiny: Path, scan: Scan, exact: Exact, standard: Standard) -> None:
    tf32, bf16 = (find_standard(scan, exact, Gpt2(tiny, "cpu", precision)) for precision in ("tf32", "bf16"))
    # 13 and 16 bits of fraction less.
    assert 100 * standard.logit_error < tf32.logit_error < bf16.logit_error < 0.1


def test_float32_rows_pass(tiny: Path, scan: Scan, exact: Exact, standard: Standard) -> None:
    report = check(rows_of(scan, Gpt2(tiny, "cpu", "float32").logits(scan)), scan, exact, standard)
    assert report.values == 10 * 14 * 2
    # The very run that the tolerance comes from takes at most half of it.
    assert 0 < report.columns["target_logit"].share <= 0.5


@pytest.mark.parametrize("column", ["target_logit", "contrast_logprob", "kl_divergence", "entropy", "delta_logit_diff"])
@pytest.mark.parametrize("change", [1e-4, -1e-4, float("nan"), float("inf"), None])
def test_a_wrong_value_fails(scan: Scan, exact: Exact, standard: Standard, column: str, change: float | None) -> None:
    rows = rows_of(scan, exact.logits)
    check(rows, scan, exact, standard)
    # What is not finite is null in JSON.
    rows[0, 4, 1][column] = None if change is None else rows[0, 4, 1][column] + change
    with pytest.raises(Mismatch, match=f"{column} (holds NaN or Inf|of row 5)"):
        check(rows, scan, exact, standard)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_an_engine_that_edits_nothing_fails(tiny: Path, scan: Scan, exact: Exact, precision: str) -> None:
    plain = Gpt2(tiny, "cpu", precision)
    standard = find_standard(scan, exact, plain)
    check(rows_of(scan, plain.logits(scan).double()), scan, exact, standard)
    unedited = plain.logits(scan).double()
    unedited[:] = unedited[:1].clone()
    with pytest.raises(Mismatch):
        check(rows_of(scan, unedited), scan, exact, standard)


def test_float64_has_its_own_tolerance(scan: Scan, exact: Exact, standard: Standard) -> None:
    rows = rows_of(scan, exact.logits)
    check(rows, scan, exact, None)
    rows[0, 4, 1]["target_logit"] += 1e-7
    check(rows, scan, exact, standard)
    with pytest.raises(Mismatch, match="target_logit"):
        check(rows, scan, exact, None)


def test_errors_that_are_all_large_fail_though_none_is_the_largest(
    scan: Scan, exact: Exact, standard: Standard
) -> None:
    rows = rows_of(scan, exact.logits)
    for row in rows.values():
        row["target_logit"] += 1.9 * standard.logit_error
    with pytest.raises(Mismatch, match="target_logit is off by .* root of the mean square"):
        check(rows, scan, exact, standard)
    with pytest.raises(Mismatch, match="no scan"):
        Pool().check()


def test_wrong_ranks_and_rows_fail(scan: Scan, exact: Exact, standard: Standard) -> None:
    for judge in (standard, None):
        rows = rows_of(scan, exact.logits)
        rows[0, 2, 4]["target_rank"] += 1
        with pytest.raises(Mismatch, match="target_rank"):
            check(rows, scan, exact, judge)
        rows = rows_of(scan, exact.logits)
        rows[0, 2, 4]["top1_id"] = int(exact.logits[3, 1].argmin())
        with pytest.raises(Mismatch, match="top1_id"):
            check(rows, scan, exact, judge)
    rows = rows_of(scan, exact.logits)
    del rows[0, 3, 4]
    with pytest.raises(Mismatch, match="rows, expected"):
        check(rows, scan, exact, standard)


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize("on_gpu", [False, True])
def test_cases_fit_the_model(is_large: bool, on_gpu: bool) -> None:
    for case in cases(TINY, is_large=is_large, on_gpu=on_gpu):
        for scan in case.scans:
            assert 0 < len(scan.token_ids) <= TINY.n_positions or "prompts of" in case.name
            assert scan.variants and scan.reads == sorted(set(scan.reads)) and scan.reads[-1] == len(scan.token_ids) - 1


def test_another_torch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "/torch/lib:" in torch_libs.library_path()
    monkeypatch.setattr(torch, "__version__", "2.12.0")
    with pytest.raises(torch_libs.UnsuitableTorch, match="built against torch 2.11, .* has 2.12.0"):
        torch_libs.library_path()


def test_only_a_bundle_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(make_bundle.BundleError, match="is not a bundle"):
        make_bundle.check_target(tmp_path)
    (tmp_path / "bundle.json").touch()
    make_bundle.check_target(tmp_path)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    missing = [place for place in make_bundle.PROGRAMS.values() if not (BUILD / place).exists()]
    if missing:
        pytest.skip(f"not built: {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    make_bundle.make(folder, BUILD)
    return folder


def run_check(bundle: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": sys.executable}
    return subprocess.run(
        [bundle / "bin/device-check", *arguments], env=environment, capture_output=True, text=True, timeout=500
    )


def test_bundle_brings_every_library(bundle: Path) -> None:
    """Nothing comes from Debian's folders but glibc and g++'s library."""
    environment = {**os.environ, "LD_LIBRARY_PATH": torch_libs.library_path()}
    for program in make_bundle.PROGRAMS:
        output = subprocess.run(["ldd", bundle / program], env=environment, capture_output=True, text=True).stdout
        assert "not found" not in output
        system = {line.split()[0] for line in output.splitlines() if re.search(r"=> (/usr)?/lib/", line)}
        assert all(make_bundle.SYSTEM.match(name) for name in system), (program, system)


def test_bundle_is_small(bundle: Path) -> None:
    assert sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file()) <= make_bundle.MOST_BYTES


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_it_says_so(bundle: Path) -> None:
    result = run_check(bundle)
    assert result.returncode == 3
    assert "PyTorch finds no usable GPU" in result.stderr and "--cpu-only" in result.stderr
    assert result.stdout == ""


def test_cpu_only_check_passes(bundle: Path, tmp_path: Path) -> None:
    result = run_check(bundle, "--cpu-only", "--quick", "--json", str(tmp_path / "result.json"))
    assert result.returncode == 0, result.stderr + result.stdout
    report = json.loads((tmp_path / "result.json").read_text())
    assert report["passed"] and all(check["passed"] for check in report["checks"])
    names = [check["check"] for check in report["checks"]]
    for what in ("over gRPC", "ablated verify", "every replacement", "sweep of pairs", "float64 on cpu"):
        assert any(what in name for name in names), what
    has_bf16 = "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    assert any("bf16 on cpu" in name for name in names) == has_bf16
    # The table on standard output tells the same.
    assert "All is right" in result.stdout
    for name in names:
        assert f"| {name} | ok |" in result.stdout
    assert "| float32 | delta_logit_diff |" in result.stdout


def test_a_failed_check_is_told_and_the_others_go_on(bundle: Path, tmp_path: Path) -> None:
    broken = tmp_path / "bundle"
    shutil.copytree(bundle, broken)
    (broken / "libexec/ops_test").write_text("#!/bin/sh\nexit 1\n")
    result = run_check(broken, "--cpu-only", "--quick", "--json", str(tmp_path / "result.json"))
    assert result.returncode == 1
    report = json.loads((tmp_path / "result.json").read_text())
    failed = [check["check"] for check in report["checks"] if not check["passed"]]
    assert failed == ["ops_test"] and len(report["checks"]) > 10
    assert "| ops_test | **failed** | ProgramFailed: ops_test ended with 1" in result.stdout


def test_an_unknown_sanitizer_is_refused(bundle: Path) -> None:
    result = run_check(bundle, "--cpu-only", "--sanitize", "memcheck,leakcheck")
    assert result.returncode == 2
    assert "got leakcheck, expected some of memcheck" in result.stderr


def test_without_a_sanitizer_it_says_where_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ProgramFailed, match="no compute-sanitizer on PATH"):
        sanitize("memcheck")


def test_one_bit_between_alone_and_together_is_found() -> None:
    together: Rows = {(0, -1, 2): {"kl": 0.5}, (1, -1, 4): {"kl": 0.25, "rank": 3}}
    alone: list[Rows] = [{(0, -1, 2): {"kl": 0.5}}, {(0, -1, 4): {"kl": 0.25, "rank": 3}}]
    assert check_same(together, alone, "alone") == 3
    alone[1][0, -1, 4]["kl"] = math.nextafter(0.25, 1)
    with pytest.raises(Mismatch, match=r"alone: kl of scan 1, \(-1, 4\): 0.25"):
        check_same(together, alone, "alone")
