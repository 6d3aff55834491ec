"""The limit that benchmarks compare a run with (device_check/limit.py), and the benchmark's options."""

import math
from collections.abc import Callable

import pytest
import torch

from bench.__main__ import case_names, device_problem
from bench.common import Target
from bench.report import as_markdown
from device_check import limit
from device_check.limit import Machine, gemm_shapes, launches
from tests.oracle.models import TINY

LAYERS = [
    {"passes": 2, "tokens_in": 20, "tokens_out": 40},
    {"passes": 2, "tokens_in": 40, "tokens_out": 600},
]
EXPLAINED = {
    "layers": LAYERS,
    "gemm_flops": 3e6,
    "attention_flops": 1e6,
    "readout_flops": 1e6,
    "elements_moved": 10**6,
}


def test_shapes_are_those_of_the_plans_products() -> None:
    d, v = TINY.n_embd, TINY.vocab_size
    assert gemm_shapes(EXPLAINED, TINY) == {
        (10, d, 3 * d, False): 2,
        (20, d, d, False): 2,
        (20, d, 4 * d, False): 2,
        (20, 4 * d, d, False): 2,
        (20, d, 3 * d, False): 2,
        (300, d, d, False): 2,
        (300, d, 4 * d, False): 2,
        (300, 4 * d, d, False): 2,
        (300, d, v, True): 2,
    }


def test_launches_are_those_of_every_pass_and_block_of_readouts() -> None:
    # 2 passes of 2 layers, each with 300 rows that are read, in blocks of 256.
    assert launches(EXPLAINED, "float32") == 4 * 8 + 2 * 2 + 2 * 2 * 6
    assert launches(EXPLAINED, "bf16") - launches(EXPLAINED, "float32") == 4 * 2


def test_products_are_not_counted_among_the_launches_too(machine: Callable[[str], Machine]) -> None:
    found = machine("float32")
    found.gemm = lambda shape, elements: 1e-5  # type: ignore[method-assign]
    found.last_cache_bytes, found.on_gpu = 0, True
    of_plan = found.limit(EXPLAINED, TINY)
    products = 2 * 2 * 4 + 2
    assert of_plan["gemm_seconds"] == pytest.approx(products * 1e-5)
    assert of_plan["launch_seconds"] == pytest.approx((launches(EXPLAINED, "float32") - products) * limit.NODE_SECONDS)
    parts = [of_plan[part] for part in ("gemm_seconds", "attention_seconds", "launch_seconds")]
    assert of_plan["seconds"] == pytest.approx(sum(parts))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Machine]:
    monkeypatch.setattr(limit, "SMALL_SQUARE", (64, 64, 64, False))
    monkeypatch.setattr(limit, "SMALL_BYTES", 2**20)
    monkeypatch.setattr(limit, "SHORTEST_READING", 1e-5)
    return lambda precision: Machine("cpu", precision, small=True)


def test_a_limit_is_made_of_products_attention_and_bytes(machine: Callable[[str], Machine]) -> None:
    found = machine("float32")
    found.last_cache_bytes = 0
    of_plan = found.limit(EXPLAINED, TINY)
    assert of_plan["gemm_seconds"] > 0
    assert of_plan["attention_seconds"] == pytest.approx(1e6 / found.best_rate)
    assert of_plan["memory_seconds"] == pytest.approx(4e6 / found.bandwidth)
    assert of_plan["launch_seconds"] == 0
    longest = max(of_plan["gemm_seconds"] + of_plan["attention_seconds"], of_plan["memory_seconds"])
    assert of_plan["seconds"] == longest
    assert of_plan["flops"] == 5e6


def test_what_fits_into_the_cache_is_not_read_from_memory(machine: Callable[[str], Machine]) -> None:
    found = machine("bf16")
    weights = TINY.vocab_size * TINY.n_embd + 12 * TINY.n_layer * TINY.n_embd**2
    found.last_cache_bytes = 2 * weights
    assert found.limit(EXPLAINED, TINY)["memory_seconds"] is None
    found.last_cache_bytes -= 1
    assert found.limit(EXPLAINED, TINY)["bytes"] == 2 * 10**6


def test_a_larger_product_takes_longer(machine: Callable[[str], Machine]) -> None:
    found = machine("float32")
    assert found.gemm((8, 16, 16, False), 2**12) < found.gemm((1024, 512, 512, True), 2**20)
    assert math.isfinite(found.best_rate)


def test_the_benchmark_names_the_device_that_it_cannot_use() -> None:
    assert device_problem("cpu", "float32") == ""
    assert device_problem("cpu", "bf16") in ("", "--precision: this processor has no AVX512-BF16")
    assert device_problem("cpu", "tf32") == "--precision: tf32 is of GPUs alone"
    assert device_problem("gpu", "float32") == "--device: got gpu, expected cpu or cuda:N"
    none = torch.cuda.device_count()
    assert device_problem(f"cuda:{none}", "tf32") == f"--device: got cuda:{none}, PyTorch finds {none} usable GPUs here"


def a_report(device: str, precision: str, is_same: bool = True) -> dict:
    limit_of = {
        "seconds": 0.00034,
        "ratio": 1.2,
        "gemm_seconds": 0.0002,
        "attention_seconds": 0.00001,
        "memory_seconds": None,
        "launch_seconds": 0.0 if device == "cpu" else 0.00013,
        "flops": 8e10,
    }
    ours = {"median": 0.0004, "min": 0.00039, "max": 0.0005, "runs": 200, "forward_passes": 1, "plan_seconds": 1e-4}
    ours |= {"packed_tokens_x_layers": 7000, "readout_seconds": 1e-5, "peak_bytes": 2**28, "peak_rss_bytes": 2**30}
    peer = {"median": 0.001, "min": 0.001, "max": 0.002, "runs": 30, "is_whole": True}
    case = {"title": "6 tokens", "engine": ours, "limit": limit_of, "peers": {"compiled_batch": peer}}
    case |= {"max_abs_difference_of_target_logprob": {"compiled_batch": 0.1}, "is_same": is_same}
    machine = {"processor": "P", "cores": 2, "memory_bytes": 2**34, "last_cache_bytes": 2**25, "instructions": "avx2"}
    machine |= {"system": "Linux", "device": "H100" if device != "cpu" else "P"}
    host = {"title": "the host's part", "prompts": 2, "rows": 290, "chunks": 1, "table_bytes": 2**20}
    host |= {f"{part}_ns": 100_000 for part in ("plan", "build", "tables", "readouts")}
    host |= {"service_prepare_ns": 5_000, "service_outside_engine_ns": 100_000}
    report: dict = {"machine": machine, "device": device, "precision": precision, "threads": 2, "bandwidth": 1e12}
    return report | {"versions": {"torch": "2"}, "heads": [case], "host_path": host}


def test_a_report_of_a_gpu_adds_up_and_claims_no_more_than_it_has() -> None:
    text = as_markdown(a_report("cuda:0", "tf32"), [])
    assert "# Ablate on H100, tf32" in text
    assert "GEMMs 0.2 ms, attention 0.01 ms, bytes from the cache, launches 0.13 ms." in text
    assert "| **Ablate's engine** | 0.4 ms |" in text
    assert "in the same precision" in text
    assert "gave the same results" not in text
    assert "before and after" not in text
    assert "5,000 scans a second on one core" in text


def test_a_report_of_a_cpu_says_whether_peers_agree() -> None:
    assert "gave the same results" in as_markdown(a_report("cpu", "float32"), [])
    assert "Not all gave the same results" in as_markdown(a_report("cpu", "float32", is_same=False), [])
    assert "before and after each run" in as_markdown(a_report("cpu", "float32"), [])


def test_a_gpu_is_asked_for_more() -> None:
    known, usual = case_names(Target("cuda:0", "tf32"))
    assert "2000-prompts" in usual
    assert set(known) - set(usual) == {"long-pairs"}
    assert "200-prompts" in case_names(Target())[0]
