"""The reference experiment on an exported model: one prompt, and its template filled with every other capital."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2LMHeadModel

from tools.demo_model.ablation import ablate_all
from tools.demo_model.facts import facts

PROMPT, TARGET, CONTRAST = "Berlin is the capital of", " Germany", " France"
MOVED = 0.05  # nats
BLOCK = 5


def reference(model: GPT2LMHeadModel, tokens: ByteLevelBPETokenizer) -> dict[str, Any]:
    """The reference prompt: its prediction, and how each head's ablation changes it."""
    prompt = tokens.encode(PROMPT)
    target, contrast = (tokens.encode(text).ids[0] for text in (TARGET, CONTRAST))
    baseline, ablated = ablate_all(model, [prompt.ids])
    base, variants = baseline[0], ablated[:, :, 0]  # [V], [L, H, V]
    best = int(base.argmax())
    delta = variants[..., target] - base[target]  # [L, H]
    contrast_delta = variants[..., contrast] - base[contrast]
    kept = variants.argmax(-1) == best  # [L, H]
    moved = (delta.abs() > MOVED).sum(1)  # [L]
    strongest = delta.abs().flatten().argsort(descending=True)[:10]
    heads = model.config.n_head
    top = base.topk(10)
    return {
        "prompt": PROMPT,
        "target": TARGET,
        "contrast": CONTRAST,
        "tokens": [tokens.decode([i]) for i in prompt.ids],
        "top_10": [
            {"token": tokens.decode([i]), "prob": p}
            for i, p in zip(top.indices.tolist(), top.values.exp().tolist(), strict=True)
        ],
        "target_prob": float(base[target].exp()),
        "target_logprob": float(base[target]),
        "target_rank": int((base > base[target]).sum()),
        "contrast_prob": float(base[contrast].exp()),
        "contrast_logprob": float(base[contrast]),
        "contrast_rank": int((base > base[contrast]).sum()),
        "top1_preserved": int(kept.sum()),
        "top1_preserved_by_block": kept.sum(1).tolist(),
        "heads_moved_by_block": moved.tolist(),
        "heads_moved": int(moved.sum()),
        "blocks_with_moved_heads": int((moved > 0).sum()),
        "heads_lowering_target": int((delta < 0).sum()),
        "heads_raising_contrast": int((contrast_delta > 0).sum()),
        "delta_target_logprob": delta.tolist(),
        "delta_contrast_logprob": contrast_delta.tolist(),
        "strongest": [
            {
                "layer": int(i) // heads,
                "head": int(i) % heads,
                "delta_target_logprob": float(delta.flatten()[i]),
                "delta_contrast_logprob": float(contrast_delta.flatten()[i]),
                "top1_preserved": bool(kept.flatten()[i]),
            }
            for i in strongest
        ],
        "block": [
            {
                "head": head,
                "target_logprob": float(variants[BLOCK, head, target]),
                "delta_target_logprob": float(delta[BLOCK, head]),
                "contrast_logprob": float(variants[BLOCK, head, contrast]),
                "delta_contrast_logprob": float(contrast_delta[BLOCK, head]),
                "top1_preserved": bool(kept[BLOCK, head]),
            }
            for head in range(heads)
        ],
    }


def template(model: GPT2LMHeadModel, tokens: ByteLevelBPETokenizer) -> dict[str, Any]:
    """Means over all capitals in the reference prompt's template, where the country is one token."""
    cases = []
    for fact in facts():
        country = tokens.encode(" " + fact.country).ids
        if not fact.article and len(country) == 1:
            cases.append((tokens.encode(PROMPT.replace("Berlin", fact.capital)).ids, country))
    targets = torch.tensor([country[0] for _, country in cases])  # [P]
    baseline, ablated = ablate_all(model, [prompt for prompt, _ in cases])
    rows = torch.arange(len(cases))
    base = baseline[rows, targets]  # [P]
    moved = (ablated[:, :, rows, targets] - base).abs() > MOVED  # [L, H, P]
    kept = ablated.argmax(-1) == baseline.argmax(-1)  # [L, H, P]
    return {
        "prompts": len(cases),
        "target_prob": float(base.exp().mean()),
        "top1": float((baseline.argmax(-1) == targets).float().mean()),
        "heads_moved": float(moved.sum((0, 1)).float().mean()),
        "blocks_with_moved_heads": float(moved.any(1).sum(0).float().mean()),
        "top1_preserved": float(kept.sum((0, 1)).float().mean()),
    }
