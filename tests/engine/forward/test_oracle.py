"""The engine against HF's hooks: in float64 (is the algorithm the same?) and float32 (is the error as small?)."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.oracle import hf
from tests.oracle.compare import assert_close, max_abs_diff
from tests.oracle.hf import Edit
from tests.oracle.models import DEMO, GPT2_SMALL, Geometry, write_random_model
from tests.oracle.probe import Probe, Result, Scan

COLUMNS = hf.LEVELS + hf.DELTAS
COUNTS = ("target_rank", "target_is_top1", "top1_id", "top1_preserved")
# Two float64 runs of the same formulas differ in the order of their sums. First-order bound for the deepest model here
# (WIDE: 24 layers of 4 GEMMs over at most 512 terms, logits below 50): 96 * 512 * 2**-53 * 50 = 2.7e-10.
FLOAT64_TOLERANCE = 2.7e-10

TINY = Geometry(n_layer=3, n_head=4, n_embd=20, n_positions=40, vocab_size=300)
WIDE = Geometry(n_layer=24, n_head=16, n_embd=128, n_positions=64, vocab_size=400)


def run(model_dir: Path, scans: list[Scan], **options) -> Result:
    with Probe(model_dir, **options) as probe:
        return probe.run(scans)


def all_heads(geometry: Geometry) -> list[list[Edit]]:
    return [[Edit(layer, head)] for layer in range(geometry.n_layer) for head in range(geometry.n_head)]


def random_scans(geometry: Geometry, seed: int, n_scans: int) -> list[Scan]:
    """Prompts of unequal length; variants of up to 4 edits at random ranges with random scales; random reads."""
    generator = random.Random(seed)
    scans = []
    for _ in range(n_scans):
        length = generator.randint(1, min(30, geometry.n_positions))
        variants = []
        for _ in range(generator.randint(0, 12)):
            sites = {
                (generator.randrange(geometry.n_layer), generator.randrange(geometry.n_head))
                for _ in range(generator.randint(0, 4))
            }
            edits = []
            for layer, head in sorted(sites):
                begin = generator.randrange(length)
                end = generator.choice([2**31 - 1, generator.randint(begin + 1, length)])
                scale = generator.choice([0.0, 0.0, 0.5, -1.5])
                edits.append(Edit(layer, head, generator.choice([0, begin]), end, scale))
            variants.append(edits)
        reads = sorted(generator.sample(range(length), generator.randint(1, min(3, length))))
        scans.append(
            Scan(
                token_ids=[generator.randrange(geometry.vocab_size) for _ in range(length)],
                variants=variants,
                read_positions=reads,
                target_id=generator.randrange(geometry.vocab_size),
                contrast_id=generator.randrange(geometry.vocab_size),
            )
        )
    return scans


Key = tuple[int, int, int]  # (scan, variant, position)


def oracle_logits(model_dir: Path, scans: list[Scan], dtype: torch.dtype) -> dict[Key, torch.Tensor]:
    model = hf.load(str(model_dir), dtype)
    return {
        (s, v - 1, p): y[p]
        for s, scan in enumerate(scans)
        for v, edits in enumerate([[], *scan.variants])
        for y in [hf.logits(model, scan.token_ids, edits)]
        for p in scan.read_positions
    }


def oracle_rows(logits: dict[Key, torch.Tensor], scans: list[Scan]) -> dict[Key, dict[str, float]]:
    return {
        (s, v, p): hf.measure(y, logits[s, -1, p], scans[s].target_id, scans[s].contrast_id)
        for (s, v, p), y in logits.items()
    }


def column(rows: dict[Key, dict], name: str) -> np.ndarray:
    return np.array([rows[key][name] for key in sorted(rows)])


def check_float64(model_dir: Path, scans: list[Scan], **options) -> None:
    expected = oracle_rows(oracle_logits(model_dir, scans, torch.float64), scans)
    found = run(model_dir, scans, precision="float64", **options).rows
    assert found.keys() == expected.keys()
    for name in COLUMNS:
        assert_close(column(found, name), column(expected, name), FLOAT64_TOLERANCE, name)
    for name in COUNTS:
        assert column(found, name).tolist() == column(expected, name).tolist(), name


def check_counts(found: dict[Key, dict], exact: dict[Key, torch.Tensor], scans: list[Scan], error: float) -> None:
    """Ranks and top-1 as float64 has them, up to logits that lie within the error of each other."""
    for (s, v, p), row in found.items():
        y = exact[s, v, p]
        margin = 2 * error  # both logits of a pair may be off
        target = y[scans[s].target_id]
        least, most = ((y > target + shift).sum().item() for shift in (margin, -margin))
        assert least <= row["target_rank"] < most, (s, v, p)  # `most` counts the target itself
        assert row["target_is_top1"] == (row["target_rank"] == 0)
        assert y[row["top1_id"]] >= y.max() - margin, (s, v, p)
        assert row["top1_preserved"] == (row["top1_id"] == found[s, -1, p]["top1_id"])


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def check_float32(model_dir: Path, scans: list[Scan], *option_sets: dict) -> dict[str, tuple[float, float]]:
    """Ours may be at most twice as far from float64 as Hugging Face's own float32 run is; returns both errors.

    Checked for each of `option_sets`, one empty set by default.
    """
    exact_logits = oracle_logits(model_dir, scans, torch.float64)
    their_logits = oracle_logits(model_dir, scans, torch.float32)
    logit_error = max((their_logits[key].double() - y).abs().max().item() for key, y in exact_logits.items())
    exact, theirs = oracle_rows(exact_logits, scans), oracle_rows(their_logits, scans)
    errors = {}
    for options in option_sets or ({},):
        ours = run(model_dir, scans, precision="float32", **options).rows
        assert ours.keys() == exact.keys()
        tolerance = {}
        for name in COLUMNS:
            want, got, their = column(exact, name), column(ours, name), column(theirs, name)
            their_error = max_abs_diff(their, want)
            errors[name] = (max_abs_diff(got, want), their_error)
            # A value's own rounding to float32 is beyond anybody's power.
            rounding = float(np.spacing(np.float32(np.abs(want).max())))
            tolerance[name] = 2 * their_error + rounding
            if name.startswith("delta_") and not name.endswith(("_prob", "prob_diff")):
                assert rms(got - want) <= 2 * rms(their - want) + rounding, name
        # Both levels in a delta may be off by what levels may. (The largest of a few small differences says less of how
        # large they are than their root mean square, which is compared above.) And p = exp(lp) is off by p times
        # what lp is off, as both p in prob_diff are.
        for token in ("target", "contrast"):
            largest = np.exp(column(exact, token + "_logprob")).max()
            tolerance[token + "_prob"] = float(largest * tolerance[token + "_logprob"])
        tolerance["prob_diff"] = tolerance["target_prob"] + tolerance["contrast_prob"]
        tolerance |= {name: 2 * tolerance[name.removeprefix("delta_")] for name in hf.DELTAS}
        for name in COLUMNS:
            assert_close(column(ours, name), column(exact, name), tolerance[name], name)
        check_counts(ours, exact_logits, scans, 2 * logit_error)
    return errors


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return write_random_model(tmp_path_factory.mktemp("tiny"), TINY, seed=1)


@pytest.fixture(scope="module")
def wide(tmp_path_factory) -> Path:
    return write_random_model(tmp_path_factory.mktemp("wide"), WIDE, seed=2)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Iterator[Path]:
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    yield write_random_model(tmp_path_factory.mktemp("small"), GPT2_SMALL, seed=3)
    torch.set_num_threads(threads)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("max_packed_tokens", [0, 64])
def test_random_requests_in_float64(tiny, seed, max_packed_tokens):
    check_float64(tiny, random_scans(TINY, seed, n_scans=8), max_packed_tokens=max_packed_tokens)


def test_another_geometry_in_float64(wide):
    check_float64(wide, random_scans(WIDE, 7, n_scans=4))


def test_random_requests_in_float32(wide):
    check_float32(wide, random_scans(WIDE, 8, n_scans=4))


def test_bundled_model():
    geometry = hf.load(str(DEMO), torch.float32).config
    shape = Geometry(geometry.n_layer, geometry.n_head, geometry.n_embd, geometry.n_positions, geometry.vocab_size)
    generator = random.Random(4)
    scans = [
        Scan([generator.randrange(shape.vocab_size) for _ in range(n)], all_heads(shape), [n - 1], 5, 7)
        for n in (1, 6, 23)
    ]
    check_float64(DEMO, scans)
    check_float32(DEMO, scans)


def test_gpt2_small_geometry_all_heads(small, record_property):
    generator = random.Random(5)
    scans = [
        Scan([generator.randrange(50257) for _ in range(n)], all_heads(GPT2_SMALL), [n - 1], 1234, 4321)
        for n in (6, 17)
    ]
    errors = check_float32(small, scans)
    ours, theirs = errors["target_logprob"]
    record_property("target_logprob_error", ours)
    print(f"\ntarget_logprob, error against float64: ours {ours:.3g}, Hugging Face's {theirs:.3g}")
    assert ours < 5e-5


@pytest.mark.parametrize("length", [128, 1024])
def test_gpt2_small_geometry_long_prompts(small, length):
    generator = random.Random(length)
    variants = [[Edit(layer, (5 * layer) % 12)] for layer in (0, 5, 11)]
    # Sixteen positions: the largest error of four rows alone says little about how large errors are.
    reads = list(range(length // 16 - 1, length, length // 16))
    scan = Scan([generator.randrange(50257) for _ in range(length)], variants, reads, 1234, 4321)
    check_float32(small, [scan], {}, {"max_packed_tokens": 2 * length})


def test_top_k(tiny):
    scan = Scan([1, 2, 3], [[Edit(0, 0)]], [2], 5, 7, top_k=10)
    rows = run(tiny, [scan], precision="float64").rows
    y = hf.logits(hf.load(str(tiny), torch.float64), scan.token_ids, scan.variants[0])[2]
    expected = torch.log_softmax(y, 0).topk(10)
    found = rows[0, 0, 2]["top_k"]
    assert [token for token, _ in found] == expected.indices.tolist()
    assert_close([logprob for _, logprob in found], expected.values.tolist(), FLOAT64_TOLERANCE, "top_k")


@pytest.mark.parametrize("seed", range(3))
def test_bits_do_not_depend_on_neighbours_chunks_or_threads(wide, seed):
    """Row i of a batch equals the request alone, bit for bit."""
    scans = random_scans(WIDE, 100 + seed, n_scans=6)
    with Probe(wide) as probe:
        assert probe.info["batch_invariant"]
        together = probe.run(scans).rows
        assert probe.run(scans[::-1]).rows == {(5 - s, v, p): row for (s, v, p), row in together.items()}
        for s, scan in enumerate(scans):
            alone = probe.run([scan]).rows
            assert alone == {(0, v, p): row for (t, v, p), row in together.items() if t == s}
            for v, edits in enumerate(scan.variants):
                single = probe.run([replace(scan, variants=[edits])]).rows
                for p in scan.read_positions:
                    assert single[0, 0, p] == together[s, v, p]
    for options in ({"max_packed_tokens": 48}, {"max_packed_tokens": 200}, {"threads": 1}, {"threads": 3}):
        assert run(wide, scans, **options).rows == together, options


def test_bits_at_gpt2_small_geometry(small):
    generator = random.Random(9)
    scan = Scan([generator.randrange(50257) for _ in range(9)], all_heads(GPT2_SMALL)[::7], [8], 1, 2)
    with Probe(small) as probe:
        assert probe.info["batch_invariant"]
        together = probe.run([scan, scan]).rows
        alone = probe.run([replace(scan, variants=[scan.variants[3]])]).rows
    assert alone[0, 0, 8] == together[0, 3, 8] == together[1, 3, 8]
    assert run(small, [scan], max_packed_tokens=60, threads=1).rows == {
        (0, v, p): row for (s, v, p), row in together.items() if s == 0
    }
