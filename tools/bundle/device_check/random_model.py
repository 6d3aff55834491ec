"""Writes a GPT-2 with seeded random weights in Hugging Face's layout, with nothing but PyTorch."""

import json
import random
from pathlib import Path

import torch

from device_check.reference import Config

GPT2_SMALL = Config(n_layer=12, n_head=12, n_embd=768, n_positions=1024, vocab_size=50257)


def byte_characters() -> list[str]:
    """GPT-2's printable character for each byte, in its vocabulary's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]


def write_tokenizer(folder: Path, vocab_size: int, seed: int) -> None:
    """A valid byte-level BPE: the 256 bytes, random merges, `<|endoftext|>`."""
    tokens = byte_characters()
    known = set(tokens)
    merges = []
    generator = random.Random(seed)
    while len(tokens) < vocab_size - 1:
        left, right = generator.choice(tokens), generator.choice(tokens)
        if len(left + right) <= 16 and left + right not in known:
            known.add(left + right)
            tokens.append(left + right)
            merges.append(f"{left} {right}\n")
    tokens.append("<|endoftext|>")
    vocabulary = {token: i for i, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(merges), encoding="utf-8")


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    d = config.n_embd
    result: dict[str, tuple[int, ...]] = {"wte.weight": (config.vocab_size, d), "wpe.weight": (config.n_positions, d)}
    for layer in range(config.n_layer):
        for name, into, out in [
            ("attn.c_attn", d, 3 * d),
            ("attn.c_proj", d, d),
            ("mlp.c_fc", d, 4 * d),
            ("mlp.c_proj", 4 * d, d),
        ]:
            result[f"h.{layer}.{name}.weight"] = (into, out)
            result[f"h.{layer}.{name}.bias"] = (out,)
        for name in ("ln_1", "ln_2"):
            result[f"h.{layer}.{name}.weight"] = result[f"h.{layer}.{name}.bias"] = (d,)
    result["ln_f.weight"] = result["ln_f.bias"] = (d,)
    return result


def write_random_model(folder: Path, config: Config, seed: int) -> Path:
    """Biases and LayerNorms are random too, so that no term can be left out unnoticed, and the weights large enough for
    single heads to matter."""
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(seed)
    header, tensors, offset = {}, [], 0
    for name, shape in shapes(config).items():
        if name.endswith("bias"):
            mean, deviation = 0.0, 0.1
        elif ".ln_" in name or name.startswith("ln_f"):
            mean, deviation = 1.0, 0.1
        else:
            mean, deviation = 0.0, 0.1 if name == "wte.weight" else 1.6 / config.n_embd**0.5
        tensors.append(torch.empty(shape).normal_(mean, deviation, generator=generator))
        size = tensors[-1].numel() * 4
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": (offset, offset + size)}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with (folder / "model.safetensors").open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors:
            stream.write(tensor.numpy().tobytes())
    settings = {
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_embd": config.n_embd,
        "n_positions": config.n_positions,
        "vocab_size": config.vocab_size,
        "layer_norm_epsilon": config.layer_norm_epsilon,
        "bos_token_id": config.vocab_size - 1,
        "eos_token_id": config.vocab_size - 1,
    }
    (folder / "config.json").write_text(json.dumps(settings, indent=2))
    write_tokenizer(folder, config.vocab_size, seed)
    return folder
