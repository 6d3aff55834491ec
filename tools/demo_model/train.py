"""The training loop: seeded, resumable, one process on the CPU."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tokenizers import ByteLevelBPETokenizer
from torch import Tensor
from torch.nn import functional as F

from tools.demo_model.batches import Rows
from tools.demo_model.data import Data, Group, probes
from tools.demo_model.model import Gpt2, Shape
from tools.demo_model.muon import Muon
from tools.demo_model.recipe import Recipe


def loss_of(model: Gpt2, batch: list[Group], recipe: Recipe, random: np.random.Generator) -> Tensor:
    """The weighted mean cross-entropy of the batch's next tokens."""
    wanted, targets, weights, offset = [], [], [], 0
    for group in batch:
        rows = group.rows
        text = rows.text & (random.random(rows.text.shape) < recipe.text_share)
        weight = group.answer_weight * rows.answer + recipe.text_weight / recipe.text_share * text  # [B, T]
        index = np.flatnonzero(weight)  # positions that have a loss
        wanted.append(index + offset)
        targets.append(rows.ids.reshape(-1)[index + 1])
        weights.append(weight.reshape(-1)[index])
        offset += rows.ids.size
    groups = [torch.from_numpy(rows.ids.astype(np.int64)) for rows in (group.rows for group in batch)]
    logits = model(groups, torch.from_numpy(np.concatenate(wanted)), [group.drop for group in batch])  # [W, V]
    target = torch.from_numpy(np.concatenate(targets).astype(np.int64))  # [W]
    weight_of = torch.from_numpy(np.concatenate(weights).astype(np.float32))  # [W]
    return (F.cross_entropy(logits, target, reduction="none") * weight_of).sum() / weight_of.sum()


@torch.no_grad()
def probe(model: Gpt2, groups: dict[str, list[Rows]]) -> dict[str, float]:
    """Share of answer tokens that the model ranks first, for each set of rows."""
    model.eval()
    result = {}
    for name, many in groups.items():
        right = total = 0
        for rows in many:
            index = np.flatnonzero(rows.answer)
            logits = model([torch.from_numpy(rows.ids.astype(np.int64))], torch.from_numpy(index))
            target = torch.from_numpy(rows.ids.reshape(-1)[index + 1].astype(np.int64))
            right += int((logits.argmax(1) == target).sum())
            total += len(index)
        result[name] = right / max(1, total)
    model.train()
    return result


def rate(step: int, recipe: Recipe) -> float:
    """The learning rate's factor, straight between the recipe's points."""
    steps = [point[0] for point in recipe.rate_points]
    factors = [point[1] for point in recipe.rate_points]
    return float(np.interp(step, steps, factors))


class Run:
    """A model in training, with all that a checkpoint holds."""

    def __init__(self, recipe: Recipe, tokenizer: ByteLevelBPETokenizer) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.tokenizer = tokenizer
        self.data = Data(recipe, tokenizer)
        self.model = Gpt2(Shape(tokenizer.get_vocab_size(), recipe.n_positions, recipe.n_embd))
        matrices = [p for name, p in self.model.named_parameters() if p.ndim == 2 and name.startswith("h.")]
        chosen = {id(p) for p in matrices}
        others = [p for p in self.model.parameters() if id(p) not in chosen]
        self.optimizers = [
            Muon(matrices, lr=recipe.muon_lr, weight_decay=0.01),
            torch.optim.AdamW(others, lr=recipe.adamw_lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
        ]
        self.step = 0
        self.seconds = 0.0

    def advance(self) -> float:
        """One step; returns its loss."""
        start = time.perf_counter()
        factor = rate(self.step, self.recipe)
        for optimizer, lr in zip(self.optimizers, (self.recipe.muon_lr, self.recipe.adamw_lr), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = lr * factor
        loss = loss_of(self.model, self.data.batch(self.step), self.recipe, self.data.random)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.model.zero_grad(set_to_none=True)
        self.step += 1
        self.seconds += time.perf_counter() - start
        return float(loss.detach())

    def save(self, path: Path) -> None:
        """Writes the checkpoint in one rename, so that a stop in between leaves the old one."""
        state = {
            "recipe": asdict(self.recipe),
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "numpy": self.data.random.bit_generator.state,
            "torch": torch.get_rng_state(),
            "step": self.step,
            "seconds": self.seconds,
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Goes on from a checkpoint; the recipe's numbers may differ, the model's sizes may not."""
        state = torch.load(path, weights_only=False)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.data.random.bit_generator.state = state["numpy"]
        torch.set_rng_state(state["torch"])
        self.step, self.seconds = state["step"], state["seconds"]


def train(run: Run, checkpoint: Path, *, log_every: int = 50, save_every_s: float = 180.0) -> None:
    """Runs to the recipe's last step, with a line of JSON every `log_every` steps."""
    held_out = probes(run.tokenizer)
    losses: list[float] = []
    saved = time.monotonic()
    while run.step < run.recipe.steps:
        losses.append(run.advance())
        if not math.isfinite(losses[-1]):
            raise ArithmeticError(f"step {run.step}: the loss is {losses[-1]}")
        if run.step % log_every == 0 or run.step == run.recipe.steps:
            report = {"step": run.step, "seconds": round(run.seconds, 1), "loss": round(float(np.mean(losses)), 4)}
            report |= {name: round(value, 3) for name, value in probe(run.model, held_out).items()}
            print(json.dumps(report), flush=True)
            losses.clear()
        if time.monotonic() - saved > save_every_s or run.step == run.recipe.steps:
            run.save(checkpoint)
            saved = time.monotonic()
