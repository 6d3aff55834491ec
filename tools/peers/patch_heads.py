"""TransformerLens' own patching of heads, and its zeroing of one, with the help of `ablate.interop.transformer_lens`.

Runs in .venv-peers. One JSON object on the standard input: {"model_dir", "clean", "corrupted" (texts), "target",
"contrast" (token ids), "zeroed" (a variant's label)}; one on the standard output, all in float64 at the last position:
"tokens", "clean_logprobs" and "corrupted_logprobs" [V], "all_pos" [layers][heads] and "by_pos" [layers][pos][heads]
(logit differences), "zeroed_logprobs" [V].
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "client" / "python" / "src"))

import torch
from transformer_lens import patching
from transformer_lens.model_bridge import TransformerBridge

from ablate.interop import transformer_lens as interop


@torch.no_grad()
def measure(question: dict) -> dict:
    model = TransformerBridge.boot_transformers(question["model_dir"], device="cpu", dtype=torch.float64)
    clean, corrupted = (model.to_tokens(question[name]) for name in ("clean", "corrupted"))
    _, cache = model.run_with_cache(clean)

    def logit_diff(logits: torch.Tensor) -> torch.Tensor:
        return logits[0, -1, question["target"]] - logits[0, -1, question["contrast"]]

    def logprobs(logits: torch.Tensor) -> list[float]:
        return torch.log_softmax(logits[0, -1], -1).tolist()

    hooks = interop.zero_hooks(question["zeroed"])
    return {
        "tokens": clean[0].tolist(),
        "clean_logprobs": logprobs(model(clean)),
        "corrupted_logprobs": logprobs(model(corrupted)),
        "all_pos": patching.get_act_patch_attn_head_out_all_pos(model, corrupted, cache, logit_diff).tolist(),
        "by_pos": patching.get_act_patch_attn_head_out_by_pos(model, corrupted, cache, logit_diff).tolist(),
        "zeroed_logprobs": logprobs(model.run_with_hooks(clean, fwd_hooks=hooks)),
    }


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):  # the library prints
        answer = measure(asked)
    json.dump(answer, sys.stdout)
