"""The engine against HF's hooks: in float64 (is the algorithm the same?) and float32 (is the error as small?)."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.oracle import engine_check, hf
from tests.oracle.compare import assert_close
from tests.oracle.engine_check import FLOAT64_TOLERANCE, run
from tests.oracle.expected import Expected
from tests.oracle.hf import Edit
from tests.oracle.models import DEMO, GPT2_SMALL, TINY, WIDE, Geometry, geometry_of, write_random_model
from tests.oracle.probe import Probe, Scan


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


def oracle(model_dir: Path, scans: Sequence[Scan], dtype: torch.dtype) -> Expected:
    """One run at a time: the plain loop that labs write, without tests/oracle/runs.py's batches."""
    model = hf.load(str(model_dir), dtype)
    logits = {
        (s, v - 1, p): y[p]
        for s, scan in enumerate(scans)
        for v, edits in enumerate([[], *scan.variants])
        for y in [hf.logits(model, scan.token_ids, edits)]
        for p in scan.read_positions
    }
    rows = {
        (s, v, p): hf.measure(y, logits[s, -1, p], scans[s].target_id, scans[s].contrast_id)
        for (s, v, p), y in logits.items()
    }
    return Expected(rows, logits)


def check_float64(model_dir: Path, scans: Sequence[Scan], **options) -> None:
    found = engine_check.run(model_dir, scans, precision="float64", **options).rows
    engine_check.check_float64(found, oracle(model_dir, scans, torch.float64).rows)


def check_float32(model_dir: Path, scans: Sequence[Scan], *option_sets: dict) -> dict[str, tuple]:
    """Checked for each of `option_sets`, one empty set by default; returns the last one's errors."""
    exact, theirs = (oracle(model_dir, scans, dtype) for dtype in (torch.float64, torch.float32))
    errors = {}
    for options in option_sets or ({},):
        found = engine_check.run(model_dir, scans, precision="float32", **options).rows
        errors = engine_check.check_float32(found, exact, theirs, scans)
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
    # Many: the largest error of a few rows says little of how large errors are.
    check_float32(wide, random_scans(WIDE, 8, n_scans=16))


def test_bundled_model():
    shape = geometry_of(hf.load(str(DEMO), torch.float32).config)
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
    # 64 positions: the largest error of a few rows says little about how large errors are, ours or others'.
    reads = list(range(length // 64 - 1, length, length // 64))
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
