"""What a trace tells of a device's idle time (device_check/idle.py), and that engine_probe writes one."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from device_check import bench, programs
from device_check.bench import BenchCase, bench_checks, trace_case
from device_check.cases import all_heads
from device_check.compare import Mismatch
from device_check.idle import IDLE_HEAD, RUN, Span, device_time, hosts, idle_row
from device_check.programs import Engine, ProgramFailed
from device_check.random_model import write_random_model
from device_check.reference import Config, Scan
from device_check.table import markdown

PROBE = Path(os.environ.get("ABLATE_BUILD_DIR", Path(__file__).resolve().parents[2] / "build/release"))
PROBE /= "tests/engine_probe"
TINY = Config(n_layer=3, n_head=4, n_embd=20, n_positions=40, vocab_size=300)
SCAN = Scan([5, 17, 250, 3, 99], all_heads(TINY), reads=[4], target_id=7, contrast_id=8)
# Far from 0, as a trace's times are.
START = 4892558233839.0
GEMM, COPY = "sm90_xmma_gemm_f32f32_f32f32_f32_nn_n", "Memcpy HtoD (Pinned -> Device)"
ATTEND = "void ablate::AttendKernel<4, 2>(ablate::AttendArgs<float>, long)"


def event(category: str, name: str, begin: float, length: float, stream: int = 7) -> dict[str, Any]:
    return {"ph": "X", "cat": category, "name": name, "pid": 0, "tid": stream, "ts": START + begin, "dur": length}


def kernel(begin: float, length: float, name: str = GEMM, stream: int = 7) -> dict[str, Any]:
    return event("kernel", name, begin, length, stream)


def run(begin: float, length: float = 100) -> dict[str, Any]:
    return event("user_annotation", RUN, begin, length)


def found(*events: dict[str, Any]) -> dict[str, Any]:
    told = device_time({"traceEvents": list(events)})
    assert told is not None
    return told


def test_gaps_between_events_are_idle() -> None:
    told = found(run(0), kernel(50, 30), event("gpu_memcpy", COPY, 10, 10), event("gpu_memset", "Memset", 24, 4))
    assert told["window_ns"] == 70_000 and told["busy_ns"] == 44_000 and told["host_ns"] == 100_000
    assert told["idle"] == pytest.approx(1 - 44 / 70)
    assert told["idle_host_to_host"] == pytest.approx(1 - 44 / 100)
    assert (told["runs"], told["events"], told["beyond_ns"]) == (1, 3, 0)


def test_what_runs_side_by_side_counts_once() -> None:
    # One inside the other, one that outlasts both on another stream, and one behind a gap of 10.
    told = found(run(0), kernel(0, 40), kernel(10, 10), kernel(30, 30, ATTEND, stream=8), kernel(70, 10))
    assert told["window_ns"] == 80_000 and told["busy_ns"] == 70_000
    # A moment belongs to what began first, so that the parts make up the whole.
    assert told["parts"]["attend"] == {"share": pytest.approx(20 / 70), "ns": 20_000, "count": 1}
    assert told["parts"]["products"] == {"share": pytest.approx(50 / 70), "ns": 50_000, "count": 3}
    assert sum(part["share"] for part in told["parts"].values()) == pytest.approx(1)


def test_a_device_that_is_never_idle() -> None:
    assert found(run(0), kernel(0, 30), kernel(30, 70))["idle"] == pytest.approx(0)


def test_each_run_has_its_own_events_though_the_clocks_differ() -> None:
    for skew in (-400, 0, 400):
        events = [kernel(begin + skew + at, 10) for begin in (0, 3000, 6000) for at in (0, 40, 85)]
        told = found(run(6000), run(0), run(3000), *events)
        assert (told["runs"], told["runs_left_out"], told["events"]) == (3, 0, 3)
        assert told["idle"] == pytest.approx(1 - 30 / 95)
        assert told["beyond_ns"] == {-400: 400_000, 0: 0, 400: 395_000}[skew]


def test_figures_are_the_median_runs() -> None:
    events = [
        event for i, gap in enumerate((0, 10, 60)) for event in (kernel(3000 * i, 20), kernel(3000 * i + 20 + gap, 20))
    ]
    assert found(run(0), run(3000), run(6000), *events)["idle"] == pytest.approx(10 / 50)


def test_what_is_in_no_run_does_not_count() -> None:
    warm_up, behind = kernel(-5000, 50), kernel(9000, 50)
    other = event("user_annotation", "another range", 8990, 100)
    spread = event("gpu_user_annotation", RUN, 10, 80)
    host = [event("cuda_runtime", "cudaGraphLaunch", 0, 60), event("cpu_op", "aten::mm", 0, 60)]
    marks = [{"ph": "i", "cat": "kernel", "name": "a mark", "ts": START}, {"ph": "M", "name": "process_name"}]
    told = found(run(0), kernel(10, 10), kernel(30, 10), warm_up, behind, other, spread, *host, *marks)
    assert (told["runs"], told["events"], told["busy_ns"], told["window_ns"]) == (1, 2, 20_000, 30_000)


def test_a_run_with_an_event_of_its_own_is_left_out() -> None:
    told = found(*(run(at) for at in (0, 3000, 6000)), *(kernel(at, 10) for at in (0, 3000, 3020, 6000)))
    assert (told["runs"], told["runs_left_out"], told["events"]) == (2, 1, 1)


def test_of_as_many_runs_those_with_more_events_count() -> None:
    told = found(run(0), run(3000), kernel(0, 10), kernel(3000, 10), kernel(3020, 10))
    assert (told["runs"], told["runs_left_out"], told["events"]) == (1, 1, 2)


def test_a_run_whose_events_were_lost_is_left_out() -> None:
    whole = [kernel(begin + at, 10) for begin in (3000, 6000) for at in (0, 10)]
    told = found(run(0), run(3000), run(6000), run(9000), kernel(10, 10), *whole)
    assert (told["runs"], told["runs_left_out"]) == (2, 2)
    assert told["idle"] == pytest.approx(0)


def test_no_device_is_not_an_idle_one() -> None:
    host = event("cpu_op", "aten::mm", 0, 60)
    assert device_time({"traceEvents": [run(0), host]}) is None
    assert device_time({"traceEvents": [kernel(0, 10)]}) is None
    assert device_time({"traceEvents": []}) is None


@pytest.mark.parametrize(
    ("name", "part"),
    [
        (ATTEND, "attend"),
        (
            "void pytorch_flash::flash_fwd_kernel<Flash_fwd_kernel_traits<64, 128, 128, 4, cutlass::bfloat16_t>>",
            "attend",
        ),
        ("fmha_cutlassF_f32_aligned_64x64_rf_sm80(PyTorchMemEffAttention::AttentionKernel<float>::Params)", "attend"),
        ("cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_7_64x128x128", "attend"),
        ("void ablate::FanOutKernel<float, 4>(ablate::FanOutArgs<float>)", "fan_out"),
        ("void ablate::LayerNormKernel<4, 6>(ablate::LayerNormArgs<float>, long)", "layer_norm"),
        ("ablate::SumRowsKernel(ablate::ReadoutArgs)", "readout"),
        ("void ablate::MeasureKernel<true>(ablate::ReadoutArgs)", "readout"),
        (GEMM, "products"),
        ("nvjet_tst_128x256_64x4_1x2_h_bz_coopA_NNT", "products"),
        ("void cutlass::Kernel2<cutlass_80_tensorop_s1688gemm_128x128_16x5_nn_align4>(...)", "products"),
        ("void cublasLt::splitKreduce_kernel<32, 16, int, float>(...)", "products"),
        ("void ablate::EmbedKernel<4>(ablate::EmbedArgs, long)", "others"),
        ("void ablate::RoundRowsKernel<4>(ablate::RoundRowsArgs, long)", "others"),
        ("void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float>>(...)", "others"),
    ],
)
def test_a_kernel_is_known_by_its_name(name: str, part: str) -> None:
    assert Span(name, "kernel", 0, 1).part == part


def test_a_copy_is_one_whatever_it_is_called() -> None:
    assert Span("gemm", "gpu_memcpy", 0, 1).part == "copies"


def test_the_longest_names_are_told() -> None:
    told = found(run(0), kernel(0, 10), kernel(10, 30, ATTEND), kernel(40, 10))
    assert [(name["part"], name["name"], name["count"]) for name in told["names"]] == [
        ("attend", ATTEND, 1),
        ("products", GEMM, 2),
    ]
    assert [name["ns"] for name in told["names"]] == [30_000, 20_000]


def an_entry(device: dict[str, Any] | None) -> dict[str, Any]:
    return {"case": "6 tokens", "precision": "tf32", "forward_passes": 1, "replayed_passes": 1, "device": device}


def a_table(device: dict[str, Any] | None) -> str:
    check = {"check": "bench, 6 tokens", "passed": True, "seconds": 1.0, "idle": [an_entry(device)]}
    return markdown({"machine": {"cpu": "P"}, "passed": True, "seconds": 1.0, "checks": [check]})


def test_the_table_tells_shares_and_counts() -> None:
    device = found(run(0), event("gpu_memcpy", COPY, 0, 10), kernel(20, 30))
    assert "| bench, 6 tokens | ok | idle: 20.0% | 1.0 |" in a_table(device)
    assert "| tf32 | 6 tokens | 1 | 1 of 1 | 0.040 | 20.0% | 60.0% | 75.0% / 1 |  |  |  |  | 25.0% / 1 |  |" in a_table(
        device
    )
    assert len(idle_row(an_entry(device))) == len(idle_row(an_entry(None))) == len(IDLE_HEAD)


def test_the_table_says_none_where_there_is_no_device() -> None:
    assert "| bench, 6 tokens | ok | idle: none | 1.0 |" in a_table(None)
    assert "| tf32 | 6 tokens |  | 1 of 1 | none | none | none |" in a_table(None)
    assert "0.0%" not in a_table(None)


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> None:
    if not PROBE.exists():
        pytest.skip(f"not built: {PROBE}")
    monkeypatch.setattr(programs, "program", lambda _: str(PROBE))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_model(tmp_path_factory.mktemp("model") / "tiny", TINY, seed=1)


@pytest.mark.usefixtures("probe")
def test_engine_probe_writes_a_range_for_each_run(tiny: Path, tmp_path: Path) -> None:
    file = tmp_path / "a trace.json"
    with Engine(tiny, "cpu") as engine:
        answer = engine.trace([SCAN, SCAN], 3, file)
    ranges = hosts(json.loads(file.read_bytes()))
    assert len(ranges) == len(answer["walls_ns"]) == 3
    for here, behind in zip(ranges, ranges[1:], strict=False):
        assert behind.begin - here.end >= 2000
    # Each is the run's wall, but for what comes between two clocks.
    length_ns, wall_ns = 1000 * sum(here.length for here in ranges), sum(answer["walls_ns"])
    assert abs(length_ns - wall_ns) < 0.5 * wall_ns + 5e6


@pytest.mark.usefixtures("probe")
def test_after_a_trace_an_engine_still_answers(tiny: Path, tmp_path: Path) -> None:
    with Engine(tiny, "cpu") as engine:
        before, _ = engine.run([SCAN])
        engine.trace([SCAN], 1, tmp_path / "trace.json")
        assert engine.run([SCAN])[0] == before


@pytest.mark.usefixtures("probe")
def test_a_scan_that_fails_under_a_profiler_says_why(tiny: Path, tmp_path: Path) -> None:
    wrong = Scan([5, 300], SCAN.variants, reads=[1], target_id=7, contrast_id=8)
    with Engine(tiny, "cpu") as engine, pytest.raises(ProgramFailed, match="300"):
        engine.trace([wrong], 1, tmp_path / "trace.json")


@pytest.mark.usefixtures("probe")
def test_a_cpu_has_no_device_whose_time_is_told(tiny: Path) -> None:
    case = BenchCase("5 tokens", [SCAN], 2)
    told = trace_case(case, lambda: Engine(tiny, "cpu"), "float32", on_gpu=False)["idle"]
    assert [(entry["case"], entry["device"], entry["forward_passes"]) for entry in told] == [("5 tokens", None, 1)]
    # Where there should be one, a profiler that sees none is a failure.
    with pytest.raises(Mismatch, match="saw nothing on the device"):
        trace_case(case, lambda: Engine(tiny, "cpu"), "float32", on_gpu=True)


def test_each_precision_is_looked_into(tiny: Path) -> None:
    names = [name for name, _ in bench_checks(tiny, "cuda:0", ["float32", "tf32"], on_gpu=True)]
    for precision in ("float32", "tf32"):
        mine = [name for name in names if name.startswith(precision) and name.endswith("what the device does")]
        assert len(mine) == (1 if precision == "float32" else len(bench.traced_cases(TINY, on_gpu=True)))
