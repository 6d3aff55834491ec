"""What a scan is made of, by the names of `ablate scan`'s flags (`--top-k` is `top_k`).

The words beside a type are what `help(client.scan)` says of the option.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, TypedDict

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

    target: Annotated[
        Answers,
        'The token measured, with its leading space, e.g. " Germany"; several: an answer set (see `reduction`).',
    ]
    contrast: Annotated[Answers, 'The token to compare with, e.g. " France".']
    corrupted: Annotated[str | Sequence[int], 'The pair\'s other prompt, of as many tokens, for replace="resample".']
    template: Annotated[str, "Prompts of one template are a cluster of the summary."]
    tokenizer_of: Annotated[
        str,
        "Whose token ids correct_idx and incorrect_idx are: the name of the server's model, or its tokenizer's "
        "SHA-256.",
    ]
    prepend_bos: Annotated[bool, "Put `<|endoftext|>` in front of each prompt. Default: no."]


class SweepOptions(TypedDict, total=False):
    """What is ablated."""

    sweep: Annotated[
        SweepKind,
        "heads: each alone; layers: all heads of a layer; pairs: each, and every two; groups: `groups`, each "
        "together; all-but: everything but each of `groups`; cumulative: more and more heads. "
        "Default: heads.",
    ]
    layers: Annotated[Ranges, 'Only these layers, 0-based: "4-7", [0, 3]. Default: all.']
    heads: Annotated[Ranges, "Only these heads in each of them. Default: all."]
    sites: Annotated[Sites, 'Only these sites: "L5H3,L9H*", [(5, 3)]. Default: all.']
    groups: Annotated[Groups, '"movers=L9H9+L9H6", {"movers": ["L9H9", "L9H6"]}.']
    strongest: Annotated[
        int, "pairs: only among the K heads that a heads sweep, run first, finds strongest. Default: all."
    ]
    order: Annotated[
        Sites, "cumulative: heads in this order. Default: the strongest first, by a heads sweep run first."
    ]
    backwards: Annotated[bool, "cumulative: begin at the order's end."]
    steps: Annotated[int, "cumulative: stop after so many heads. Default: all."]
    random_sets: Annotated[int, "all-but: for each group so many random ones of its size, 0 to 1000."]


class ReplacementOptions(TypedDict, total=False):
    """What takes its place, and where."""

    replace: Annotated[
        ReplacementKind | Iterable[ReplacementKind],
        "zero, zero-keep-value-bias, mean, constant, scale, resample; several: each of them. Default: zero.",
    ]
    means: Annotated[str | MeanLibrary | Iterable[str | MeanLibrary], "mean: a mean library, or its id."]
    value: Annotated[
        float | Iterable[float], "constant: for every element of the output; several: one more replacement each."
    ]
    vector: Annotated[npt.ArrayLike, "constant: [d_head], the output itself."]
    factor: Annotated[
        float | Iterable[float], "scale: the factor; 0 is zero, 1 changes nothing; several: one more replacement each."
    ]
    direction: Annotated[
        DirectionKind | Iterable[DirectionKind],
        "resample: noising (the clean run, corrupted values put in) or denoising (the other way round); both: each.",
    ]
    positions: Annotated[
        Places, 'Edit there only: "last", "0,3,-1", "2:5", slice(2, 5), [0, -1]. Default: all positions.'
    ]
    each_position: Annotated[bool, "Sweep over these positions too: each edited alone."]


class ReadoutOptions(TypedDict, total=False):
    """What is measured, and where."""

    read: Annotated[Places, 'Measure there: "last", "all", 3, [0, -1], "2:5". Default: last.']
    top_k: Annotated[int, "Also the N most probable tokens of each run, 0 to 100."]
    reduction: Annotated[
        Literal["mean_logit", "logsumexp", "prob_sum"], "How an answer set makes one number. Default: mean_logit."
    ]
    target_mode: Annotated[
        Literal["single", "first_token", "sequence"],
        "Targets of several tokens: an error, their first token, or the sum of their log-probs. Default: single.",
    ]
    edit_appended: Annotated[bool, "sequence: edits cover the appended tokens too."]
    likelihood: Annotated[bool, "Also how likely the prompt itself is: `Scan.likelihood`."]
    effects: Annotated[
        bool, "Also direct, indirect and total effects on the logit difference; needs target and contrast."
    ]
    compensation: Annotated[
        bool, "Also what every later head, MLP and the final LayerNorm do about each edit: `Scan.compensation`."
    ]
    min_denominator: Annotated[
        float, "Least |clean - corrupted| for which `normalized` is given, in the metric's unit. Default: 0.1."
    ]


class SummaryOptions(TypedDict, total=False):
    """Statistics over the prompts: `Scan.summary`."""

    summary: Annotated[bool, "Over the prompts: `Scan.summary`."]
    split: Annotated[
        bool, "Where a heads sweep chooses the sites: choose on half of the clusters, estimate on the other."
    ]
    min_effect: Annotated[float, "Test |mean| <= X rather than 0, in the metric's unit. Default: 0."]
    sign_flips: Annotated[int, "Of the test, 10000 to 1000000. Default: 10000."]
    bootstrap: Annotated[int, "Resamples of the interval, 100 to 100000. Default: 2000."]
    seed: Annotated[int, "Of `random_sets` and `summary`; equal seeds, equal figures. Default: 0."]


class ScanOptions(PromptOptions, SweepOptions, ReplacementOptions, ReadoutOptions, SummaryOptions, total=False):
    """Every option of a scan; each may be left out."""


class MeansOptions(TypedDict, total=False):
    """How means are taken, by the names of `ablate means compute`'s flags."""

    mode: Annotated[
        Literal["positionwise", "pooled"],
        "positionwise: a mean for each position, for prompts of one shape; pooled: one over all positions. "
        "Default: positionwise.",
    ]
    source: Annotated[Literal["clean", "corrupted", "both"], "Which prompts of a pair. Default: clean."]
    group_by_template: Annotated[bool, "Means of their own for each `template` of the data set."]
    prepend_bos: Annotated[bool, "Put BOS in front of every prompt, as the scans that use the means must too."]
    include_first_position: Annotated[bool, "pooled: position 0 counts too, whose activations are unlike all others'."]
    min_count: Annotated[int, "Refuse to use a mean over fewer tokens. Default: 1."]
    name: Annotated[str, "What people call it."]
