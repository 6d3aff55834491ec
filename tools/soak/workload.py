"""The jobs that a soak runs: each way through the server's code that leaves other things in the store."""

from __future__ import annotations

import json
from pathlib import Path

import ablate
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "docs" / "experiments" / "data"


def make_requests() -> dict[str, AblateRequest]:
    """By name."""
    capitals = _prompts("capitals.jsonl")[:40]
    # Clusters, so that a summary has something to test.
    for index, prompt in enumerate(capitals):
        prompt["template"] = f"template {index % 25}"
    pairs = _prompts("ioi.jsonl")[:24]
    return {
        "heads": ablate.request(capitals, top_k=3),
        # Chooses its sites first: results of a prompt are stored twice.
        "pairs": ablate.request(capitals[:24], sweep="pairs", strongest=4),
        "cumulative": ablate.request(capitals, sweep="cumulative", steps=6, summary=True, split=True),
        # Denoising and noising edit two runs: two scans a prompt, whose rows are put together.
        "resample": ablate.request(pairs, replace="resample", direction=["noising", "denoising"], layers="4-11"),
    }


def _prompts(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]
