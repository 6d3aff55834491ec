#!/usr/bin/env python3
"""Makes the folder of `./run bundle`: our programs, the Debian libraries they need, the bundled model, device-check.

Libraries of glibc and of g++ stay out: they are the other machine's own, at least of the versions in bundle.json.
PyTorch's and CUDA's come from its PyTorch. Everything else is found through RUNPATH.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 50_000_000
# Where a program goes, and its place in the build folder.
PROGRAMS = {
    "bin/ablate": "bin/ablate",
    "libexec/ablated": "bin/ablated",
    "libexec/engine_probe": "tests/engine_probe",
    "libexec/kernels_gpu_test": "tests/kernels_gpu_test",
    "libexec/ops_test": "tests/ops_test",
}
SYSTEM = re.compile(
    r"(ld-linux-x86-64|libc|libm|libdl|libpthread|librt|libresolv|libutil|libanl|libstdc\+\+|libgcc_s)\.so"
)
PARTIAL = ".ablate-bundle"


class BundleError(Exception):
    """Ends the program with one line."""


def output_of(*command: str | Path) -> str:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout


def needed_libraries(programs: list[Path]) -> list[Path]:
    """All shared libraries that the programs reach, but for the system's and those under .venv."""
    found: dict[str, Path] = {}
    for program in programs:
        for line in output_of("ldd", program).splitlines():
            name, arrow, rest = line.strip().partition(" => ")
            if not arrow or SYSTEM.match(name):
                continue
            if rest.startswith("not found"):
                raise BundleError(f"{program.name} needs {name}, which this machine does not have")
            path = Path(rest.split(" (")[0])
            if not path.resolve().is_relative_to(ROOT / ".venv") and ".venv" not in path.parts:
                found[name] = path
    return [found[name] for name in sorted(found)]


def newest_version(prefix: str, files: list[Path]) -> str:
    """The newest version of the symbols called PREFIX_1.2.3 that any of the files asks for."""
    versions: set[tuple[int, ...]] = set()
    for file in files:
        for text in re.findall(rf"\b{prefix}_([0-9.]+)", output_of("objdump", "-T", file)):
            versions.add(tuple(int(part) for part in text.split(".")))
    return ".".join(map(str, max(versions)))


def install(source: Path, target: Path, run_path: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755)
    subprocess.run(["strip", "--strip-unneeded", target], check=True)
    subprocess.run(["patchelf", "--set-rpath", run_path, target], check=True)


def fill(folder: Path, build_dir: Path) -> dict[str, object]:
    programs = [build_dir / place for place in PROGRAMS.values()]
    missing = [str(program) for program in programs if not program.exists()]
    if missing:
        raise BundleError(f"not built: {', '.join(missing)}")
    for target, place in PROGRAMS.items():
        install(build_dir / place, folder / target, "$ORIGIN/../lib")
    for library in needed_libraries(programs):
        install(library.resolve(), folder / "lib" / library.name, "$ORIGIN")
    here = Path(__file__).resolve().parent
    shutil.copytree(here / "device_check", folder / "share/device_check", ignore=shutil.ignore_patterns("__pycache__"))
    for launcher in (here / "launchers").iterdir():
        shutil.copy(launcher, folder / "bin" / launcher.name)
    shutil.copy(here / "README.md", folder / "README.md")
    shutil.copytree(ROOT / "models/demo", folder / "models/demo")
    binaries = [path for part in ("bin", "lib", "libexec") for path in (folder / part).iterdir() if is_elf(path)]
    about: dict[str, object] = {
        "commit": output_of("git", "-C", ROOT, "rev-parse", "HEAD").strip(),
        "changed_since_commit": bool(output_of("git", "-C", ROOT, "status", "--porcelain").strip()),
        "torch": "2.11",
        "cuda": "13.0",
        "glibc": newest_version("GLIBC", binaries),
        "glibcxx": newest_version("GLIBCXX", binaries),
        "libraries": sorted(path.name for path in (folder / "lib").iterdir()),
    }
    (folder / "bundle.json").write_text(json.dumps(about, indent=1) + "\n")
    return about


def is_elf(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) == b"\x7fELF"


def check_target(target: Path) -> None:
    """Only a folder that an earlier run made may be replaced."""
    if target.exists() and not (target / "bundle.json").exists() and (not target.is_dir() or any(target.iterdir())):
        raise BundleError(f"{target} exists and is not a bundle: choose another folder")


def make(target: Path, build_dir: Path) -> None:
    check_target(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        about = fill(partial, build_dir)
        size = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
        if size > MOST_BYTES:
            raise BundleError(f"the bundle has {size:,} bytes, expected at most {MOST_BYTES:,}")
        if target.exists():
            shutil.rmtree(target)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    needs = f"glibc {about['glibc']}, GLIBCXX {about['glibcxx']}, torch {about['torch']}"
    print(f"{target}: {size / 1e6:.1f} MB; needs x86-64 Linux with {needs}")


def run_as_program(
    arguments: list[str], command: str, description: str, folder: Path, make: Callable[[Path, Path], object]
) -> int:
    """The command line of `make(folder, build folder)`: what it cannot do is one line on standard error."""
    parser = argparse.ArgumentParser(prog=f"./run {command}", description=description.partition("\n")[0])
    parser.add_argument("dir", nargs="?", type=Path, default=ROOT / folder, help=f"default: {folder}")
    parser.add_argument("--build-dir", type=Path, default=ROOT / "build/release", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        make(options.dir.resolve(), options.build_dir.resolve())
    except BundleError as error:
        print(f"run: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"run: {' '.join(map(str, error.cmd))} failed: {(error.stderr or '').strip()}", file=sys.stderr)
        return 1
    return 0


def main(arguments: list[str]) -> int:
    return run_as_program(arguments, "bundle", __doc__ or "", Path("build/bundle"), make)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
