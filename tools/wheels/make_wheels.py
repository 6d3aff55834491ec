#!/usr/bin/env python3
"""Builds the two wheels of `./run wheel`: `ablate`, pure Python, and `ablate_server`, programs and bundled model.

The second holds the Debian libraries that the programs need, as the bundle does; glibc and libstdc++ are the other
machine's own, PyTorch's and CUDA's come from the wheel `torch`. Its tag says what that asks of the machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "bundle"))
from make_bundle import BundleError, install, needed_libraries, newest_version, output_of, run_as_program

CLIENT = ROOT / "client" / "python"
SERVER = CLIENT / "server"
PROGRAMS = ("ablate", "ablated")
# PyTorch and CUDA where they are usually installed: beside us. ablate_server.library_path finds them elsewhere too.
PROGRAM_RUN_PATH = "$ORIGIN/../lib:$ORIGIN/../../torch/lib:$ORIGIN/../../nvidia/cu13/lib"
# Least minor version of glibc whose manylinux has a libstdc++ with these symbols (PEP 600's policies, as auditwheel has
# them).
GLIBC_OF_GLIBCXX = {"3.4.28": 31, "3.4.29": 34, "3.4.30": 35, "3.4.31": 39, "3.4.32": 39, "3.4.33": 39}
# PyPI's limit for a file, from which a project of the size of torch is exempt, is 100 MB.
MOST_BYTES = 60_000_000
# Reproducible: files of a wheel carry this date (hatchling's own default).
SOURCE_DATE = "1580601600"


def platform_tag(glibc: str, glibcxx: str) -> str:
    """The oldest manylinux that has both versions."""
    major, minor = (int(part) for part in glibc.split(".")[:2])
    if major != 2 or glibcxx not in GLIBC_OF_GLIBCXX:
        raise BundleError(f"no manylinux is known for glibc {glibc} and GLIBCXX_{glibcxx}: extend GLIBC_OF_GLIBCXX")
    return f"manylinux_2_{max(minor, GLIBC_OF_GLIBCXX[glibcxx])}_x86_64"


def debian_package(library: Path) -> str:
    """The package that a library came from."""
    real = str(library.resolve())
    # dpkg knows some files by their name from before /lib became a link to /usr/lib.
    for name in (real, real.removeprefix("/usr")):
        found = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            return re.split(r"[:,]", found.stdout, maxsplit=1)[0]
    raise BundleError(f"no Debian package has {library}: its licence is not known")


def add_licenses(libraries: list[Path], folder: Path) -> None:
    folder.mkdir()
    for package in sorted({debian_package(library) for library in libraries}):
        copyright_file = Path("/usr/share/doc") / package / "copyright"
        if not copyright_file.is_file():
            raise BundleError(f"{copyright_file} is missing: its library may not be passed on without it")
        shutil.copyfile(copyright_file, folder / f"{package}.txt")


def stage_server(stage: Path, build_dir: Path) -> dict[str, object]:
    """A copy of the wheel's source folder with the programs in it. Returns what about.json says."""
    shutil.copytree(SERVER, stage, ignore=shutil.ignore_patterns("__pycache__"))
    package = stage / "src" / "ablate_server"
    programs = [build_dir / "bin" / name for name in PROGRAMS]
    missing = [str(program) for program in programs if not program.exists()]
    if missing:
        raise BundleError(f"not built: {', '.join(missing)}")
    for program in programs:
        install(program, package / "bin" / program.name, PROGRAM_RUN_PATH)
    libraries = needed_libraries(programs)
    for library in libraries:
        install(library.resolve(), package / "lib" / library.name, "$ORIGIN")
    add_licenses(libraries, package / "licenses")
    shutil.copytree(
        ROOT / "models" / "demo", package / "models" / "demo", ignore=shutil.ignore_patterns("numeric_floor.json")
    )
    # Together: a library may ask for no version at all.
    binaries = [*(package / "bin").iterdir(), *(package / "lib").iterdir()]
    glibc, glibcxx = newest_version("GLIBC", binaries), newest_version("GLIBCXX", binaries)
    about: dict[str, object] = {
        "commit": output_of("git", "-C", ROOT, "rev-parse", "HEAD").strip(),
        "torch": "2.11.0",
        "cuda": "13.0",
        "glibc": glibc,
        "glibcxx": glibcxx,
        "platform": platform_tag(glibc, glibcxx),
        "libraries": sorted(library.name for library in libraries),
    }
    (package / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    return about


def build_wheel(source: Path, out: Path) -> Path:
    """The wheel of a source folder, with the build tools of .venv: nothing is fetched."""
    with tempfile.TemporaryDirectory(dir=out) as folder:
        done = subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, str(source)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "SOURCE_DATE_EPOCH": SOURCE_DATE},
        )
        if done.returncode != 0:
            raise BundleError(f"building {source.name} failed:\n{done.stdout}{done.stderr}")
        (wheel,) = Path(folder).glob("*.whl")
        name = wheel.name.partition("-")[0]
        for old in out.glob(f"{name}-*.whl"):
            old.unlink()
        return wheel.rename(out / wheel.name)


def make(out: Path, build_dir: Path) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    wheels = [build_wheel(CLIENT, out)]
    with tempfile.TemporaryDirectory(dir=out) as folder:
        stage = Path(folder) / "ablate_server"
        stage_server(stage, build_dir)
        wheels.append(build_wheel(stage, out))
    for wheel in wheels:
        size = wheel.stat().st_size
        if size > MOST_BYTES:
            raise BundleError(f"{wheel} has {size:,} bytes, expected at most {MOST_BYTES:,}")
        print(f"{wheel}: {size / 1e6:.1f} MB")
    return wheels


def main(arguments: list[str]) -> int:
    return run_as_program(arguments, "wheel", __doc__ or "", Path("build/wheels"), make)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
