"""The time that no implementation of a plan can beat on this device, from rates that are measured in the same run.

Its products as fast as torch runs them alone, at the plan's own shapes and in its precision, and its attention at the
fastest of their rates; or, where that is longer, what it reads at the memory's bandwidth, which is left out where the
weights fit into the last cache. On a GPU, `NODE_SECONDS` are added for each launch that is no product: theirs are among
what was measured. Everything else (LayerNorm, GELU, edits, softmax, readouts) is counted as free. The plan is taken as
it is: in the last layer, where only what is read leaves, its unread queries (1 to 3 % of all) count.
"""

import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

# M, K, N, and whether the weight lies transposed in memory, as the LM head's does.
Shape: TypeAlias = tuple[int, int, int, bool]
# The fastest that a product can be: large and square.
CPU_SQUARE, GPU_SQUARE = (4096, 4096, 4096, False), (8192, 8192, 8192, False)
# Of the clock: a shorter product is timed several times at once.
SHORTEST_READING = 2e-3
# Of a GPU's: beside it the launch of a graph and the wait for it, some 10 us, are nothing.
GPU_READING = 5e-3
# Of each product, of which the fastest counts; of one that takes longer than a long one, two.
READINGS = 5
LONG_READING = 50e-3
# Bytes that the bandwidth is measured on: more than any cache has.
CPU_BYTES, GPU_BYTES = 2**29, 2**31
# Where only is to be shown that it works.
SMALL_SQUARE, SMALL_BYTES, SMALL_ELEMENTS = (1024, 1024, 1024, False), 2**26, 2**22
# What a GPU takes from one launch of a graph to the next. Taken for granted, as an H100's.
NODE_SECONDS = 1.5e-6
# docs/gpu.md, "A layer, launch by launch": those of a layer; the copy of the tables and the embedding; and of a block
# of readouts the gather, `ln_f`, the unembedding, its two kernels and the copy back.
LAYER_NODES = {"float32": 8, "tf32": 8, "bf16": 10}
PASS_NODES, READOUT_NODES = 2, 6
READOUT_ROWS = 256


class Geometry(Protocol):
    """A GPT-2's, by Hugging Face's names."""

    @property
    def n_layer(self) -> int: ...
    @property
    def n_embd(self) -> int: ...
    @property
    def vocab_size(self) -> int: ...


def gemm_shapes(explained: dict[str, Any], model: Geometry) -> Counter[Shape]:
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


def launches(explained: dict[str, Any], precision: str) -> int:
    """Of all passes of a plan on a GPU."""
    layers = explained["layers"]
    last = layers[-1]
    blocks = last["passes"] * math.ceil(last["tokens_out"] / last["passes"] / READOUT_ROWS)
    in_layers = sum(layer["passes"] for layer in layers) * LAYER_NODES[precision]
    return in_layers + last["passes"] * PASS_NODES + blocks * READOUT_NODES


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """PyTorch's products of float32 read TF32 under tf32, as whoever wants speed sets it."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False


def last_cache_bytes(device: str) -> int:
    """Of all caches of the last level together; 0 where the system does not tell."""
    if device != "cpu":
        return int(torch.cuda.get_device_properties(device).L2_cache_size)
    caches = {}  # by level and processors
    for folder in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cache/index[0-9]*"):
        level, cpus, size = ((folder / name).read_text().strip() for name in ("level", "shared_cpu_list", "size"))
        caches[int(level), cpus] = 1024 * int(size.removesuffix("K"))
    last = max((level for level, _ in caches), default=0)
    return sum(size for (level, _), size in caches.items() if level == last)


class Machine:
    """What a device can do in one precision, by as many threads as torch has: bandwidth and the best rate are measured
    once; a plan's products once on a GPU, and anew each time on the CPU, whose clock changes. `small`: of matrices that
    any machine multiplies at once.
    """

    def __init__(self, device: str, precision: str, small: bool = False) -> None:
        self.device, self.precision = device, precision
        self.on_gpu = device != "cpu"
        self._most_elements = SMALL_ELEMENTS if small else 2**26
        if self.on_gpu:
            torch.cuda.set_device(device)  # whose stream a graph is captured on
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._weights: dict[tuple[int, int, bool, int], list[Tensor]] = {}
        self._found: dict[tuple[Shape, int], float] = {}
        self.last_cache_bytes = last_cache_bytes(device)
        self.bandwidth = self._bandwidth(SMALL_BYTES if small else GPU_BYTES if self.on_gpu else CPU_BYTES)
        square = SMALL_SQUARE if small else GPU_SQUARE if self.on_gpu else CPU_SQUARE
        self.best_rate = 2 * math.prod(square[:3]) / self.gemm(square)

    def gemm(self, shape: Shape, elements: int = 2**26) -> float:
        """Seconds of one product, the best of some readings, with weights that have made place for others, `elements`
        of them, since the time before: a model has many. On the CPU Python's call of it, less than a microsecond, is
        among it; on a GPU all of them are recorded as one graph, so that the host's part of a launch is not.
        """
        elements = min(elements, self._most_elements)
        if self.on_gpu and (shape, elements) in self._found:
            return self._found[shape, elements]
        m, k, n, transposed = shape
        matrices = self._matrices(k, n, transposed, elements)
        turns = itertools.cycle(matrices)
        x, out = self._random(m, k), torch.empty(m, n, device=self.device, dtype=self._dtype)

        def products(count: int) -> None:
            for weight in itertools.islice(turns, count):
                torch.mm(x, weight, out=out)

        with products_in(self.precision):
            products(1)
            once = self._seconds(lambda: products(1))
            if once > LONG_READING:
                best = min(once, self._seconds(lambda: products(1)))
            elif self.on_gpu:
                run = self._recorded(lambda: products(len(matrices)))
                replays = math.ceil(GPU_READING / self._seconds(run))
                best = min(self._seconds(run, replays) for _ in range(READINGS)) / len(matrices)
            else:
                count = math.ceil(SHORTEST_READING / once)
                best = min(self._seconds(lambda: products(count)) for _ in range(READINGS)) / count
        self._found[shape, elements] = best
        return best

    def limit(self, explained: dict[str, Any], model: Geometry) -> dict[str, Any]:
        """Of what an engine explains of a plan for `model`: "seconds", and of what they are made."""
        weights = model.vocab_size * model.n_embd + 12 * model.n_layer * model.n_embd**2
        elements = min(2**26, weights)
        shapes = gemm_shapes(explained, model)
        gemms = sum(count * self.gemm(shape, elements) for shape, count in shapes.items())
        attention = explained["attention_flops"] / self.best_rate
        size = self._dtype.itemsize
        moved = size * explained["elements_moved"]
        memory = None if size * weights <= self.last_cache_bytes else moved / self.bandwidth
        others = launches(explained, self.precision) - sum(shapes.values())
        nodes = others * NODE_SECONDS if self.on_gpu else 0.0
        return {
            "seconds": max(gemms + attention, memory or 0) + nodes,
            "gemm_seconds": gemms,
            "attention_seconds": attention,
            # None: the weights fit into the last cache.
            "memory_seconds": memory,
            "launch_seconds": nodes,
            "flops": explained["gemm_flops"] + explained["attention_flops"] + explained["readout_flops"],
            "bytes": moved,
        }

    def _random(self, *sizes: int) -> Tensor:
        return torch.randn(*sizes, device=self.device, dtype=self._dtype)

    def _matrices(self, k: int, n: int, transposed: bool, elements: int) -> list[Tensor]:
        key = (k, n, transposed, elements)
        if key not in self._weights:
            sizes = (n, k) if transposed else (k, n)
            made = [self._random(*sizes) for _ in range(max(2, elements // (k * n)))]
            self._weights[key] = [weight.t() for weight in made] if transposed else made
        return self._weights[key]

    @staticmethod
    def _recorded(run: Callable[[], None]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            run()
        return graph.replay

    def _seconds(self, run: Callable[[], object], times: int = 1) -> float:
        """Of one of `times` runs, one behind the other."""
        if self.on_gpu:
            run()  # a graph is brought to the device by its first launch
            torch.cuda.synchronize(self.device)
        start = time.perf_counter()
        for _ in range(times):
            run()
        if self.on_gpu:
            torch.cuda.synchronize(self.device)
        return (time.perf_counter() - start) / times

    def _bandwidth(self, size: int) -> float:
        """Bytes a second that can be read: most of what a plan moves are weights."""
        source = torch.ones(size // 4, device=self.device)
        times = [self._seconds(source.sum) for _ in range(6)]
        return size / min(times[1:])
