"""The oracle itself: a batch is what single runs are, and the parts of a run add up to its logits."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from tests.oracle import hf
from tests.oracle.compare import assert_close
from tests.oracle.effects import effects, head_writes
from tests.oracle.models import TINY, WIDE, geometry_of, write_random_model
from tests.oracle.readout import Answers, measure
from tests.oracle.runs import Patch, head_outputs, trace

# As FLOAT64_TOLERANCE in tests/oracle/engine_check.py: what two orders of summation may differ by.
TOLERANCE = 2.7e-10


@pytest.fixture(scope="module", params=[TINY, WIDE], ids=["tiny", "wide"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    folder: Path = write_random_model(tmp_path_factory.mktemp("model"), request.param, seed=11)
    return hf.load(str(folder), torch.float64)


def prompt(model, length: int, seed: int) -> list[int]:
    generator = random.Random(seed)
    return [generator.randrange(model.config.vocab_size) for _ in range(length)]


def test_rows_of_a_batch_equal_the_plain_hook(model):
    g = geometry_of(model.config)
    ids, reads = prompt(model, 7, 1), [0, 3, 6]
    edits = [[hf.Edit(layer, head, 2, 5, -0.5)] for layer in (0, g.n_layer - 1) for head in (0, g.n_head - 1)]
    edits.append([edit for (edit,) in edits])
    runs = [[Patch(e.layer, e.head, range(e.begin, e.end), e.scale) for e in es] for es in edits]
    found = trace(model, ids, runs, reads).logits
    expected = torch.stack([hf.logits(model, ids, es)[reads] for es in edits])
    assert_close(found, expected, TOLERANCE, "logits")
    assert (found - hf.logits(model, ids)[reads]).abs().max() > 1e-3


def test_a_value_put_in_stands_in_the_trace(model):
    g = geometry_of(model.config)
    ids = prompt(model, 5, 2)
    value = torch.arange(5 * g.n_embd // g.n_head, dtype=torch.float64).view(5, -1)
    run = [Patch(1, 2, [1, 4], 0.0, value), Patch(1, 0, range(5), 1.0, value)]
    z, plain = trace(model, ids, [run], range(5)).z[0], trace(model, ids, [[]], range(5)).z[0]
    assert torch.equal(z[[1, 4], 1, 2], value[[1, 4]])
    assert_close(z[:, 1, 0] - plain[:, 1, 0], value, TOLERANCE, "what was added")
    assert torch.equal(z[[0, 2, 3], 1, 2], plain[[0, 2, 3], 1, 2])
    assert torch.equal(head_outputs(model, ids)[1, 2], plain[:, 1, 2])


def test_embeddings_heads_biases_mlps_and_the_final_bias_give_the_logits(model):
    """design.md's sum test."""
    ids = prompt(model, 6, 3)
    run = trace(model, ids, [[]], range(6))
    transformer = model.transformer
    with torch.no_grad():
        parts = [transformer.wte(torch.tensor(ids)) + transformer.wpe(torch.arange(6))]  # [T, D] each
        parts += [head_writes(model, run.z[0]).sum(2).sum(1), run.mlp[0].sum(1)]
        parts += [torch.stack([block.attn.c_proj.bias for block in transformer.h]).sum(0).expand(6, -1)]
        residual = torch.stack(parts).sum(0)
        assert_close(residual, run.residual[0], TOLERANCE, "final residual")
        scale = (residual.var(-1, unbiased=False) + model.config.layer_norm_epsilon).rsqrt()[:, None]
        # The final LayerNorm with its scale held is linear: each part goes through it alone.
        normed = [(part - part.mean(-1, keepdim=True)) * scale * transformer.ln_f.weight for part in parts]
        logits = sum(model.lm_head(part) for part in normed) + model.lm_head(transformer.ln_f.bias)
    assert_close(logits, run.logits[0], TOLERANCE, "logits")


def test_effects_and_compensation_add_up_to_the_change(model):
    g = geometry_of(model.config)
    ids, reads = prompt(model, 6, 4), [3, 5]
    answers = Answers((3, 5), (7,))
    runs = [
        [Patch(0, 1, range(6))],
        [Patch(g.n_layer - 1, 0, [5], 0.5)],
        [Patch(0, 0, [3], 2.0), Patch(1, 1, range(6)), Patch(g.n_layer - 1, 2, [1, 5], -1.0)],
    ]
    base, edited = trace(model, ids, [[]], reads), trace(model, ids, runs, reads)
    for i, position in enumerate(reads):
        sites = [{(p.layer, p.head) for p in run if position in p.positions} for run in runs]
        found = effects(model, edited, base, i, answers, sites)
        whole = measure(edited.logits[:, i], base.logits[0, i], answers)["delta_logit_diff"]
        total = found.direct_effect + found.heads.sum((1, 2)) + found.mlps.sum(1) + found.layer_norm
        assert_close(total, whole, TOLERANCE, "delta_logit_diff")
        assert abs(whole).max() > 1e-3
    # Zeroed: what it wrote is gone. Of the last layer no head comes behind.
    assert_close(found.direct_effect[0], -found.direct_contribution[0], TOLERANCE, "direct effect of a zeroed head")
    # (The two traces have batches of different sizes, whose sums PyTorch may order differently.)
    assert_close(found.heads[1], torch.zeros_like(found.heads[1]), TOLERANCE, "what the heads do about it")
