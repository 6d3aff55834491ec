"""The benchmark's figures as SVG."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

from bench.peers import NAMES

# Okabe and Ito's, which the colour-blind tell apart.
OURS, LIMIT, PEER = "#0072B2", "#009E73", "#BBBBBB"


def draw(report: dict, folder: Path, stem: str) -> list[str]:
    """Writes the charts that the report has figures for; their names."""
    made = []
    if report.get("heads"):
        made.append(_peers(report["heads"], folder / f"{stem}-peers.svg"))
    if "growth" in report:
        made.append(_growth(report["growth"], folder / f"{stem}-growth.svg"))
    return made


def _save(figure: plt.Figure, path: Path) -> str:
    # The same figures give the same file.
    with matplotlib.rc_context({"svg.hashsalt": "ablate"}):
        figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return path.name


def _peers(cases: list[dict], path: Path) -> str:
    """Seconds of each way of running, case by case."""
    figure, axes = plt.subplots(len(cases), 1, figsize=(8, 0.5 + 0.42 * sum(2 + len(c["peers"]) for c in cases)))
    for ax, case in zip([axes] if len(cases) == 1 else axes, cases, strict=True):
        bars = [("the limit", case["limit"]["seconds"], LIMIT), ("Ablate", case["engine"]["median"], OURS)]
        for way, figures in case["peers"].items():
            scaled = "" if figures["is_whole"] else " (scaled)"
            bars.append((NAMES[way].replace("`", "") + scaled, figures["median"], PEER))
        names, values, colours = zip(*reversed(bars), strict=True)
        drawn = ax.barh(names, values, color=colours)
        ax.bar_label(drawn, [f"{value / case['engine']['median']:.2f}x" for value in values], padding=3, fontsize=8)
        ax.set_xscale("log")
        ax.margins(x=0.15)
        ax.set_title(case["title"], fontsize=9, loc="left")
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("seconds a scan (logarithmic); beside each bar the ratio to Ablate's", fontsize=9)
    figure.tight_layout()
    return _save(figure, path)


def _growth(axes: dict[str, list[dict]], path: Path) -> str:
    """Seconds against what grows: both axes logarithmic, so that what grows alike is a line of slope 1."""
    titles = {
        "tokens": "tokens, 144 heads",
        "variants": "variants, 6 tokens",
        "prompts": "prompts of 4 to 16 tokens, 144 heads each",
    }
    figure, panels = plt.subplots(1, len(axes), figsize=(3.6 * len(axes), 3.4), sharey=True)
    for ax, (axis, points) in zip(panels, axes.items(), strict=True):
        sizes = [point["size"] for point in points]
        # Zero variants are the baseline alone.
        ax.set_xscale("symlog", linthresh=1)
        ax.set_yscale("log")
        ax.plot(sizes, [point["limit_seconds"] for point in points], "--", color=LIMIT, label="the limit")
        ax.plot(sizes, [point["seconds"] for point in points], "o-", color=OURS, label="Ablate", markersize=4)
        ax.set_xticks(sizes, [f"{size:,}" for size in sizes], fontsize=7)
        ax.minorticks_off()
        ax.set_title(titles[axis], fontsize=9, loc="left")
        ax.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("seconds a request", fontsize=9)
    panels[0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    return _save(figure, path)
