"""All head ablations of one prompt: our engine beside Hugging Face's hooks, in one run on this machine.

Peers, at their best on the same weights, token ids and threads (`logits_to_keep=1`):
  hook loop       one forward pass a head, a forward pre-hook on `c_proj` (what notebooks do)
  one-batch hook  145 rows in one batch, one hook a layer that edits row i's own head

Results are compared before times are. Rounds alternate between the ways of running; the ratio is that of medians.

The limit is what the plan's matrix products alone take with torch's own GEMM at the same shapes, in the same rounds:
attention, LayerNorm, GELU, the edits and the readout come on top of it.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import GPT2LMHeadModel

from bench.common import CONTRAST, LONG_TOKENS, PROMPT_TOKENS, TARGET, random_ids, seconds
from tests.oracle import hf
from tests.oracle.compare import max_abs_diff
from tests.oracle.models import GPT2_SMALL
from tests.oracle.probe import Probe, Scan

# Of target_logprob, nats: what two float32 runs of GPT-2 Small may be apart.
MAX_DIFFERENCE = 5e-5


@torch.no_grad()
def hook_loop(model: GPT2LMHeadModel, ids: Sequence[int], sites: Sequence[hf.Edit]) -> torch.Tensor:
    """`[1 + sites]`, the target's log-prob of the baseline and of each ablated run."""
    inputs = torch.tensor([ids])
    rows = [model(inputs, use_cache=False, logits_to_keep=1).logits[0, -1]]
    for site in sites:
        with hf.edited(model, [site]):
            rows.append(model(inputs, use_cache=False, logits_to_keep=1).logits[0, -1])
    return torch.log_softmax(torch.stack(rows), 1)[:, TARGET]


@torch.no_grad()
def one_batch(model: GPT2LMHeadModel, ids: Sequence[int], sites: Sequence[hf.Edit]) -> torch.Tensor:
    """The same from one forward pass over `1 + sites` rows."""
    d_head = model.config.n_embd // model.config.n_head
    by_layer: dict[int, list[tuple[int, int]]] = {}
    for row, site in enumerate(sites, start=1):
        by_layer.setdefault(site.layer, []).append((row, site.head))
    handles = []
    for layer, edits in by_layer.items():

        def hook(_module, args, edits=edits):
            for row, head in edits:
                args[0][row, :, head * d_head : (head + 1) * d_head] = 0
            return args

        handles.append(model.transformer.h[layer].attn.c_proj.register_forward_pre_hook(hook))
    try:
        inputs = torch.tensor([ids]).expand(1 + len(sites), -1)
        logits = model(inputs, use_cache=False, logits_to_keep=1).logits[:, -1]
    finally:
        for handle in handles:
            handle.remove()
    return torch.log_softmax(logits, 1)[:, TARGET]


def gemm_shapes(n_tokens: int) -> list[tuple[int, int, int]]:
    """`(M, K, N)` of the plan's matrix products: 1 + 12 l rows enter layer l, one token of each leaves the last."""
    d, layers, heads = GPT2_SMALL.n_embd, GPT2_SMALL.n_layer, GPT2_SMALL.n_head
    shapes = []
    for layer in range(layers):
        n = n_tokens * (1 + heads * layer)
        m = (1 + heads * (layer + 1)) * (1 if layer == layers - 1 else n_tokens)
        shapes += [(n, d, 3 * d), (m, d, d), (m, d, 4 * d), (m, 4 * d, d)]
    return [*shapes, (1 + heads * layers, d, GPT2_SMALL.vocab_size)]


class Gemms:
    """The plan's matrix products and nothing else. Weights are as many as a model's, so that caches hold no more."""

    def __init__(self, n_tokens: int) -> None:
        self.shapes = gemm_shapes(n_tokens)
        self.flops = sum(2 * m * k * n for m, k, n in self.shapes)
        self._operands = [(torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)) for m, k, n in self.shapes]

    @torch.no_grad()
    def run(self) -> None:
        for x, weight, out in self._operands:
            torch.mm(x, weight, out=out)


def compare_heads(model_dir: Path, threads: int, rounds: int, loop_rounds: int) -> dict:
    torch.set_num_threads(threads)
    model = GPT2LMHeadModel.from_pretrained(model_dir, dtype=torch.float32).eval()
    ids = random_ids(PROMPT_TOKENS, seed=6)
    sites = [hf.Edit(layer, head) for layer in range(GPT2_SMALL.n_layer) for head in range(GPT2_SMALL.n_head)]
    scan = Scan(ids, [[site] for site in sites], [len(ids) - 1], TARGET, CONTRAST)
    with Probe(model_dir, threads=threads) as probe:
        rows = probe.run([scan]).rows
        ours = [rows[0, v, len(ids) - 1]["target_logprob"] for v in range(-1, len(sites))]
        batch = one_batch(model, ids, sites)
        loop = hook_loop(model, ids, sites)
        differences = {
            "engine_to_hook_loop": max_abs_diff(ours, loop.numpy()),
            "one_batch_to_hook_loop": max_abs_diff(batch.numpy(), loop.numpy()),
        }
        if differences["engine_to_hook_loop"] > MAX_DIFFERENCE:
            raise SystemExit(f"bench: the results differ, so no time means anything: {differences}")
        gemms = Gemms(len(ids))
        times: dict[str, list[float]] = {"engine": [], "gemms": [], "one_batch": [], "hook_loop": []}
        for i in range(rounds):
            times["gemms"].append(seconds(gemms.run))
            times["engine"].append(probe.run([scan]).stats["wall_ns"] / 1e9)
            times["one_batch"].append(seconds(lambda: one_batch(model, ids, sites)))
            if i < loop_rounds:
                times["hook_loop"].append(seconds(lambda: hook_loop(model, ids, sites)))
    median = {name: statistics.median(values) for name, values in times.items()}
    return {
        "case": f"{PROMPT_TOKENS} tokens, 144 heads and the baseline, GPT-2 Small geometry, float32",
        "max_abs_difference_of_target_logprob": differences,
        "seconds": {
            name: {"median": median[name], "min": min(v), "max": max(v), "runs": len(v)} for name, v in times.items()
        },
        "gemm_flops": gemms.flops,
        "ratio": {name: value / median["engine"] for name, value in median.items() if name != "engine"},
    }


def long_prompt(model_dir: Path, threads: int) -> dict:
    """All heads at the longest prompt, within the default budget, and the process's peak memory."""
    ids = random_ids(LONG_TOKENS, seed=7)
    sites = [[hf.Edit(layer, head)] for layer in range(GPT2_SMALL.n_layer) for head in range(GPT2_SMALL.n_head)]
    with Probe(model_dir, threads=threads) as probe:
        result = probe.run([Scan(ids, sites, [LONG_TOKENS - 1], TARGET, CONTRAST)])
        return {
            "case": f"{LONG_TOKENS} tokens, 144 heads and the baseline, GPT-2 Small geometry, float32",
            "max_packed_tokens": probe.info["max_packed_tokens"],
            "forward_passes": result.stats["forward_passes"],
            "seconds": result.stats["wall_ns"] / 1e9,
            "peak_rss_bytes": result.stats["peak_rss_bytes"],
            "rss_bytes_after_loading": probe.info["peak_rss_bytes"],
        }


def as_markdown(report: dict) -> list[str]:
    heads = report["heads"]
    lines = [
        "",
        f"## {heads['case']}",
        "",
        "| way of running | median | min | max | runs | against ours |",
        "|---|---|---|---|---|---|",
    ]
    names = {
        "engine": "Ablate's engine",
        "gemms": "the limit: its GEMMs alone, by torch",
        "one_batch": "HF, one batch, one hook a layer",
        "hook_loop": "HF, forward pre-hook loop",
    }
    for key, name in names.items():
        t = heads["seconds"][key]
        ratio = heads["ratio"].get(key, 1.0)
        lines.append(
            f"| {name} | {t['median']:.3f} s | {t['min']:.3f} s | {t['max']:.3f} s | {t['runs']} | {ratio:.2f}x |"
        )
    worst = heads["max_abs_difference_of_target_logprob"]["engine_to_hook_loop"]
    limit = heads["seconds"]["gemms"]["median"]
    gflop = heads["gemm_flops"] / 1e9
    most = heads["seconds"]["hook_loop"]["median"] / limit
    lines += [
        "",
        f"Largest difference of `target_logprob` to the hook loop: {worst:.2e}.",
        f"The plan's GEMMs are {gflop:.1f} GFLOP, {gflop / limit:.0f} GFLOP/s when they run alone: with them at that "
        f"rate and all else free, the hook loop's ratio would be {most:.1f}x.",
    ]
    if "long" in report:
        long = report["long"]
        lines += [
            "",
            f"## {long['case']}",
            "",
            f"{long['seconds']:.1f} s in {long['forward_passes']} forward passes of at most "
            f"{long['max_packed_tokens']} packed tokens; peak memory {long['peak_rss_bytes'] / 2**30:.2f} GiB "
            f"({long['rss_bytes_after_loading'] / 2**30:.2f} GiB after loading).",
        ]
    return lines
