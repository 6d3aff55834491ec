"""Names, habits and shapes of TransformerLens and nnsight; under --long against the libraries themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import ablate
from ablate.interop import labels, nnsight, transformer_lens
from tests.oracle.compare import assert_close, max_abs_diff
from tests.oracle.engine_check import FLOAT64_TOLERANCE
from tests.oracle.models import DEMO, ROOT
from tests.oracle.probe import BUILD_DIR

CLEAN, CORRUPTED = "Berlin is the capital of", "Madrid is the capital of"
PAIR = {"target": " Germany", "contrast": " Spain", "corrupted": CORRUPTED, "replace": "resample"}


@pytest.fixture(scope="module")
def client():
    with ablate.local(program=BUILD_DIR / "bin" / "ablated", means_dir="none", precision="float64") as client:
        yield client


@pytest.fixture(scope="module")
def pair(client):
    """A pair of prompts of one length."""
    lengths = {len(client.scan(text, progress=False, layers="0").prompts[0].tokens) for text in (CLEAN, CORRUPTED)}
    assert len(lengths) == 1
    return PAIR


class TestLabels:
    @pytest.mark.parametrize("text", ["L9H10", "l9h10", "a9.h10", "A9.H10", "A9.10", "9.10", " L9H10 "])
    def test_parse(self, text):
        assert labels.parse(text) == (9, 10)

    @pytest.mark.parametrize(
        "text", ["", "L9", "H9", "9", "a9.h10<q>", "A9.10.Q", "9,10", "L9H10H", "m9", "-1.2", "L3H*"]
    )
    def test_refuses_what_is_no_head(self, text):
        with pytest.raises(ValueError, match="expected one head"):
            labels.parse(text)

    def test_convert_and_back(self):
        for style, text in [
            ("transformer_lens", "L0H1+L11H3"),
            ("eap_ig", "a0.h1+a11.h3"),
            ("auto_circuit", "A0.1+A11.3"),
            ("paper", "0.1+11.3"),
        ]:
            assert labels.convert("L0H1+L11H3", style) == text
            assert labels.convert(text) == "L0H1+L11H3"
        with pytest.raises(ValueError, match="expected one of transformer_lens, eap_ig"):
            labels.form(1, 2, "lens")  # type: ignore[arg-type]

    def test_all_heads_are_in_the_arrays_order(self):
        values = np.arange(6).reshape(2, 3)
        for i, label in enumerate(labels.all_heads(2, 3)):
            assert values[labels.parse(label)] == i

    def test_are_those_of_scans(self, client):
        scan = client.scan(CLEAN, target=" Germany", progress=False)
        assert [v.label for v in scan.variants] == labels.all_heads(12, 12)


class TestTransformerLens:
    def test_hook_names(self):
        assert transformer_lens.hook_name("L5H3") == transformer_lens.hook_name(5) == "blocks.5.attn.hook_z"
        assert transformer_lens.parse_hook_name("blocks.11.attn.hook_z") == 11
        for other in ("blocks.5.attn.hook_q", "blocks.5.attn.hook_z.x", "hook_z"):
            with pytest.raises(ValueError, match="expected blocks.LAYER.attn.hook_z"):
                transformer_lens.parse_hook_name(other)

    def test_habits(self):
        assert transformer_lens.scan_options() == {"prepend_bos": True, "replace": "zero-keep-value-bias"}
        assert transformer_lens.scan_options("raw")["replace"] == "zero"
        with pytest.raises(ValueError, match="processed or raw"):
            transformer_lens.scan_options("folded")  # type: ignore[arg-type]

    def test_zero_hooks_zero_these_heads_only(self):
        hooks = dict(transformer_lens.zero_hooks(["L2H1", "a0.h2", "L2H3"]))
        assert list(hooks) == ["blocks.0.attn.hook_z", "blocks.2.attn.hook_z"]
        z = hooks["blocks.2.attn.hook_z"](np.ones((2, 3, 4, 5)), hook=None)
        assert z[:, :, [1, 3]].max() == 0 and z[:, :, [0, 2]].min() == 1


class TestNnsight:
    def test_paths_and_slices(self):
        assert nnsight.module_path("a5.h3") == nnsight.module_path(5) == "transformer.h.5.attn.c_proj"
        assert nnsight.head_slice("L5H3", 64) == nnsight.head_slice(3, 64) == slice(192, 256)
        for path in ("transformer.h.5.attn.c_proj", "h.5.attn.c_proj.input"):
            assert nnsight.parse_module_path(path) == 5
        with pytest.raises(ValueError, match="c_proj"):
            nnsight.parse_module_path("transformer.h.5.mlp.c_proj")

    def test_module_walks_lists_and_attributes(self):
        block = SimpleNamespace(attn=SimpleNamespace(c_proj="here"))
        model = SimpleNamespace(transformer=SimpleNamespace(h=[None, block]))
        assert nnsight.module(model, "L1H0") == "here"

    def test_habits(self):
        assert nnsight.scan_options() == {"prepend_bos": False, "replace": "zero"}


class TestTokens:
    def test_the_same(self, client):
        scan = client.scan(CLEAN, target=" Germany", progress=False)
        ids = [token.id for token in scan.prompts[0].tokens]
        nnsight.check_tokens(scan, ids)
        transformer_lens.check_tokens(scan, np.array([ids]))

    def test_bos_is_pointed_out(self, client):
        without = client.scan(CLEAN, target=" Germany", progress=False)
        with_bos = client.scan(CLEAN, target=" Germany", **transformer_lens.scan_options(), progress=False)
        ids = [[token.id for token in scan.prompts[0].tokens] for scan in (without, with_bos)]
        with pytest.raises(ValueError, match="prepend_bos=True"):
            transformer_lens.check_tokens(without, ids[1])
        with pytest.raises(ValueError, match="prepend_bos=False"):
            nnsight.check_tokens(with_bos, ids[0])
        with pytest.raises(ValueError, match="differ") as caught:
            nnsight.check_tokens(without, ids[0][::-1])
        assert "BOS" not in str(caught.value)
        with pytest.raises(ValueError, match=r"got shape \[2, 7\]"):
            nnsight.check_tokens(without, [ids[0], ids[0]])


class TestPatching:
    def test_equals_the_servers_own_column(self, client, pair):
        for direction in ("denoising", "noising"):
            scan = client.scan(CLEAN, **pair, direction=direction, progress=False)
            found = transformer_lens.act_patch_attn_head_out_all_pos(scan, direction=direction)
            assert found.shape == (12, 12) and found.dtype == np.float64
            np.testing.assert_allclose(found, scan.array("normalized"), rtol=0, atol=1e-9)
            np.testing.assert_array_equal(
                nnsight.patching_results(scan, "logit_diff", direction=direction), scan.array("logit_diff")
            )

    def test_by_position(self, client, pair):
        scan = client.scan(CLEAN, **pair, direction="denoising", each_position=True, progress=False)
        found = transformer_lens.act_patch_attn_head_out_by_pos(scan)
        assert found.shape == (12, 7, 12)
        np.testing.assert_array_equal(found, nnsight.patching_results(scan))
        # Nothing before the first token that differs can carry it.
        first = next(i for i, (a, b) in enumerate(zip(*map(ids_of(client), (CLEAN, CORRUPTED)), strict=True)) if a != b)
        assert np.abs(found[:, :first]).max(initial=0) < 1e-9
        with pytest.raises(ValueError, match="layer x head, it is along layer x edit_position x head"):
            transformer_lens.act_patch_attn_head_out_all_pos(scan)

    def test_of_several_prompts_it_is_a_ratio_of_means(self, client):
        prompts = [
            {"prompt": CLEAN, "target": " Germany", "contrast": " Spain", "corrupted": CORRUPTED},
            {"prompt": CORRUPTED, "target": " Spain", "contrast": " Germany", "corrupted": CLEAN},
        ]
        scan = client.scan(prompts, replace="resample", direction="denoising", progress=False)
        frame = scan.to_pandas().groupby("variant", sort=False).logit_diff.mean()
        expected = (frame.drop(["baseline", "corrupted"]) - frame.corrupted) / (frame.baseline - frame.corrupted)
        found = transformer_lens.act_patch_attn_head_out_all_pos(scan)
        np.testing.assert_allclose(found.ravel(), expected, rtol=0, atol=1e-9)

    def test_says_which_scan_it_needs(self, client, pair):
        scan = client.scan(CLEAN, **pair, direction="noising", progress=False)
        with pytest.raises(ValueError, match="does not patch by denoising.*direction='denoising'"):
            transformer_lens.act_patch_attn_head_out_all_pos(scan)
        with pytest.raises(ValueError, match="each_position=True"):
            transformer_lens.act_patch_attn_head_out_by_pos(scan, direction="noising")
        with pytest.raises(ValueError, match="expected denoising or noising"):
            nnsight.patching_results(scan, direction="both")  # type: ignore[arg-type]

    def test_refuses_a_denominator_in_the_noise(self):
        assert transformer_lens.normalized([[2.0]], clean=3, corrupted=1).tolist() == [[0.5]]
        for corrupted in (2.95, float("nan")):
            with pytest.raises(ValueError, match="expected at least 0.1"):
                transformer_lens.normalized(1.0, clean=3, corrupted=corrupted)


def ids_of(client):
    return lambda text: [t.id for t in client.scan(text, layers="0", progress=False).prompts[0].tokens]


def test_needs_none_of_the_libraries():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['transformer_lens', 'nnsight', 'torch', 'matplotlib']));"
        "import ablate.interop.transformer_lens, ablate.interop.nnsight"
    )
    package = str(ROOT / "client" / "python" / "src")
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": package})


def ask(script: str, **question: object) -> dict:
    subprocess.run([ROOT / "tools" / "peers" / "setup.sh"], check=True)
    done = subprocess.run(
        [ROOT / ".venv-peers" / "bin" / "python", ROOT / "tools" / "peers" / script],
        input=json.dumps({"model_dir": str(DEMO), "clean": CLEAN, "corrupted": CORRUPTED, **question}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def token_ids(scan) -> dict:
    prompt = scan.prompts[0]
    return {"target": prompt.targets[0].id, "contrast": prompt.contrasts[0].id}


@pytest.mark.long
def test_equals_transformer_lens(client, pair):
    bos = {"prepend_bos": transformer_lens.scan_options("raw")["prepend_bos"]}
    patch = {**pair, **bos, "direction": "denoising", "progress": False}
    scan = client.scan(CLEAN, **patch, top_k=100)
    by_position = client.scan(CLEAN, **patch, each_position=True)
    zeroed = client.scan(CLEAN, target=" Germany", **transformer_lens.scan_options("raw"), sites="L0H5", progress=False)
    theirs = ask("patch_heads.py", **token_ids(scan), zeroed="L0H5")

    transformer_lens.check_tokens(scan, theirs["tokens"])
    # An edited run may be off by twice what the unedited ones are, and a difference of two logits by twice that.
    error = 0.0
    for run, name in ((0, "clean"), (1, "corrupted")):
        ids, ours = scan.columns["top_k_id"][run], scan.columns["top_k_logprob"][run]
        error = max(error, max_abs_diff(ours, np.array(theirs[f"{name}_logprobs"])[ids]))
    assert error < FLOAT64_TOLERANCE
    for found, name in [
        (transformer_lens.act_patch_attn_head_out_all_pos(scan, "logit_diff"), "all_pos"),
        (transformer_lens.act_patch_attn_head_out_by_pos(by_position, "logit_diff"), "by_pos"),
    ]:
        expected = np.array(theirs[name])
        # Its patching functions keep their results in float32.
        rounding = float(np.spacing(np.float32(np.abs(expected).max()))) / 2
        assert_close(found, expected, 4 * error + rounding, name)
    target = token_ids(scan)["target"]
    found = zeroed.array("target_logprob")[0, 5]
    assert_close(np.array([found]), np.array([theirs["zeroed_logprobs"][target]]), 2 * error, "zeroed")
    assert abs(found - zeroed.baseline("target_logprob")) > 1e-3, "the head matters"


@pytest.mark.long
def test_equals_nnsight(client, pair):
    heads = ["L0H5", "L3H2", "L11H0"]
    options = nnsight.scan_options()
    zeroed = client.scan(
        CLEAN,
        target=" Germany",
        contrast=" Spain",
        **options,
        sweep="groups",
        groups="L0H5;L0H5+L3H2+L3H7",
        progress=False,
    )
    patch = {**pair, "prepend_bos": options["prepend_bos"], "direction": "denoising"}
    patched = client.scan(CLEAN, **patch, progress=False)
    labels_ = [v.label for v in zeroed.variants]
    theirs = ask("trace_heads.py", **token_ids(zeroed), zeroed=labels_, patched=heads)

    nnsight.check_tokens(zeroed, theirs["tokens"])
    target = token_ids(zeroed)["target"]
    expected = np.array(theirs["zeroed_logprobs"])[:, target]
    assert_close(zeroed.array("target_logprob"), expected, FLOAT64_TOLERANCE, "zeroed")
    results = nnsight.patching_results(patched, "logit_diff")
    found = np.array([results[labels.parse(head)] for head in heads])
    assert_close(found, np.array(theirs["patched"]), FLOAT64_TOLERANCE, "patched")
    assert np.ptp(found) > 1e-3, "the heads differ"
