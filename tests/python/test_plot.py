"""Figures of scans: what they show is what the scan holds, and it can be read."""

from __future__ import annotations

import itertools
import re

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

from ablate.plot import _maps, _style, _values

PROMPT = {"target": " Germany", "contrast": " France"}
MANY = [
    {"prompt": f"{city} is the capital of", "target": f" {country}", "contrast": f" {other}"}
    for city, country, other in [
        ("Berlin", "Germany", "France"),
        ("Rome", "Italy", "Spain"),
        ("Paris", "France", "Italy"),
    ]
]


@pytest.fixture(scope="module")
def heads(client):
    return client.scan("Berlin is the capital of", **PROMPT, progress=False)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def image(ax) -> np.ndarray:
    return np.ma.filled(ax.images[0].get_array(), np.nan)


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def tick_labels(axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def test_heatmap_is_the_array(heads):
    ax = heads.plot.heatmap()
    np.testing.assert_array_equal(image(ax), heads.array("delta_logit_diff"))
    low, high = ax.images[0].get_clim()
    assert high == -low == np.abs(heads.array("delta_logit_diff")).max()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("head", "layer")
    assert tick_labels(ax.xaxis) == [f"H{h}" for h in range(12)]
    assert tick_labels(ax.yaxis) == [f"L{layer}" for layer in range(12)]
    assert "'Berlin is the capital of'" in ax.get_title() and "(zero)" in ax.get_title()
    label = ax.images[0].colorbar.ax.get_ylabel()
    assert "change of logit(' Germany') - logit(' France'), logits" in label
    # A number in each cell, of its own value.
    shown = {text.get_position(): float(text.get_text()) for text in ax.texts}
    for (layer, head), value in np.ndenumerate(heads.array("delta_logit_diff")):
        assert shown[head, layer] == pytest.approx(value, abs=0.0051)


def test_layer_0_is_on_top(heads):
    bottom, top = heads.plot.heatmap().get_ylim()
    assert bottom > top


def test_colours_are_white_at_zero_and_diverge():
    cmap, norm = _style.diverging(np.array([-2.0, 1.0, np.nan]), None)
    assert (norm.vmin, norm.vmax) == (-2, 2)
    assert min(cmap(norm(0.0))[:3]) > 0.95
    negative, positive = cmap(norm(-2.0)), cmap(norm(2.0))
    assert negative[2] > negative[0] and positive[0] > positive[2], "purple, orange"
    assert cmap(np.ma.masked)[:3] == pytest.approx(to_rgb("#c8c8c8"), abs=0.01), "grey: no figure"
    assert _style.diverging(np.zeros(3), None)[1].vmax == 1, "nothing changed: no division by zero"
    assert _style.diverging(np.ones(3), 5)[1].vmin == -5


def test_numbers_can_be_read_on_their_colours(heads):
    ax = heads.plot.heatmap()
    colors = ax.images[0].cmap(ax.images[0].norm(image(ax)))
    for text in ax.texts:
        head, layer = text.get_position()
        ink = np.mean(to_rgb(text.get_color()))
        paper = colors[layer, head, :3] @ [0.2126, 0.7152, 0.0722]
        assert abs(ink - paper) > 0.35


@pytest.mark.parametrize(
    ("value", "largest", "text"),
    [(1.234, 1.9, "1.23"), (-0.004, 1.9, "0"), (12.34, 56.7, "12.3"), (0.0123, 0.05, "0.012"), (345.6, 999, "346"),
     (2e-4, 4e-4, "2e-4"), (0.0, 0.0, "0"), (-0.1, 0.5, "-0.100")],
)  # fmt: skip
def test_numbers_have_three_figures_of_the_largest(value, largest, text):
    assert _maps.number(value, largest) == text


def test_heatmap_of_what_is_never_negative_has_half_a_bar(heads):
    ax = heads.plot.heatmap("kl_divergence")
    assert ax.images[0].get_clim()[0] < 0, "zero stays white"
    assert ax.images[0].colorbar.ax.get_ylim()[0] == 0


def test_heatmap_of_some_heads_leaves_the_others_grey(client):
    ax = client.scan("Berlin is the capital of", **PROMPT, sites="L5H3,L0H1", progress=False).plot.heatmap()
    assert np.isfinite(image(ax)).sum() == 2
    assert len(ax.texts) == 2


def test_heatmap_of_several_prompts_is_their_mean(client):
    scan = client.scan(MANY, replace=["zero", "zero-keep-value-bias"], progress=False)
    expected = scan.array("delta_logit_diff", 1).mean(axis=0)
    ax = scan.plot.heatmap(replacement="zero_keep_value_bias")
    np.testing.assert_allclose(image(ax), expected, rtol=1e-6)
    assert "mean of 3 prompts" in ax.get_title() and "(zero_keep_value_bias)" in ax.get_title()
    assert "logit(the target)" in ax.images[0].colorbar.ax.get_ylabel()
    one = scan.plot.heatmap(prompt=1)
    np.testing.assert_array_equal(image(one), scan.array("delta_logit_diff", 0, 1))
    assert "'Rome is the capital of'" in one.get_title()
    with pytest.raises(ValueError, match="expected one of zero, zero_keep_value_bias"):
        scan.plot.heatmap(replacement="mean")


def test_heatmap_of_layers_and_positions(client):
    layers = client.scan("Berlin is the capital of", **PROMPT, sweep="layers", progress=False)
    np.testing.assert_array_equal(image(layers.plot.heatmap())[:, 0], layers.array("delta_logit_diff"))
    positions = client.scan("Berlin is the capital of", **PROMPT, each_position=True, progress=False)
    values = positions.array("delta_logit_diff")
    ax = positions.plot.heatmap(head=6)
    np.testing.assert_array_equal(image(ax), values[:, :, 6])
    assert tick_labels(ax.xaxis)[:3] == ["0 'B'", "1 'er'", "2 'lin'"]
    np.testing.assert_array_equal(image(positions.plot.heatmap(position=-1)), values[:, -1])
    for both in ({}, {"head": 1, "position": 1}):
        with pytest.raises(ValueError, match="either the `position` or the `head`"):
            positions.plot.heatmap(**both)
    swept = client.scan("Berlin is the capital of", **PROMPT, sweep="layers", each_position=True, progress=False)
    np.testing.assert_array_equal(image(swept.plot.heatmap()), swept.array("delta_logit_diff"))


def test_heatmap_without_a_target_is_of_the_divergence(client):
    scan = client.scan("Berlin is the capital of", progress=False)
    assert "KL" in scan.plot.heatmap().images[0].colorbar.ax.get_ylabel()
    with pytest.raises(ValueError, match="needs a target"):
        scan.plot.block(5)


def test_block_shows_target_and_contrast_side_by_side(heads):
    axes = heads.plot.block(5)
    for ax, side in zip(axes, ("target", "contrast"), strict=True):
        widths = [bar.get_width() for bar in ax.patches]
        np.testing.assert_allclose(widths, heads.array(f"delta_{side}_logprob")[5], rtol=1e-6)
        assert texts(ax) == [f"{w:+.3f}" for w in widths]
    assert tick_labels(axes[0].yaxis) == [f"L5H{h}" for h in range(12)]
    assert [ax.get_xlabel() for ax in axes] == [f"change of log p(' {name}'), nats" for name in ("Germany", "France")]
    assert axes[0].get_xlim() == axes[1].get_xlim() == tuple(-np.array(axes[0].get_xlim()[::-1]))


def test_block_without_a_contrast_has_one_panel(client):
    scan = client.scan("Berlin is the capital of", target=" Germany", progress=False)
    assert len(scan.plot.block(0)) == 1
    with pytest.raises(ValueError, match="layer 12: expected 0 to 11"):
        scan.plot.block(12)
    with pytest.raises(ValueError, match="needs a contrast"):
        scan.plot.scatter()


def test_scatter_shows_every_head_and_names_the_furthest(heads):
    ax = heads.plot.scatter(named=7)
    target, contrast = heads.array("delta_target_logprob"), heads.array("delta_contrast_logprob")
    points = ax.collections[0].get_offsets()
    np.testing.assert_allclose(points, np.stack([target.ravel(), contrast.ravel()], -1), rtol=1e-6)
    order = np.argsort(-np.abs(contrast - target).ravel())[:7]
    assert set(texts(ax)) == {f"L{i // 12}H{i % 12}" for i in order}
    low, high = np.array([ax.get_xlim(), ax.get_ylim()]).T
    assert high[0] - low[0] == pytest.approx(high[1] - low[1]), "one scale"
    assert (points >= low).all() and (points <= high).all()


def test_scatter_names_do_not_cover_each_other(heads):
    ax = heads.plot.scatter()
    ax.figure.canvas.draw()
    boxes = [text.get_tightbbox() for text in ax.texts if text.get_text()]
    assert len(boxes) == 10
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


@pytest.mark.parametrize("sweep", ["pairs", "layers", "cumulative"])
def test_scatter_of_other_sweeps(client, sweep):
    scan = client.scan("Berlin is the capital of", **PROMPT, sweep=sweep, layers="5", progress=False)
    frame = scan.to_pandas().iloc[1:]
    points = scan.plot.scatter().collections[0].get_offsets()
    np.testing.assert_allclose(points, frame[["delta_target_logprob", "delta_contrast_logprob"]], rtol=1e-6)


def test_curve_starts_unedited_and_names_what_is_added(client):
    scan = client.scan(
        "Berlin is the capital of", **PROMPT, sweep="cumulative", order="L0H5+L3H1+L9H2", replace=["zero", "constant"],
        value=0.5, progress=False,
    )  # fmt: skip
    ax = scan.plot.curve()
    lines = {line.get_label(): line for line in ax.lines}
    for replacement in scan.replacements:
        x, y = lines[replacement].get_data()
        np.testing.assert_array_equal(x, [0, 1, 2, 3])
        np.testing.assert_allclose(y, [scan.baseline("logit_diff"), *scan.array("logit_diff", replacement)], rtol=1e-6)
    assert tick_labels(ax.xaxis) == ["none", "+L0H5", "+L3H1", "+L9H2"]
    assert ax.get_legend() is not None
    assert len(scan.plot.curve(replacement=1).lines) == len(ax.lines) - 1


def test_curve_of_several_prompts_has_a_band(client):
    scan = client.scan(MANY, sweep="cumulative", steps=5, progress=False)
    ax = scan.plot.curve()
    values = scan.array("logit_diff")
    np.testing.assert_allclose(ax.lines[0].get_ydata()[1:], values.mean(axis=0), rtol=1e-6)
    band = ax.collections[0].get_paths()[0].vertices
    error = values.std(axis=0, ddof=1) / np.sqrt(3)
    assert band[:, 1].max() >= (values.mean(axis=0) + error).max() - 1e-6
    assert "standard error" in ax.get_xlabel()
    assert not scan.plot.curve(prompt=0).collections


def test_templates_are_weighed_alike(client):
    many = [{**prompt, "template": "a" if p < 2 else "b"} for p, prompt in enumerate(MANY)]
    scan = client.scan(many, layers=5, progress=False)
    values = scan.array("delta_logit_diff").astype(np.float64)
    ax = scan.plot.heatmap()
    np.testing.assert_allclose(image(ax)[5], (values[:2].mean(axis=0) + values[2])[5] / 2, rtol=1e-5)
    assert "mean of 3 prompts, 2 templates weighed alike" in ax.get_title()
    curve = client.scan(many, sweep="cumulative", steps=2, progress=False)
    steps = curve.array("logit_diff").astype(np.float64)
    ends = np.stack([steps[:2].mean(axis=0), steps[2]])
    ax = curve.plot.curve()
    np.testing.assert_allclose(ax.lines[0].get_ydata()[1:], ends.mean(axis=0), rtol=1e-5)
    band = ax.collections[0].get_paths()[0].vertices
    error = ends.std(axis=0, ddof=1) / np.sqrt(2)
    assert band[:, 1].max() >= (ends.mean(axis=0) + error).max() - 1e-5


def test_mean_and_band_pass_over_what_has_no_figure():
    middle, band = _values.mean_and_band(np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]]))
    np.testing.assert_array_equal(middle, [2, 5, np.nan])
    np.testing.assert_allclose(band, [[1, 3], [np.nan, np.nan], [np.nan, np.nan]])


def test_pairs_shows_interactions(client):
    scan = client.scan("Berlin is the capital of", **PROMPT, sweep="pairs", strongest=5, progress=False)
    ax = scan.plot.pairs()
    shown = image(ax)
    off = ~np.eye(5, dtype=bool)
    np.testing.assert_array_equal(shown[off], scan.array("interaction")[off])
    assert np.isnan(shown.diagonal()).all()
    labels = [f"L{layer}H{head}" for layer, head in scan.sites]
    assert tick_labels(ax.xaxis) == tick_labels(ax.yaxis) == labels
    delta = image(scan.plot.pairs("delta_logit_diff"))
    assert np.isfinite(delta).all(), "the diagonal is each head alone"


def test_the_sweep_must_fit(heads):
    for draw, way in [(heads.plot.pairs, "site and site"), (heads.plot.curve, "cumulative")]:
        with pytest.raises(ValueError, match=way):
            draw()


def test_draws_into_given_axes(heads):
    _, axes = plt.subplots(1, 2)
    assert heads.plot.heatmap(ax=axes[0]) is axes[0]
    assert heads.plot.scatter(ax=axes[1]) is axes[1]


def test_dollars_are_no_formulas(client):
    scan = client.scan("It costs $5 or $6 in", target="$", progress=False)
    ax = scan.plot.heatmap()
    ax.figure.canvas.draw()
    assert re.search(r"\\\$5 or \\\$6", ax.get_title())


def test_says_what_to_install(heads, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        heads.plot.heatmap()
