#!/usr/bin/env python3
"""Generates the Python package's protobuf code from proto/, with the pinned grpcio-tools.

    .venv/bin/python tools/python/generate_proto.py

Only messages: the calls are few, and written by hand (client/python/src/ablate/_calls.py), since gRPC's generated stubs
know no types and bind the package to the newest grpcio.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"
PACKAGE = "ablate._proto"
OUT = ROOT / "client" / "python" / "src" / "ablate" / "_proto"

# `from ablation.v1 import scan_pb2 as ...`: our modules live inside the package, so that nothing else is installed
# beside it.
IMPORT = re.compile(r"^from ablation\.v1 import", re.MULTILINE)

# The module that a message says it is of, by which pickle finds it again.
MODULE = re.compile(r"(?<=\(DESCRIPTOR, )'(?=ablation\.v1\.\w+_pb2', _globals)")


def generate(out: Path = OUT) -> None:
    """Makes `out` anew: one module and one stub a proto file, and nothing left of what proto/ holds no more."""
    # Imported late: `--help` and the errors of a missing .venv come first.
    from grpc_tools import protoc

    protos = sorted(str(path.relative_to(PROTO)) for path in PROTO.glob("ablation/v1/*.proto"))
    if not protos:
        raise SystemExit(f"no proto files in {PROTO}")
    # Beside its place, so that the last step is a rename, and a reader finds the old or the new.
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix="_proto.") as folder:
        made = Path(folder) / "made"
        made.mkdir()
        if protoc.main(["protoc", f"-I{PROTO}", f"--python_out={made}", f"--pyi_out={made}", *protos]) != 0:
            raise SystemExit("protoc failed; see above")
        for module in [*made.rglob("*.py"), *made.rglob("*.pyi")]:
            text = IMPORT.sub(f"from {PACKAGE}.ablation.v1 import", module.read_text())
            module.write_text(MODULE.sub(f"'{PACKAGE}.", text))
        for package in [made, made / "ablation", made / "ablation" / "v1"]:
            (package / "__init__.py").touch()
        if out.exists():
            shutil.move(out, Path(folder) / "old")
        made.rename(out)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        raise SystemExit(__doc__)
    generate()
