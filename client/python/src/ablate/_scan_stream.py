"""One scan's way from the request to its results, without a word about threads or loops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ablate import _table
from ablate._assembly import Assembler, float_of
from ablate._legend import Legend
from ablate._proto.ablation.v1.scan_pb2 import AblateResponse, Completion, Manifest, ResolvedPrompt, Variant
from ablate._request import Made
from ablate._stream_check import StreamCheck


class RowReader:
    """Turns messages into rows, which it does not keep."""

    def __init__(self, made: Made) -> None:
        self.check = StreamCheck(made.request)
        self._fields = _table.Fields(made.data.fields)
        self._legend: Legend | None = None

    def take(self, response: AblateResponse) -> Iterable[dict[str, Any]]:
        """The rows of one message, as dicts."""
        entries = self.check.take(response)
        if entries is None or entries.kind != "rows":
            return ()
        assert self.check.manifest is not None
        if self._legend is None:
            self._legend = Legend(self.check.manifest, self.check.variants)
        # As a `Scan` has them: differences that the server takes in float64 (effects) come with more digits.
        kind = float_of(self.check.manifest)
        columns = {name: a.astype(kind) if a.dtype == np.float64 else a for name, a in entries.columns.items()}
        return _table.records(_table.tidy(self._legend, columns, entries.tokens, self._fields))


class StreamHead:
    """What a running scan tells of itself. Its parts are there once the first row is."""

    def __init__(self, made: Made) -> None:
        self._reader = RowReader(made)

    @property
    def manifest(self) -> Manifest:
        """What is run, on what. RuntimeError before the first row."""
        if self._reader.check.manifest is None:
            raise RuntimeError("the manifest comes with the first row: take that first")
        return self._reader.check.manifest

    @property
    def variants(self) -> Sequence[Variant]:
        """[n_variants], once the first row is there."""
        return self._reader.check.variants

    @property
    def prompts(self) -> Sequence[ResolvedPrompt]:
        """[n_prompts], once the first row is there."""
        return self._reader.check.prompts

    @property
    def completion(self) -> Completion | None:
        """How long it took; None before the last row."""
        return self._reader.check.completion


def assembler(made: Made) -> Assembler:
    return Assembler(made.request, made.data.fields)
