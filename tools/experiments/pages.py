"""The pages of docs/experiments/: their commands, run, and the output that stands behind each.

A command is a block that opens with `RUN`; what it wrote stands in the block behind it, which opens with `OUTPUT`:

    ```sh run
    ablate describe
    ```

    ```text
    model  demo
    ```
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "experiments"
RUN, OUTPUT, END = "```sh run\n", "```text\n", "```\n"

PAIR = re.compile(
    rf"^{re.escape(RUN)}(?P<command>.*?)^{END}(?:\n^{re.escape(OUTPUT)}(?P<output>.*?)^{END})?",
    re.MULTILINE | re.DOTALL,
)


class PageError(Exception):
    """A command that failed, or a page that cannot be read; one line."""


@dataclass(frozen=True)
class Block:
    """A command of one or more lines, and the output that the page shows; empty where it shows none."""

    command: str
    output: str


def blocks(text: str) -> list[Block]:
    """In the page's order."""
    found = [Block(match["command"], match["output"] or "") for match in PAIR.finditer(text)]
    opened = text.count(RUN)
    if len(found) != opened:
        raise PageError(f"{opened} blocks open with {RUN.strip()!r}, {len(found)} of them end")
    return found


def run(command: str, environment: Mapping[str, str]) -> str:
    """What the command writes, as a reader who types it sees it: both streams, from the repository's folder."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        raise PageError(f"exit status {done.returncode} of\n{command}{done.stdout}")
    # No blanks at line ends: editors and hooks take them away.
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def refreshed(text: str, answer: Callable[[str], str]) -> str:
    """The page with the answer to each of its commands."""
    blocks(text)

    def put(match: re.Match[str]) -> str:
        command = match["command"]
        output = answer(command)
        if END in output:
            raise PageError(f"the output of\n{command}holds a line {END.strip()!r}")
        return f"{RUN}{command}{END}\n{OUTPUT}{output}{END}"

    return PAIR.sub(put, text)
