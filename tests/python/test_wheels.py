"""The two wheels: what they ask of a machine, and that what they install works with nothing of this folder."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from email.parser import Parser
from importlib import metadata
from pathlib import Path

import pytest

from tests.oracle.models import ROOT
from tests.oracle.probe import BUILD_DIR
from tools.wheels import make_wheels

# Run in a fresh environment: everything from the wheels, nothing from the environment's variables.
USE = """
import sys, ablate, ablate_server, subprocess
assert ablate.__file__.startswith(sys.prefix), ablate.__file__
with ablate.local(means_dir="none") as client:
    scan = client.scan("Berlin is the capital of", target=" Germany", contrast=" France", progress=False)
    assert scan.array("delta_logit_diff").shape == (12, 12)
    print(scan.baseline("logit_diff"))
assert "torch" not in sys.modules
for name in ("ablate", "ablated"):
    done = subprocess.run([f"{sys.prefix}/bin/{name}", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{name} {ablate.__version__}", done.stdout
"""


def bare_environment() -> dict[str, str]:
    kept = ("HOME", "PIP_", "SSL_", "HTTP", "http", "NO_PROXY", "no_proxy", "TMPDIR")
    return {"PATH": "/usr/bin:/bin"} | {name: value for name, value in os.environ.items() if name.startswith(kept)}


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, env=bare_environment(), cwd=cwd
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    make_wheels.make(folder, BUILD_DIR)
    return folder


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def told(wheel: Path, kind: str = "METADATA"):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(f".dist-info/{kind}"))
        return Parser().parsestr(archive.read(name).decode())


def test_the_versions_are_the_projects(wheels):
    found = re.search(r"project\(ablate VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())
    assert found is not None
    client, server = told(only(wheels, "ablate-*")), told(only(wheels, "ablate_server-*"))
    assert client["Version"] == server["Version"] == found[1]
    assert f"ablate-server=={found[1]}; extra == 'server'" in client.get_all("Requires-Dist")
    assert server.get_all("Requires-Dist") == ["torch==2.11.0"]


def test_the_client_is_for_every_platform(wheels):
    wheel = only(wheels, "ablate-*")
    assert told(wheel, "WHEEL")["Tag"] == "py3-none-any"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "ablate/py.typed" in names and "ablate/_proto/ablation/v1/scan_pb2.py" in names
    assert not [name for name in names if not name.startswith(("ablate/", "ablate-")) or ".so" in name]


def test_the_servers_tag_holds_what_its_files_ask_for(wheels, tmp_path):
    wheel = only(wheels, "ablate_server-*")
    tag = re.fullmatch(r"py3-none-manylinux_2_(\d+)_x86_64", told(wheel, "WHEEL")["Tag"])
    assert tag is not None
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    package = tmp_path / "ablate_server"
    asked: set[tuple[str, tuple[int, ...]]] = set()
    for file in [*(package / "bin").iterdir(), *(package / "lib").iterdir()]:
        symbols = subprocess.run(["objdump", "-T", file], capture_output=True, text=True, check=True).stdout
        found = re.findall(r"\b(GLIBC|GLIBCXX)_([0-9.]+)", symbols)
        asked |= {(prefix, tuple(int(part) for part in text.split("."))) for prefix, text in found}
    assert max(version for prefix, version in asked if prefix == "GLIBC") <= (2, int(tag[1]))
    # GCC 12's, which glibc 2.35's distributions have; see PEP 600.
    assert max(version for prefix, version in asked if prefix == "GLIBCXX") <= (3, 4, 30) and int(tag[1]) >= 35
    licences = {file.stem for file in (package / "licenses").iterdir()}
    assert {"libgrpc29", "libprotobuf32", "libssl3", "libabsl20220623"} <= licences
    for file in (package / "bin").iterdir():
        dynamic = subprocess.run(["readelf", "-d", file], capture_output=True, text=True, check=True).stdout
        (run_path,) = re.findall(r"runpath: \[(.*)\]", dynamic)
        assert all(part.startswith("$ORIGIN/") for part in run_path.split(":")), "nothing of the builder's machine"


@pytest.mark.parametrize(
    ("glibc", "glibcxx", "tag"),
    [("2.34", "3.4.30", "2_35"), ("2.36", "3.4.30", "2_36"), ("2.34", "3.4.29", "2_34"), ("2.17", "3.4.28", "2_31")],
)
def test_platform_tag(glibc, glibcxx, tag):
    assert make_wheels.platform_tag(glibc, glibcxx) == f"manylinux_{tag}_x86_64"


def test_a_version_that_nobody_has_looked_up_is_refused():
    with pytest.raises(make_wheels.BundleError, match="extend GLIBC_OF_GLIBCXX"):
        make_wheels.platform_tag("2.36", "3.4.99")


def test_without_programs_the_servers_wheel_is_not_built(tmp_path):
    with pytest.raises(make_wheels.BundleError, match="`./run wheel` builds this wheel"):
        make_wheels.build_wheel(make_wheels.SERVER, tmp_path)


class TestLibraryPath:
    @pytest.fixture
    def server(self, tmp_path):
        """The package's module, as if it were installed."""
        source = make_wheels.SERVER / "src" / "ablate_server"
        spec = importlib.util.spec_from_file_location(
            "ablate_server", source / "__init__.py", submodule_search_locations=[str(source)]
        )
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["ablate_server"] = module
        spec.loader.exec_module(module)
        yield module
        for name in [name for name in sys.modules if name.startswith("ablate_server")]:
            del sys.modules[name]

    def test_finds_the_installed_torch(self, server):
        folders = server.library_path().split(":")
        assert folders[0].endswith("ablate_server/lib")
        for name in ("libtorch_cuda.so", "libcudart.so.13"):
            assert any((Path(folder) / name).exists() for folder in folders)

    @pytest.mark.parametrize("version", ["2.12.1", "2.11.1", "2.11.1+cu130", "2.11.01", "2.11"])
    def test_tells_of_another_torch(self, server, monkeypatch, version):
        monkeypatch.setattr(server.metadata, "version", lambda name: version)
        says = rf"built against torch 2\.11\.0, .* has {re.escape(version)}: pip install"
        with pytest.raises(server.UnsuitableTorch, match=says):
            server.library_path()

    @pytest.mark.parametrize("version", ["2.11.0", "2.11.0+cpu", "2.11.0+cu130"])
    def test_takes_every_build_of_its_torch(self, server, monkeypatch, version):
        monkeypatch.setattr(server.metadata, "version", lambda name: version)
        assert server.library_path()

    def test_all_name_the_torch_that_the_programs_are_built_against(self, server):
        (pinned,) = re.findall(r"^torch==(\S+)$", (ROOT / "tools" / "deps" / "python.txt").read_text(), re.MULTILINE)
        assert pinned == server._TORCH
        for place, says in (
            (make_wheels.SERVER / "pyproject.toml", f'"torch=={pinned}"'),
            (make_wheels.SERVER / "README.md", f"PyTorch {pinned}'s wheel"),
            (ROOT / "tools" / "wheels" / "make_wheels.py", f'"torch": "{pinned}"'),
            (ROOT / "docs" / "adr" / "0005-python-wheels.md", f"`torch=={pinned}` exactly"),
        ):
            assert says in place.read_text(), place

    def test_tells_of_no_torch(self, server, monkeypatch):
        def version(name):
            raise metadata.PackageNotFoundError(name)

        monkeypatch.setattr(server.metadata, "version", version)
        with pytest.raises(server.UnsuitableTorch, match=r"has no PyTorch: pip install torch==2\.11\.0"):
            server.library_path()

    def test_tells_of_a_torch_without_cuda(self, server, monkeypatch):
        monkeypatch.setattr(server, "_LIBRARIES", ("libtorch_cpu.so", "libtorch_other.so"))
        with pytest.raises(server.UnsuitableTorch, match=r"brings no libtorch_other\.so: .*CUDA 13"):
            server.library_path()

    def test_a_program_that_is_not_there(self, server):
        with pytest.raises(FileNotFoundError, match="not in this installation"):
            server.program("ablated")


def test_work_in_a_fresh_environment_whose_torch_lies_elsewhere(wheels, tmp_path):
    venv = tmp_path / "venv"
    run("/usr/bin/python3", "-m", "venv", venv, cwd=tmp_path)
    python = venv / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", *wheels.glob("*.whl"), cwd=tmp_path)
    # Behind its own packages: torch, grpcio, pandas.
    (site,) = venv.glob("lib/python3*/site-packages")
    (site / "others.pth").write_text(f"{(ROOT / '.venv' / 'site-packages').resolve()}\n")
    assert float(run(python, "-c", USE, cwd=tmp_path)) > 0


@pytest.mark.long
def test_pip_install_alone_gives_a_working_server(wheels, tmp_path):
    """Fetches PyTorch (3 GB, from pip's cache where that holds it)."""
    venv = tmp_path / "venv"
    run("/usr/bin/python3", "-m", "venv", venv, cwd=tmp_path)
    python = venv / "bin" / "python"
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--find-links", wheels]
    # By its file: PyPI's `ablate` is another project.
    run(*pip, f"{only(wheels, 'ablate-*')}[server,plot,arrow]", cwd=tmp_path)
    assert float(run(python, "-c", USE, cwd=tmp_path)) > 0
