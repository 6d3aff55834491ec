"""Where a server of one's own is found: its program, the shared libraries it needs, its models."""

from __future__ import annotations

import importlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ablate.errors import UnavailableError

#: The environment may name the program; the command line's `--local` reads it too.
PROGRAM_VARIABLE = "ABLATE_SERVER_BIN"
#: Of a build from source, e.g. build/release.
BUILD_VARIABLE = "ABLATE_BUILD_DIR"


class LocalServerError(UnavailableError):
    """The local server cannot be found, did not start, or ended; the message holds the end of what it wrote."""


@dataclass(frozen=True)
class ServerFiles:
    """A server program that is there."""

    program: Path
    #: An LD_LIBRARY_PATH; empty: the program finds its libraries by itself.
    library_path: str = ""
    #: Folders that hold models by their names.
    model_folders: tuple[Path, ...] = ()

    def model(self, model: str | os.PathLike[str]) -> Path:
        """A model's folder. A bare name, e.g. `demo`, is looked for beside the program first; else it is a path."""
        name = os.fspath(model)
        is_name = name and Path(name).name == name and name not in (".", "..")
        places = [folder / name for folder in self.model_folders] if is_name else []
        places.append(Path(name).expanduser())
        for place in places:
            if (place / "config.json").is_file():
                return place.resolve()
        looked = ", ".join(str(place) for place in places)
        raise LocalServerError(
            f"model {name!r}: no folder with a config.json; looked at {looked}. Expected `demo`, or the path of a "
            "folder in Hugging Face's GPT-2 layout (config.json, model.safetensors, vocab.json, merges.txt)"
        )


def find_server(program: str | os.PathLike[str] | None = None) -> ServerFiles:
    """`program`, else that of ABLATE_SERVER_BIN, the wheel `ablate-server`, ABLATE_BUILD_DIR, PATH.

    LocalServerError where there is none; a place that is named and holds none is not passed over.
    """
    named = program or os.environ.get(PROGRAM_VARIABLE)
    if named:
        path = Path(named).expanduser().absolute()
        if _is_program(path):
            return _beside(path)
        origin = "" if program else f" (from {PROGRAM_VARIABLE})"
        raise LocalServerError(f"no server program at {path}{origin}: expected an executable `ablated`")
    bundled = _bundled()
    if bundled is not None:
        return bundled
    build = os.environ.get(BUILD_VARIABLE)
    if build:
        path = Path(build).expanduser().absolute() / "bin" / "ablated"
        if _is_program(path):
            return _beside(path)
        raise LocalServerError(f"no server program at {path} (from {BUILD_VARIABLE}): build it (./run build ablated)")
    on_path = shutil.which("ablated")
    if on_path is not None:
        return _beside(Path(on_path).absolute())
    raise LocalServerError(
        "no server program `ablated`. Ways out: install the wheel ablate-server (`./run wheel` builds it, for Linux "
        f"x86-64); or build it from source and set {BUILD_VARIABLE} to the build folder, e.g. build/release; or set "
        f"{PROGRAM_VARIABLE} to a program; or use a server that runs already: ablate.connect('host:port')"
    )


def _bundled() -> ServerFiles | None:
    """The wheel's, where it is installed. Its own errors (no suitable PyTorch) are told as they are."""
    try:
        server = importlib.import_module("ablate_server")
    except ImportError:
        return None
    try:
        return ServerFiles(server.program("ablated"), server.library_path(), (server.MODELS,))
    except server.UnsuitableTorch as error:
        raise LocalServerError(str(error)) from error


def _beside(program: Path) -> ServerFiles:
    """Of a program whose models are in the folder above its `bin`, or in the source tree above its build folder."""
    folder = program.resolve().parent.parent
    # bin/ablated, and build/release/bin/ablated.
    return ServerFiles(program, "", (folder / "models", folder.parent.parent / "models"))


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
