"""Summaries of a scan beside what NumPy and SciPy make of the very rows that came with them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from tests.e2e.programs import OK, Server, ablate, scan_lines
from tests.oracle.compare import assert_close
from tests.oracle.models import TINY, write_random_model
from tests.oracle.spec import Json

# Sums of some hundred values below 10 in another order, 100 * 10 * 2**-53 = 1e-13, over denominators of 0.05 and more.
TOLERANCE = 1e-11
N_CLUSTERS = 24


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("summary")
    model = write_random_model(folder / "model", TINY, seed=61)
    started = Server(folder, "--precision", "float64", model=model)
    assert ablate(started, "health", "--wait", "60s").returncode == OK, started.text()
    yield started
    assert started.stop() == 0


def data_set() -> list[Json]:
    """Two prompts a template, of unequal length, but for the last one, which is alone."""
    generator = random.Random(62)

    def ids(length: int) -> Json:
        return {"ids": [generator.randrange(TINY.vocab_size) for _ in range(length)]}

    prompts = []
    for index in range(2 * N_CLUSTERS - 1):
        length, answers = generator.randint(3, 6), generator.sample(range(TINY.vocab_size), 2)
        prompts.append(
            {
                "token_ids": ids(length),
                "corrupted_token_ids": ids(length),
                "targets": [{"id": answers[0]}],
                "contrasts": [{"id": answers[1]}],
                "template": f"template {index // 2}",
            }
        )
    return prompts


def scan(server: Server, folder: Path, **request: object) -> tuple[Json, list[Json], Json, list[Json]]:
    """Manifest, rows, head and entries of the summary."""
    file = folder / "request.json"
    file.write_text(json.dumps({"prompts": data_set(), **request}))
    first, *lines = scan_lines(server, "--spec", file)
    rows = [line for line in lines if "variant" in line]
    (head,) = [line["summary_head"] for line in lines if "summary_head" in line]
    return first["manifest"], rows, head, [line["summary"] for line in lines if "summary" in line]


def by_cluster(rows: list[Json], column: str, **key: object) -> np.ndarray:
    """Means over the prompts of each template, [clusters]."""
    values: dict[int, list[float]] = {}
    for row in rows:
        if all(row[name] == value for name, value in key.items()):
            values.setdefault(row["prompt_index"] // 2, []).append(row[column])
    assert len(values) == N_CLUSTERS
    return np.array([np.mean(values[cluster]) for cluster in sorted(values)])


RESAMPLE = {"resample": {"direction": "DIRECTION_NOISING"}}


def test_figures_are_those_of_the_rows(server: Server, tmp_path: Path) -> None:
    _, rows, head, entries = scan(
        server,
        tmp_path,
        sweep={"heads": {}},
        replacements=[{"zero": {}}, {"scale": {"factor": 0.5}}, RESAMPLE],
        summary={"seed": "7"},
    )
    assert (head["n_clusters"], head["n_prompts"], head["assumes_iid"]) == (N_CLUSTERS, 2 * N_CLUSTERS - 1, False)
    assert len(entries) == 3 * TINY.n_layer * TINY.n_head
    clean, corrupted = (by_cluster(rows, "logit_diff", variant=name).mean() for name in ("baseline", "corrupted"))
    assert abs(clean - corrupted) >= 0.1, "the request's min_denominator"
    for entry in entries:
        key = {name: entry[name] for name in ("replacement", "variant")}
        delta = by_cluster(rows, "delta_logit_diff", **key)
        mine = [row for row in rows if all(row[name] == value for name, value in key.items())]
        level = by_cluster(rows, "logit_diff", **key).mean()
        expected = {
            "mean": delta.mean(),
            "std": delta.std(ddof=1),
            "sem": delta.std(ddof=1) / np.sqrt(N_CLUSTERS),
            "sign_share": np.mean([np.sign(row["delta_logit_diff"]) == np.sign(delta.mean()) for row in mine]),
            "top1_share": np.mean([row["top1_preserved"] for row in mine]),
            "normalized": (level - corrupted) / (clean - corrupted),
        }
        for name, value in expected.items():
            assert_close([entry[name]], [value], TOLERANCE, f"{key} {name}")
        assert entry["ci_low"] < entry["mean"] < entry["ci_high"]
        assert 0 < entry["p_fwer"] <= 1 and 0 < entry["q_bh"] <= entry["q_by"] <= 1
        assert not entry["selected_in_sample"] and entry["faithfulness"] is None
    check_agreement(head, entries)


def check_agreement(head: Json, entries: list[Json]) -> None:
    def means(name: str) -> list[float]:
        return [entry["mean"] for entry in entries if entry["replacement"] == name]

    assert len(head["rank_agreement"]) == 3
    for pair in head["rank_agreement"]:
        expected = scipy.stats.spearmanr(means(pair["first"]), means(pair["second"])).statistic
        assert_close([pair["spearman"]], [expected], TOLERANCE, "Spearman's correlation")


def test_faithfulness_of_a_kept_set(server: Server, tmp_path: Path) -> None:
    keep = [{"name": "first layer", "sites": ["L0H*"]}, {"sites": ["1.1", "2.3", "L0H2"]}]
    request = {"sweep": {"all_but": {"keep": keep, "random_sets": 2, "seed": "5"}}, "summary": {}}
    manifest, rows, _, entries = scan(server, tmp_path, readout={"min_denominator": 0.05}, **request)
    assert [variant["name"] for variant in manifest["variants"][:3]] == ["", "first layer", "L0H2+L1H1+L2H3"]
    none = by_cluster(rows, "logit_diff", variant=manifest["variants"][0]["label"]).mean()
    baseline = by_cluster(rows, "logit_diff", variant="baseline").mean()
    assert 0.05 <= abs(baseline - none) < 0.1
    assert len(entries) == 1 + 2 + 4
    for entry in entries:
        kept = by_cluster(rows, "logit_diff", variant=entry["variant"], variant_name=entry["variant_name"]).mean()
        assert_close([entry["faithfulness"]], [(kept - none) / (baseline - none)], TOLERANCE, "faithfulness")
    # The default is 0.1.
    assert {entry["faithfulness"] for entry in scan(server, tmp_path, **request)[3]} == {None}


@pytest.mark.parametrize("split", [False, True])
def test_chosen_sites_are_flagged_unless_the_prompts_are_split(server: Server, tmp_path: Path, split: bool) -> None:
    manifest, rows, head, entries = scan(
        server, tmp_path, sweep={"pairs": {"strongest": 3}}, summary={"split": split, "seed": "3"}
    )
    assert {entry["selected_in_sample"] for entry in entries} == {not split}
    chose = set(manifest["selection"].get("prompt_index", ()))
    estimated = set(range(2 * N_CLUSTERS - 1)) - chose if split else set(range(2 * N_CLUSTERS - 1))
    assert head["n_prompts"] == len(estimated)
    assert (head["n_clusters"], bool(chose)) == ((N_CLUSTERS - N_CLUSTERS // 2, True) if split else (N_CLUSTERS, False))
    for entry in entries:
        values: dict[int, list[float]] = {}
        for row in rows:
            if row["variant"] == entry["variant"] and row["prompt_index"] in estimated:
                values.setdefault(row["prompt_index"] // 2, []).append(row["delta_logit_diff"])
        mean = np.mean([np.mean(cluster) for cluster in values.values()])
        assert_close([entry["mean"]], [mean], TOLERANCE, "mean")
