"""What a scan would take, told without running it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

from ablate._proto.ablation.v1.explain_pb2 import ExplainPlanResponse


class PlannedLayer(NamedTuple):
    """One layer, summed over the forward passes. A row is a run, or all runs that are still the same there."""

    forward_passes: int
    rows_in: int
    rows_out: int
    #: Packed tokens: attention runs on those that enter, the MLP on those that leave.
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, repr=False)
class Explanation:
    """What a scan would take, were it alone on the server: `Client.explain`.

    Where a `heads` sweep chooses the sites first, both sweeps, the second at its dearest choice.

    Attributes:
        n_prompts: of the request.
        n_runs: runs of the model that are asked for, unedited ones included.
        total_rows: rows that the scan would give (`Scan.manifest.total_rows`).
        forward_passes: in which the engine would do it.
        layers: [n_layers], what runs in each.
        packed_tokens: that leave a layer, summed over the layers.
        unshared_packed_tokens: the same if every run were computed whole.
        cost: packed tokens x layers, readouts included (`Scan.manifest.cost`).
        max_cost: what one request may cost; `submit` has another limit.
        gemm_flops: floating point operations of c_attn, c_proj and the MLP; a multiply-add is two.
        attention_flops: likewise, of attention.
        readout_flops: likewise, of the LM head.
        bytes_moved: bytes read or written where caches keep nothing from layer to layer.
        predicted_ns: nanoseconds of the engine's time, by its speed of late: until a batch has run, that of the
            start-up self-test, whose small scans are slower. None: it has not been measured yet.
        waiting_ns: the same of all that runs and waits now, jobs aside; 0 where the speed is not known.
    """

    n_prompts: int
    n_runs: int
    total_rows: int
    forward_passes: int
    layers: tuple[PlannedLayer, ...]
    packed_tokens: int
    unshared_packed_tokens: int
    cost: int
    max_cost: int
    gemm_flops: int
    attention_flops: int
    readout_flops: int
    bytes_moved: int
    predicted_ns: int | None
    waiting_ns: int

    @property
    def fits(self) -> bool:
        """Whether one request may cost so much: otherwise `scan` raises TooLargeError.

        >>> client.explain("Berlin is the capital of", target=" Germany").fits
        True
        """
        return self.cost <= self.max_cost

    @property
    def times_unshared(self) -> float:
        """How many times as many packed tokens a forward pass for each run would take.

        >>> client.explain("Berlin is the capital of", target=" Germany").times_unshared > 1.5
        True
        """
        return self.unshared_packed_tokens / self.packed_tokens

    def __repr__(self) -> str:
        """A line a figure, but for the layers."""
        lines = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "layers"}
        lines["packed_tokens"] = (
            f"{self.packed_tokens} ({self.times_unshared:.1f} times as many if nothing were shared)"
        )
        if not self.fits:
            lines["cost"] = (
                f"{self.cost}: more than one request may; send fewer prompts, sweep fewer heads, or `submit`"
            )
        width = max(map(len, lines))
        return "\n".join(["Explanation", *(f"  {name:<{width}}  {value}" for name, value in lines.items())])


def explanation_of(plan: ExplainPlanResponse) -> Explanation:
    """From the message."""
    figures = {field.name: getattr(plan, field.name) for field in fields(Explanation)}
    figures["layers"] = tuple(
        PlannedLayer(*(getattr(layer, name) for name in PlannedLayer._fields)) for layer in plan.layers
    )
    figures["predicted_ns"] = plan.predicted_ns or None
    return Explanation(**figures)
