"""GPT-2 in plain PyTorch, with edited heads: what our programs are measured against. Float64 on the CPU is the truth,
float32 on the device under test is the standard implementation whose error bounds ours."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm

# (layer, head, begin, end, scale)
Edit = tuple[int, int, int, int, float]
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
# Attention scores that may exist at once.
SCORES_BYTES = 1 << 29


@dataclass(frozen=True)
class Config:
    n_layer: int
    n_head: int
    n_embd: int
    n_positions: int
    vocab_size: int
    layer_norm_epsilon: float = 1e-5


def read_config(folder: Path) -> Config:
    config = json.loads((folder / "config.json").read_text())
    return Config(**{name: config[name] for name in Config.__dataclass_fields__})


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of a single safetensors file, without the `transformer.` prefix."""
    data = (folder / "model.safetensors").read_bytes()
    header_bytes = int.from_bytes(data[:8], "little")
    weights = {}
    for name, entry in json.loads(data[8 : 8 + header_bytes]).items():
        if name == "__metadata__" or name.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        begin, end = entry["data_offsets"]
        stored = bytearray(data[8 + header_bytes + begin : 8 + header_bytes + end])
        flat = torch.frombuffer(stored, dtype=DTYPES[entry["dtype"]])
        weights[name.removeprefix("transformer.")] = flat.reshape(entry["shape"])
    return weights


class Gpt2:
    """One model on one device in one precision."""

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        self.config = read_config(folder)
        self._weights = {name: tensor.to(device, dtype) for name, tensor in read_weights(folder).items()}
        self._device = device
        self._dtype = dtype

    @torch.no_grad()
    def logits(self, token_ids: Sequence[int], variants: Sequence[Sequence[Edit]], reads: Sequence[int]) -> Tensor:
        """Logits [R, reads, V] of one prompt under each variant; each is a whole run of its own, in batches."""
        score_bytes = self.config.n_head * len(token_ids) ** 2 * torch.finfo(self._dtype).bits // 8
        batch = max(1, SCORES_BYTES // score_bytes)
        parts = [self._run(token_ids, variants[i : i + batch], reads) for i in range(0, len(variants), batch)]
        return torch.cat(parts)

    def _run(self, token_ids: Sequence[int], variants: Sequence[Sequence[Edit]], reads: Sequence[int]) -> Tensor:
        config, w = self.config, self._weights
        rows, tokens, heads = len(variants), len(token_ids), config.n_head
        scales = self._scales(variants, tokens)  # [L, R, T, H]
        ids = torch.tensor(token_ids, device=self._device)
        x = (w["wte.weight"][ids] + w["wpe.weight"][:tokens]).expand(rows, tokens, -1)  # [R, T, D]
        later = torch.ones(tokens, tokens, dtype=torch.bool, device=self._device).triu(1)
        for layer in range(config.n_layer):
            p = f"h.{layer}."
            qkv = self._norm(x, p + "ln_1") @ w[p + "attn.c_attn.weight"] + w[p + "attn.c_attn.bias"]
            q, k, v = qkv.view(rows, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4)  # each [R, H, T, Dh]
            scores = (q @ k.transpose(2, 3) / math.sqrt(q.shape[3])).masked_fill(later, -torch.inf)
            z = (scores.softmax(3) @ v).transpose(1, 2) * scales[layer].unsqueeze(3)  # [R, T, H, Dh]
            x = x + z.reshape(rows, tokens, -1) @ w[p + "attn.c_proj.weight"] + w[p + "attn.c_proj.bias"]
            hidden = self._norm(x, p + "ln_2") @ w[p + "mlp.c_fc.weight"] + w[p + "mlp.c_fc.bias"]
            x = x + gelu(hidden, approximate="tanh") @ w[p + "mlp.c_proj.weight"] + w[p + "mlp.c_proj.bias"]
        return self._norm(x[:, list(reads)], "ln_f") @ w["wte.weight"].T

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self._weights[name + ".weight"], self._weights[name + ".bias"]
        return layer_norm(x, weight.shape, weight, bias, self.config.layer_norm_epsilon)

    def _scales(self, variants: Sequence[Sequence[Edit]], tokens: int) -> Tensor:
        scales = torch.ones(self.config.n_layer, len(variants), tokens, self.config.n_head, dtype=self._dtype)
        for row, edits in enumerate(variants):
            for layer, head, begin, end, scale in edits:
                scales[layer, row, begin:end, head] = scale
        return scales.to(self._device)
