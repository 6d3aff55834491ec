"""The image's packages: all that the programs link of Debian's. (No docker runs here; the build of the image does.)"""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ABLATE_BUILD_DIR", ROOT / "build/release"))
PROGRAMS = [BUILD / "bin" / name for name in ("ablate", "ablated")]


def installed_by_last_stage() -> set[str]:
    stage = (ROOT / "Dockerfile").read_text().split("\nFROM ")[-1]
    arguments = re.search(r"apt-get install((?:[^&\\]|\\\n)*)", stage)
    assert arguments is not None
    return {word for word in re.findall(r"\S+", arguments[1]) if re.match(r"[a-z]", word)} - {"Acquire::Retries=3"}


def depends(package: str) -> set[str]:
    """The packages that come with it. Of alternatives the first, which is what apt takes."""
    fields = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Pre-Depends},${Depends}", package], check=True, capture_output=True, text=True
    ).stdout
    return {re.split(r"[ :|]", item.strip())[0] for item in fields.split(",") if item.strip()}


def with_dependencies(packages: set[str]) -> set[str]:
    known: set[str] = set()
    todo = set(packages)
    while todo:
        package = todo.pop()
        known.add(package)
        installed = subprocess.run(["dpkg-query", "-W", package], capture_output=True).returncode == 0
        if installed:
            todo |= depends(package) - known
    return known


def package_of(library: str) -> str:
    """Packages own the real file, by its name before or after /usr was merged."""
    real = os.path.realpath(library)
    for path in (real, real.removeprefix("/usr")):
        found = subprocess.run(["dpkg", "-S", path], capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.split(":")[0]
    raise AssertionError(f"{library} is of no package")


def debian_libraries(program: Path) -> list[str]:
    linked = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return re.findall(r"=> ((?:/usr)?/lib/\S+)", linked)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_the_image_installs_what_the_program_links(program: Path) -> None:
    if not program.exists():
        pytest.skip(f"{program.name} is not built")
    libraries = debian_libraries(program)
    assert len(libraries) > 10
    missing = {package_of(library) for library in libraries} - with_dependencies(installed_by_last_stage())
    assert not missing, f"the Dockerfile's last stage does not install {sorted(missing)}"
