"""From options to the request, for the sync and the asyncio client alike."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Unpack, cast

from ablate._data_set import DataSet
from ablate._prompts import Prompts, check_ids, read_prompts
from ablate._proto.ablation.v1.means_pb2 import (
    MEAN_MODE_POOLED,
    MEAN_MODE_POSITIONWISE,
    MEAN_SOURCE_BOTH,
    MEAN_SOURCE_CLEAN,
    MEAN_SOURCE_CORRUPTED,
    ComputeMeansRequest,
)
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest
from ablate._readout import set_readout, set_summary
from ablate._replacements import set_replacements
from ablate._signature import spelled_out
from ablate._sweep import demand_for, set_sweep
from ablate.options import MeansOptions, ScanOptions

_ANSWERS = ("target", "contrast", "corrupted", "template")


@dataclass(frozen=True)
class Made:
    """A request, and the data set it came from (without its prompts)."""

    request: AblateRequest
    data: DataSet
    #: The model, or the tokenizer's SHA-256, that the server must have: the prompts hold ids of its tokens.
    tokenizer_of: str | None = None


def make(prompts: Prompts | AblateRequest, options: Mapping[str, Any]) -> Made:
    """ValueError and TypeError name the argument at fault. Reads the files that are named."""
    _refuse_unknown(options, ScanOptions)
    if isinstance(prompts, AblateRequest):
        if options:
            raise ValueError(f"the request is whole: drop {', '.join(options)}, or set them in it")
        n = len(prompts.prompts)
        return Made(prompts, DataSet(origins=[f"prompts[{i}]" for i in range(n)], fields=[{} for _ in range(n)]))
    given = cast(ScanOptions, {name: value for name, value in options.items() if value is not None})
    request = AblateRequest()
    # Where the options are wrong, no file of prompts need be read.
    set_sweep(given, request)
    set_replacements(given, request)
    set_summary(given, request)
    answers = {name: given[name] for name in _ANSWERS if name in given}  # type: ignore[literal-required]
    if "corrupted" in given:
        demand_for("corrupted", "resample" in _kinds(given), "replace='resample'")
    data = read_prompts(prompts, answers)
    check_ids(data, given.get("tokenizer_of"))
    set_readout(given, data.reduction, request)
    request.prepend_bos = bool(given.get("prepend_bos", False))
    request.prompts.extend(data.prompts)
    _check_pairs(request, data)
    data.prompts = []
    return Made(request, data, given.get("tokenizer_of"))


@spelled_out(ScanOptions)
def request(prompts: Prompts, **options: Unpack[ScanOptions]) -> AblateRequest:
    """The request that `scan` with these arguments sends: to keep, to show, or to give to `scan` or `submit` itself.

    >>> import ablate
    >>> made = ablate.request("Berlin is the capital of", target=" Germany", layers="4-7")
    >>> list(made.sweep.filter.layers)
    [4, 5, 6, 7]
    """
    return make(prompts, options).request


def make_means(prompts: Prompts, options: Mapping[str, Any]) -> tuple[ComputeMeansRequest, DataSet]:
    _refuse_unknown(options, MeansOptions)
    given = cast(MeansOptions, {name: value for name, value in options.items() if value is not None})
    modes = {"positionwise": MEAN_MODE_POSITIONWISE, "pooled": MEAN_MODE_POOLED}
    sources = {"clean": MEAN_SOURCE_CLEAN, "corrupted": MEAN_SOURCE_CORRUPTED, "both": MEAN_SOURCE_BOTH}
    # Whose ids its answers are does not matter: they are not looked at.
    data = read_prompts(prompts, {})
    made = ComputeMeansRequest(display_name=given.get("name", ""))
    made.options.mode = one_of("mode", given.get("mode", "positionwise"), modes)
    made.options.source = one_of("source", given.get("source", "clean"), sources)
    made.options.min_count = given.get("min_count", 1)
    for flag in ("group_by_template", "prepend_bos", "include_first_position"):
        setattr(made.options, flag, bool(given.get(flag, False)))
    if made.options.include_first_position and made.options.mode != MEAN_MODE_POOLED:
        raise ValueError("include_first_position is for mode='pooled': positionwise means have position 0 anyway")
    made.prompts.extend(data.prompts)
    for prompt in made.prompts:
        # What is measured is not looked at, and need not travel.
        prompt.ClearField("targets")
        prompt.ClearField("contrasts")
    return made, data


def one_of(name: str, value: str, choices: Mapping[str, Any]) -> Any:
    if value in choices:
        return choices[value]
    raise ValueError(f"{name} {value!r}: expected one of {', '.join(choices)}")


def _kinds(given: ScanOptions) -> Iterable[str]:
    replace = given.get("replace", "zero")
    return [replace] if isinstance(replace, str) else list(replace)


def _check_pairs(request: AblateRequest, data: DataSet) -> None:
    """Of missing ones the server would say the same, with less of a way out."""
    if not any(r.HasField("resample") for r in request.replacements):
        return
    for prompt, origin in zip(request.prompts, data.origins, strict=True):
        if prompt.WhichOneof("corrupted_input") is None:
            raise ValueError(f"replace='resample' needs a `corrupted` prompt for each; {origin} has none")


def _refuse_unknown(options: Mapping[str, Any], known: Any) -> None:
    names = known.__annotations__.keys()
    for name in options:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise TypeError(f"unknown option {name!r}" + (f": did you mean {near[0]!r}?" if near else ""))
