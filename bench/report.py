"""The benchmark's figures as Markdown."""

from __future__ import annotations

from bench.host import host_table
from bench.peers import NAMES
from device_check.limit import NODE_SECONDS

GIB = 2**30


def as_markdown(report: dict, charts: list[str]) -> str:
    machine, versions = report["machine"], report["versions"]
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    memory = f"{machine['memory_bytes'] / GIB:.0f} GiB"
    lines = [
        f"# Ablate on {machine['device']}, {report['precision']}",
        "",
        f"Written by `./run bench`. {machine['processor']}, {report['threads']} threads on {machine['cores']} cores "
        f"({machine['instructions']}), {memory}, {machine['system']}; {told}. All times are wall time of whole scans, "
        "all ratios of medians within this one run. One engine runs most cases: the memory of one includes what those "
        "before it left for reuse.",
        "",
        "The **limit** is the plan's GEMMs as fast as torch runs them alone here, at the same shapes, and its "
        "attention at the fastest of their rates, all else free; or what it reads at the memory's bandwidth "
        f"({report['bandwidth'] / 1e9:.1f} GB/s), where that is longer and the weights do not fit into the last cache "
        f"({machine['last_cache_bytes'] / 2**20:.0f} MiB). {measured_when(report['device'])}",
    ]
    lines += peers_text(report)
    lines += [f"\n![{name}]({name})" for name in charts]
    for case in report.get("heads", []):
        lines += heads_table(case)
    for compared in report.get("precisions", []):
        lines += precisions_table(compared)
    if "pairs" in report:
        lines += pairs_text(report["pairs"])
    if "long_pairs" in report:
        lines += long_pairs_text(report["long_pairs"])
    if "last_position" in report:
        lines += last_position_table(report["last_position"])
    if "growth" in report:
        lines += growth_table(report["growth"])
    if "service" in report:
        lines += service_table(report["service"])
    if "host_path" in report:
        lines += host_table(report["host_path"])
    return "\n".join(lines) + "\n"


def measured_when(device: str) -> str:
    if device == "cpu":
        return (
            "It is measured before and after each run of ours; ratios to it are medians of each run's to the two "
            "measurements around it."
        )
    return (
        f"Each launch that is no GEMM adds {1e6 * NODE_SECONDS:.1f} us. GEMMs are recorded as graphs, and measured "
        "once for each shape."
    )


def peers_text(report: dict) -> list[str]:
    if not report["heads"]:
        return []
    ran = "Peers ran on the same weights, token ids and threads, in turns with ours"
    difference = "The largest difference of `target_logprob` stands in the tables' last column."
    if not all(case["is_same"] for case in report["heads"]):
        return ["", f"{ran}. **Not all gave the same results.** {difference}"]
    same = " and gave the same results" if report["precision"] == "float32" else ", in the same precision"
    return ["", f"{ran}{same}. {difference}"]


def time_text(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 0.01:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s" if seconds < 100 else f"{seconds:,.0f} s"


def memory_text(figures: dict) -> str:
    return (
        f"tensors took {figures['peak_bytes'] / GIB:.2f} GiB at most beside the weights, the process "
        f"{figures['peak_rss_bytes'] / GIB:.2f} GiB"
    )


def limit_text(limit: dict) -> str:
    return (
        f"{limit['flops'] / 1e9:,.0f} GFLOP; GEMMs {time_text(limit['gemm_seconds'])}, attention "
        f"{time_text(limit['attention_seconds'])}, bytes {bytes_text(limit['memory_seconds'])}"
        + (f", launches {time_text(limit['launch_seconds'])}." if limit["launch_seconds"] else ".")
    )


def bytes_text(seconds: float | None) -> str:
    return "from the cache" if seconds is None else time_text(seconds)


def heads_table(case: dict) -> list[str]:
    ours, limit = case["engine"], case["limit"]
    lines = [
        "",
        f"## {case['title']}",
        "",
        "| way of running | median | min | max | runs | against ours | difference |",
        "|---|---|---|---|---|---|---|",
        row("**Ablate's engine**", ours, ours, None),
        f"| the limit | {time_text(limit['seconds'])} | | | | {limit['seconds'] / ours['median']:.2f}x | |",
    ]
    for way, figures in case["peers"].items():
        name = NAMES[way] + ("" if figures["is_whole"] else f" ({share_text(figures)})")
        lines.append(row(name, figures, ours, case["max_abs_difference_of_target_logprob"][way]))
    return [
        *lines,
        "",
        f"{limit['ratio']:.2f}x the limit: {limit_text(limit)} {ours['forward_passes']} forward "
        f"passes, {ours['packed_tokens_x_layers']:,} packed tokens x layers, planned in "
        f"{time_text(ours['plan_seconds'])}, readouts {time_text(ours['readout_seconds'])}; {memory_text(ours)}.",
    ]


def share_text(figures: dict) -> str:
    prompts, sites = figures["prompts"], figures["sites"]
    return f"a random part of {prompts} prompt{'s' if prompts > 1 else ''} and {sites} heads, scaled"


def row(name: str, figures: dict, ours: dict, difference: float | None) -> str:
    times = " | ".join(time_text(figures[key]) for key in ("median", "min", "max"))
    told = "" if difference is None else f"{difference:.1e}"
    return f"| {name} | {times} | {figures['runs']} | {figures['median'] / ours['median']:.2f}x | {told} |"


def precisions_table(compared: dict) -> list[str]:
    float32 = compared["precisions"]["float32"]["median"]
    return [
        "",
        f"## {compared['title']}",
        "",
        "| precision | median | min | max | faster | error of `target_logprob` | error of `delta_logit_diff` | "
        "Spearman | of the ten strongest |",
        "|---|---|---|---|---|---|---|---|---|",
        *(
            f"| {name} | "
            + " | ".join(time_text(figures[key]) for key in ("median", "min", "max"))
            + f" | {float32 / figures['median']:.2f}x | {figures['rms_error_of_target_logprob']:.1e} | "
            f"{figures['rms_error_of_delta_logit_diff']:.1e} | {figures['spearman']:.6f} | "
            f"{figures['top_10_overlap']} |"
            for name, figures in compared["precisions"].items()
        ),
        "",
        f"Errors are root mean squares over the heads, against our float64; `delta_logit_diff` itself has "
        f"{compared['rms_of_delta_logit_diff']:.2g}. Spearman: of the heads' `delta_logit_diff`.",
    ]


def pairs_text(p: dict) -> list[str]:
    one = p["hook_loop_seconds_a_run"]["median"]
    return [
        "",
        f"## {p['title']}",
        "",
        f"{time_text(p['median'])} in {p['forward_passes']} forward passes, "
        f"{p['limit']['ratio']:.2f}x the limit ({limit_text(p['limit'])}) "
        f"{p['rows_entering_layers']:,} rows enter layers instead of {p['rows_unshared']:,}; {memory_text(p)}.",
        f"One run of a hook loop takes {time_text(one)}, so {p['hook_loop_runs']:,} of them would take "
        f"{time_text(p['hook_loop_runs'] * one)}: {p['ratio_to_hook_loop']:.1f}x.",
    ]


def long_pairs_text(p: dict) -> list[str]:
    return [
        "",
        f"## {p['title']}",
        "",
        f"{time_text(p['median'])} in {p['forward_passes']:,} forward passes, "
        f"{p['limit']['ratio']:.2f}x the limit ({limit_text(p['limit'])}) {memory_text(p)}. An "
        f"engine of its own ran this, with a budget of {p['memory_budget_bytes'] / GIB:.2f} GiB, which holds passes of "
        f"{p['max_packed_tokens']:,} tokens.",
    ]


def last_position_table(q: dict) -> list[str]:
    names = {"baseline": "none (the baseline)", "last": "last position", "everywhere": "all"}
    return [
        "",
        f"## {q['title']}",
        "",
        "| edits | time | of the limit | packed tokens x layers |",
        "|---|---|---|---|",
        *(
            f"| {name} | {time_text(q[key]['median'])} | {q[key]['limit']['ratio']:.2f}x | "
            f"{q[key]['packed_tokens_x_layers']:,} |"
            for key, name in names.items()
        ),
        "",
        f"All positions cost {q['ratio_of_packed_tokens']:.1f}x the packed tokens of the last one, "
        f"{q['ratio_of_packed_tokens_beyond_the_baseline']:.0f}x beyond the baseline's own, and "
        f"{q['ratio_of_seconds']:.1f}x the time.",
    ]


def growth_table(axes: dict) -> list[str]:
    """One line of a table for each axis: its sizes, with the time and how it stands to the limit."""
    lines = ["", "## how cost grows: 144 heads, 6 tokens, one prompt, but for what grows", ""]
    for axis, points in axes.items():
        sizes = [f"{p['size']:,}" for p in points]
        times = [f"{time_text(p['seconds'])} ({p['ratio_to_limit']:.2f}x)" for p in points]
        lines += [
            f"| {axis} | {' | '.join(sizes)} |",
            "|---" * (1 + len(points)) + "|",
            f"| time (of the limit) | {' | '.join(times)} |",
            "",
        ]
    return [*lines, "Variants: at first single heads, then all of them with random pairs. Prompts have 4 to 16 tokens."]


def service_table(service: dict) -> list[str]:
    alone = service["cases"][0]
    return [
        "",
        f"## {service['title']}",
        "",
        "| clients | p50 | p99 | added at p50 | at p99 | scans a second | engine busy | of the engine's rate | scans |",
        "|---|---|---|---|---|---|---|---|---|",
        *(
            f"| {c['clients']} | {time_text(c['p50_seconds'])} | {time_text(c['p99_seconds'])} | "
            f"{time_text(c['added_at_p50_seconds'])} | {time_text(c['added_at_p99_seconds'])} | "
            f"{c['scans_a_second']:.2f} | {c['engine_busy']:.1%} | {c['share_of_engine_rate']:.0%} | {c['scans']} |"
            for c in service["cases"]
        ),
        "",
        "Added: what a client waits beside the engine's run that its scan was part of; with many clients, mostly for "
        "its turn. Engine busy: the share of the time in which it planned or ran forward passes. The engine's rate: as "
        "many prompts in one batch as there are clients, without a service. No p99 of fewer than 100 scans.",
        "",
        "Each latency includes that cores wake up, and that a scan leaves them cold caches. On the quiet server a call "
        f"that asks for nothing takes {time_text(alone['empty_at_p50_seconds'])} behind a pause of 20 ms, and "
        f"{time_text(alone['empty_cold_at_p50_seconds'])} where all cores have just read as much memory as the model "
        "has weights (p50).",
    ]
