#!/usr/bin/env python3
"""Runs every command of docs/experiments/ on the bundled model and writes what it says behind it.

Needs `ablate` and `ablated` (./run build).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.experiments import pages
from tools.reproduce.service import Service, ServiceError

MODEL = Path("models") / "demo"


def refresh(page: Path, build: Path) -> int:
    """Rewrites the page's outputs; how many there are. A server of its own: no page sees another's mean libraries."""
    text = page.read_text(encoding="utf-8")
    if not (found := pages.blocks(text)):
        return 0
    with Service(ROOT / MODEL, build, "cpu") as service:
        new = pages.refreshed(text, lambda command: pages.run(command, service.environment))
    page.write_text(new, encoding="utf-8")
    return len(found)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, help="default: all of docs/experiments/")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release", help="folder with bin/ablate")
    options = parser.parse_args()
    try:
        for page in options.pages or sorted(pages.PAGES.glob("*.md")):
            n_commands = refresh(page, options.build)
            print(f"{page.name}: {n_commands} commands", flush=True)
    except (pages.PageError, ServiceError) as error:
        print(f"refresh: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
