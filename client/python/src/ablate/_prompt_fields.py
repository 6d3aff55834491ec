"""The keys of a prompt in a data set, by the names that people give them: those of `ablate scan --prompts`."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

from ablate._proto.ablation.v1.experiment_pb2 import Prompt, TokenIds, TokenRef

_MEANINGS = {
    "prompt": "input",
    "clean": "input",
    "text": "input",
    "token_ids": "input_ids",
    "target": "targets",
    "targets": "targets",
    "answers": "targets",
    "contrast": "contrasts",
    "contrasts": "contrasts",
    "wrong_answers": "contrasts",
    "corrupted": "corrupted",
    "corrupt": "corrupted",
    "corrupted_token_ids": "corrupted_ids",
    "template": "template",
}
_LISTS = frozenset({"token_ids", "corrupted_token_ids", "targets", "answers", "contrasts", "wrong_answers"})
_MAX_ID = 2**31 - 1


def is_prompt_key(key: str) -> bool:
    return key in _MEANINGS


def takes_list(key: str) -> bool:
    """Whether `key` always holds a list, which CSV writes as JSON."""
    return key in _LISTS


def make_prompt(record: Mapping[str, Any]) -> tuple[Prompt, dict[str, Any]]:
    """A prompt, and what the record says beside it. ValueError names the key at fault."""
    prompt = Prompt()
    rest: dict[str, Any] = {}
    for key, value in record.items():
        if not isinstance(key, str):
            raise ValueError(f"a key is no text: {key!r}")
        if is_prompt_key(key):
            set_field(key, value, prompt)
        else:
            rest[key] = value
    check_has_input(prompt)
    return prompt, rest


def set_field(key: str, value: Any, prompt: Prompt) -> None:
    """Sets what `key`, a prompt's, says. None says nothing. ValueError where another key has said it already."""
    value = plain(value)
    if value is None:
        return
    meaning = _MEANINGS[key]
    if meaning in ("input", "input_ids"):
        _refuse_twice(prompt.WhichOneof("input") is not None, key, "the prompt")
        if meaning == "input_ids" or isinstance(value, list):
            prompt.token_ids.CopyFrom(_token_ids(key, value))
        else:
            prompt.text = _text(key, value)
    elif meaning in ("corrupted", "corrupted_ids"):
        _refuse_twice(prompt.WhichOneof("corrupted_input") is not None, key, "the corrupted prompt")
        if meaning == "corrupted_ids" or isinstance(value, list):
            prompt.corrupted_token_ids.CopyFrom(_token_ids(key, value))
        else:
            prompt.corrupted_text = _text(key, value)
    elif meaning == "template":
        # A template may be numbered rather than named.
        prompt.template = str(value) if _is_integer(value) else _text(key, value)
    else:
        tokens = prompt.targets if meaning == "targets" else prompt.contrasts
        _refuse_twice(len(tokens) > 0, key, "the answer set")
        tokens.extend(token_ref(key, one) for one in (value if isinstance(value, list) else [value]))


def token_ref(key: str, value: Any) -> TokenRef:
    """A token by its text or its id."""
    value = plain(value)
    if isinstance(value, str):
        return TokenRef(text=value)
    try:
        return TokenRef(id=token_id(key, value))
    except ValueError as error:
        raise ValueError(f"{error} or a text") from None


def token_id(key: str, value: Any) -> int:
    """0 .. 2^31 - 1. ValueError names `key`."""
    if _is_integer(value) and 0 <= value <= _MAX_ID:
        return int(value)
    raise ValueError(f"`{key}`: {value!r} is not a token id")


def check_has_input(prompt: Prompt) -> None:
    if prompt.WhichOneof("input") is None:
        raise ValueError("`prompt` is missing (or `clean`, `text`, or `token_ids`)")


def plain(value: Any) -> Any:
    """The value as Python's own types: no arrays, tensors or tuples; None for NaN, an empty cell of a frame."""
    listed = as_list(value)
    if isinstance(listed, list) and listed is not value:
        return [plain(one) for one in listed]
    value = listed
    if isinstance(value, tuple):
        return list(value)
    # NaN, pandas' NaT and NA are the values that do not equal themselves, or cannot tell.
    if type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value):
        return None
    return value


def as_list(value: Any) -> Any:
    """An array or tensor (numpy's, torch's, jax's) as lists of numbers, one without axes as the number."""
    return value.tolist() if hasattr(value, "tolist") and hasattr(value, "ndim") else value


def _refuse_twice(is_set: bool, key: str, what: str) -> None:
    if is_set:
        raise ValueError(f"`{key}`: {what} is given a second time")


def _text(key: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"`{key}` is not a text: {value!r}")


def _token_ids(key: str, value: Any) -> TokenIds:
    if not isinstance(value, list):
        raise ValueError(f"`{key}` is not a list of token ids")
    return TokenIds(ids=[token_id(key, plain(one)) for one in value])


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
