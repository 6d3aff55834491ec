"""How far each precision is from float64, as a page: `ablated verify` on the bundled model, and on random weights of
GPT-2 Small's geometry.

    python -m bench.verify > docs/benchmarks/verify-cpu-xeon.md
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.oracle.models import DEMO, GPT2_SMALL, write_random_model
from tests.oracle.probe import BUILD_DIR


def verify(model: Path, device: str) -> str:
    command = [BUILD_DIR / "bin/ablated", "verify", "--model", model, "--device", device, "--no-cache"]
    # Its progress goes to this program's standard error.
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.verify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:N (default: %(default)s)")
    options = parser.parse_args()
    print("# Precisions against float64\n")
    print("Made by `python -m bench.verify`; [numbers.md](../numbers.md) tells what the figures are.")
    with tempfile.TemporaryDirectory() as folder:
        small = write_random_model(Path(folder), GPT2_SMALL, seed=3)
        for title, model in (("The bundled model", DEMO), ("GPT-2 Small's geometry, random weights", small)):
            print(f"\n## {title}\n\n```\n{verify(model, options.device)}```")
    return 0


if __name__ == "__main__":
    sys.exit(main())
