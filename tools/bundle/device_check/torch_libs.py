"""Where the installed PyTorch keeps the shared libraries that our programs need. As a program it prints them as an
LD_LIBRARY_PATH; exit code 2, and one line, where that PyTorch cannot serve."""

import sys
from pathlib import Path

TORCH = "2.11"
CUDA = "13."


class UnsuitableTorch(Exception):
    """Told to the user as it is."""


def library_path() -> str:
    try:
        import torch
    except ImportError as error:
        raise UnsuitableTorch(f"{sys.executable} has no PyTorch ({error}): install torch=={TORCH}.0") from None
    if not torch.__version__.startswith(f"{TORCH}."):
        raise UnsuitableTorch(
            f"the programs were built against torch {TORCH}, {sys.executable} has {torch.__version__}"
        )
    if not (torch.version.cuda or "").startswith(CUDA):
        raise UnsuitableTorch(f"the programs need a torch built for CUDA 13, this one is for {torch.version.cuda}")
    package = Path(torch.__file__).resolve().parent
    folders = [package / "lib", *sorted((package.parent / "nvidia").glob("*/lib"))]
    if not any((folder / "libcudart.so.13").exists() for folder in folders):
        raise UnsuitableTorch(f"no libcudart.so.13 beside {package}: is the wheel nvidia-cuda-runtime installed?")
    return ":".join(str(folder) for folder in folders)


if __name__ == "__main__":
    try:
        print(library_path())
    except UnsuitableTorch as error:
        print(f"device-check: {error}", file=sys.stderr)
        sys.exit(2)
