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


def one_prompt(tokens: int, small: str, peers: dict[str, Share], rounds: int) -> HeadsCase:
    title = f"{tokens} tokens, 144 heads and the baseline, {small}"
    return HeadsCase(f"{tokens}-tokens", title, [random_ids(tokens, seed=tokens)], peers, rounds)


def many_prompts(count: int, small: str, peers: dict[str, Share], rounds: int) -> HeadsCase:
    title = f"{count} prompts of 4 to 16 tokens in one request, 144 heads and the baseline of each, {small}"
    return HeadsCase(f"{count}-prompts", title, short_prompts(count), peers, rounds)


# Of the peers that run a head at a time, and are slower than a hook on Hugging Face's own model.
SLOW_LOOPS = {"transformer_lens": Share(sites=36, rounds=1), "nnsight": Share(sites=36, rounds=1)}


def gpu_cases(small: str) -> list[HeadsCase]:
    """What takes seconds on a CPU takes milliseconds: more rounds, more prompts, and more of them for the peers."""
    batches = {"one_batch": Share(rounds=30), "compiled_batch": Share(rounds=30)}
    some_heads = {"hook_loop": Share(sites=36, rounds=1)}
    some_prompts = {
        "one_batch": Share(prompts=100, rounds=1),
        "hook_loop": Share(prompts=10, sites=36, rounds=1),
    }
    return [
        one_prompt(6, small, batches | {"hook_loop": Share(rounds=3)} | SLOW_LOOPS, rounds=200),
        one_prompt(32, small, batches | {"hook_loop": Share(rounds=1)}, rounds=100),
        one_prompt(128, small, {"one_batch": Share(rounds=5)} | some_heads, rounds=50),
        many_prompts(2000, small, some_prompts, rounds=3),
        one_prompt(1024, small, some_heads, rounds=10),
    ]


def cpu_cases(small: str) -> list[HeadsCase]:
    whole = {"one_batch": Share(), "compiled_batch": Share(), "hook_loop": Share(rounds=2)} | SLOW_LOOPS
    of_32 = {
        "one_batch": Share(),
        "compiled_batch": Share(rounds=3),
        "hook_loop": Share(sites=24, rounds=1),
    }
    of_128 = {"one_batch": Share(rounds=1), "hook_loop": Share(sites=12, rounds=1)}
    some_prompts = {"one_batch": Share(prompts=10, rounds=1), "hook_loop": Share(prompts=10, sites=6, rounds=1)}
    return [
        one_prompt(6, small, whole, rounds=15),
        one_prompt(32, small, of_32, rounds=5),
        one_prompt(128, small, of_128, rounds=3),
        many_prompts(200, small, some_prompts, rounds=1),
        one_prompt(1024, small, {"hook_loop": Share(sites=4, rounds=1)}, rounds=1),
    ]
