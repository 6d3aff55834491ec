"""The bundled model's mean libraries: of this model, whole, and over the prompts that their tool names."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from tests.oracle.models import DEMO
from tools import make_demo_means

FILES = sorted((DEMO / "means").glob("*.safetensors"))


def info(path: Path) -> dict:
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["ablate.mean_library"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem[:8])
def test_is_whole_and_of_this_model(path: Path) -> None:
    library = info(path)
    assert library["id"] == path.stem
    assert library["weights_sha256"] == hashlib.sha256((DEMO / "model.safetensors").read_bytes()).hexdigest()
    with safe_open(path, framework="numpy") as file:
        mean, count = file.get_tensor("mean"), file.get_tensor("count")
        arrays = hashlib.sha256(mean.tobytes() + count.tobytes()).hexdigest()
        assert file.metadata()["ablate.arrays_sha256"] == arrays
    groups, positions = len(library["templates"]), library["n_positions"]
    assert mean.shape == (groups, 12, 12, positions, 8)
    assert count.shape == (groups, positions)
    assert np.isfinite(mean).all()
    assert (np.abs(mean).max(axis=(-1, -2)) > 0).all(), "a head without a mean"
    assert count.min() > 0
    assert count.sum() == int(library["n_tokens"])


def test_are_small_and_all_there() -> None:
    assert sum(path.stat().st_size for path in FILES) < 400_000
    prompts = sorted(info(path)["n_prompts"] for path in FILES)
    tasks, three_names, reference = (
        make_demo_means.task_lines(),
        make_demo_means.three_name_lines(),
        make_demo_means.reference_lines(),
    )
    assert prompts == sorted([len(tasks), len(tasks), len(three_names), len(reference)])
    assert Counter(line["template"] for line in tasks).keys() == {"capitals", "ioi", "induction"}
    templates = {tuple(info(path)["templates"]) for path in FILES}
    assert tuple(dict.fromkeys(line["template"] for line in three_names)) in templates
