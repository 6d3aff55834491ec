"""`zero_keep_value_bias` is what zeroing `hook_z` of TransformerLens' processed weights leaves."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GPT2LMHeadModel

from tests.oracle import hf
from tests.oracle.compare import assert_close, max_abs_diff
from tests.oracle.engine_check import FLOAT64_TOLERANCE
from tests.oracle.models import DEMO, ROOT, TINY, WIDE, write_random_model
from tests.oracle.runs import Patch, folded_value_bias, trace

IDS = [3, 141, 59, 26, 5]
SITES = [(0, 0), (0, 3), (1, 2), (2, 1)]


@pytest.fixture(scope="module", params=[TINY, WIDE, None], ids=["tiny", "wide", "bundled"])
def model_dir(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param is None:
        return DEMO
    return write_random_model(tmp_path_factory.mktemp("model"), request.param, seed=51)


def kept_value_bias(model: GPT2LMHeadModel) -> np.ndarray:
    """Log-probs `[1 + sites, V]` at the last position: the unedited run, then each site with its folded bias put in."""
    folded = folded_value_bias(model)
    runs = [[Patch(*site, range(len(IDS)), 0.0, folded[site].expand(len(IDS), -1))] for site in SITES]
    logits = trace(model, IDS, [[], *runs], [len(IDS) - 1]).logits[:, 0]
    return torch.log_softmax(logits, -1).numpy()


class Processed:
    """A GPT-2 in NumPy whose weights are processed as TransformerLens' `fold_layer_norm` and `fold_value_biases` do."""

    def __init__(self, model: GPT2LMHeadModel) -> None:
        self._weights = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
        self._n_layer, self._n_head = model.config.n_layer, model.config.n_head
        self._eps = model.config.layer_norm_epsilon

    def _normed(self, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + self._eps)

    def _folded(self, norm: str, linear: str) -> tuple[np.ndarray, np.ndarray]:
        """Weight and bias of a linear layer that takes the LayerNorm's gain and bias into itself."""
        w = self._weights
        weight = w[linear + ".weight"]
        return w[norm + ".weight"][:, None] * weight, w[linear + ".bias"] + w[norm + ".bias"] @ weight

    def logprobs(self, ids: list[int], zeroed: tuple[int, int] | None) -> np.ndarray:
        w, n_tokens = self._weights, len(ids)
        x = w["transformer.wte.weight"][ids] + w["transformer.wpe.weight"][:n_tokens]
        for layer in range(self._n_layer):
            block = f"transformer.h.{layer}."
            weight, bias = self._folded(block + "ln_1", block + "attn.c_attn")
            d = x.shape[1]
            w_o, b_o = w[block + "attn.c_proj.weight"], w[block + "attn.c_proj.bias"]
            # Attention patterns add up to 1: a value bias is an output bias.
            b_o, bias = b_o + bias[2 * d :] @ w_o, np.concatenate([bias[: 2 * d], np.zeros(d)])
            q, k, v = ((self._normed(x) @ weight + bias).reshape(n_tokens, 3, self._n_head, -1)).transpose(1, 2, 0, 3)
            scores = np.where(np.tri(n_tokens), q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1]), -np.inf)
            pattern = np.exp(scores - scores.max(-1, keepdims=True))
            z = (pattern / pattern.sum(-1, keepdims=True)) @ v  # [H, T, Dh]
            if zeroed is not None and zeroed[0] == layer:
                z[zeroed[1]] = 0
            x = x + z.transpose(1, 0, 2).reshape(n_tokens, d) @ w_o + b_o
            weight, bias = self._folded(block + "ln_2", block + "mlp.c_fc")
            h = self._normed(x) @ weight + bias
            h = 0.5 * h * (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h**3)))
            x = x + h @ w[block + "mlp.c_proj.weight"] + w[block + "mlp.c_proj.bias"]
        final = self._normed(x[-1]) * w["transformer.ln_f.weight"] + w["transformer.ln_f.bias"]
        logits = w["transformer.wte.weight"] @ final
        return logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())


def test_equals_our_own_folding(model_dir):
    model = hf.load(str(model_dir), torch.float64)
    processed = Processed(model)
    found = kept_value_bias(model)
    expected = np.stack([processed.logprobs(IDS, site) for site in [None, *SITES]])
    assert_close(found, expected, FLOAT64_TOLERANCE, "log-probs")
    zeroed = hf.logits(model, IDS, [hf.Edit(*SITES[0])])[-1].log_softmax(-1).numpy()
    assert np.abs(found[1] - zeroed).max() > 1e-3, "the bias makes a difference"


@pytest.mark.long
def test_equals_transformer_lens(model_dir):
    subprocess.run([ROOT / "tools" / "peers" / "setup.sh"], check=True)
    question = {"model_dir": str(model_dir), "token_ids": IDS, "sites": SITES}
    done = subprocess.run(
        [ROOT / ".venv-peers" / "bin" / "python", ROOT / "tools" / "peers" / "zero_hook_z.py"],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = np.array(json.loads(done.stdout)["logprobs"])
    found = kept_value_bias(hf.load(str(model_dir), torch.float64))
    # TransformerLens computes parts in float32: an edited run may be off by twice what its unedited one is.
    error = max_abs_diff(found[0], expected[0])
    assert error < 1e-6
    assert_close(found, expected, 2 * error, "log-probs")
