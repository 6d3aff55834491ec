"""Scans from the JSON lines that `ablate scan` and `ablate job results` write (docs/formats.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from google.protobuf.json_format import ParseError

from ablate._assembly import float_of
from ablate._blocks import DTYPES, Array, empty_column, objects
from ablate._entry_kind import EntryKind
from ablate._extras import Extras
from ablate._legend import Legend
from ablate._manifest_json import parse_manifest
from ablate._proto.ablation.v1.scan_pb2 import Completion, RankAgreement, RowBlock, SummaryBlock, SummaryHead
from ablate._rows import RowSpace
from ablate._table import key_columns
from ablate.errors import ContractError
from ablate.scan import Scan

# Names in words, of what the manifest and the entry's place say in numbers.
_WORDS = frozenset({"prompt_index", "replacement", "variant", "variant_name", "layer", "head", "edit_position"})
_OTHERS = frozenset({"position", "top1_token", "top_k", "fields"})


def read_scan(lines: Iterable[bytes | str], source: str, note: Callable[[str], object] = lambda text: None) -> Scan:
    """Prompts that the lines lack are there, without figures; `note` is told how many. ValueError names `source` and
    line, also where the file was cut off within a prompt or the summary."""
    numbered = _objects_of(lines, source)
    _, first = next(numbered, (0, {}))
    try:
        reader = _Reader(first)
    except (AttributeError, LookupError, TypeError, ValueError, ParseError, ContractError) as error:
        raise ValueError(
            f"{source}: expected a manifest in the first line, as --format jsonl writes it ({error})"
        ) from None
    for line, record in numbered:
        with _naming(f"{source}, line {line}"):
            reader.take(record)
    with _naming(source):
        scan, n_missing = reader.finish()
    if n_missing > 0:
        note(f"{n_missing} of {len(scan.prompts)} prompts have no rows: of a partial job, or is the file cut off?")
    return scan


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Any error about what a file holds as a ValueError."""
    try:
        yield
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ValueError(f"{where}: {what}") from None


def _objects_of(lines: Iterable[bytes | str], source: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise ValueError(
                f"{source}, line {number}: expected an object in JSON, as --format jsonl writes; is the file whole?"
            )
        yield number, record


class _Reader:
    """Of one file. A prompt's entries of one kind come one behind the other, in the order of `RowSpace`."""

    def __init__(self, first: Mapping[str, Any]) -> None:
        self._manifest, self._variants, self._prompts = parse_manifest(first["manifest"])
        self._space = RowSpace(self._manifest, self._prompts)
        self._legend = Legend(self._manifest, self._variants)
        self._float = float_of(self._manifest)
        space = self._space
        self._kinds = {
            "rows": EntryKind(space.first_row),
            "likelihood": EntryKind(space.first_run),
            "compensation": EntryKind(space.first_edited_row),
        }
        self._keys = key_columns(self._legend, space.keys())
        self._texts: dict[int, str] = {}
        self._fields: list[dict[str, Any]] = [{} for _ in self._prompts]
        self._summary: list[dict[str, Any]] = []
        self._head: SummaryHead | None = None

    def take(self, record: dict[str, Any]) -> None:
        if "prompt_index" in record:
            self._take_row(record)
        elif "likelihood" in record:
            self._take_likelihood(record["likelihood"])
        elif "compensation" in record:
            self._take_compensation(record["compensation"])
        elif "summary" in record:
            self._summary.append(record["summary"])
        elif "summary_head" in record:
            self._head = self._summary_head(record["summary_head"])
        else:
            raise ValueError(f"expected a row, or what stands behind one; got {', '.join(record) or 'nothing'}")

    def finish(self) -> tuple[Scan, int]:
        """Also how many prompts did not come. ValueError where one's entries, or the summary, are not whole."""
        n_missing = self._check_prompts()
        self._check_summary()
        rows, likelihood, compensation = (kind.columns for kind in self._kinds.values())
        if "token_logprob" in likelihood:
            likelihood["token_logprob"] = objects(
                [np.empty(0, self._float) if one is None else one for one in likelihood["token_logprob"]]
            )
        extras = Extras(self._space, likelihood, compensation, self._head, self._summary_blocks())
        scan = Scan(
            manifest=self._manifest,
            variants=self._variants,
            prompts=self._prompts,
            columns={**self._space.keys(), **rows},
            space=self._space,
            completion=Completion(),
            token_texts=self._texts,
            fields=self._fields,
            extras=extras,
        )
        return scan, n_missing

    def _check_prompts(self) -> int:
        readout = self._manifest.readout
        asked_for = {"rows": True, "likelihood": readout.likelihood, "compensation": readout.compensation}
        kinds = {name: kind for name, kind in self._kinds.items() if asked_for[name] or kind.columns}
        begun = np.any([kind.begun() for kind in kinds.values()], axis=0)
        for name, kind in kinds.items():
            if (cut_off := begun & kind.lacking()).any():
                raise ValueError(f"the {name} of prompt {np.argmax(cut_off)} are not whole; is the file?")
        return int(np.count_nonzero(~begun))

    def _check_summary(self) -> None:
        """Whether there is one, only its lines tell."""
        if self._head is None and not self._summary:
            return
        come, expected = len(self._summary), int(self._space.first_edited_row[1])
        if self._head is None or come != expected:
            head = "" if self._head is not None else " and no head"
            raise ValueError(f"the summary has {come} of {expected} entries{head}; is the file whole?")

    def _take_row(self, row: dict[str, Any]) -> None:
        at = self._kinds["rows"].place(row["prompt_index"])
        self._check(row, at, "position")
        self._fields[row["prompt_index"]] = dict(row.get("fields", {}))
        if row.get("top1_id") is not None:
            self._texts[row["top1_id"]] = row["top1_token"]
        values = {name: value for name, value in row.items() if name not in _WORDS and name not in _OTHERS}
        for name, value in values.items():
            if value is not None:
                self._set("rows", name, at, value, self._dtype(RowBlock, name))
        if top_k := row.get("top_k"):
            self._texts.update((one["id"], one["token"]) for one in top_k)
            self._set("rows", "top_k_id", at, [one["id"] for one in top_k], np.int32)
            self._set("rows", "top_k_logprob", at, [one["logprob"] for one in top_k], self._float)

    def _take_likelihood(self, entry: dict[str, Any]) -> None:
        at = self._kinds["likelihood"].place(entry["prompt_index"])
        for name in ("mean_nll", "delta_mean_nll"):
            self._set("likelihood", name, at, entry[name], np.float64)
        values = np.array(entry["token_logprob"], self._float)
        columns = self._kinds["likelihood"].columns
        if "token_logprob" not in columns:
            columns["token_logprob"] = np.empty(self._kinds["likelihood"].size, object)
        columns["token_logprob"][at] = values

    def _take_compensation(self, entry: dict[str, Any]) -> None:
        at = self._kinds["compensation"].place(entry["prompt_index"])
        self._set("compensation", "heads", at, np.ravel(entry["heads"]), self._float)
        for name in ("mlps", "layer_norm"):
            self._set("compensation", name, at, entry[name], self._float)

    def _check(self, row: Mapping[str, Any], at: int, *names: str) -> None:
        for name in ("replacement", "variant", "variant_name", *names):
            expected = self._keys[name][at]
            if row[name] != expected:
                raise ValueError(f"`{name}` is {row[name]!r}, expected {expected!r}: rows out of their order")

    def _set(self, kind: str, name: str, at: int, value: Any, dtype: Any) -> None:
        of_kind = self._kinds[kind]
        column = of_kind.columns.get(name)
        if column is None:
            column = of_kind.columns[name] = empty_column((of_kind.size, *np.shape(value)), dtype)
        column[at] = value

    def _dtype(self, block: Any, name: str) -> Any:
        described = block.DESCRIPTOR.fields_by_name.get(name)
        if described is None:
            raise ValueError(f"no column `{name}` is known to this version of the package")
        dtype = DTYPES[described.cpp_type]
        return self._float if dtype is np.float64 and block is RowBlock else dtype

    def _summary_head(self, head: dict[str, Any]) -> SummaryHead:
        numbers = {label: r for r, label in enumerate(self._legend.replacements)}
        agreement = [
            RankAgreement(
                first=numbers[pair["first"]], second=numbers[pair["second"]], spearman=_number(pair["spearman"])
            )
            for pair in head["rank_agreement"]
        ]
        rest = {name: value for name, value in head.items() if name != "rank_agreement"}
        return SummaryHead(**rest, rank_agreement=agreement)

    def _summary_blocks(self) -> Sequence[Mapping[str, Array]]:
        if not self._summary:
            return []
        # Groups of the same sites have names that tell them apart.
        variants = {(v.label, v.name or None): i for i, v in enumerate(self._variants)}
        replacements = {label: r for r, label in enumerate(self._legend.replacements)}
        columns: dict[str, Array] = {
            "replacement": np.array([replacements[one["replacement"]] for one in self._summary], np.int32),
            "variant": np.array([variants[one["variant"], one["variant_name"]] for one in self._summary], np.int32),
        }
        for name in self._summary[0]:
            values = [one[name] for one in self._summary]
            dtype = None if name in _WORDS - {"edit_position"} else self._dtype(SummaryBlock, name)
            # Of figures `null` is one that cannot be had; what is no figure was not asked for.
            if dtype is np.float64:
                columns[name] = np.array([_number(value) for value in values], dtype)
            elif dtype is not None and values[0] is not None:
                columns[name] = np.array(values, dtype)
        return [columns]


def _number(value: float | None) -> float:
    return np.nan if value is None else value
