"""Writes a trained model in the layout that `GPT2LMHeadModel.save_pretrained` has."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import ByteLevelBPETokenizer

from tools.demo_model.model import Gpt2
from tools.demo_model.tokenizer import END_OF_TEXT, end_of_text


def config_of(model: Gpt2, end: int) -> dict[str, object]:
    """`config.json`; the weights are stored as float16 and computed with as float32."""
    shape = model.shape
    return {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.0,
        "bos_token_id": end,
        "dtype": "float32",
        "embd_pdrop": 0.0,
        "eos_token_id": end,
        "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05,
        "model_type": "gpt2",
        "n_ctx": shape.n_positions,
        "n_embd": shape.n_embd,
        "n_head": shape.n_head,
        "n_inner": None,
        "n_layer": shape.n_layer,
        "n_positions": shape.n_positions,
        "reorder_and_upcast_attn": False,
        "resid_pdrop": 0.0,
        "scale_attn_by_inverse_layer_idx": False,
        "scale_attn_weights": True,
        "tie_word_embeddings": True,
        "use_cache": True,
        "vocab_size": shape.vocab_size,
    }


def export(model: Gpt2, tokenizer: ByteLevelBPETokenizer, folder: Path) -> None:
    """Writes config.json, model.safetensors, vocab.json and merges.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, tensor in model.state_dict().items():
        full = f"transformer.{name}.weight" if name in ("wte", "wpe") else f"transformer.{name}"
        tensors[full] = tensor.to(torch.float16).contiguous()
    weights = folder / "model.safetensors"
    save_file(tensors, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # save_file leaves it to its owner alone
    config = json.dumps(config_of(model, end_of_text(tokenizer)), indent=2)
    (folder / "config.json").write_text(config + "\n", encoding="utf-8")
    tokenizer.save_model(str(folder))  # has no special token yet
    vocabulary = tokenizer.get_vocab()
    vocabulary[END_OF_TEXT] = end_of_text(tokenizer)
    ordered = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
    (folder / "vocab.json").write_text(json.dumps(ordered, ensure_ascii=False), encoding="utf-8")
