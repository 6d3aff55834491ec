"""What device-check has found, as Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

from device_check.bench import bench_row
from device_check.idle import IDLE_HEAD, idle_row, idle_share

# Of `ablated verify`'s columns, those that tell most; the JSON has all.
VERIFY_COLUMNS = ("target_logit", "target_logprob", "delta_logit_diff", "kl_divergence", "entropy", "direct_effect")


def lines_of(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]


def check_row(check: dict[str, Any]) -> list[str]:
    if not check["passed"]:
        # What it says in full stands in the JSON.
        first_line = check["error"].partition("\n")[0][:120].replace("|", "\\|")
        return [check["check"], "**failed**", first_line, f"{check['seconds']:.1f}"]
    said = ""
    if "columns" in check:
        name, worst = max(check["columns"].items(), key=lambda item: item[1]["of_tolerance"])
        said = f"{check['values']:,} values, at most {worst['of_tolerance']:.2f} of the tolerance ({name})"
    elif "of_plain_pytorch" in check:
        name, share = max(check["of_plain_pytorch"].items(), key=lambda item: item[1])
        said = f"root of the mean square at most {share:.2f} of plain PyTorch's ({name})"
    elif "values_equal" in check:
        said = f"{check['values_equal']:,} values, alone and together the same bits"
    elif "products_kept" in check:
        said = f"{check['products_kept']} products' algorithms, {check['blocks_kept']} launches' blocks"
    elif "idle" in check:
        said = "; ".join(f"idle: {idle_share(entry)}" for entry in check["idle"])
    elif "tests" in check:
        said = f"{check['tests']} tests, {check['skipped']} skipped"
    return [check["check"], "ok", said, f"{check['seconds']:.1f}"]


def verify_rows(run: dict[str, Any]) -> Iterable[list[str]]:
    """A precision's row for each of VERIFY_COLUMNS."""
    for name in VERIFY_COLUMNS:
        errors = [error for error in run["errors"] if error["column"] == name]
        median, worst = (max(error[figure] for error in errors) for figure in ("median", "worst"))
        yield [run["runtime"]["precision"], name, f"{median:.1e}", f"{worst:.1e}"]


def shown(correlation: float | None) -> str:
    """None: no head does anything."""
    return "-" if correlation is None else f"{correlation:.5f}"


def order_rows(run: dict[str, Any]) -> Iterable[list[str]]:
    for length in run["lengths"]:
        yield [
            run["runtime"]["precision"],
            str(length["n_tokens"]),
            f"{shown(length['spearman_mean'])} / {shown(length['spearman_worst'])}",
            f"{length['overlap_mean']:.2f} / {length['overlap_worst']} of {length['top']}",
            f"{length['seconds']:.2f}",
        ]


def timing_row(entry: dict[str, Any]) -> list[str]:
    plain = entry.get("plain_torch_one_batch")
    ours = entry["engine"]["median_ns"]
    beside = [f"{plain['median_ns'] / 1e6:.2f}", f"{plain['median_ns'] / ours:.1f}x"] if plain else ["", ""]
    sizes = [entry["precision"], str(entry["prompts"]), str(entry["tokens"])]
    return [*sizes, f"{ours / 1e6:.2f}", f"{entry['engine']['min_ns'] / 1e6:.2f}", *beside]


def markdown(result: dict[str, Any]) -> str:
    machine = result["machine"]
    text = [
        f"# device-check on {machine.get('gpu', machine['cpu'])}",
        "",
        f"{'All is right' if result['passed'] else '**Not all is right**'}; {result['seconds']:.0f} s. "
        + ", ".join(f"{name} {value}" for name, value in machine.items()),
        "",
        *lines_of(["check", "", "", "s"], map(check_row, result["checks"])),
    ]
    runs = [run for check in result["checks"] for run in check.get("runs", [])]
    if runs:
        text += [
            "",
            "`ablated verify` on the bundled model: errors against float64, order of the heads by delta_logit_diff.",
            "",
            *lines_of(["precision", "column", "median", "worst"], (row for run in runs for row in verify_rows(run))),
            "",
            *lines_of(
                ["precision", "tokens", "Spearman mean / worst", "top 10 mean / worst", "s"],
                (row for run in runs for row in order_rows(run)),
            ),
        ]
    timings = [entry for check in result["checks"] for entry in check.get("timings", [])]
    if timings:
        text += [
            "",
            "All heads of GPT-2 Small's geometry (random weights), beside plain PyTorch's one batch of whole runs.",
            "",
            *lines_of(
                ["precision", "prompts", "tokens", "ms", "fastest", "plain PyTorch, ms", ""],
                map(timing_row, timings),
            ),
        ]
    bench = [entry for check in result["checks"] for entry in check.get("bench", [])]
    if bench:
        text += [
            "",
            "GPT-2 Small's geometry, random weights, beside a limit (device_check/limit.py) and plain PyTorch.",
            "",
            *lines_of(
                ["precision", "case", "ms", "fastest", "limit, ms", "of it", "scans/s", "plain PyTorch, ms"],
                map(bench_row, bench),
            ),
        ]
    idle = [entry for check in result["checks"] for entry in check.get("idle", [])]
    if idle:
        text += [
            "",
            "What the device does in a run, under a profiler, which slows it. Idle: the share in which nothing ran, of "
            "the time from the first event to the last, and of the whole run. Parts: share of the busy time / events.",
            "",
            *lines_of(IDLE_HEAD, map(idle_row, idle)),
        ]
    return "\n".join(text) + "\n"
