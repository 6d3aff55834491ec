"""`./run reproduce`: published experiments on attention heads, beside what this model shows."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.reproduce import induction, ioi, reference_study, report
from tools.reproduce.checkpoint import ROOT, Checkpoint, identify
from tools.reproduce.report import Section
from tools.reproduce.service import Service, ServiceError


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run reproduce",
        description="Run the published experiments on attention heads and print published beside found. The figures "
        "are about OpenAI's GPT-2 Small (./run pull gpt2; then --model models/gpt2).",
        epilog="Exit codes: 0 all experiments ran and, with OpenAI's weights, all that is published was found; else 1.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--model", type=Path, default=Path("models/demo"), help="folder in Hugging Face's GPT-2 layout")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure to this file")
    parser.add_argument("--sentences", type=positive, default=10, help="IOI sentences of each template")
    parser.add_argument("--sequences", type=positive, default=10, help="of repeated random tokens")
    parser.add_argument("--seed", type=int, default=0, help="of sentences and sequences")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    """For argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def run_all(service: Service, checkpoint: Checkpoint, options: argparse.Namespace) -> list[Section]:
    """Each experiment, printed as soon as it is done. One that fails does not stop the others."""
    experiments: list[tuple[str, Callable[[], Section]]] = [
        ("The reference study", lambda: reference_study.run(service, checkpoint)),
        ("IOI", lambda: ioi.run(service, checkpoint, options.sentences, options.seed)),
        ("Induction heads", lambda: induction.run(service, checkpoint, options.sequences, options.seed)),
    ]
    sections = []
    for number, (name, experiment) in enumerate(experiments, 1):
        try:
            section = experiment()
        except ServiceError as error:
            section = Section(title=name, source="", error=str(error))
        print("\n".join(["", *section.lines(number)]), flush=True)
        sections.append(section)
    return sections


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    options = parse_arguments(arguments)
    try:
        with Service(options.model, options.build, options.device) as service:
            described = service.describe()
            checkpoint = identify(options.model, described)
            print(f"model {options.model}, weights SHA-256 {checkpoint.weights_sha256}")
            print(checkpoint.verdict())
            sections = run_all(service, checkpoint, options)
    except ServiceError as error:
        print(f"run: {error}", file=sys.stderr)
        return 1
    found, published = report.count(sections)
    failed = sum(bool(section.error) for section in sections)
    print(f"\n{found} of {published} published results found ({checkpoint.verdict()})")
    if failed:
        print(f"{failed} of {len(sections)} experiments could not be run")
    if options.json:
        document = {
            "model": described["model"],
            "runtime": described["runtime"],
            "is_openai_gpt2_small": checkpoint.is_openai,
            "found": found,
            "published": published,
            "experiments": report.as_json(sections),
        }
        options.json.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    missing = checkpoint.is_openai and found < published
    return 1 if failed or missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
