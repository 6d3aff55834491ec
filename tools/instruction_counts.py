#!/usr/bin/env python3
"""Counts the instructions of the planner and the tokenizer, and compares them with tests/guard/instruction_counts.json.

Time varies by what else the machine does; the number of instructions does not, so that a twentieth more of them is a
change of the code. They are counted by valgrind's callgrind, in build/release/tests/guarded_work.

    python tools/instruction_counts.py             # compares; exit status 1 where a count is more than 5 % off
    python tools/instruction_counts.py --accept    # writes the file anew
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ACCEPTED = ROOT / "tests/guard/instruction_counts.json"
MODEL = ROOT / "models/demo"
LARGEST_CHANGE = 0.05
# Functions with a smaller part of a piece's instructions are not written down.
SMALLEST_PART = 0.01
ACCEPT = "python tools/instruction_counts.py --accept"
# Valgrind shows programs a CPU with AVX2 only where the machine has it, and it counts each byte that ERMS copies:
# everywhere the C library and OpenSSL are to take the plain loops.
PLAIN_CPU = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-SSE4_2,-SSE4_1,-SSSE3,-BMI2",
    "OPENSSL_ia32cap": "0:0",
}
# A line of callgrind_annotate: `1,234 (5.6%)  file:function [object]`.
ANNOTATED = re.compile(r"^ *([\d,]+) +\([ \d.]+%\) +[^:\n]+:(.+?)(?: \[([^\]]+)\])?$", re.MULTILINE)


@dataclass(frozen=True)
class Count:
    """Instructions of a piece of work, and by function, without those that it calls."""

    instructions: int
    functions: dict[str, int]


def program() -> Path:
    """guarded_work of ABLATE_BUILD_DIR (build/release)."""
    return ROOT / os.environ.get("ABLATE_BUILD_DIR", "build/release") / "tests/guarded_work"


def describe() -> dict:
    """How guarded_work was built, and the names of its pieces."""
    return json.loads(subprocess.run([program()], capture_output=True, text=True, check=True).stdout)


def difference_of_builds(accepted: dict, built: dict) -> str | None:
    """Why counts of these two builds cannot be compared; None where they can."""
    for name in ("compiler", "build_type", "flags", "libc", "abseil"):
        ours, theirs = built[name], accepted[name]
        if name == "compiler":  # minor versions mend bugs
            ours, theirs = (text.partition(".")[0] for text in (ours, theirs))
        if ours != theirs:
            return f"{name}: {built[name]} here, the accepted counts are of {accepted[name]}"
    return None


def is_reference_build() -> bool:
    """Whether this is what `./run` builds on Debian 12, whose packages are pinned: of it the counts must hold."""
    release = platform.freedesktop_os_release()
    is_debian = (release.get("ID"), release.get("VERSION_ID")) == ("debian", "12")
    return is_debian and program().resolve() == (ROOT / "build/release/tests/guarded_work").resolve()


def short_name(function: str, library: str) -> str:
    """Without arguments, template or other, which change more often than they tell; a library's where it has none."""
    if function.startswith("0x"):
        return Path(library).name
    name = re.sub(r"\(anonymous namespace\)::| ?\[[^\]]*\]|'\d+$", "", function)
    shorter = re.sub(r"<[^<>]*>|\([^()]*\)", "", name)
    return shorter if shorter == name else short_name(shorter, library)


def by_function(annotated: str) -> dict[str, int]:
    """The functions of callgrind_annotate's listing, the largest first."""
    counts: Counter[str] = Counter()
    for number, function, library in ANNOTATED.findall(annotated):
        counts[short_name(function, library)] += int(number.replace(",", ""))
    return dict(counts.most_common())


def measure(piece: str) -> Count:
    """Counts one piece's instructions; the same each time, but for under a thousandth that hash tables' places make."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        valgrind = ["valgrind", "--tool=callgrind", "--toggle-collect=GuardedWork", f"--callgrind-out-file={out}"]
        done = subprocess.run(
            [*valgrind, program(), piece, MODEL],
            env={**os.environ, **PLAIN_CPU},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{piece}: valgrind ended with {done.returncode}:\n{done.stderr}")
        listing = ["callgrind_annotate", "--threshold=100", "--auto=no", str(out)]
        functions = by_function(subprocess.run(listing, capture_output=True, text=True, check=True).stdout)
    return Count(sum(functions.values()), functions)


def growth(accepted: Count, measured: Count) -> str:
    """The five functions that grew most, or shrank where the whole did."""
    sign = 1 if measured.instructions > accepted.instructions else -1
    change = {
        name: measured.functions.get(name, 0) - accepted.functions.get(name, 0)
        for name in {*accepted.functions, *measured.functions}
        # One that is not written down was small; whether it changed is not known while it still is.
        if name in accepted.functions or measured.functions[name] >= SMALLEST_PART * accepted.instructions
    }
    largest = sorted(change.items(), key=lambda item: (-sign * item[1], item[0]))[:5]
    return "\n".join(f"  {by:+14,}  {name}" for name, by in largest if sign * by > 0)


def compare(piece: str, accepted: Count, measured: Count) -> str | None:
    """What to say where a piece takes over 5 % more instructions than accepted, or less; else None."""
    change = measured.instructions / accepted.instructions - 1
    if abs(change) <= LARGEST_CHANGE:
        return None
    # Fewer are no mistake, but while they are not written down the next mistake has that much room.
    todo = "If that is meant, accept it" if change > 0 else "Well done: write it down, so that it stays"
    return (
        f"{piece} takes {measured.instructions:,} instructions, {change:+.1%} against the accepted "
        f"{accepted.instructions:,}. By function, without what it calls:\n"
        f"{growth(accepted, measured)}\n"
        f"{todo}: {ACCEPT}, and commit {ACCEPTED.relative_to(ROOT)}."
    )


def read_accepted() -> tuple[dict, dict[str, Count]]:
    """The accepted build, and the counts of its pieces."""
    root = json.loads(ACCEPTED.read_text(encoding="utf-8"))
    return root, {name: Count(**count) for name, count in root["pieces"].items()}


def accept(built: dict) -> None:
    """Writes the counts of this build as those to compare with."""
    pieces = {}
    for piece in built["pieces"]:
        count = measure(piece)
        smallest = SMALLEST_PART * count.instructions
        functions = {name: number for name, number in count.functions.items() if number >= smallest}
        pieces[piece] = {"instructions": count.instructions, "functions": functions}
        print(f"{piece:24} {count.instructions:14,}")
    ACCEPTED.write_text(json.dumps({**built, "pieces": pieces}, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    """Compares, or accepts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--accept", action="store_true", help="write the counts as those to compare with")
    arguments = parser.parse_args()
    built = describe()
    if arguments.accept:
        accept(built)
        return 0
    build, accepted = read_accepted()
    if difference := difference_of_builds(build, built):
        print(difference, file=sys.stderr)
        return 1
    failed = False
    for piece in built["pieces"]:
        measured = measure(piece)
        message = compare(piece, accepted[piece], measured) if piece in accepted else f"{piece} is new: {ACCEPT}"
        failed |= message is not None
        print(message or f"{piece:24} {measured.instructions:14,}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
