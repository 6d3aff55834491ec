"""Ablate beside what labs run today, in one run on this machine, and beside the time that no implementation can beat.

Peers are fetched into .venv-peers at the first call. They run in turns with our engine on the same weights, token ids
and threads; results are compared before times are. Ratios hold only within one run: nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from bench import cases, charts, report, service, sweeps
from bench.common import Target, instructions, machine_facts
from bench.growth import growth
from bench.heads import run_case
from bench.host import host_path
from bench.peers import Peers
from bench.precision import compare_precisions
from device_check.limit import Machine
from tests.oracle.models import DEMO, GPT2_SMALL, write_random_model
from tests.oracle.probe import Probe

QUICK = ("6-tokens", "32-tokens")
OTHERS = ("bundled", "precisions", "pairs", "last-position", "growth", "service", "host-path")
LONG = ("long-pairs",)
# Of these, those of one engine with the peers beside it, as those of `heads_cases` are.
BESIDE_PEERS = {"pairs", "last-position", "growth"}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known, _ = case_names(Target())
    on_gpu, _ = case_names(Target("cuda:0"))
    parser.add_argument("--device", default="cpu", help="cpu, or cuda:N: ours and the peers (default: %(default)s)")
    parser.add_argument(
        "--precision",
        choices=("float32", "tf32", "bf16"),
        default="float32",
        help="of ours and the peers; the case `precisions` compares ours in all (default: %(default)s)",
    )
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="of ours and the peers (default: %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}, about 2 minutes on 2 cores")
    parser.add_argument(
        "--cases",
        metavar="NAME,...",
        help=f"only these, of {', '.join(known)}; on a GPU of {', '.join(on_gpu)} (default: all but the long ones, "
        "about 30 minutes on 2 cores)",
    )
    parser.add_argument("--long", action="store_true", help=f"also {', '.join(LONG)}, about 30 minutes more on 2 cores")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--markdown", type=Path, help="write the tables here, and charts as .svg files beside them")
    args = parser.parse_args()
    if args.threads < 1:
        parser.error("--threads: expected 1 or more")
    if args.quick and args.cases:
        parser.error("--quick and --cases: expected one of them")
    if args.device == "cuda":
        args.device = "cuda:0"
    if problem := device_problem(args.device, args.precision):
        parser.error(problem)
    args.target = Target(args.device, args.precision, args.threads)
    known, default = case_names(args.target)
    args.cases = args.cases.split(",") if args.cases else list(QUICK) if args.quick else default
    unknown = sorted(set(args.cases) - set(known))
    if unknown:
        parser.error(f"--cases: {', '.join(unknown)}: expected of {', '.join(known)}")
    if args.long:
        args.cases += LONG
    return args


def case_names(target: Target) -> tuple[list[str], list[str]]:
    """All, and those of a run that names none."""
    usual = [case.name for case in cases.heads_cases(target)] + list(OTHERS)
    return [*usual, *LONG], usual


def device_problem(device: str, precision: str) -> str:
    """Why nothing can be measured there; empty where it can."""
    if device == "cpu":
        if precision == "bf16" and "avx512_bf16" not in instructions():
            return "--precision: this processor has no AVX512-BF16"
        return "--precision: tf32 is of GPUs alone" if precision == "tf32" else ""
    kind, _, index = device.partition(":")
    if kind != "cuda" or not index.isdigit():
        return f"--device: got {device}, expected cpu or cuda:N"
    found = torch.cuda.device_count()
    if int(index) >= found:
        return f"--device: got {device}, PyTorch finds {found} usable GPUs here"
    if precision != "float32" and torch.cuda.get_device_capability(device) < (8, 0):
        return f"--precision: {precision} takes a GPU from Ampere on"
    return ""


def say(what: str) -> None:
    print(f"bench: {what} ...", file=sys.stderr)


def measure_beside_peers(names: Sequence[str], target: Target, machine: Machine, model_dir: Path) -> dict:
    """Cases of one engine and one process of peers."""
    found: dict = {"heads": []}
    with Peers(model_dir, target) as peers:
        found["versions"] = peers.versions
        with Probe(model_dir, **target.options()) as probe:
            found |= {name: probe.info[name] for name in ("max_packed_tokens", "memory_budget_bytes")}
            for case in cases.heads_cases(target):
                if case.name in names:
                    say(case.title)
                    found["heads"].append(run_case(case, probe, peers, machine))
            others: dict[str, Callable[[], dict]] = {
                "pairs": lambda: sweeps.pairs(probe, peers, machine),
                "last-position": lambda: sweeps.last_position(probe, machine),
                "growth": lambda: growth(probe, machine),
            }
            for name, run in others.items():
                if name in names:
                    say(name)
                    found[name.replace("-", "_")] = run()
    return found


def measure(args: argparse.Namespace, model_dir: Path) -> dict:
    target: Target = args.target
    torch.set_num_threads(target.threads)
    machine = Machine(target.device, target.precision)
    found: dict = {"machine": machine_facts(target.device), **target.options(), "bandwidth": machine.bandwidth}
    found |= {"versions": {"torch": torch.__version__}, "heads": []}
    beside_peers = {case.name for case in cases.heads_cases(target)} | BESIDE_PEERS
    if beside_peers & set(args.cases):
        found |= measure_beside_peers(args.cases, target, machine, model_dir)
    if "long-pairs" in args.cases:
        say("long-pairs")
        found["long_pairs"] = sweeps.long_pairs(model_dir, target, machine)
    if "bundled" in args.cases:
        bundled = cases.bundled_case(target)
        say(bundled.title)
        with Peers(DEMO, target) as peers, Probe(DEMO, **target.options()) as probe:
            found["versions"] = peers.versions
            found["heads"].append(run_case(bundled, probe, peers, machine))
    if "precisions" in args.cases:
        say("precisions")
        compared = cases.heads_cases(target)[:2]
        found["precisions"] = [compare_precisions(case, model_dir, target) for case in compared]
    if "service" in args.cases:
        say("the service")
        found["service"] = service.compare_service(model_dir, target, seconds=20)
    if "host-path" in args.cases:
        say("the host's part")
        found["host_path"] = host_path()
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
    return 0 if all(case["is_same"] for case in found["heads"]) else 1


if __name__ == "__main__":
    sys.exit(main())
