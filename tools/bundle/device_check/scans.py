"""Full scans against plain PyTorch: in float64 on the CPU, and in each precision on the device, which is timed too."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from device_check.cases import Case, cases
from device_check.compare import Exact, Mismatch, Pool, Report, check_rows, find_exact, find_standard
from device_check.programs import Engines
from device_check.reference import Gpt2, read_config
from device_check.service import scan_through_service
from device_check.timings import measure

Check = Callable[[], dict[str, Any]]
RUNS_ON_GPU = 3


class PlainModel:
    """A Gpt2 that is loaded when it is first wanted, which is inside a check."""

    def __init__(self, folder: Path, device: str, precision: str) -> None:
        self._where = (folder, device, precision)

    @property
    def is_on_gpu(self) -> bool:
        return self._where[1] != "cpu"

    @cached_property
    def model(self) -> Gpt2:
        return Gpt2(*self._where)


class ExactLogits(PlainModel):
    """Plain PyTorch's float64 of a case's scans, each found once."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "cpu", "float64")
        self._found: dict[str, list[Exact]] = {}

    def of(self, case: Case) -> list[Exact]:
        if case.name not in self._found:
            self._found[case.name] = [find_exact(scan, self.model) for scan in case.scans]
        return self._found[case.name]


def summary(report: Report) -> dict[str, Any]:
    worst = {name: {"max_error": w.error, "of_tolerance": round(w.share, 4)} for name, w in report.columns.items()}
    return {"values": report.values, "columns": worst}


def check_exact_case(case: Case, exact: ExactLogits, engines: Engines) -> dict[str, Any]:
    report = Report()
    # Float64 is slow, and how the work is cut is not what it is to show.
    rows, _ = engines.run(case.scans, case.budgets[0])
    check_rows(rows, case.scans, exact.of(case), [None] * len(case.scans), case.name, report, Pool())
    return summary(report)


def check_case(case: Case, exact: ExactLogits, plain: PlainModel, engines: Engines, pool: Pool) -> dict[str, Any]:
    truths = exact.of(case)
    standards = [find_standard(scan, truth, plain.model) for scan, truth in zip(case.scans, truths, strict=True)]
    report = Report()
    replayed = 0
    for budget in case.budgets:
        # On a GPU a pass that comes again is recorded, and then replayed.
        for _ in range(RUNS_ON_GPU if plain.is_on_gpu else 1):
            rows, stats = engines.run(case.scans, budget)
            check_rows(rows, case.scans, truths, standards, case.name, report, pool)
        replayed += stats["replayed_passes"]
    if case.is_replayed and plain.is_on_gpu and replayed == 0:
        raise Mismatch("no pass was replayed: CUDA graphs do not work here")
    return {
        **summary(report),
        "standard_logit_error": max(standard.logit_error for standard in standards),
        "replayed_passes": replayed,
    }


def check_pool(pool: Pool) -> dict[str, Any]:
    return {"of_plain_pytorch": pool.check()}


def time_scans(plain: PlainModel, engines: Engines, on_gpu: bool) -> dict[str, Any]:
    return measure(plain.model, engines, on_gpu)


def scan_checks(
    model: Path, device: str, precisions: Sequence[str], is_large: bool, on_gpu: bool
) -> Iterator[tuple[str, Check]]:
    """Names and checks, to be run one by one: between two of them engines may end. `is_large`: GPT-2 Small's geometry,
    which is timed too.
    """
    exact = ExactLogits(model)
    todo = cases(read_config(model), is_large, on_gpu)
    with Engines(model, "cpu", "float64") as engines:
        for case in todo:
            yield f"float64 on cpu: {case.name}", partial(check_exact_case, case, exact, engines)
    for precision in precisions:
        plain, pool = PlainModel(model, device, precision), Pool()
        with Engines(model, device, precision) as engines:
            for case in todo:
                yield f"{precision} on {device}: {case.name}", partial(check_case, case, exact, plain, engines, pool)
            yield f"{precision} on {device}: errors of all these scans", partial(check_pool, pool)
            if is_large:
                yield f"{precision} on {device}: times", partial(time_scans, plain, engines, on_gpu)


def check_service(model: Path, device: str) -> dict[str, Any]:
    """The reference experiment over gRPC."""
    rows, scan, manifest = scan_through_service(model, device)
    exact = find_exact(scan, Gpt2(model, "cpu", "float64"))
    report = Report()
    standard = find_standard(scan, exact, Gpt2(model, device, "float32"))
    check_rows(rows, [scan], [exact], [standard], "service", report, Pool())
    return {**summary(report), "runtime": manifest["runtime"]}
