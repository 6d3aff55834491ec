"""Ablate beside Hugging Face's hooks, in one run on this machine. Ratios only hold within one run."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch

from bench import heads, sweeps
from bench.common import LONG_TOKENS, processor
from tests.oracle.models import GPT2_SMALL, write_random_model


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run bench",
        description="\n\n".join(module.__doc__ or "" for module in (sys.modules[__name__], heads, sweeps)),
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="of ours and the peers (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=7, help="alternating rounds (default: %(default)s)")
    parser.add_argument(
        "--loop-rounds", type=int, default=2, help="of them with the slow hook loop (default: %(default)s)"
    )
    parser.add_argument(
        "--long", action="store_true", help=f"also 144 heads at {LONG_TOKENS} tokens, about 2 minutes on 2 cores"
    )
    parser.add_argument(
        "--sweeps", action="store_true", help="also all pairs, and edits at the last position, about 3 minutes"
    )
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--markdown", type=Path, help="write the table here")
    args = parser.parse_args()
    if args.rounds < 1 or not 1 <= args.loop_rounds <= args.rounds or args.threads < 1:
        parser.error("--threads and --rounds must be at least 1, --loop-rounds between 1 and --rounds")
    return args


def as_markdown(report: dict) -> str:
    lines = [
        f"# All heads of one prompt, on {report['processor']}, {report['threads']} threads",
        "",
        f"Written by `./run bench` with torch {report['torch']}, at GPT-2 Small geometry, in float32. Ratios are of "
        "medians, measured in this one run; peers run with `logits_to_keep=1`.",
        *heads.as_markdown(report),
        *sweeps.as_markdown(report),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    args = parse_arguments()
    report: dict = {"processor": processor(), "threads": args.threads, "torch": torch.__version__}
    with tempfile.TemporaryDirectory() as folder:
        print("Making a GPT-2 Small with random weights ...", file=sys.stderr)
        model_dir = write_random_model(Path(folder), GPT2_SMALL, seed=3)
        print("Running our engine and the peers in turns ...", file=sys.stderr)
        report["heads"] = heads.compare_heads(model_dir, args.threads, args.rounds, args.loop_rounds)
        if args.long:
            print(f"Running all heads at {LONG_TOKENS} tokens ...", file=sys.stderr)
            report["long"] = heads.long_prompt(model_dir, args.threads)
        if args.sweeps:
            print("Running all pairs ...", file=sys.stderr)
            report["pairs"] = sweeps.pairs(model_dir, args.threads)
            print(f"Running edits at the last of {LONG_TOKENS} positions, and at all ...", file=sys.stderr)
            report["last_position"] = sweeps.last_position(model_dir, args.threads)
    markdown = as_markdown(report)
    print(markdown)
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n")
    if args.markdown:
        args.markdown.write_text(markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
