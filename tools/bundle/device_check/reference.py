"""GPT-2 in plain PyTorch, with edited heads: what our programs are measured against. Float64 on the CPU is the truth;
the precision under test on the device under test is the standard implementation whose error bounds ours.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
# Under tf32 products read 10 bits of fraction, cut here: where PyTorch may use TF32 it is up to cuBLAS whether it does.
# Under bf16 all is bfloat16, as people load models.
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


def cut_to_tf32(x: Tensor) -> Tensor:
    """Towards zero, as tensor cores may read a float32."""
    return (x.contiguous().view(torch.int32) & ~0x1FFF).view(torch.float32)


class LayerEdits:
    """The edits of R variants of T tokens in one layer, on the device."""

    def __init__(
        self, layer: int, variants: Sequence[Variant], scan: Scan, heads: int, device: str, dtype: torch.dtype
    ) -> None:
        tokens = len(scan.token_ids)
        table = torch.tensor(scan.table, dtype=torch.float64)
        scale = torch.ones(len(variants), tokens, heads, 1)
        from_donor = torch.zeros(len(variants), tokens, heads, 1, dtype=torch.bool)
        added: Tensor | None = None
        for row, edits in enumerate(variants):
            for edit in edits:
                if edit.layer != layer:
                    continue
                begin, end = edit.begin, min(edit.end, tokens)
                scale[row, begin:end, edit.head] = edit.scale
                from_donor[row, begin:end, edit.head] = edit.from_donor
                if edit.entry < 0:
                    continue
                if added is None:
                    added = torch.zeros(len(variants), tokens, heads, table.shape[1], dtype=table.dtype)
                positions = torch.arange(begin, end)
                added[row, begin:end, edit.head] = table[edit.entry + edit.entry_stride * positions]
        self._scale = scale.to(device, dtype)
        self._from_donor = from_donor.to(device) if bool(from_donor.any()) else None
        self._added = None if added is None else added.to(device, dtype)

    def apply(self, z: Tensor, donor_z: Tensor | None) -> Tensor:
        """`z` is [R, T, H, Dh], `donor_z` [T, H, Dh]."""
        if self._from_donor is not None:
            assert donor_z is not None
            z = torch.where(self._from_donor, donor_z, z)
        z = z * self._scale
        return z if self._added is None else z + self._added


class Gpt2:
    """One model on one device in one precision."""

    def __init__(self, folder: Path, device: str, precision: str) -> None:
        self.config = read_config(folder)
        self.precision = precision
        self._dtype = PRECISIONS[precision]
        self._weights = {name: tensor.to(device, self._dtype) for name, tensor in read_weights(folder).items()}
        self._device = device

    def logits(self, scan: Scan) -> Tensor:
        """Logits [1 + variants, reads, V] of a scan, the baseline's in front; each is a whole run of its own, in
        batches.
        """
        variants = [(), *scan.variants]
        batch = max(1, SCORES_BYTES // (self.config.n_head * len(scan.token_ids) ** 2 * 8))
        parts = [self.prepare(scan, variants[i : i + batch])() for i in range(0, len(variants), batch)]
        return torch.cat(parts)

    @torch.no_grad()
    def prepare(self, scan: Scan, variants: Sequence[Variant]) -> Callable[[], Tensor]:
        """What gives the logits [R, reads, V] of these variants as one batch: their edits are on the device already."""
        edits = self._edits(scan, variants)
        donor: list[Tensor] = []
        if scan.donor_token_ids:
            unedited = Scan(scan.donor_token_ids, (), scan.reads, scan.target_id, scan.contrast_id)
            self._residual(unedited, self._edits(unedited, [()]), 1, donor, is_donor=True)
        ids = torch.tensor(list(scan.reads), device=self._device)

        @torch.no_grad()
        def run() -> Tensor:
            x = self._residual(scan, edits, len(variants), donor)
            return self._product(self._norm(x[:, ids], "ln_f"), self._weights["wte.weight"].T)

        return run

    def _edits(self, scan: Scan, variants: Sequence[Variant]) -> list[LayerEdits]:
        heads = self.config.n_head
        return [
            LayerEdits(layer, variants, scan, heads, self._device, self._dtype) for layer in range(self.config.n_layer)
        ]

    def _residual(
        self, scan: Scan, edits: Sequence[LayerEdits], rows: int, donor: list[Tensor], is_donor: bool = False
    ) -> Tensor:
        """What leaves the last layer, [R, T, D]. A donor's z [T, H, Dh] of each layer go to `donor`; others' edits read
        them there.
        """
        config, w, product = self.config, self._weights, self._product
        tokens, heads = len(scan.token_ids), config.n_head
        ids = torch.tensor(scan.token_ids, device=self._device)
        x = (w["wte.weight"][ids] + w["wpe.weight"][:tokens]).expand(rows, tokens, -1)  # [R, T, D]
        later = torch.ones(tokens, tokens, dtype=torch.bool, device=self._device).triu(1)
        for layer in range(config.n_layer):
            p = f"h.{layer}."
            qkv = product(self._norm(x, p + "ln_1"), w[p + "attn.c_attn.weight"]) + w[p + "attn.c_attn.bias"]
            q, k, v = qkv.view(rows, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4)  # each [R, H, T, Dh]
            scores = (product(q, k.transpose(2, 3)) / math.sqrt(q.shape[3])).masked_fill(later, -torch.inf)
            z = product(scores.softmax(3), v).transpose(1, 2)  # [R, T, H, Dh]
            if is_donor:
                donor.append(z[0])
            z = edits[layer].apply(z, donor[layer] if donor else None)
            x = x + product(z.reshape(rows, tokens, -1), w[p + "attn.c_proj.weight"]) + w[p + "attn.c_proj.bias"]
            hidden = product(self._norm(x, p + "ln_2"), w[p + "mlp.c_fc.weight"]) + w[p + "mlp.c_fc.bias"]
            x = x + product(gelu(hidden, approximate="tanh"), w[p + "mlp.c_proj.weight"]) + w[p + "mlp.c_proj.bias"]
        return x

    def _product(self, a: Tensor, b: Tensor) -> Tensor:
        is_cut_by_us = self.precision == "tf32" and not torch.backends.cuda.matmul.allow_tf32
        return cut_to_tf32(a) @ cut_to_tf32(b) if is_cut_by_us else a @ b

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self._weights[name + ".weight"], self._weights[name + ".bias"]
        return layer_norm(x, weight.shape, weight, bias, self.config.layer_norm_epsilon)
