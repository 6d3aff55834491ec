"""Zeroes `hook_z` of single heads of a TransformerLens model with its default weight processing.

Runs in .venv-peers. One JSON object on the standard input: {"model_dir", "token_ids", "sites": [[layer, head], ...]};
one on the standard output: {"logprobs": [1 + sites][V]} at the last position, the unedited run first, in float64.
"""

from __future__ import annotations

import contextlib
import json
import sys

import torch
from transformer_lens.model_bridge import TransformerBridge


@torch.no_grad()
def measure(question: dict) -> list[list[float]]:
    model = TransformerBridge.boot_transformers(question["model_dir"], device="cpu", dtype=torch.float64)
    # HookedTransformer's numerics, which is what is folded, with its defaults.
    model.enable_compatibility_mode(disable_warnings=True)
    tokens = torch.tensor([question["token_ids"]])

    def run(layer: int | None, head: int) -> list[float]:
        def zero(z: torch.Tensor, hook: object) -> torch.Tensor:
            z[:, :, head] = 0
            return z

        hooks = [] if layer is None else [(f"blocks.{layer}.attn.hook_z", zero)]
        return torch.log_softmax(model.run_with_hooks(tokens, fwd_hooks=hooks)[0, -1], -1).tolist()

    return [run(None, 0), *(run(layer, head) for layer, head in question["sites"])]


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):  # the library prints
        logprobs = measure(asked)
    json.dump({"logprobs": logprobs}, sys.stdout)
