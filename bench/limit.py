"""The time that no implementation of a plan can beat on this machine, measured in the same run.

Its GEMMs as fast as torch runs them alone, at the plan's own shapes, and its attention at the fastest of their rates;
or, where that is longer, what it reads at the memory's bandwidth, which is left out where the weights fit into the last
cache. Everything else (LayerNorm, GELU, edits, softmax, readouts) is counted as free. The plan is taken as it is: in
the last layer, where only what is read leaves, its unread queries (1 to 3 % of all) count.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter

import torch

from bench.common import last_cache_bytes, seconds
from tests.oracle.models import GPT2_SMALL, Geometry

# M, K, N, and whether the weight lies transposed in memory, as the LM head's does.
Shape = tuple[int, int, int, bool]
# The fastest that a product can be: large and square.
SQUARE = (4096, 4096, 4096, False)
# Of the clock: a shorter product is timed several times at once.
SHORTEST_READING = 2e-3
# Of each product, of which the fastest counts; of one that takes longer than a long one, two.
READINGS = 5
LONG_READING = 50e-3


def gemm_shapes(explained: dict, model: Geometry) -> Counter[Shape]:
    """How often the plan runs a product of each shape. The passes of a layer are taken to be of one size."""
    d, counts = model.n_embd, Counter[Shape]()

    def add(tokens: int, passes: int, k: int, n: int, transposed: bool = False) -> None:
        if tokens:
            shape = (max(1, round(tokens / passes)), k, n, transposed)
            counts[shape] += passes

    for layer in explained["layers"]:
        passes = layer["passes"]
        add(layer["tokens_in"], passes, d, 3 * d)
        for k, n in ((d, d), (d, 4 * d), (4 * d, d)):
            add(layer["tokens_out"], passes, k, n)
    last = explained["layers"][-1]
    add(last["tokens_out"], last["passes"], d, model.vocab_size, transposed=True)
    return counts


class Machine:
    """What this machine can do: bandwidth and the best rate are measured once, a plan's products anew each time."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        self._weights: dict[tuple[int, int, bool, int], list[torch.Tensor]] = {}
        self.last_cache_bytes = last_cache_bytes()
        self.bandwidth = self._bandwidth()
        self.best_rate = 2 * math.prod(SQUARE[:3]) / self.gemm(SQUARE)

    def gemm(self, shape: Shape, elements: int = 2**26) -> float:
        """Seconds of one product, the best of some readings, with weights that have made place for others, `elements`
        of them, since the time before: a model has many. Python's call of it, less than a microsecond, is among it.
        """
        m, k, n, transposed = shape
        turns = itertools.cycle(self._matrices(k, n, transposed, elements))
        x, out = torch.randn(m, k), torch.empty(m, n)

        def run(count: int) -> float:
            def products() -> None:
                for weight in itertools.islice(turns, count):
                    torch.mm(x, weight, out=out)

            return seconds(products) / count

        run(1)
        once = run(1)
        if once > LONG_READING:
            return min(once, run(1))
        count = math.ceil(SHORTEST_READING / once)
        return min(run(count) for _ in range(READINGS))

    def _matrices(self, k: int, n: int, transposed: bool, elements: int) -> list[torch.Tensor]:
        key = (k, n, transposed, elements)
        if key not in self._weights:
            sizes = (n, k) if transposed else (k, n)
            made = [torch.randn(sizes) for _ in range(max(2, elements // (k * n)))]
            self._weights[key] = [weight.t() for weight in made] if transposed else made
        return self._weights[key]

    def limit(self, explained: dict, model: Geometry = GPT2_SMALL) -> dict:
        """Of what `Probe.explain` tells of `model`: "seconds", and of what they are made."""
        weights = model.vocab_size * model.n_embd + 12 * model.n_layer * model.n_embd**2
        elements = min(2**26, weights)
        shapes = gemm_shapes(explained, model)
        gemms = sum(count * self.gemm(shape, elements) for shape, count in shapes.items())
        attention = explained["attention_flops"] / self.best_rate
        moved = 4 * explained["elements_moved"]
        memory = None if 4 * weights <= self.last_cache_bytes else moved / self.bandwidth
        return {
            "seconds": max(gemms + attention, memory or 0),
            "gemm_seconds": gemms,
            "attention_seconds": attention,
            # None: the weights fit into the last cache.
            "memory_seconds": memory,
            "flops": explained["gemm_flops"] + explained["attention_flops"] + explained["readout_flops"],
            "bytes": moved,
        }

    @staticmethod
    def _bandwidth() -> float:
        """Bytes a second that can be read: most of what a plan moves are weights."""
        source = torch.ones(2**27)  # 512 MiB, larger than any cache
        times = [seconds(source.sum) for _ in range(6)]
        return 4 * source.numel() / min(times[1:])
