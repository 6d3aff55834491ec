"""What was run, as the first of the JSON lines has it (docs/formats.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

from ablate._proto.ablation.v1.model_pb2 import Token
from ablate._proto.ablation.v1.scan_pb2 import Manifest, ResolvedPrompt, Variant

if TYPE_CHECKING:
    from ablate.scan import Scan


def manifest_json(scan: Scan) -> str:
    """One object: the contract's `Manifest`, with the variants, and the prompts with their token ids."""
    made = _dict(scan.manifest)
    made["variants"] = [_dict(variant) for variant in scan.variants]
    made["prompts"] = [_prompt(prompt) for prompt in scan.prompts]
    return json.dumps(made)


def parse_manifest(made: Mapping[str, Any]) -> tuple[Manifest, list[Variant], list[ResolvedPrompt]]:
    """The inverse. json_format.ParseError, KeyError, TypeError where it is something else."""
    rest = dict(made)
    variants = [ParseDict(variant, Variant(), ignore_unknown_fields=True) for variant in rest.pop("variants")]
    prompts = [_parse_prompt(prompt) for prompt in rest.pop("prompts")]
    return ParseDict(rest, Manifest(), ignore_unknown_fields=True), variants, prompts


def _dict(message: Message) -> dict[str, Any]:
    made: dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return made


def _prompt(prompt: ResolvedPrompt) -> dict[str, Any]:
    """As `ablate scan` writes it: tokens as two flat lists, which frames read more easily than a list of objects."""
    made: dict[str, Any] = {
        **_tokens("", prompt.tokens),
        "targets": [_dict(token) for token in prompt.targets],
        "contrasts": [_dict(token) for token in prompt.contrasts],
    }
    if prompt.corrupted_tokens:
        made |= _tokens("corrupted_", prompt.corrupted_tokens)
    made["read_positions"] = list(prompt.read_positions)
    if prompt.edit_positions:
        made["edit_positions"] = list(prompt.edit_positions)
    if prompt.template:
        made["template"] = prompt.template
    made["warnings"] = list(prompt.warnings)
    return made


def _tokens(prefix: str, tokens: Sequence[Token]) -> dict[str, Any]:
    return {
        f"{prefix}token_ids": [token.id for token in tokens],
        f"{prefix}token_texts": [token.text for token in tokens],
    }


def _parse_prompt(made: Mapping[str, Any]) -> ResolvedPrompt:
    def tokens(prefix: str) -> list[Token]:
        pairs = zip(made.get(f"{prefix}token_ids", ()), made.get(f"{prefix}token_texts", ()), strict=True)
        return [Token(id=id, text=text) for id, text in pairs]

    return ResolvedPrompt(
        tokens=tokens(""),
        corrupted_tokens=tokens("corrupted_"),
        targets=[ParseDict(token, Token(), ignore_unknown_fields=True) for token in made["targets"]],
        contrasts=[ParseDict(token, Token(), ignore_unknown_fields=True) for token in made["contrasts"]],
        read_positions=made["read_positions"],
        edit_positions=made.get("edit_positions", ()),
        template=made.get("template", ""),
        warnings=made["warnings"],
    )
