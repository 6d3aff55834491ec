"""The kernel tests under NVIDIA's compute-sanitizer."""

import os
import shutil
import signal
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
    # With the program that it runs: a session of their own, which ends as one.
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=environment(), stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    try:
        out, err = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise ProgramFailed(f"compute-sanitizer --tool={tool} took over {limit_s:.0f} s") from None
    if process.returncode != 0:
        what = "found errors" if process.returncode == FOUND else f"ended with {process.returncode}"
        raise ProgramFailed(f"compute-sanitizer --tool={tool} {what}:\n{(out + err)[-3000:]}")
    return {"tool": tool}
