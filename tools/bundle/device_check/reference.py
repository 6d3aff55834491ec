"""GPT-2 in plain PyTorch, with edited heads: what our programs are measured against. Float64 on the CPU is the truth;
the precision under test on the device under test is the standard implementation whose error bounds ours."""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
# Under tf32 it is the products that read fewer bits; under bf16 all is bfloat16, as people load models.
PRECISIONS = {"float64": torch.float64, "float32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}
# Attention scores that may exist at once.
SCORES_BYTES = 1 << 29
END = 2**31 - 1


@dataclass(frozen=True)
class Edit:
    """z' = scale * z + table[entry + entry_stride * position] at one head, for positions begin .. end - 1.

    `entry` -1 adds nothing. `from_donor`: z is that of the donor's unedited run, at the same head and position.
    """

    layer: int
    head: int
    begin: int = 0
    end: int = END
    scale: float = 0.0
    entry: int = -1
    entry_stride: int = 0
    from_donor: bool = False


Variant: TypeAlias = Sequence[Edit]


@dataclass(frozen=True)
class Scan:
    """One prompt and its variants; every row is read at `reads`."""

    token_ids: Sequence[int]
    variants: Sequence[Variant]
    reads: Sequence[int]
    target_id: int
    contrast_id: int
    # [E, Dh]
    table: Sequence[Sequence[float]] = ()
    # As many as `token_ids`, or none.
    donor_token_ids: Sequence[int] = ()


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


@contextmanager
def tf32(is_allowed: bool) -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = is_allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


class LayerEdits:
    """The edits of R variants of T tokens in one layer."""

    def __init__(self, layer: int, variants: Sequence[Variant], tokens: int, heads: int, table: Tensor) -> None:
        self._scale = torch.ones(len(variants), tokens, heads)
        self._from_donor = torch.zeros(len(variants), tokens, heads, dtype=torch.bool)
        self._added: Tensor | None = None
        for row, edits in enumerate(variants):
            for edit in edits:
                if edit.layer != layer:
                    continue
                begin, end = edit.begin, min(edit.end, tokens)
                self._scale[row, begin:end, edit.head] = edit.scale
                self._from_donor[row, begin:end, edit.head] = edit.from_donor
                if edit.entry < 0:
                    continue
                if self._added is None:
                    self._added = torch.zeros(len(variants), tokens, heads, table.shape[1], dtype=table.dtype)
                positions = torch.arange(begin, end)
                self._added[row, begin:end, edit.head] = table[edit.entry + edit.entry_stride * positions]

    def apply(self, z: Tensor, donor_z: Tensor | None) -> Tensor:
        """`z` is [R, T, H, Dh], `donor_z` [T, H, Dh]."""
        if donor_z is not None:
            z = torch.where(self._from_donor.to(z.device).unsqueeze(3), donor_z, z)
        z = z * self._scale.to(z.device, z.dtype).unsqueeze(3)
        return z if self._added is None else z + self._added.to(z.device, z.dtype)


class Gpt2:
    """One model on one device in one precision."""

    def __init__(self, folder: Path, device: str, precision: str) -> None:
        self.config = read_config(folder)
        self.precision = precision
        dtype = PRECISIONS[precision]
        self._weights = {name: tensor.to(device, dtype) for name, tensor in read_weights(folder).items()}
        self._device = device

    @torch.no_grad()
    def logits(self, scan: Scan) -> Tensor:
        """Logits [1 + variants, reads, V] of a scan, the baseline's in front; each is a whole run of its own, in
        batches.
        """
        variants = [(), *scan.variants]
        tokens = len(scan.token_ids)
        batch = max(1, SCORES_BYTES // (self.config.n_head * tokens**2 * 8))
        donor: list[Tensor] = []
        with tf32(self.precision == "tf32"):
            if scan.donor_token_ids:
                unedited = Scan(scan.donor_token_ids, (), scan.reads, scan.target_id, scan.contrast_id)
                self._run(unedited, [()], [], donor)
            runs = [self._run(scan, variants[i : i + batch], donor, []) for i in range(0, len(variants), batch)]
            return torch.cat(runs)

    def _run(self, scan: Scan, variants: Sequence[Variant], donor: Sequence[Tensor], zs: list[Tensor]) -> Tensor:
        """Appends the first row's z [T, H, Dh] of each layer to `zs`."""
        config, w = self.config, self._weights
        rows, tokens, heads = len(variants), len(scan.token_ids), config.n_head
        table = torch.tensor(scan.table, dtype=torch.float64)
        ids = torch.tensor(scan.token_ids, device=self._device)
        x = (w["wte.weight"][ids] + w["wpe.weight"][:tokens]).expand(rows, tokens, -1)  # [R, T, D]
        later = torch.ones(tokens, tokens, dtype=torch.bool, device=self._device).triu(1)
        for layer in range(config.n_layer):
            p = f"h.{layer}."
            qkv = self._norm(x, p + "ln_1") @ w[p + "attn.c_attn.weight"] + w[p + "attn.c_attn.bias"]
            q, k, v = qkv.view(rows, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4)  # each [R, H, T, Dh]
            scores = (q @ k.transpose(2, 3) / math.sqrt(q.shape[3])).masked_fill(later, -torch.inf)
            z = (scores.softmax(3) @ v).transpose(1, 2)  # [R, T, H, Dh]
            zs.append(z[0])
            z = LayerEdits(layer, variants, tokens, heads, table).apply(z, donor[layer] if donor else None)
            x = x + z.reshape(rows, tokens, -1) @ w[p + "attn.c_proj.weight"] + w[p + "attn.c_proj.bias"]
            hidden = self._norm(x, p + "ln_2") @ w[p + "mlp.c_fc.weight"] + w[p + "mlp.c_fc.bias"]
            x = x + gelu(hidden, approximate="tanh") @ w[p + "mlp.c_proj.weight"] + w[p + "mlp.c_proj.bias"]
        return self._norm(x[:, list(scan.reads)], "ln_f") @ w["wte.weight"].T

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self._weights[name + ".weight"], self._weights[name + ".bias"]
        return layer_norm(x, weight.shape, weight, bias, self.config.layer_norm_epsilon)
