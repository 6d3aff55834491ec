"""What `scan` takes as prompts: a text, token ids, a file, or a data set in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any, cast

import pandas as pd

from ablate._data_files import SUFFIXES, read_file
from ablate._data_set import DataSet, from_records, from_table, rows_of
from ablate._prompt_fields import as_list, set_field, token_ref
from ablate._proto.ablation.v1.experiment_pb2 import Prompt, TokenRef

#: A text, or a file's name with the suffix .csv, .jsonl, .json or .parquet; a path; one mapping or many; many texts; a
#: pandas frame; a Hugging Face `datasets` object; token ids, also an array or tensor of them; the contract's `Prompt`.
Prompts = str | os.PathLike[str] | Mapping[str, Any] | Prompt | pd.DataFrame | Iterable[Any]


def read_prompts(prompts: Prompts, answers: Mapping[str, Any]) -> DataSet:
    """`answers`: `target`, `contrast`, `corrupted`, `template`, for prompts that have none of their own.

    ValueError names what is at fault.
    """
    data, takes_answers = _read(prompts)
    if not data.prompts:
        raise ValueError("prompts: the data set holds no prompt")
    if answers:
        _set_answers(data, answers, takes_answers)
    return data


def check_ids(data: DataSet, tokenizer_of: str | None) -> None:
    """ValueError where the prompts hold ids of somebody's tokenizer, and nobody says whose."""
    if data.has_foreign_ids and tokenizer_of is None:
        raise ValueError(
            "correct_idx and incorrect_idx are token ids, which mean other tokens under another tokenizer (the IOI "
            "file that EAP-IG ships has Llama's). Say whose they are with tokenizer_of=MODEL (the name of the server's "
            "model, or its tokenizer's SHA-256), or give texts in columns `target` and `contrast`"
        )
    if tokenizer_of is not None and not data.has_foreign_ids:
        raise ValueError("tokenizer_of: the prompts have no column correct_idx or incorrect_idx; drop it")


def _read(prompts: Prompts) -> tuple[DataSet, bool]:
    """The data, and whether answers may be given beside it: where prompts are texts or ids alone."""
    if isinstance(prompts, str):
        return (read_file(_existing(prompts)), False) if _names_file(prompts) else (_of_inputs([prompts]), True)
    if isinstance(prompts, os.PathLike):
        return read_file(_existing(prompts)), False
    if isinstance(prompts, Prompt | Mapping) and not _is_splits(prompts):
        return from_records([("the prompt", prompts)]), False
    if isinstance(prompts, pd.DataFrame):
        names = [str(name) for name in prompts.columns]
        records = enumerate(prompts.itertuples(index=False, name=None))
        return from_table(names, ((f"row {i}", record) for i, record in records), "the frame"), False
    if isinstance(prompts, Mapping):
        raise ValueError(f"prompts: a data set with the splits {', '.join(map(str, prompts))}; give one of them")
    columns: Any = getattr(prompts, "column_names", None)
    if isinstance(columns, list):
        return from_table(columns, rows_of(columns, cast(Iterable[Any], prompts)), "the data set"), False
    if not isinstance(prompts, Iterable):
        raise TypeError(f"prompts: expected a text, a path, or a data set, got {type(prompts).__name__}")
    listed = [as_list(one) for one in as_list(prompts)]
    if listed and all(_is_id(one) for one in listed):
        return _of_inputs([listed]), True
    if listed and all(isinstance(one, str) or _is_ids(one) for one in listed):
        return _of_inputs(listed), True
    return from_records((f"prompts[{i}]", record) for i, record in enumerate(listed)), False


def _names_file(text: str) -> bool:
    """ValueError where it is the name of a file that nobody can have meant as a prompt, nor named as a data set."""
    is_word = not any(c.isspace() for c in text)
    if text.lower().endswith(SUFFIXES):
        # Prompts that end so have spaces, and are no files.
        return is_word or _exists(text)
    if is_word and _exists(text):
        raise ValueError(
            f"prompts: {text!r} is a file, whose name does not end in {', '.join(SUFFIXES)}: give it as a pathlib.Path "
            f"to read it all the same, or as {{'prompt': {text!r}}} where it is the prompt"
        )
    return False


def _of_inputs(inputs: list[Any]) -> DataSet:
    return from_records((f"prompts[{i}]", {"prompt": one}) for i, one in enumerate(inputs))


def _set_answers(data: DataSet, answers: Mapping[str, Any], takes_answers: bool) -> None:
    if not takes_answers:
        given = ", ".join(answers)
        raise ValueError(f"{given}: in a data set each prompt has its own; put it there, or give the prompts as texts")
    if "corrupted" in answers and len(data.prompts) > 1:
        raise ValueError("corrupted: belongs to one prompt; of many, give each its own in a data set")
    targets, contrasts = (_token_refs(name, answers.get(name)) for name in ("target", "contrast"))
    for prompt in data.prompts:
        prompt.targets.extend(targets)
        prompt.contrasts.extend(contrasts)
        for name in ("corrupted", "template"):
            if name in answers:
                value = as_list(answers[name])
                set_field(name, list(value) if _is_ids(value) else value, prompt)


def _token_refs(name: str, one_or_many: Any) -> list[TokenRef]:
    if one_or_many is None:
        return []
    one_or_many = as_list(one_or_many)
    is_many = isinstance(one_or_many, Iterable) and not isinstance(one_or_many, str)
    return [token_ref(name, one) for one in (one_or_many if is_many else [one_or_many])]


def _existing(path: str | os.PathLike[str]) -> Path:
    found = Path(path)
    if not found.exists():
        raise FileNotFoundError(f"no data set at {found} (a prompt that ends so is given as {{'prompt': ...}})")
    return found


def _exists(name: str) -> bool:
    """Whether it is a file. A prompt may be too long for a name, or hold what no name may."""
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


def _is_splits(prompts: object) -> bool:
    """`datasets.DatasetDict`, whose values are tables."""
    return isinstance(prompts, Mapping) and bool(prompts) and all(hasattr(v, "column_names") for v in prompts.values())


def _is_id(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_ids(value: object) -> bool:
    return (
        not isinstance(value, str | Mapping)
        and isinstance(value, Iterable)
        and hasattr(value, "__len__")
        and all(map(_is_id, value))
    )
