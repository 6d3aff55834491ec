"""What a scan is made of, by the names of `ablate scan`'s flags (`--top-k` is `top_k`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypedDict

import numpy.typing as npt

from ablate._places import Groups, Places, Ranges, Sites
from ablate._proto.ablation.v1.means_pb2 import MeanLibrary

#: A token by its text, with its leading space, or by its id; several: an answer set.
Answers = str | int | Iterable[str | int]
SweepKind = Literal["heads", "layers", "pairs", "groups", "all-but", "cumulative"]
ReplacementKind = Literal["zero", "zero-keep-value-bias", "mean", "constant", "scale", "resample"]
DirectionKind = Literal["noising", "denoising"]


class PromptOptions(TypedDict, total=False):
    """Beside prompts that are texts or token ids; a data set has its own."""

    #: The token measured, with its leading space, e.g. " Germany"; several: an answer set (see `reduction`).
    target: Answers
    #: The token to compare with, e.g. " France".
    contrast: Answers
    #: The pair's other prompt, of as many tokens, for replace="resample".
    corrupted: str | Sequence[int]
    #: Prompts of one template are a cluster of the summary.
    template: str
    #: Whose token ids correct_idx and incorrect_idx are: the name of the server's model, or its tokenizer's SHA-256.
    tokenizer_of: str
    #: Put `<|endoftext|>` in front of each prompt. Default: no.
    prepend_bos: bool


class SweepOptions(TypedDict, total=False):
    """What is ablated."""

    #: heads: each alone; layers: all heads of a layer; pairs: each, and every two; groups: `groups`, each together;
    #: all-but: everything but each of `groups`; cumulative: more and more heads. Default: heads.
    sweep: SweepKind
    #: Only these layers, 0-based: "4-7", [0, 3]. Default: all.
    layers: Ranges
    #: Only these heads in each of them. Default: all.
    heads: Ranges
    #: Only these sites: "L5H3,L9H*", [(5, 3)]. Default: all.
    sites: Sites
    #: "movers=L9H9+L9H6", {"movers": ["L9H9", "L9H6"]}.
    groups: Groups
    #: pairs: only among the K heads that a heads sweep, run first, finds strongest. Default: all.
    strongest: int
    #: cumulative: heads in this order. Default: the strongest first, by a heads sweep run first.
    order: Sites
    #: cumulative: begin at the order's end.
    backwards: bool
    #: cumulative: stop after so many heads. Default: all.
    steps: int
    #: all-but: for each group so many random ones of its size, 0 to 1000.
    random_sets: int


class ReplacementOptions(TypedDict, total=False):
    """What takes its place, and where."""

    #: zero, zero-keep-value-bias, mean, constant, scale, resample; several: each of them. Default: zero.
    replace: ReplacementKind | Iterable[ReplacementKind]
    #: mean: a mean library, or its id.
    means: str | MeanLibrary | Iterable[str | MeanLibrary]
    #: constant: for every element of the output; several: one more replacement each.
    value: float | Iterable[float]
    #: constant: [d_head], the output itself.
    vector: npt.ArrayLike
    #: scale: the factor; 0 is zero, 1 changes nothing; several: one more replacement each.
    factor: float | Iterable[float]
    #: resample: noising (the clean run, corrupted values put in) or denoising (the other way round); both: each.
    direction: DirectionKind | Iterable[DirectionKind]
    #: Edit there only: "last", "0,3,-1", "2:5", slice(2, 5), [0, -1]. Default: all positions.
    positions: Places
    #: Sweep over these positions too: each edited alone.
    each_position: bool


class ReadoutOptions(TypedDict, total=False):
    """What is measured, and where."""

    #: Measure there: "last", "all", 3, [0, -1], "2:5". Default: last.
    read: Places
    #: Also the N most probable tokens of each run, 0 to 100.
    top_k: int
    #: How an answer set makes one number. Default: mean_logit.
    reduction: Literal["mean_logit", "logsumexp", "prob_sum"]
    #: Targets of several tokens: an error, their first token, or the sum of their log-probs. Default: single.
    target_mode: Literal["single", "first_token", "sequence"]
    #: sequence: edits cover the appended tokens too.
    edit_appended: bool
    #: Also how likely the prompt itself is: `Scan.likelihood`.
    likelihood: bool
    #: Also direct, indirect and total effects on the logit difference; needs target and contrast.
    effects: bool
    #: Also what every later head, MLP and the final LayerNorm do about each edit: `Scan.compensation`.
    compensation: bool
    #: Least |clean - corrupted| for which `normalized` is given, in the metric's unit. Default: 0.1.
    min_denominator: float


class SummaryOptions(TypedDict, total=False):
    """Statistics over the prompts: `Scan.summary`."""

    summary: bool
    #: Where a heads sweep chooses the sites: choose on half of the clusters, estimate on the other.
    split: bool
    #: Test |mean| <= X rather than 0, in the metric's unit. Default: 0.
    min_effect: float
    #: Of the test, 10000 to 1000000. Default: 10000.
    sign_flips: int
    #: Resamples of the interval, 100 to 100000. Default: 2000.
    bootstrap: int
    #: Of `random_sets` and `summary`; equal seeds, equal figures. Default: 0.
    seed: int


class ScanOptions(PromptOptions, SweepOptions, ReplacementOptions, ReadoutOptions, SummaryOptions, total=False):
    """Every option of a scan; each may be left out."""


class MeansOptions(TypedDict, total=False):
    """How means are taken, by the names of `ablate means compute`'s flags."""

    #: positionwise: a mean for each position, for prompts of one shape; pooled: one over all positions. Default:
    #: positionwise.
    mode: Literal["positionwise", "pooled"]
    #: Which prompts of a pair. Default: clean.
    source: Literal["clean", "corrupted", "both"]
    #: Means of their own for each `template` of the data set.
    group_by_template: bool
    #: Put BOS in front of every prompt, as the scans that use the means must too.
    prepend_bos: bool
    #: pooled: position 0 counts too, whose activations are unlike all others'.
    include_first_position: bool
    #: Refuse to use a mean over fewer tokens. Default: 1.
    min_count: int
    #: What people call it.
    name: str
