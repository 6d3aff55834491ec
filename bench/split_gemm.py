"""How far from float64 tensor cores are that multiply float32 numbers in parts (3xTF32, split bfloat16), told without a
GPU: `python -m bench.split_gemm` prints a Markdown table (ADR 10).

The products of a block and the accumulator are aligned to the largest exponent among them, cut off behind two bits
more than float32's 24, summed exactly, and cut off to float32: the model of an H100 of Khattak and Mikaitis, "Accurate
Models of NVIDIA Tensor Cores" (arXiv:2512.07004). A float32 core is one rounded fused multiply-add behind another.
GEMMs that split K, as cuBLASLt may, are better than either.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

FLOAT32_BITS = 24
# Zero's: less than any that counts, and float64 still knows its last place.
NO_EXPONENT = -900
# Of an H100: bits kept behind float32's while a block is aligned.
EXTRA_BITS = 2


def cut(value: Tensor, quantum: Tensor) -> Tensor:
    """Towards zero, to a multiple of `quantum`; float64."""
    return torch.trunc(value / quantum) * quantum


def quantum(value: Tensor, bits: int) -> Tensor:
    """Of numbers of this size with so many significant bits: their last place."""
    return torch.ldexp(torch.ones_like(value), torch.frexp(value.abs()).exponent - bits)


def rounded(value: Tensor, bits: int) -> Tensor:
    """To so many significant bits, ties to even; float64."""
    last = quantum(value, bits)
    return torch.round(value / last) * last


@dataclass(frozen=True)
class Factor:
    """A type of tensor cores' factors."""

    bits: int
    # Products that are summed with the accumulator at once.
    block: int
    # Dense products and sums a second, H100 SXM.
    teraflops: float


TF32, BF16 = Factor(11, 8, 494.7), Factor(8, 16, 989.4)
FLOAT32_TERAFLOPS = 66.9


def parts(value: Tensor, factor: Factor, count: int) -> list[Tensor]:
    """Numbers of `factor`'s bits that add up to `value` as nearly as so many can; the largest first."""
    found = []
    for _ in range(count):
        found.append(rounded(value, factor.bits))
        value = value - found[-1]
    return found


def accumulate(total: Tensor, a: Tensor, b: Tensor, factor: Factor) -> Tensor:
    """`total` [M, N] plus a [M, K] times b [K, N], as tensor cores do it."""
    for begin in range(0, a.shape[1], factor.block):
        left, right = a[:, begin : begin + factor.block, None], b[None, begin : begin + factor.block]
        # A product's exponent is the sum of its factors', whether it reaches 2 or not.
        exponents = torch.frexp(left).exponent + torch.frexp(right).exponent - 1
        exponents = torch.where(left * right == 0, NO_EXPONENT, exponents)
        of_total = torch.where(total == 0, NO_EXPONENT, torch.frexp(total).exponent)
        largest = torch.maximum(exponents.amax(1), of_total).unsqueeze(1)
        last = torch.ldexp(torch.ones_like(total[:, None]), largest - (FLOAT32_BITS + EXTRA_BITS))
        total = cut(torch.cat([left * right, total[:, None]], 1), last).sum(1)
        total = cut(total, quantum(total, FLOAT32_BITS))
    return total


def float32_cores(a: Tensor, b: Tensor) -> Tensor:
    total = torch.zeros(a.shape[0], b.shape[1], dtype=torch.float64)
    for k in range(a.shape[1]):
        total = rounded(total + a[:, k, None] * b[None, k], FLOAT32_BITS)
    return total


def split(factor: Factor, count: int, terms: int, flush: int = 0) -> Callable[[Tensor, Tensor], Tensor]:
    """`terms` products of the parts, the smallest in front, in one accumulator; with `flush` > 0 that many of K, and
    then a rounded float32 sum outside the tensor cores.
    """
    order = sorted(((i, j) for i in range(count) for j in range(count)), key=sum)[:terms]

    def gemm(a: Tensor, b: Tensor) -> Tensor:
        a_parts, b_parts = parts(a, factor, count), parts(b, factor, count)
        total = torch.zeros(a.shape[0], b.shape[1], dtype=torch.float64)
        step = flush or a.shape[1]
        for begin in range(0, a.shape[1], step):
            block = torch.zeros_like(total)
            for i, j in reversed(order):
                block = accumulate(block, a_parts[i][:, begin : begin + step], b_parts[j][begin : begin + step], factor)
            total = rounded(total + block, FLOAT32_BITS)
        return total

    return gemm


# Name, GEMM, what it can do at most in TFLOP/s.
SCHEMES = [
    ("float32 cores", float32_cores, FLOAT32_TERAFLOPS),
    ("tf32", split(TF32, 1, 1), TF32.teraflops),
    ("bf16", split(BF16, 1, 1), BF16.teraflops),
    ("3xtf32, one accumulator", split(TF32, 2, 3), TF32.teraflops / 3),
    ("3xtf32, a float32 sum every 128", split(TF32, 2, 3, 128), TF32.teraflops / 3),
    ("3xtf32, a float32 sum every 32", split(TF32, 2, 3, 32), TF32.teraflops / 3),
    ("2 parts of bf16, 3 products", split(BF16, 2, 3), BF16.teraflops / 3),
    ("3 parts of bf16, 6 products", split(BF16, 3, 6), BF16.teraflops / 6),
    ("3 parts of bf16, 6 products, a float32 sum every 32", split(BF16, 3, 6, 32), BF16.teraflops / 6),
]


def operands(size: int, seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Of GPT-2 Small's products: a normalised residual with a matrix, and GELU's results with mlp_out."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).double()

    gelu = torch.nn.functional.gelu(normal(size, 3072).float(), approximate="tanh").double()
    return {
        "K = 768, LayerNorm's result": (normal(size, 768), rounded(0.02 * normal(768, size), FLOAT32_BITS)),
        "K = 3072, GELU's result": (gelu, rounded(0.02 * normal(3072, size), FLOAT32_BITS)),
    }


def error(found: Tensor, exact: Tensor) -> float:
    """Root of the mean square, relative to that of the result."""
    return float((found - exact).square().mean().sqrt() / exact.square().mean().sqrt())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.split_gemm", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=48, help="rows and columns of the products")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cases = operands(options.size, options.seed)
    print(f"| GEMM | {' | '.join(f'{name}: error (of float32)' for name in cases)} | TFLOP/s at most |")
    print(f"|---|{'---|' * len(cases)}---|")
    base: dict[str, float] = {}
    for scheme, gemm, teraflops in SCHEMES:
        cells = []
        for name, (a, b) in cases.items():
            found = error(gemm(a, b), a @ b)
            base.setdefault(name, found)
            cells.append(f"{found:.1e} ({found / base[name]:.2g}x)")
        print(f"| {scheme} | {' | '.join(cells)} | {teraflops:.0f} |")


if __name__ == "__main__":
    main()
