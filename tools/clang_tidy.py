#!/usr/bin/env python3
"""Runs the pinned clang-tidy over our .cc files, from a build folder's compile_commands.json.

A file whose text, headers of ours, flags and settings are as they were when it last passed costs nothing: its hash is
kept in BUILD_DIR/clang-tidy. Not looked at: generated code, CUDA files, which clang cannot parse against CUDA 13's
headers (nvcc's own warnings are errors there), and what is written in g++'s vector extensions.

Exit codes: 0 clean, 1 findings, 2 could not run.
"""

import argparse
import concurrent.futures
import functools
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*["<]([^">]+)[">]', re.MULTILINE)
# What g++ understands and clang does not, or only in the form of a g++ file (precompiled headers).
DROPPED_FLAGS = re.compile(
    r"-Winvalid-pch|-fno-gnu-unique|-fopenmp.*|-Werror.*|-fsanitize=.*|-mno-vzeroupper|-fconcepts.*"
)
# Files that clang cannot parse: __builtin_shuffle is g++'s alone.
GCC_ONLY = {"kernels/cpu/isa_kernels.cc"}
# Warnings are clang-tidy's business here, not those of clang, which knows others than g++.
ADDED_FLAGS = ["-Wno-everything"]
MEMORY_OF_ONE_RUN_BYTES = 2 << 30


@dataclass(frozen=True)
class Unit:
    """One source file with the flags it is compiled with."""

    source: Path
    directory: Path
    flags: tuple[str, ...]

    @property
    def name(self) -> str:
        return str(self.source.relative_to(ROOT))


def clang_flags(command: list[str]) -> list[str]:
    """The compiler's arguments without compiler, output, input and what clang does not know."""
    flags = []
    skip = 0
    for i, argument in enumerate(command[1:], 1):
        if skip > 0:
            skip -= 1
        elif argument in ("-o", "-c") or (argument == "-include" and command[i + 1].endswith("cmake_pch.hxx")):
            skip = 1
        elif not DROPPED_FLAGS.fullmatch(argument):
            flags.append(argument)
    return flags


def read_units(build_dir: Path, only: list[str]) -> list[Unit]:
    """Our .cc files, each once: where several targets compile one, the first one's flags count."""
    units: dict[Path, Unit] = {}
    for entry in json.loads((build_dir / "compile_commands.json").read_text(encoding="utf-8")):
        directory = Path(entry["directory"])
        source = (directory / entry["file"]).resolve()
        ours = source.is_relative_to(ROOT) and not source.is_relative_to(build_dir) and source.suffix == ".cc"
        if not ours or source in units or not source.exists():
            continue
        if str(source.relative_to(ROOT)) in GCC_ONLY:
            continue
        if only and not any(text in str(source.relative_to(ROOT)) for text in only):
            continue
        command = entry.get("arguments") or shlex.split(entry["command"])
        if Path(command[0]).name == "ccache":
            command = command[1:]
        units[source] = Unit(source, directory, tuple(clang_flags(command)))
    return list(units.values())


@functools.cache
def read_bytes(path: Path) -> bytes:
    return path.read_bytes()


@functools.cache
def direct_includes(path: Path) -> tuple[str, ...]:
    return tuple(name.decode(errors="replace") for name in INCLUDE.findall(read_bytes(path)))


def own_files(unit: Unit, build_dir: Path) -> list[Path]:
    """The source and all headers it reaches that are ours or generated from ours, in a fixed order."""
    folders = [ROOT, build_dir / "proto" / "generated"]
    seen = {unit.source}
    todo = [unit.source]
    while todo:
        path = todo.pop()
        for name in direct_includes(path):
            for folder in [path.parent, *folders]:
                found = folder / name
                if found.is_file():
                    found = found.resolve()
                    if found not in seen:
                        seen.add(found)
                        todo.append(found)
                    break
    return sorted(seen)


def settings_of(source: Path) -> list[Path]:
    """The .clang-tidy files that apply."""
    folders = [folder for folder in source.parents if folder.is_relative_to(ROOT)]
    return [folder / ".clang-tidy" for folder in folders if (folder / ".clang-tidy").exists()]


def hash_of(unit: Unit, build_dir: Path, tool: str) -> str:
    digest = hashlib.sha256()
    # The versions of everything else stand in tools/deps.
    pins = sorted((ROOT / "tools" / "deps").glob("*.txt"))
    flags = " ".join(unit.flags).replace(str(build_dir), "BUILD").replace(str(ROOT), "ROOT")
    digest.update("\0".join([tool, flags, *ADDED_FLAGS]).encode())
    for path in [*own_files(unit, build_dir), *settings_of(unit.source), *pins, Path(__file__).resolve()]:
        shown = path.relative_to(build_dir) if path.is_relative_to(build_dir) else path.relative_to(ROOT)
        digest.update(f"{shown}\0{len(read_bytes(path))}\0".encode())
        digest.update(read_bytes(path))
    return digest.hexdigest()


def run_tidy(tool: Path, unit: Unit, options: list[str]) -> tuple[int, str]:
    arguments = [str(tool), "--quiet", *options, str(unit.source), "--", *unit.flags, *ADDED_FLAGS]
    result = subprocess.run(arguments, cwd=unit.directory, capture_output=True, text=True)
    output = result.stdout.replace(f"{ROOT}/", "").strip()
    # Findings are on stdout, which counts of suppressed warnings on stderr accompany; a crash is on stderr alone.
    if result.returncode != 0 and not output:
        output = result.stderr.strip() or f"{unit.name}: clang-tidy ended with {result.returncode}"
    return result.returncode, output


def parallel_runs() -> int:
    memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(len(os.sched_getaffinity(0)), memory // MEMORY_OF_ONE_RUN_BYTES))


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", help="only files whose path contains one of these")
    parser.add_argument("--build-dir", type=Path, default=ROOT / "build/release", help="has compile_commands.json")
    parser.add_argument("--jobs", type=int, default=0, help="default: one a core, as far as memory allows")
    parser.add_argument("--fix", action="store_true", help="apply clang-tidy's own fixes, one file after the other")
    parser.add_argument("--deep", action="store_true", help="with the analyzer's checks: three times as long")
    parser.add_argument("--no-cache", action="store_true", help="look at every file")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = parse_arguments(arguments)
    build_dir = options.build_dir.resolve()
    if not (build_dir / "compile_commands.json").exists():
        print(f"clang-tidy: no compile_commands.json in {build_dir}: './run build' makes it", file=sys.stderr)
        return 2
    tool = Path(sys.executable).parent / "clang-tidy"
    if not tool.exists():
        print(f"clang-tidy: {tool} is missing: './run setup' installs it", file=sys.stderr)
        return 2
    version = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout
    started = time.monotonic()
    units = read_units(build_dir, options.files)
    if not units:
        print("clang-tidy: no file to look at", file=sys.stderr)
        return 2
    stamps = build_dir / "clang-tidy"
    stamps.mkdir(exist_ok=True)
    checks = ["--checks=clang-analyzer-*,-clang-analyzer-optin.performance.Padding"] if options.deep else []
    hashes = {unit: hash_of(unit, build_dir, version + " ".join(checks)) for unit in units}
    todo = [unit for unit in units if options.no_cache or not (stamps / hashes[unit]).exists()]
    # The heaviest headers first, so that no core waits at the end.
    todo.sort(key=lambda unit: -len(unit.flags))

    failed = []
    jobs = 1 if options.fix else options.jobs or parallel_runs()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        runs = {
            pool.submit(run_tidy, tool, unit, [*checks, *(["--fix"] if options.fix else [])]): unit for unit in todo
        }
        for done, run in enumerate(concurrent.futures.as_completed(runs), 1):
            unit = runs[run]
            status, output = run.result()
            if status == 0:
                (stamps / hashes[unit]).touch()
            else:
                failed.append(unit.name)
                print(output, flush=True)
            if sys.stderr.isatty():
                print(f"\r\033[K{done}/{len(todo)} {unit.name}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty() and todo:
        print("\r\033[K", end="", file=sys.stderr)
    seconds = time.monotonic() - started
    state = f"findings in {len(failed)}: {', '.join(sorted(failed))}" if failed else "clean"
    print(f"clang-tidy: {len(units)} files, {len(units) - len(todo)} unchanged, {state} ({seconds:.0f} s)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
