"""bin/device-check: kernel tests, every op, and full scans in every precision on a GPU against the CPU, and timings.
Prints a Markdown table; a check that fails does not stop the others.

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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from device_check.torch_libs import UnsuitableTorch, library_path

try:
    library_path()
except UnsuitableTorch as unsuitable:
    print(f"device-check: {unsuitable}", file=sys.stderr)
    sys.exit(2)

import torch

from device_check.bench import bench_checks
from device_check.choices import check_batch_invariant, check_kept_choices
from device_check.compare import Mismatch, number
from device_check.programs import BUNDLE, Engine, ProgramFailed, environment, program
from device_check.random_model import GPT2_SMALL, write_random_model
from device_check.sanitize import TOOLS, sanitize
from device_check.scans import check_service, scan_checks
from device_check.table import markdown


class Checks:
    """Runs checks one after the other, prints a line for each, and collects the results."""

    def __init__(self, deadline_s: float, keep: Callable[[], None]) -> None:
        """`keep` is called after each check, to keep what has been found so far. None begins behind the deadline."""
        self.results: list[dict[str, Any]] = []
        self._start = time.monotonic()
        self._deadline_s = deadline_s
        self._keep = keep

    def run(self, name: str, check: Callable[[], dict[str, Any]]) -> None:
        print(f"{name} ... ", end="", file=sys.stderr, flush=True)
        start = time.monotonic()
        result: dict[str, Any] = {"check": name, "passed": True}
        try:
            if self.seconds > self._deadline_s:
                raise TimeoutError(f"not begun: {self._deadline_s:.0f} s had passed (--deadline)")
            result.update(check())
        # Whatever it is: a lost device shows as any of PyTorch's errors, a broken answer as any of Python's.
        except Exception as error:
            result.update(passed=False, error=f"{type(error).__name__}: {error}")
        result["seconds"] = round(time.monotonic() - start, 1)
        self.results.append(result)
        print("ok" if result["passed"] else f"FAILED\n    {result['error']}", file=sys.stderr, flush=True)
        self._keep()

    @property
    def passed(self) -> bool:
        return bool(self.results) and all(result["passed"] for result in self.results)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start


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


def start_engine(model: Path, device: str) -> dict[str, Any]:
    with Engine(model, device) as engine:
        return {"precisions": [precision for precision in engine.info["precisions"] if precision != "float64"]}


def check_verify(model: Path, device: str, precisions: Sequence[str]) -> dict[str, Any]:
    """`ablated verify` in each precision: every column's error, and the order of the heads. Of float32 both must be
    what they are on a CPU; scans.py judges the others, in some columns.
    """
    command = [program("libexec/ablated"), "verify", "--model", str(model), "--device", device]
    result = subprocess.run(
        [*command, "--format", "json", "--no-cache"], env=environment(), capture_output=True, text=True, timeout=240
    )
    if result.returncode != 0:
        raise ProgramFailed(f"ablated verify ended with {result.returncode}: {result.stderr[-1000:]}")
    runs = {run["runtime"]["precision"]: run for run in json.loads(result.stdout)["runs"]}
    if set(runs) != set(precisions):
        raise Mismatch(f"ablated verify ran {', '.join(runs)}, expected {', '.join(precisions)}")
    for error in runs["float32"]["errors"]:
        # Near a tie tokens change places.
        allowed = 3 if error["column"] == "target_rank" else 1e-3
        if not error["floor"] <= allowed:
            raise Mismatch(
                f"{error['column']} at {error['n_tokens']} tokens: floor {error['floor']}, allowed {allowed}"
            )
    for name, run in runs.items():
        for length in run["lengths"]:
            allowed = 0.999 if name == "float32" else 0.9
            if not number(length["spearman_worst"]) >= allowed:
                raise Mismatch(f"{name}: Spearman {length['spearman_worst']} at {length['n_tokens']} tokens")
    return {"runs": list(runs.values())}


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
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures there")
    parser.add_argument("--cpu-only", action="store_true", help="check what can be checked without a GPU")
    parser.add_argument(
        "--deadline", type=float, default=480, metavar="S", help="begin no check after S seconds (default: %(default)s)"
    )
    parser.add_argument("--bench", action="store_true", help="also time the cases of the benchmark beside their limits")
    parser.add_argument("--quick", action="store_true", help="only the bundled model, and no timings")
    parser.add_argument(
        "--sanitize",
        type=lambda text: text.split(","),
        default=[],
        metavar="TOOLS",
        help=f"also run the kernel tests under compute-sanitizer: some of {','.join(TOOLS)}",
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.sanitize) - set(TOOLS):
        parser.error(f"--sanitize: got {', '.join(sorted(unknown))}, expected some of {', '.join(TOOLS)}")
    return options


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
    head = {"device": device, "bundle": about, "machine": machine(on_gpu)}

    def result() -> dict[str, Any]:
        return {"passed": checks.passed, **head, "checks": checks.results, "seconds": round(checks.seconds, 1)}

    def keep() -> None:
        if options.json:
            partial_file = options.json.with_name(options.json.name + ".partial")
            partial_file.write_text(json.dumps(result(), indent=1) + "\n")
            partial_file.replace(options.json)

    checks = Checks(options.deadline, keep)
    for tests in ("kernels_gpu_test", "ops_test"):
        checks.run(tests, partial(check_gtest, tests, on_gpu))
    demo = BUNDLE / "models/demo"
    checks.run("an engine starts", partial(start_engine, demo, device))
    # What the device computes in; where no engine starts, the checks of one precision say so often enough.
    precisions = checks.results[-1].get("precisions", ["float32"])
    for name, check in scan_checks(demo, device, precisions, is_large=False, on_gpu=on_gpu):
        checks.run(f"models/demo, {name}", check)
    checks.run("models/demo, ablated and ablate over gRPC", partial(check_service, demo, device))
    checks.run("models/demo, ablated verify", partial(check_verify, demo, device, precisions))
    if not options.quick:
        with random_small() as small:
            for name, check in scan_checks(small, device, precisions, is_large=True, on_gpu=on_gpu):
                checks.run(f"GPT-2 Small, random weights, {name}", check)
            for precision in precisions:
                checks.run(
                    f"GPT-2 Small, random weights, {precision} on {device}: batch-invariant",
                    partial(check_batch_invariant, small, device, precision),
                )
            if on_gpu:
                checks.run("what was measured is kept", partial(check_kept_choices, small, device, "float32"))
            if options.bench:
                for name, check in bench_checks(small, device, precisions, on_gpu):
                    checks.run(f"bench, {name}", check)
    for tool in options.sanitize:
        checks.run(f"compute-sanitizer --tool={tool}", partial(sanitize, tool))
    print(markdown(result()), end="")
    return 0 if checks.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
