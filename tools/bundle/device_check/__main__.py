"""bin/device-check: every op, the kernel tests and full scans on a GPU against the CPU, and timings as JSON.

Exit codes: 0 all is right, 1 a check failed, 2 bad usage or an unsuitable PyTorch, 3 no usable GPU.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from device_check.torch_libs import UnsuitableTorch, library_path

try:
    library_path()
except UnsuitableTorch as unsuitable:
    print(f"device-check: {unsuitable}", file=sys.stderr)
    sys.exit(2)

import torch

from device_check.cases import cases
from device_check.compare import Mismatch, Report, check_rows, find_truth
from device_check.programs import BUNDLE, Engine, ProgramFailed, environment, program
from device_check.random_model import GPT2_SMALL, write_random_model
from device_check.reference import Gpt2
from device_check.service import scan_through_service
from device_check.timings import measure


class Checks:
    """Runs checks one after the other, prints a line for each, and collects the results."""

    def __init__(self) -> None:
        self.results: list[dict[str, Any]] = []

    def run(self, name: str, check: Callable[[], dict[str, Any]]) -> None:
        print(f"{name} ... ", end="", file=sys.stderr, flush=True)
        start = time.monotonic()
        result: dict[str, Any] = {"check": name, "passed": True}
        try:
            result.update(check())
        except (Mismatch, ProgramFailed, subprocess.SubprocessError, OSError, torch.cuda.OutOfMemoryError) as error:
            result.update(passed=False, error=str(error))
        result["seconds"] = round(time.monotonic() - start, 1)
        self.results.append(result)
        print("ok" if result["passed"] else f"FAILED\n    {result['error']}", file=sys.stderr, flush=True)

    @property
    def passed(self) -> bool:
        return bool(self.results) and all(result["passed"] for result in self.results)


# Of the tests, what a CPU without AVX512-BF16, or a GPU before Ampere, skips.
NEEDS_BFLOAT16 = "LinearOfRoundedOperands/"


def check_gtest(name: str, on_gpu: bool) -> dict[str, Any]:
    """A GoogleTest program. On a machine with a GPU nothing may be skipped but what its processors have not; without
    one, what needs it is.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "result.json"
        arguments = [program(f"libexec/{name}"), f"--gtest_output=json:{output}"]
        result = subprocess.run(arguments, env=environment(), capture_output=True, text=True, timeout=240)
        if not output.exists():
            raise ProgramFailed(f"{name} ended with {result.returncode}: {(result.stdout + result.stderr)[-2000:]}")
        suites = json.loads(output.read_text())["testsuites"]
    tests = [test for suite in suites for test in suite["testsuite"]]
    skipped = [test["name"] for test in tests if test["result"] == "SKIPPED"]
    failures = [line for line in result.stdout.splitlines() if line.startswith("[  FAILED  ]")]
    if result.returncode != 0:
        raise ProgramFailed(f"{name}: {'; '.join(failures)}\n{result.stdout[-3000:]}")
    unexpected = [test for test in skipped if not test.startswith(NEEDS_BFLOAT16)]
    if on_gpu and unexpected:
        raise ProgramFailed(f"{name}: skipped on a machine with a GPU: {', '.join(unexpected)}")
    return {"tests": len(tests), "skipped": len(skipped)}


def summary(report: Report) -> dict[str, Any]:
    worst = {name: {"max_error": w.error, "of_tolerance": round(w.share, 4)} for name, w in report.columns.items()}
    return {"values": report.values, "columns": worst}


def check_scans(checks: Checks, title: str, model: Path, device: str, is_large: bool, on_gpu: bool) -> None:
    exact, standard = Gpt2(model, "cpu", torch.float64), Gpt2(model, device, torch.float32)
    for case in cases(exact.config, is_large, on_gpu):

        def check(case: Any = case) -> dict[str, Any]:
            truths = [find_truth(scan, exact, standard) for scan in case.scans]
            report, float64_report = Report(), Report()
            for budget in case.budgets:
                with Engine(model, device, max_packed_tokens=budget) as engine:
                    rows, _ = engine.run(case.scans)
                check_rows(rows, case.scans, truths, f"{case.name}, {device}", report)
            with Engine(model, "cpu", "float64") as engine:
                rows, _ = engine.run(case.scans)
            check_rows(rows, case.scans, truths, f"{case.name}, cpu in float64", float64_report, is_float64=True)
            return {**summary(report), "float64_on_cpu": summary(float64_report)}

        checks.run(f"{title}: {case.name}", check)


def check_service(model: Path, device: str) -> dict[str, Any]:
    rows, scan, manifest = scan_through_service(model, device)
    truth = find_truth(scan, Gpt2(model, "cpu", torch.float64), Gpt2(model, device, torch.float32))
    report = Report()
    check_rows(rows, [scan], [truth], "service", report)
    return {**summary(report), "runtime": manifest["runtime"]}


def gpu_problem() -> str:
    """Why no GPU can be used; empty where one can."""
    driver = nvidia_smi("driver_version")
    if not torch.cuda.is_available():
        return f"PyTorch finds no usable GPU ({f'driver {driver}' if driver else 'nvidia-smi names no driver'})"
    major, minor = torch.cuda.get_device_capability(0)
    if (major, minor) < (7, 5):
        return f"{torch.cuda.get_device_name(0)} has compute capability {major}.{minor}, the programs need 7.5"
    return ""


def nvidia_smi(field: str) -> str:
    try:
        command = ["nvidia-smi", "--id=0", f"--query-gpu={field}", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def machine(on_gpu: bool) -> dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo").read_text()
    found = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    result: dict[str, Any] = {
        "cpu": found.group(1) if found else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "torch": torch.__version__,
        "glibc": platform.libc_ver()[1],
    }
    if on_gpu:
        result.update(
            gpu=torch.cuda.get_device_name(0),
            driver=nvidia_smi("driver_version"),
            compute_capability="{}.{}".format(*torch.cuda.get_device_capability(0)),
            gpu_memory_bytes=torch.cuda.get_device_properties(0).total_memory,
        )
    return result


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


@contextmanager
def random_small() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield write_random_model(Path(folder) / "gpt2-small-random", GPT2_SMALL, seed=3)


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="device-check", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the result there; it always goes to stdout"
    )
    parser.add_argument("--cpu-only", action="store_true", help="check what can be checked without a GPU")
    parser.add_argument("--quick", action="store_true", help="only the bundled model, and no timings")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = parse_arguments(arguments)
    on_gpu = not options.cpu_only
    about = json.loads((BUNDLE / "bundle.json").read_text())
    if version(platform.libc_ver()[1]) < version(about["glibc"]):
        print(f"device-check: glibc {about['glibc']} is needed, here is {platform.libc_ver()[1]}", file=sys.stderr)
        return 2
    if on_gpu and (problem := gpu_problem()):
        print(f"device-check: {problem}; --cpu-only checks the rest", file=sys.stderr)
        return 3
    # float32 means float32.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    device = "cuda:0" if on_gpu else "cpu"
    start = time.monotonic()
    checks = Checks()
    checks.run("kernels_gpu_test", lambda: check_gtest("kernels_gpu_test", on_gpu))
    checks.run("ops_test", lambda: check_gtest("ops_test", on_gpu))
    demo = BUNDLE / "models/demo"
    check_scans(checks, "models/demo", demo, device, is_large=False, on_gpu=on_gpu)
    checks.run("models/demo: ablated and ablate over gRPC", lambda: check_service(demo, device))
    timings: list[dict[str, Any]] = []
    if not options.quick:
        with random_small() as small:
            check_scans(checks, "GPT-2 Small, random weights", small, device, is_large=True, on_gpu=on_gpu)
            if checks.passed:
                print("timings ... ", end="", file=sys.stderr, flush=True)
                timings = measure(small, device, on_gpu)
                print("ok", file=sys.stderr)
    result = {
        "passed": checks.passed,
        "device": device,
        "bundle": about,
        "machine": machine(on_gpu),
        "checks": checks.results,
        "timings_gpt2_small_float32": timings,
        "seconds": round(time.monotonic() - start, 1),
    }
    text = json.dumps(result, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")
    return 0 if checks.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
