"""bf16 on the CPU: no further from float64 than Hugging Face's own bfloat16, and as reproducible as float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.engine.forward.test_oracle import all_heads, oracle, random_scans
from tests.oracle.engine_check import REAL, column, rms, run, unedited_to_zero
from tests.oracle.models import TINY, WIDE, Geometry, write_random_model
from tests.oracle.probe import Probe, Scan

HAS_BF16 = "avx512_bf16" in Path("/proc/cpuinfo").read_text()
pytestmark = pytest.mark.skipif(not HAS_BF16, reason="this CPU has no bfloat16 instructions")


@pytest.fixture(scope="module", params=[TINY, WIDE], ids=["tiny", "wide"])
def geometry(request: pytest.FixtureRequest) -> Geometry:
    return request.param


@pytest.fixture(scope="module")
def model_dir(geometry: Geometry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_model(tmp_path_factory.mktemp("model"), geometry, seed=11)


def test_is_no_further_from_float64_than_hugging_faces_own(model_dir: Path, geometry: Geometry) -> None:
    ids = [(7 * i) % geometry.vocab_size for i in range(9)]
    scans = [Scan(ids, all_heads(geometry), [8], 5, 17), *random_scans(geometry, seed=3, n_scans=4)]
    exact = oracle(model_dir, scans, torch.float64).rows
    theirs = oracle(model_dir, scans, torch.bfloat16).rows
    found = run(model_dir, scans, precision="bf16").rows
    want, their = unedited_to_zero(exact, found), unedited_to_zero(theirs, found)
    for name in REAL:
        if column(want, name).size:
            ours = rms(column(found, name) - column(want, name))
            assert 0 < ours <= rms(column(their, name) - column(want, name)), name


def test_a_rows_bits_depend_on_nothing_else(model_dir: Path, geometry: Geometry) -> None:
    scans = random_scans(geometry, seed=4, n_scans=6)
    with Probe(model_dir, precision="bf16", threads=2) as probe:
        assert probe.info["batch_invariant"]
        together = probe.run(scans).rows
        alone = {(i, *key[1:]): row for i, scan in enumerate(scans) for key, row in probe.run([scan]).rows.items()}
    with Probe(model_dir, precision="bf16", threads=1, max_packed_tokens=16) as probe:
        cut = probe.run(scans).rows
    assert together == alone == cut


def test_it_is_bfloat16_and_says_so(model_dir: Path, geometry: Geometry) -> None:
    scans = [Scan(list(range(8)), all_heads(geometry)[:3], [7], 5, 17)]
    bf16, float32 = (column(run(model_dir, scans, precision=p).rows, "target_logit") for p in ("bf16", "float32"))
    relative = np.abs(bf16 - float32).max() / np.abs(float32).max()
    assert 2**-14 < relative < 2**-4
