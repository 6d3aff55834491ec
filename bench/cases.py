"""The benchmark's cases: what is asked, of whom, and how much of it each peer is given."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from transformers import GPT2Config, GPT2TokenizerFast

from bench.common import CONTRAST, SINGLES, TARGET, Target, random_ids, scan
from tests.oracle.models import DEMO, GPT2_SMALL, Geometry, geometry_of
from tests.oracle.probe import Scan


@dataclass(frozen=True)
class Share:
    """How much of a case a peer runs: all of it, or what a peer that is too slow does in a sensible time."""

    # Of the sites, at random; None: all.
    sites: int | None = None
    # Of the prompts, at random; None: all.
    prompts: int | None = None
    rounds: int | None = None


@dataclass(frozen=True)
class HeadsCase:
    """All heads of a model of 12 layers with 12 heads zeroed at all positions, and the unedited run, for each prompt,
    in one request.
    """

    name: str
    title: str
    prompts: Sequence[Sequence[int]]
    peers: dict[str, Share] = field(default_factory=dict)
    rounds: int = 7
    target: int = TARGET
    contrast: int = CONTRAST
    model: Geometry = GPT2_SMALL

    def scans(self) -> list[Scan]:
        return [scan(ids, SINGLES, self.target, self.contrast) for ids in self.prompts]


def subset(items: Sequence, count: int | None, seed: int) -> list:
    """`count` of them at random, in their order."""
    if count is None or count >= len(items):
        return list(items)
    return [items[i] for i in sorted(random.Random(seed).sample(range(len(items)), count))]


def short_prompts(count: int) -> list[list[int]]:
    """Of 4 to 16 tokens."""
    lengths = random.Random(200)
    return [random_ids(lengths.randint(4, 16), seed=i) for i in range(count)]


def bundled_case(target: Target) -> HeadsCase:
    """The reference study on the model that comes with Ablate."""
    tokenizer = GPT2TokenizerFast.from_pretrained(DEMO)
    prompt, germany, france = (
        tokenizer(text)["input_ids"] for text in ("Berlin is the capital of", " Germany", " France")
    )
    return HeadsCase(
        "bundled",
        f"the bundled model, {len(prompt)} tokens, 144 heads and the baseline, {target.precision}",
        [prompt],
        {"one_batch": Share(), "compiled_batch": Share(), "hook_loop": Share()},
        rounds=200 if target.on_gpu else 15,
        target=germany[0],
        contrast=france[0],
        model=geometry_of(GPT2Config.from_pretrained(DEMO)),
    )


def heads_cases(target: Target) -> list[HeadsCase]:
    small = f"GPT-2 Small geometry, {target.precision}"
    return gpu_cases(small) if target.on_gpu else cpu_cases(small)


def gpu_cases(small: str) -> list[HeadsCase]:
    """What takes seconds on a CPU takes milliseconds: more rounds, more prompts, and more of them for the peers."""
    few = Share(rounds=30)
    return [
        HeadsCase(
            "6-tokens",
            f"6 tokens, 144 heads and the baseline, {small}",
            [random_ids(6, seed=6)],
            {
                "one_batch": few,
                "compiled_batch": few,
                "hook_loop": Share(rounds=3),
                "transformer_lens": Share(sites=36, rounds=1),
                "nnsight": Share(sites=36, rounds=1),
            },
            rounds=200,
        ),
        HeadsCase(
            "32-tokens",
            f"32 tokens, 144 heads and the baseline, {small}",
            [random_ids(32, seed=32)],
            {"one_batch": few, "compiled_batch": few, "hook_loop": Share(rounds=1)},
            rounds=100,
        ),
        HeadsCase(
            "128-tokens",
            f"128 tokens, 144 heads and the baseline, {small}",
            [random_ids(128, seed=128)],
            {"one_batch": Share(rounds=5), "hook_loop": Share(sites=36, rounds=1)},
            rounds=50,
        ),
        HeadsCase(
            "2000-prompts",
            f"2000 prompts of 4 to 16 tokens in one request, 144 heads and the baseline of each, {small}",
            short_prompts(2000),
            {"one_batch": Share(prompts=100, rounds=1), "hook_loop": Share(prompts=10, sites=36, rounds=1)},
            rounds=3,
        ),
        HeadsCase(
            "1024-tokens",
            f"1024 tokens, 144 heads and the baseline, {small}",
            [random_ids(1024, seed=1024)],
            {"hook_loop": Share(sites=36, rounds=1)},
            rounds=10,
        ),
    ]


def cpu_cases(small: str) -> list[HeadsCase]:
    return [
        HeadsCase(
            "6-tokens",
            f"6 tokens, 144 heads and the baseline, {small}",
            [random_ids(6, seed=6)],
            {
                "one_batch": Share(),
                "compiled_batch": Share(),
                "hook_loop": Share(rounds=2),
                "transformer_lens": Share(sites=36, rounds=1),
                "nnsight": Share(sites=36, rounds=1),
            },
            rounds=15,
        ),
        HeadsCase(
            "32-tokens",
            f"32 tokens, 144 heads and the baseline, {small}",
            [random_ids(32, seed=32)],
            {"one_batch": Share(), "compiled_batch": Share(rounds=3), "hook_loop": Share(sites=24, rounds=1)},
            rounds=5,
        ),
        HeadsCase(
            "128-tokens",
            f"128 tokens, 144 heads and the baseline, {small}",
            [random_ids(128, seed=128)],
            {"one_batch": Share(rounds=1), "hook_loop": Share(sites=12, rounds=1)},
            rounds=3,
        ),
        HeadsCase(
            "200-prompts",
            f"200 prompts of 4 to 16 tokens in one request, 144 heads and the baseline of each, {small}",
            short_prompts(200),
            {"one_batch": Share(prompts=10, rounds=1), "hook_loop": Share(prompts=10, sites=6, rounds=1)},
            rounds=1,
        ),
        HeadsCase(
            "1024-tokens",
            f"1024 tokens, 144 heads and the baseline, {small}",
            [random_ids(1024, seed=1024)],
            {"hook_loop": Share(sites=4, rounds=1)},
            rounds=1,
        ),
    ]
