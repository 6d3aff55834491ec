"""How much of a run a device does nothing, and on what it spends the rest: from a profiler's trace, as engine_probe has
it written.

Each run is a range of the host there, in which the host also waits for the device, and stands MARGIN_US and more away
from the next: an event of the device belongs to the range that its middle is in or near, wherever the profiler took its
clock from.
"""

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

RUN = "engine_probe run"
# Half of engine_probe's pause between two runs.
MARGIN_US = 1000.0
COPIES = ("gpu_memcpy", "gpu_memset")
# By the names of kernels, cuBLASLt's and ATen's among them; the first that fits. What fits none is "others".
KERNELS = {
    "attend": re.compile("attend|flash|fmha|sdpa|softmax", re.IGNORECASE),
    "fan_out": re.compile("fan_?out", re.IGNORECASE),
    "layer_norm": re.compile("layer_?norm", re.IGNORECASE),
    "readout": re.compile("SumRowsKernel|MeasureKernel|TopKKernel"),
    "products": re.compile("gemm|gemv|nvjet|xmma|cutlass|cublas|split_?k", re.IGNORECASE),
}
PARTS = ("products", "attend", "fan_out", "layer_norm", "readout", "copies", "others")
# Of those that take longest.
NAMES_TOLD = 20


@dataclass(frozen=True)
class Span:
    """Of a trace, in microseconds."""

    name: str
    category: str
    begin: float
    end: float

    @property
    def length(self) -> float:
        return self.end - self.begin

    @property
    def part(self) -> str:
        if self.category in COPIES:
            return "copies"
        return next((part for part, names in KERNELS.items() if names.search(self.name)), "others")


@dataclass(frozen=True)
class Run:
    host: Span
    # By their begin; at least one.
    events: Sequence[Span]

    @property
    def window(self) -> float:
        """From the first event's begin to the last one's end."""
        return max(event.end for event in self.events) - self.events[0].begin

    @property
    def beyond(self) -> float:
        """How far events lie outside the host's range, as clocks that agree never have them."""
        last = max(event.end for event in self.events)
        return max(0.0, self.host.begin - self.events[0].begin, last - self.host.end)


def spans(trace: dict[str, Any], *categories: str) -> list[Span]:
    found = (event for event in trace["traceEvents"] if event.get("ph") == "X" and event.get("cat") in categories)
    made = (Span(event["name"], event["cat"], event["ts"], event["ts"] + event["dur"]) for event in found)
    return sorted(made, key=lambda span: span.begin)


def hosts(trace: dict[str, Any]) -> list[Span]:
    return [span for span in spans(trace, "user_annotation") if span.name == RUN]


def read_runs(trace: dict[str, Any]) -> list[Run]:
    """Those with events of a device."""
    events = spans(trace, "kernel", *COPIES)
    runs = []
    for host in hosts(trace):
        begin, end = host.begin - MARGIN_US, host.end + MARGIN_US
        mine = [event for event in events if begin < (event.begin + event.end) / 2 < end]
        if mine:
            runs.append(Run(host, mine))
    return runs


def busy_by_event(events: Iterable[Span]) -> list[float]:
    """Of events by their begin: how long each runs on behind all that began before it. The sum is the time in which
    anything ran.
    """
    reached, found = float("-inf"), []
    for event in events:
        found.append(max(0.0, event.end - max(event.begin, reached)))
        reached = max(reached, event.end)
    return found


def ns(us: float) -> int:
    return round(1000 * us)


def device_time(trace: dict[str, Any]) -> dict[str, Any] | None:
    """None: nothing ran on a device. Times are of one run, medians where they are of all of it; "idle" is the share of
    the device's time from its first event to its last in which nothing ran, "idle_host_to_host" of the host's range.
    """
    found = read_runs(trace)
    if not found:
        return None
    # A trace may have lost events, which would pass for gaps; and a run may have what the others do not.
    usual, _ = max(Counter(len(run.events) for run in found).items(), key=lambda item: (item[1], item[0]))
    runs = [run for run in found if len(run.events) == usual]
    busy: list[float] = []
    by_name: dict[tuple[str, str], list[float]] = defaultdict(list)
    for run in runs:
        times = busy_by_event(run.events)
        busy.append(sum(times))
        for event, time in zip(run.events, times, strict=True):
            by_name[event.part, event.name].append(time)

    def told(times: Sequence[float]) -> dict[str, float]:
        return {"share": sum(times) / sum(busy), "ns": ns(sum(times) / len(runs)), "count": len(times) / len(runs)}

    def idle(lengths: Iterable[float]) -> float:
        return statistics.median(1 - time / length for time, length in zip(busy, lengths, strict=True))

    longest = sorted(by_name.items(), key=lambda item: -sum(item[1]))
    return {
        "runs": len(runs),
        "runs_left_out": len(hosts(trace)) - len(runs),
        "idle": idle(run.window for run in runs),
        "idle_host_to_host": idle(run.host.length for run in runs),
        "busy_ns": ns(statistics.median(busy)),
        "window_ns": ns(statistics.median(run.window for run in runs)),
        "host_ns": ns(statistics.median(run.host.length for run in runs)),
        "beyond_ns": ns(max(run.beyond for run in runs)),
        "events": usual,
        "parts": {
            part: told([time for (mine, _), times in by_name.items() if mine == part for time in times])
            for part in PARTS
        },
        "names": [{"part": part, "name": name, **told(times)} for (part, name), times in longest[:NAMES_TOLD]],
    }


IDLE_HEAD = ("precision", "case", "runs", "replayed passes", "busy, ms", "idle", "idle, host to host", *PARTS)


def idle_share(entry: dict[str, Any], figure: str = "idle") -> str:
    return f"{entry['device'][figure]:.1%}" if entry["device"] else "none"


def idle_row(entry: dict[str, Any]) -> list[str]:
    """Under IDLE_HEAD."""
    found = entry["device"]
    parts = found["parts"].values() if found else [{"count": 0}] * len(PARTS)
    return [
        *(entry["precision"], entry["case"], str(found["runs"]) if found else ""),
        f"{entry['replayed_passes']} of {entry['forward_passes']}",
        f"{found['busy_ns'] / 1e6:.3f}" if found else "none",
        *(idle_share(entry, figure) for figure in ("idle", "idle_host_to_host")),
        *(f"{part['share']:.1%} / {part['count']:,.0f}" if part["count"] else "" for part in parts),
    ]
