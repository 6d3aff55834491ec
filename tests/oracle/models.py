"""Models for the tests: the bundled one, and random weights in any geometry."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "models" / "demo"


@dataclass(frozen=True)
class Geometry:
    n_layer: int
    n_head: int
    n_embd: int
    n_positions: int
    vocab_size: int


GPT2_SMALL = Geometry(n_layer=12, n_head=12, n_embd=768, n_positions=1024, vocab_size=50257)
# An odd one that is quick, and a deep one.
TINY = Geometry(n_layer=3, n_head=4, n_embd=20, n_positions=40, vocab_size=300)
WIDE = Geometry(n_layer=24, n_head=16, n_embd=128, n_positions=64, vocab_size=400)


def geometry_of(config: GPT2Config) -> Geometry:
    return Geometry(config.n_layer, config.n_head, config.n_embd, config.n_positions, config.vocab_size)


def write_synthetic_tokenizer(directory: Path, vocab_size: int, seed: int = 0) -> None:
    """A valid byte-level BPE of any size, 257 or more: the 256 bytes, random merges, `<|endoftext|>` last."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    tokens = list(bytes_to_unicode().values())
    known = set(tokens)
    merges = []
    generator = random.Random(seed)
    while len(tokens) < vocab_size - 1:
        left, right = generator.choice(tokens), generator.choice(tokens)
        merged = left + right
        if len(merged) <= 16 and merged not in known:
            known.add(merged)
            tokens.append(merged)
            merges.append(f"{left} {right}")
    tokens.append("<|endoftext|>")
    (directory / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}, ensure_ascii=False))
    (directory / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{merge}\n" for merge in merges))


def write_random_model(directory: Path, geometry: Geometry, seed: int) -> Path:
    """Saves a GPT-2 with random weights and a synthetic tokenizer into `directory`, and returns it.

    Biases and LayerNorms are random too, so that no term of the forward pass can be left out unnoticed, and the
    weights are large enough for single heads to matter.
    """
    torch.manual_seed(seed)
    config = GPT2Config(
        n_layer=geometry.n_layer,
        n_head=geometry.n_head,
        n_embd=geometry.n_embd,
        n_positions=geometry.n_positions,
        vocab_size=geometry.vocab_size,
        bos_token_id=geometry.vocab_size - 1,
        eos_token_id=geometry.vocab_size - 1,
    )
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.1)
            elif ".ln_" in name:
                parameter.normal_(1, 0.1)
            else:
                parameter.normal_(0, 1.6 / geometry.n_embd**0.5 if "wte" not in name else 0.1)
    directory.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(directory)
    write_synthetic_tokenizer(directory, geometry.vocab_size)
    return directory
