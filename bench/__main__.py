"""Ablate beside what labs run today, in one run on this machine, and beside the time that no implementation can beat.

Peers are fetched into .venv-peers at the first call. They run in turns with our engine on the same weights, token ids
and threads; results are compared before times are. Ratios hold only within one run: nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from bench import cases, charts, report, service, sweeps
from bench.common import machine_facts
from bench.growth import growth
from bench.heads import run_case
from bench.limit import Machine
from bench.peers import Peers
from bench.precision import compare_precisions
from tests.oracle.models import DEMO, GPT2_SMALL, write_random_model
from tests.oracle.probe import Probe

QUICK = ("6-tokens", "32-tokens")
OTHERS = ("bundled", "precisions", "pairs", "last-position", "growth", "service")
LONG = ("long-pairs",)


def parse_arguments() -> argparse.Namespace:
    names = [case.name for case in cases.heads_cases()] + list(OTHERS)
    known = [*names, *LONG]
    parser = argparse.ArgumentParser(
        prog="./run bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="of ours and the peers (default: %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}, about 2 minutes on 2 cores")
    parser.add_argument(
        "--cases",
        metavar="NAME,...",
        help=f"only these, of {', '.join(known)} (default: all but the long ones, about 30 minutes)",
    )
    parser.add_argument("--long", action="store_true", help=f"also {', '.join(LONG)}, about 30 minutes more")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--markdown", type=Path, help="write the tables here, and charts as .svg files beside them")
    args = parser.parse_args()
    if args.threads < 1:
        parser.error("--threads: expected 1 or more")
    if args.quick and args.cases:
        parser.error("--quick and --cases: expected one of them")
    args.cases = args.cases.split(",") if args.cases else list(QUICK) if args.quick else names
    unknown = sorted(set(args.cases) - set(known))
    if unknown:
        parser.error(f"--cases: {', '.join(unknown)}: expected of {', '.join(known)}")
    if args.long:
        args.cases += LONG
    return args


def say(what: str) -> None:
    print(f"bench: {what} ...", file=sys.stderr)


def measure(args: argparse.Namespace, model_dir: Path) -> dict:
    machine = Machine(args.threads)
    found: dict = {"machine": machine_facts(), "threads": args.threads, "bandwidth": machine.bandwidth, "heads": []}
    with Peers(model_dir, args.threads) as peers:
        found["versions"] = peers.versions
        with Probe(model_dir, threads=args.threads) as probe:
            found |= {name: probe.info[name] for name in ("max_packed_tokens", "memory_budget_bytes")}
            for case in cases.heads_cases():
                if case.name in args.cases:
                    say(case.title)
                    found["heads"].append(run_case(case, probe, peers, machine))
            others: dict[str, Callable[[], dict]] = {
                "pairs": lambda: sweeps.pairs(probe, peers, machine),
                "last-position": lambda: sweeps.last_position(probe, machine),
                "growth": lambda: growth(probe, machine),
            }
            for name, run in others.items():
                if name in args.cases:
                    say(name)
                    found[name.replace("-", "_")] = run()
    if "long-pairs" in args.cases:
        say("long-pairs")
        found["long_pairs"] = sweeps.long_pairs(model_dir, args.threads, machine)
    if "bundled" in args.cases:
        bundled = cases.bundled_case()
        say(bundled.title)
        with Peers(DEMO, args.threads) as peers, Probe(DEMO, threads=args.threads) as probe:
            found["heads"].append(run_case(bundled, probe, peers, machine))
    if "precisions" in args.cases:
        say("precisions")
        found["precisions"] = [compare_precisions(case, model_dir, args.threads) for case in cases.heads_cases()[:2]]
    if "service" in args.cases:
        say("the service")
        found["service"] = service.compare_service(model_dir, args.threads, seconds=20)
    return found


def main() -> int:
    args = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        say("making a GPT-2 Small with random weights")
        found = measure(args, write_random_model(Path(folder), GPT2_SMALL, seed=3))
    drawn = charts.draw(found, args.markdown.parent, args.markdown.stem) if args.markdown else []
    markdown = report.as_markdown(found, drawn)
    print(markdown)
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")
    if args.markdown:
        args.markdown.write_text(markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
