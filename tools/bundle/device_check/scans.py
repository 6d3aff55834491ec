"""Full scans against plain PyTorch: the engine in float64 on the CPU, and in each precision on the device."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from device_check.cases import Case, cases
from device_check.compare import Report, check_rows, find_truth
from device_check.programs import Engines
from device_check.reference import Gpt2
from device_check.service import scan_through_service

Check = Callable[[], dict[str, Any]]


class ExactLogits:
    """Plain PyTorch's float64 logits of a case's scans, each found once."""

    def __init__(self, model: Path) -> None:
        self._model = Gpt2(model, "cpu", "float64")
        self.config = self._model.config
        self._found: dict[str, list[Tensor]] = {}

    def of(self, case: Case) -> list[Tensor]:
        if case.name not in self._found:
            self._found[case.name] = [self._model.logits(scan) for scan in case.scans]
        return self._found[case.name]


def summary(report: Report) -> dict[str, Any]:
    worst = {name: {"max_error": w.error, "of_tolerance": round(w.share, 4)} for name, w in report.columns.items()}
    return {"values": report.values, "columns": worst}


def check_case(case: Case, exact: ExactLogits, standard: Gpt2, engines: Engines) -> dict[str, Any]:
    truths = [find_truth(scan, logits, standard) for scan, logits in zip(case.scans, exact.of(case), strict=True)]
    is_float64 = standard.precision == "float64"
    report = Report()
    # Float64 is slow, and how the work is cut is not what it is to show.
    for budget in case.budgets[:1] if is_float64 else case.budgets:
        rows, _ = engines.run(case.scans, budget)
        check_rows(rows, case.scans, truths, case.name, report, is_float64=is_float64)
    return summary(report)


def scan_checks(
    model: Path, device: str, precisions: Sequence[str], is_large: bool, on_gpu: bool
) -> Iterator[tuple[str, Check]]:
    """Names and checks, to be run one by one: between two of them engines may end."""
    exact = ExactLogits(model)
    todo = cases(exact.config, is_large, on_gpu)
    for where, precision in [("cpu", "float64"), *((device, precision) for precision in precisions)]:
        standard = Gpt2(model, where, precision)
        with Engines(model, where, precision) as engines:
            for case in todo:
                yield f"{precision} on {where}: {case.name}", partial(check_case, case, exact, standard, engines)


def check_service(model: Path, device: str) -> dict[str, Any]:
    """The reference experiment over gRPC."""
    rows, scan, manifest = scan_through_service(model, device)
    exact = Gpt2(model, "cpu", "float64").logits(scan)
    report = Report()
    check_rows(rows, [scan], [find_truth(scan, exact, Gpt2(model, device, "float32"))], "service", report)
    return {**summary(report), "runtime": manifest["runtime"]}
