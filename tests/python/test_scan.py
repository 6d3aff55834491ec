"""What a scan gives: arrays along the sweep's axes, frames, the strongest, files, a picture in notebooks."""

from __future__ import annotations

import json
import os
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

import ablate
from ablate._json_lines import read_scan
from ablate._manifest_json import manifest_json
from ablate._means import over_prompts
from tests.e2e.programs import Server

SCAN: dict[str, Any] = {"prompts": "Berlin is the capital of", "target": " Germany", "contrast": " France"}
TEXTS = ["Berlin is the capital of", "Rome is the capital of"]


@pytest.fixture(scope="module")
def heads(client) -> ablate.Scan:
    return client.scan(**SCAN)


def by_label(scan: ablate.Scan, column: str, **where: Any) -> dict[str, float]:
    frame = scan.to_pandas()
    for name, value in where.items():
        frame = frame[frame[name] == value]
    return dict(zip(frame["variant"], frame[column], strict=True))


def test_heads_lie_along_layer_and_head(heads):
    values = by_label(heads, "delta_logit_diff")
    array = heads.array("delta_logit_diff")
    assert array.dtype == np.float32
    assert array.shape == (12, 12)
    assert all(array[layer, head] == values[f"L{layer}H{head}"] for layer in range(12) for head in range(12))


def test_heads_that_were_not_swept_are_nan(client):
    array = client.scan(**SCAN, sites="L5H3,L0H1").array("entropy")
    assert np.argwhere(np.isfinite(array)).tolist() == [[0, 1], [5, 3]]


def test_ranks_and_flags_are_floats_too(heads):
    assert heads.array("target_rank").dtype == np.float32
    assert set(np.unique(heads.array("top1_preserved"))) <= {0.0, 1.0}


def test_layers(client):
    scan = client.scan(**SCAN, sweep="layers", layers=[2, 7])
    array = scan.array("kl_divergence")
    assert scan.axes == ("layer",)
    assert np.flatnonzero(np.isfinite(array)).tolist() == [2, 7]
    assert array[7] == by_label(scan, "kl_divergence")["L7H*"]


def test_pairs_are_symmetric_with_single_heads_on_the_diagonal(client):
    scan = client.scan(**SCAN, sweep="pairs", sites="L5H1,L5H3,L9H0")
    array = scan.array("delta_logit_diff")
    assert scan.sites == [(5, 1), (5, 3), (9, 0)]
    np.testing.assert_array_equal(array, array.T)
    values = by_label(scan, "delta_logit_diff")
    assert array[0, 0] == values["L5H1"]
    assert array[1, 2] == values["L5H3+L9H0"]
    assert np.isfinite(array).all()


def test_pairs_of_prompts_without_a_target_have_no_interaction(client):
    prompts = [{"prompt": TEXTS[0], "target": " Germany"}, {"prompt": TEXTS[1]}]
    for one in (prompts, TEXTS[0]):
        scan = client.scan(one, sweep="pairs", sites="L5H1,L5H3")
        assert scan.primary_metric == ""
        assert "interaction" not in scan.columns


def test_other_sweeps_lie_along_their_variants(client):
    scan = client.scan(**SCAN, sweep="groups", groups={"a": "L5H1+L6H2", "b": "L0H0"})
    assert scan.axes == ("variant",)
    assert scan.array("entropy").tolist() == [by_label(scan, "entropy")[v.label] for v in scan.variants]
    assert scan.to_pandas()["variant_name"].tolist()[1:] == ["a", "b"]


def test_positions_stand_behind_the_first_axis(client):
    scan = client.scan(**SCAN, each_position=True, positions="1,-1", layers=5)
    array = scan.array("delta_logit_diff")
    n_tokens = len(scan.prompts[0].tokens)
    assert scan.axes == ("layer", "edit_position", "head")
    assert array.shape == (12, n_tokens, 12)
    for position in (1, n_tokens - 1):
        values = by_label(scan, "delta_logit_diff", edit_position=position)
        assert array[5, position, 3] == values["L5H3"]
    assert np.isfinite(array).sum() == 2 * 12


def test_positions_of_prompts_of_unequal_length(client):
    scan = client.scan(TEXTS, target=" Germany", each_position=True, layers=5)
    lengths = [len(prompt.tokens) for prompt in scan.prompts]
    assert lengths[0] > lengths[1]
    array = scan.array("kl_divergence")
    assert array.shape == (2, 12, lengths[0], 12)
    assert np.isnan(array[1, 5, lengths[1]]).all()
    for p in (0, 1):
        np.testing.assert_array_equal(array[p, :, : lengths[p]], scan.array("kl_divergence", prompt=p))


def test_prompts_replacements_and_reads(client):
    scan = client.scan(TEXTS, target=" Germany", replace=["zero", "scale"], factor=[0.5, 2], read="0,-1")
    assert scan.replacements == ["zero", "scale(0.5)", "scale(2)"]
    array = scan.array("target_logit", replacement="scale(2)", read=0)
    assert array.shape == (2, 12, 12)
    frame = scan.to_pandas()
    row = frame[(frame.prompt_index == 1) & (frame.replacement == "scale(2)") & (frame.variant == "L3H4")]
    assert array[1, 3, 4] == row[row.position == 0].target_logit.item()
    np.testing.assert_array_equal(array[1], scan.array("target_logit", replacement=2, prompt=1, read=0))
    np.testing.assert_array_equal(array[1], scan.array("target_logit", replacement=2, prompt=-1, read=-2))
    last = scan.array("target_logit", replacement=2, prompt=1)
    assert last[3, 4] == row[row.position > 0].target_logit.item()


def test_what_is_not_there(heads, client):
    with pytest.raises(KeyError, match="no column 'delta'"):
        heads.array("delta")
    with pytest.raises(ValueError, match="expected one of zero"):
        heads.array("entropy", replacement="mean")
    with pytest.raises(IndexError, match="prompt 1 of 1"):
        heads.array("entropy", prompt=1)
    with pytest.raises(IndexError, match="read position 1 of 1"):
        heads.array("entropy", read=1)
    with pytest.raises(ValueError, match="no corrupted run"):
        heads.corrupted("entropy")
    several = client.scan(TEXTS, target=" Germany", replace=["zero", "scale"], factor=2, layers=0)
    with pytest.raises(ValueError, match="expected one of zero, scale"):
        several.array("entropy")
    with pytest.raises(ValueError, match="name one"):
        several.baseline("entropy")


def test_unedited_runs(client):
    pair = client.scan(**SCAN, replace="resample", direction="noising", corrupted="Madrid is the capital of")
    frame = pair.to_pandas()
    assert frame["variant"].tolist()[:2] == ["baseline", "corrupted"]
    assert pair.baseline("logit_diff") == frame["logit_diff"][0]
    assert pair.corrupted("logit_diff") == frame["logit_diff"][1]
    assert pair.baseline("normalized") == 1
    assert pair.corrupted("normalized") == 0


def test_a_frame_is_the_callers_own(heads):
    frame = heads.to_pandas()
    frame["delta_logit_diff"] = 0
    assert heads.to_pandas()["delta_logit_diff"].abs().sum() > 0
    assert heads.array("delta_logit_diff").any()


def test_a_frame_tells_what_is_missing(client):
    scan = client.scan([{"prompt": TEXTS[0], "target": " Germany"}, {"prompt": TEXTS[1]}], layers=0)
    frame = scan.to_pandas()
    second = frame[frame.prompt_index == 1]
    for column in ("target_logit", "target_rank", "target_is_top1"):
        assert second[column].isna().all()
        assert frame[frame.prompt_index == 0][column].notna().all()
    assert "contrast_logit" not in frame
    assert np.isnan(scan.array("target_rank", prompt=1)[0]).all()
    assert [row["target_is_top1"] for row in scan][-1] is None


def test_the_strongest_come_first(heads):
    top = heads.top(5)
    array = heads.array("delta_logit_diff")
    expected = np.sort(np.abs(array).ravel())[::-1][:5]
    np.testing.assert_allclose(top["delta_logit_diff"].abs(), expected, rtol=0)
    assert len(heads.top(1000)) == 144
    assert heads.top(1, "kl_divergence")["kl_divergence"].item() == heads.array("kl_divergence").max()


def test_the_strongest_of_several_prompts_are_so_on_the_mean(client):
    scan = client.scan(TEXTS, target=" Germany", replace=["zero", "scale"], factor=2)
    top = scan.top(400)
    assert len(top) == 2 * 144
    means = scan.array("delta_target_logprob", replacement="scale").astype(np.float64).mean(axis=0)
    row = top[(top.replacement == "scale") & (top.variant == "L5H3")]
    assert row["delta_target_logprob"].item() == pytest.approx(means[5, 3], rel=1e-12)


def test_templates_are_weighed_alike(client):
    """As the summary does: two prompts of one template count as one."""
    prompts = [
        {"prompt": f"{city} is", "target": " in", "template": template}
        for city, template in [("Berlin", "a"), ("Rome", "a"), ("Paris", "b"), ("Madrid", "")]
    ]
    scan = client.scan(prompts, summary=True, layers="4-5")
    means = scan.summary.set_index("variant")["mean"]
    top = scan.top(24).set_index("variant")["delta_target_logprob"]
    assert top.to_dict() == pytest.approx({variant: means[variant] for variant in top.index}, rel=1e-6)
    assert f'title="L5H3: {means["L5H3"]:.4g}"' in scan._repr_html_()
    values = scan.array("delta_target_logprob").astype(np.float64)
    assert values.mean(axis=0)[5, 3] != pytest.approx(means["L5H3"], rel=1e-3)
    scan.plot.heatmap()  # its own test holds the picture against `over_prompts`
    np.testing.assert_allclose(over_prompts(values, scan)[5, 3], means["L5H3"], rtol=1e-6)


def test_prompts_that_chose_the_sites_have_no_part_in_means(client):
    """As in the summary; they had."""
    prompts = [
        {"prompt": f"{city} is", "target": " in", "template": city[0] if city[0] in "BM" else ""}
        for city in ("Berlin", "Bern", "Rome", "Madrid", "Milan", "Paris", "Vienna", "Oslo")
    ]
    scan = client.scan(prompts, sweep="cumulative", steps=3, summary=True, split=True)
    chose = set(scan.manifest.selection.prompt_index)
    assert 0 < len(chose) < len(prompts)
    means = scan.summary.set_index("variant")["mean"].to_dict()
    assert len(means) == len(scan.variants)
    top = scan.top(100).set_index("variant")["delta_target_logprob"].to_dict()
    assert top == pytest.approx(means, rel=1e-6)
    values = over_prompts(scan.array("delta_target_logprob").astype(np.float64), scan)
    assert dict(zip((v.label for v in scan.variants), values, strict=True)) == pytest.approx(means, rel=1e-6)
    assert f"mean of {len(prompts) - len(chose)} prompts" in scan.plot.curve().get_title()


def test_a_scan_without_rows_yet_is_shown_as_one(heads):
    scan = read_scan([json.dumps({"manifest": json.loads(manifest_json(heads))})], "x")
    assert not scan.has_figures
    assert heads.has_figures
    assert "no rows yet" in scan._repr_html_()
    assert scan.top().empty
    assert scan.top().columns.tolist() == ["replacement", "variant", "kl_divergence"]
    for draw in (scan.plot.heatmap, scan.plot.scatter, lambda: scan.plot.block(0), lambda: scan.array("entropy")):
        with pytest.raises(KeyError, match="no rows yet"):
            draw()


def test_without_a_target_the_divergence_counts(client):
    scan = client.scan("Berlin is the capital of", layers=0)
    assert scan.default_column == "kl_divergence"
    assert scan.top(1)["kl_divergence"].item() > 0
    assert "kl_divergence" in scan._repr_html_()


def test_npz(client, tmp_path):
    scan = client.scan(TEXTS, target=" Germany", replace=["zero", "scale"], factor=2, top_k=2)
    scan.to_npz(tmp_path / "scan.npz")
    with np.load(tmp_path / "scan.npz") as arrays:
        assert arrays["delta_target_logprob"].shape == (2, 2, 12, 12)
        expected = scan.array("delta_target_logprob", replacement=1)
        np.testing.assert_array_equal(arrays["delta_target_logprob"][:, 1], expected)
        np.testing.assert_array_equal(arrays["row.top_k_id"], scan.columns["top_k_id"])
        assert arrays["axes"].tolist() == ["layer", "head"]
        assert json.loads(str(arrays["manifest"]))["model"]["name"] == "demo"
        assert arrays["variants"][13] == "L1H1"
    assert [path.name for path in tmp_path.iterdir()] == ["scan.npz"]


def test_npz_of_one_prompt(heads, tmp_path):
    heads.to_npz(tmp_path / "scan.npz")
    with np.load(tmp_path / "scan.npz") as arrays:
        np.testing.assert_array_equal(arrays["entropy"], heads.array("entropy")[np.newaxis, np.newaxis])


def test_parquet(client, tmp_path):
    scan = client.scan([{"prompt": TEXTS[0], "target": " Germany", "mine": 3}, {"prompt": TEXTS[1]}], layers=0, top_k=1)
    path = tmp_path / "scan.parquet"
    scan.to_parquet(path)
    pd.testing.assert_frame_equal(pd.read_parquet(path), scan.to_pandas())
    metadata = pyarrow.parquet.read_schema(path).metadata
    assert json.loads(metadata[b"ablate.manifest"])["model"]["n_heads"] == 12


def test_a_file_that_cannot_be_written_leaves_nothing(heads, tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        heads.to_npz(tmp_path / "nowhere" / "scan.npz")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        heads.to_npz(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_the_picture_in_a_notebook(heads):
    html = heads._repr_html_()
    assert html.count("<td style=") == 144
    largest = np.unravel_index(np.argmax(np.abs(heads.array("delta_logit_diff"))), (12, 12))
    assert f'title="L{largest[0]}H{largest[1]}: ' in html
    assert "Berlin is the capital of" in html


def test_the_picture_escapes_what_users_write(client):
    html = client.scan("<b>x</b> is", target=" is", layers=0)._repr_html_()
    assert "<b>x" not in html
    assert "&lt;b&gt;x" in html


@pytest.mark.parametrize("options", [{"sweep": "layers"}, {"each_position": True, "layers": 3}, {"sites": "L5H3"}])
def test_a_picture_for_every_sweep(client, options):
    assert "<table" in client.scan(**SCAN, **options)._repr_html_()


def test_a_scan_tells_what_it_is(heads):
    assert repr(heads) == "<Scan: 1 prompts x 144 variants of zero, 145 rows; demo on cpu>"
    assert len(heads) == 145
    assert heads.primary_metric == "logit_diff"


def test_a_scan_tells_where_its_time_went(client, heads):
    timing = heads.completion.timing
    assert 0 < timing.readout_ns < timing.forward_ns < timing.total_ns
    assert 0 < timing.plan_ns < timing.total_ns
    assert timing.send_ns > 0
    assert 0 < timing.peak_bytes <= client.describe().runtime.memory_budget_bytes


def test_a_scan_goes_through_pickle(heads):
    again = pickle.loads(pickle.dumps(heads))
    np.testing.assert_array_equal(again.array("entropy"), heads.array("entropy"))
    assert again.manifest == heads.manifest


def test_a_float64_server_gives_float64(tmp_path):
    server = Server(tmp_path, "--precision", "float64", "--means-dir", "none", "--jobs-dir", "none")
    try:
        with ablate.connect(server.address) as client:
            client.wait_ready(60)
            scan = client.scan(**SCAN, layers=5)
            assert scan.array("delta_logit_diff").dtype == np.float64
            assert scan.columns["entropy"].dtype == np.float64
            assert np.any(scan.columns["entropy"] != scan.columns["entropy"].astype(np.float32))
    finally:
        assert server.stop() == 0


def test_files_have_the_processs_mode_which_is_left_alone(heads, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", None)  # whoever sets it sets it for every thread
    heads.to_npz(tmp_path / "scan.npz")
    (tmp_path / "other").touch()
    assert (tmp_path / "scan.npz").stat().st_mode == (tmp_path / "other").stat().st_mode
