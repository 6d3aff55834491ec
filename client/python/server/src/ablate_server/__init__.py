"""The server's programs as files, and what it takes to run them. `ablate.local()` does; so do `ablated` and `ablate`,
which this wheel puts on PATH.

    >>> import ablate_server
    >>> ablate_server.program("ablated").name
    'ablated'
"""

from __future__ import annotations

import os
import sys
from importlib import metadata, util
from pathlib import Path

from ablate_server._version import __version__

__all__ = ["MODELS", "UnsuitableTorch", "__version__", "library_path", "program", "run_ablate", "run_ablated"]

_ROOT = Path(__file__).resolve().parent
#: Holds the bundled models, each in a folder of its name.
MODELS = _ROOT / "models"
# C++ has no stable ABI across its releases; tests/python/test_wheels.py holds it against tools/deps/python.txt.
_TORCH = "2.11.0"
_WAY_OUT = f"pip install torch=={_TORCH}"
_LIBRARIES = ("libtorch_cpu.so", "libtorch_cuda.so", "libcudart.so.13")


class UnsuitableTorch(Exception):
    """The installed PyTorch cannot serve; told to the user as it is."""


def program(name: str) -> Path:
    """`ablated` or `ablate`. FileNotFoundError where the wheel does not hold it."""
    path = _ROOT / "bin" / name
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not in this installation of ablate-server")
    return path


def library_path() -> str:
    """An LD_LIBRARY_PATH for `ablated`: the wheel's own libraries, then PyTorch's and CUDA's, wherever they are.

    PyTorch is looked for, not imported: that would take seconds. UnsuitableTorch where it is not 2.11.0 for CUDA 13.
    """
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        version = ""
    spec = util.find_spec("torch")
    if not version or spec is None or not spec.submodule_search_locations:
        raise UnsuitableTorch(f"{sys.executable} has no PyTorch: {_WAY_OUT}")
    # Behind the plus is for what it was built, e.g. cu130.
    if version.partition("+")[0] != _TORCH:
        raise UnsuitableTorch(
            f"the server's programs were built against torch {_TORCH}, {sys.executable} has {version}: {_WAY_OUT}"
        )
    package = Path(next(iter(spec.submodule_search_locations)))
    nvidia = util.find_spec("nvidia")
    beside = sorted({Path(place) for place in (nvidia and nvidia.submodule_search_locations) or []})
    folders = [_ROOT / "lib", package / "lib", *(lib for place in beside for lib in sorted(place.glob("*/lib")))]
    missing = [name for name in _LIBRARIES if not any((folder / name).is_file() for folder in folders)]
    if missing:
        raise UnsuitableTorch(
            f"torch {version} in {package} brings no {', '.join(missing)}: the server's programs need PyPI's wheel for "
            f"Linux, which is built for CUDA 13 and serves machines without a GPU too: {_WAY_OUT}"
        )
    return ":".join(str(folder) for folder in folders)


def run_ablate() -> None:
    """The command line. Never returns."""
    _run("ablate")


def run_ablated() -> None:
    """The server. Never returns."""
    _run("ablated")


def _run(name: str) -> None:
    path = str(program(name))
    inherited = os.environ.get("LD_LIBRARY_PATH")
    try:
        libraries = library_path()
    except UnsuitableTorch as error:
        # The command line itself needs no PyTorch; with --local, the server that it starts does, and says so.
        if name == "ablated":
            raise SystemExit(f"{name}: {error}") from None
    else:
        os.environ["LD_LIBRARY_PATH"] = f"{libraries}:{inherited}" if inherited else libraries
    os.execv(path, [name, *sys.argv[1:]])
