"""Puts a stream's blocks together into a `Scan`, for the sync and the asyncio client alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ablate._blocks import Array, Entries, empty_column, objects
from ablate._extras import Extras
from ablate._job_check import check_end
from ablate._proto.ablation.v1 import jobs_pb2
from ablate._proto.ablation.v1.model_pb2 import PRECISION_FLOAT64
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest, AblateResponse, Completion, Manifest, SummaryHead
from ablate._rows import KEYS, RowSpace
from ablate._stream_check import StreamCheck
from ablate.scan import Scan


class Assembler:
    """One scan's. Memory for a column is taken when its first block comes.

    Of a stored job (`request` None, of `n_prompts`) rows may be missing; their figures stay NaN.
    """

    def __init__(self, request: AblateRequest | None, fields: Sequence[dict[str, Any]], n_prompts: int = 0) -> None:
        self._check = StreamCheck(request, n_prompts)
        self._fields = fields
        self._columns: dict[str, dict[str, Array]] = {"rows": {}, "likelihood": {}, "compensation": {}}
        self._token_logprob: list[Array] = []
        self._summary: list[dict[str, Array]] = []
        self._summary_head: SummaryHead | None = None
        self._tokens: dict[int, str] = {}

    @property
    def manifest(self) -> Manifest | None:
        return self._check.manifest

    @property
    def rows(self) -> int:
        """So many have come."""
        return self._check.rows

    @property
    def prompts_done(self) -> int:
        """As many prompts' worth of rows have come."""
        total = self._check.space.total_rows if self._check.space is not None else 0
        return self.rows * len(self._check.prompts) // total if total else 0

    def take(self, response: AblateResponse) -> Entries | None:
        """What StreamCheck.take gives. ContractError where the stream is not as the contract has it."""
        entries = self._check.take(response)
        if response.HasField("summary_head"):
            self._summary_head = response.summary_head
        if entries is None:
            return None
        if entries.kind == "summary":
            self._summary.append(entries.columns)
        else:
            self._store(entries)
        self._tokens.update(entries.tokens)
        return entries

    def end_of_job(self, job: jobs_pb2.Job) -> None:
        """Behind the last result of a stored job."""
        check_end(self._check, job)

    def finish(self, may_be_partial: bool = False) -> Scan:
        """IncompleteError where the stream ended before its completion."""
        if not may_be_partial or self._check.space is None:
            self._check.end()
        manifest, space = self._check.manifest, self._check.space
        assert manifest is not None and space is not None
        if self._token_logprob:
            self._columns["likelihood"]["token_logprob"] = objects(self._token_logprob)
        return Scan(
            manifest=manifest,
            variants=self._check.variants,
            prompts=self._check.prompts,
            columns={**space.keys(), **self._columns["rows"]},
            space=space,
            completion=self._check.completion or Completion(),
            token_texts=self._tokens,
            fields=self._fields,
            extras=Extras(
                space=space,
                likelihood=self._columns["likelihood"],
                compensation=self._columns["compensation"],
                summary_head=self._summary_head,
                summary=self._summary,
            ),
        )

    def _store(self, entries: Entries) -> None:
        assert self._check.space is not None
        columns = self._columns[entries.kind]
        size = _size(entries.kind, self._check.space)
        for name, values in entries.columns.items():
            if name in KEYS:
                continue  # the entry's number says as much
            if name == "token_logprob":
                # [runs][T - 1]: as long as its prompt.
                self._token_logprob = self._token_logprob or [np.empty(0)] * size
                for at, row in zip(entries.index, values.astype(self._float), strict=True):
                    self._token_logprob[at] = row
                continue
            column = columns.get(name)
            if column is None:
                # Sums and means are no float32s, whatever the forward pass was.
                kind = np.float64 if name.endswith("mean_nll") else self._float
                dtype = kind if values.dtype == np.float64 else values.dtype
                column = columns[name] = empty_column((size, *values.shape[1:]), dtype)
            column[entries.index] = values

    @property
    def _float(self) -> type[np.floating[Any]]:
        assert self.manifest is not None
        return float_of(self.manifest)


def float_of(manifest: Manifest) -> type[np.floating[Any]]:
    """What figures are: float32, widened on the wire, or float64 of a server in that precision."""
    return np.float64 if manifest.runtime.precision == PRECISION_FLOAT64 else np.float32


def _size(kind: str, space: RowSpace) -> int:
    return int(
        {"rows": space.first_row, "likelihood": space.first_run, "compensation": space.first_edited_row}[kind][-1]
    )
