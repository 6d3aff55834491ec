"""The kernel tests under NVIDIA's compute-sanitizer."""

import shutil
import subprocess
from typing import Any

from device_check.programs import ProgramFailed, environment, program

TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
# What it exits with where it has found something.
FOUND = 86


def sanitize(tool: str, limit_s: float = 300) -> dict[str, Any]:
    """Runs kernels_gpu_test under one of TOOLS."""
    sanitizer = shutil.which("compute-sanitizer")
    if sanitizer is None:
        raise ProgramFailed("no compute-sanitizer on PATH: it is part of the CUDA toolkit")
    command = [
        *(sanitizer, f"--tool={tool}", f"--error-exitcode={FOUND}", "--print-limit=20"),
        *(program("libexec/kernels_gpu_test"), "--gtest_brief=1"),
    ]
    try:
        result = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise ProgramFailed(f"compute-sanitizer --tool={tool} took over {limit_s:.0f} s") from None
    if result.returncode != 0:
        what = "found errors" if result.returncode == FOUND else f"ended with {result.returncode}"
        raise ProgramFailed(f"compute-sanitizer --tool={tool} {what}:\n{(result.stdout + result.stderr)[-3000:]}")
    return {"tool": tool}
