"""Zeroes and patches heads with nnsight, with the help of `ablate.interop.nnsight`.

Runs in .venv-peers. One JSON object on the standard input: {"model_dir", "clean", "corrupted" (texts), "target",
"contrast" (token ids), "zeroed" (variants' labels), "patched" (labels of single heads)}; one on the standard output, at
the last position in float64: "tokens", "zeroed_logprobs" [variants][V], "patched" [heads] (logit differences of the
corrupted run with the clean run's value of that head).
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "client" / "python" / "src"))

import torch
from nnsight import TransformersModel
from transformers import AutoTokenizer, GPT2LMHeadModel

from ablate.interop import nnsight as interop


@torch.no_grad()
def measure(question: dict) -> dict:
    folder = question["model_dir"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = TransformersModel(
        GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float64).eval(), tokenizer=tokenizer, task="text-generation"
    )
    d_head = model.config.n_embd // model.config.n_head

    answer = {"tokens": tokenizer(question["clean"])["input_ids"], "zeroed_logprobs": [], "patched": []}
    for label in question["zeroed"]:
        with model.trace(question["clean"]):
            interop.zero_heads(model, label)
            logits = model.lm_head.output[0, -1].save()
        answer["zeroed_logprobs"].append(torch.log_softmax(logits, -1).tolist())
    for label in question["patched"]:
        part = interop.head_slice(label, d_head)
        with model.trace(question["clean"]):
            clean = interop.module(model, label).input[..., part].clone().save()
        with model.trace(question["corrupted"]):
            interop.module(model, label).input[..., part] = clean
            logits = model.lm_head.output[0, -1].save()
        answer["patched"].append((logits[question["target"]] - logits[question["contrast"]]).item())
    return answer


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        found = measure(asked)
    json.dump(found, sys.stdout)
