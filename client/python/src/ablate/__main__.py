"""`python -m ablate parquet RESULTS.jsonl OUT.parquet`: results of the command line as parquet files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ablate._json_lines import read_scan

_DESCRIPTION = """\
Writes the rows of a file that `ablate scan --format jsonl` or `ablate job results ID --format jsonl` wrote
as parquet, as Scan.to_parquet does: OUT.parquet with what was run in its metadata, and beside it
OUT.likelihood.parquet, OUT.compensation.parquet and OUT.summary.parquet where the file has such lines.
Files appear only when they are whole. Needs the extra [arrow]."""
_EXAMPLES = """\
Examples:
  python -m ablate parquet results.jsonl results.parquet
  set -o pipefail; ablate job results ID --format jsonl | python -m ablate parquet - results.parquet

Exits with 0 when done, 1 where a file cannot be opened or written, 2 where it holds something else,
or is cut off within a prompt or the summary. A cut between prompts looks like a partial job's: a note tells of it."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        name = "the standard input" if options.results == "-" else options.results
        if options.results == "-":
            scan = read_scan(sys.stdin.buffer, name, _note)
        else:
            with Path(options.results).open("rb") as lines:
                scan = read_scan(lines, name, _note)
        scan.to_parquet(options.out)
    except (OSError, ImportError) as error:
        return _failed(1, error)
    except ValueError as error:
        return _failed(2, error)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ablate", description="What the command line leaves to Python.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    parquet = commands.add_parser(
        "parquet",
        help="results as parquet",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parquet.add_argument("results", metavar="RESULTS", help="JSON lines; - is the standard input")
    parquet.add_argument("out", metavar="OUT", help="the rows' file")
    return parser


def _note(text: str) -> None:
    print(f"python -m ablate parquet: note: {text}", file=sys.stderr)


def _failed(code: int, error: Exception) -> int:
    print(f"python -m ablate parquet: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
