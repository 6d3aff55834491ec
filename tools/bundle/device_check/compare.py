"""Holds the engine's rows against plain PyTorch. Tolerances are derived, none is chosen:

* logits and log-probs: twice the largest error that plain PyTorch's own logits (log-probs) of the same scan in the same
  precision on the same device have against float64, plus one unit in the last place of a float32 of that size;
* differences of two: the sum of both; probabilities: p times the log-prob's, with a float32's last place;
* KL divergence: error of both log-probs, weighted by |p - q|; entropy: weighted by p |1 + log p|;
* ranks, top-1: within the counts that float64's logits give at plus and minus the logits' tolerance.

An engine in float64 must agree with float64 PyTorch to 1e-9: two orders of summation of values below 100."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from device_check.programs import Rows
from device_check.reference import Gpt2, Scan

FLOAT64_TOLERANCE = 1e-9


class Mismatch(Exception):
    """A comparison that failed; the message says which value, found, expected and allowed."""


def last_place(value: Tensor) -> Tensor:
    """One unit in the last place of float32 numbers of this size."""
    return torch.ldexp(torch.ones_like(value), torch.frexp(value.abs()).exponent - 24)


@dataclass
class Truth:
    """Float64 logits and log-probs [R, P, V] of one scan (row 0 is the baseline), and what the standard is off."""

    logits: Tensor
    logprobs: Tensor
    logit_error: float
    logprob_error: float


def find_truth(scan: Scan, exact: Tensor, standard: Gpt2) -> Truth:
    """`exact`: float64's logits of the scan, on the CPU."""
    theirs = standard.logits(scan).cpu()
    logprobs = exact.log_softmax(2)
    # In bfloat16 the logits are theirs; whoever reads them takes log-probs in float32.
    their_logprobs = theirs.float().log_softmax(2).double()
    for name, tensor in (("float64", exact), (standard.precision, theirs)):
        if not bool(tensor.isfinite().all()):
            raise Mismatch(f"plain PyTorch's {name} logits hold NaN or Inf")
    logit_error = float((theirs.double() - exact).abs().max())
    return Truth(exact, logprobs, logit_error, float((their_logprobs - logprobs).abs().max()))


@dataclass
class Column:
    expected: Tensor  # [R, P]
    allowed: Tensor  # [R, P]


@dataclass
class Worst:
    """Largest error of a column, and the largest share of its tolerance that an error took."""

    error: float = 0.0
    share: float = 0.0


@dataclass
class Report:
    columns: dict[str, Worst] = field(default_factory=dict)
    values: int = 0

    def add(self, name: str, found: Tensor, column: Column, where: str) -> None:
        if found.shape != column.expected.shape or found.numel() == 0:
            raise Mismatch(f"{where}: {name} has shape {list(found.shape)}, expected {list(column.expected.shape)}")
        if not bool(found.isfinite().all()):
            raise Mismatch(f"{where}: {name} holds NaN or Inf")
        error = (found - column.expected).abs()
        share = error / column.allowed
        worst = self.columns.setdefault(name, Worst())
        worst.error = max(worst.error, float(error.max()))
        worst.share = max(worst.share, float(share.max()))
        self.values += found.numel()
        if not worst.share <= 1:
            at = int(share.argmax())
            got, want, allowed = (float(t.flatten()[at]) for t in (found, column.expected, column.allowed))
            raise Mismatch(
                f"{where}: {name} of row {at // found.shape[1]} (0 is the baseline): found {got!r}, expected {want!r}, "
                f"allowed {allowed:.3g}"
            )


def expected_columns(truth: Truth, scan: Scan, is_float64: bool) -> dict[str, Column]:
    y, lp = truth.logits, truth.logprobs
    p, base_p, d = lp.exp(), lp[:1].exp(), lp[:1] - lp
    logit_error, logprob_error = 2 * truth.logit_error, 2 * truth.logprob_error

    def column(value: Tensor, error: Tensor | float) -> Column:
        if is_float64:
            return Column(value, torch.full_like(value, FLOAT64_TOLERANCE))
        return Column(value, torch.as_tensor(error, dtype=torch.float64).expand_as(value) + last_place(value))

    target, contrast = scan.target_id, scan.contrast_id
    target_p = p[..., target]
    kl_weight = (p - base_p).abs().sum(2) + 1e-300
    entropy_weight = (p * (1 + lp).abs()).sum(2)
    difference = y[..., target] - y[..., contrast]
    result = {
        "target_logit": column(y[..., target], logit_error),
        "contrast_logit": column(y[..., contrast], logit_error),
        "logit_diff": column(difference, 2 * logit_error),
        "target_logprob": column(lp[..., target], logprob_error),
        "contrast_logprob": column(lp[..., contrast], logprob_error),
        "target_prob": column(target_p, target_p * logprob_error),
        "delta_logit_diff": column(difference - difference[:1], 4 * logit_error),
        "delta_target_logprob": column(lp[..., target] - lp[:1, :, target], 2 * logprob_error),
        "kl_divergence": column((base_p * (torch.expm1(-d) + d)).sum(2), kl_weight * 2 * logprob_error),
        "entropy": column(-(p * lp).sum(2), entropy_weight * logprob_error),
    }
    if not is_float64:
        # Where everything is equal, as in a baseline's KL, zero is exact.
        result["kl_divergence"].allowed[0] = torch.finfo(torch.float64).tiny
    return result


def check_ranks(rows: Rows, index: int, scan: Scan, truth: Truth, where: str) -> None:
    allowed = 2 * 2 * truth.logit_error
    for r in range(truth.logits.shape[0]):
        for i, position in enumerate(scan.reads):
            row, y = rows[index, r - 1, position], truth.logits[r, i]
            above = y - y[scan.target_id]
            low, high = int((above > allowed).sum()), int((above > -allowed).sum()) - 1
            if not low <= row["target_rank"] <= high:
                raise Mismatch(f"{where}: row {r} has target_rank {row['target_rank']}, expected {low} to {high}")
            if float(y.max() - y[row["top1_id"]]) > allowed:
                raise Mismatch(f"{where}: row {r} has top1_id {row['top1_id']}, expected {int(y.argmax())}")


def check_rows(
    rows: Rows, scans: Sequence[Scan], truths: Sequence[Truth], where: str, report: Report, is_float64: bool = False
) -> None:
    wanted = {(s, v, p) for s, scan in enumerate(scans) for v in range(-1, len(scan.variants)) for p in scan.reads}
    if rows.keys() != wanted:
        raise Mismatch(
            f"{where}: {len(rows)} rows, expected {len(wanted)}; first that differs {min(rows.keys() ^ wanted)}"
        )
    for s, (scan, truth) in enumerate(zip(scans, truths, strict=True)):
        for name, column in expected_columns(truth, scan, is_float64).items():
            found = [[rows[s, v, p][name] for p in scan.reads] for v in range(-1, len(scan.variants))]
            report.add(name, torch.tensor(found, dtype=torch.float64), column, f"{where}, scan {s}")
        check_ranks(rows, s, scan, truth, f"{where}, scan {s}")
