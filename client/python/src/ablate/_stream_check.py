"""Checks that a stream of results is whole, by the rules of client/cpp/stream_check.h: in order, nothing missing,
nothing twice, nothing that is no number."""

from __future__ import annotations

import numpy as np

from ablate._blocks import Array, Entries, keys_of, read_columns, require
from ablate._manifest_check import asked_for, check_manifest, request_of
from ablate._once import Once
from ablate._proto.ablation.v1.scan_pb2 import (
    AblateRequest,
    AblateResponse,
    CompensationBlock,
    Completion,
    LikelihoodBlock,
    Manifest,
    PromptBlock,
    ResolvedPrompt,
    RowBlock,
    SummaryBlock,
    Variant,
    VariantBlock,
)
from ablate._rows import Ints, RowSpace
from ablate.errors import ContractError, IncompleteError

_SUMMARY_KEYS = ("replacement", "variant", "edit_position", "read_index")


class StreamCheck:
    """Takes a stream's messages in their order. Its errors are ContractError and, at the end, IncompleteError."""

    def __init__(self, request: AblateRequest | None, n_prompts: int = 0) -> None:
        """`request` None: of a stored job of `n_prompts`. Its manifest tells the rest, and rows may be missing."""
        self._n_prompts = n_prompts
        self._is_job = request is None
        self._request = request or AblateRequest()
        self._wants_summary = self._request.HasField("summary")
        self.manifest: Manifest | None = None
        self.variants: list[Variant] = []
        self.prompts: list[ResolvedPrompt] = []
        self.space: RowSpace | None = None
        self.completion: Completion | None = None
        self._has_summary = False
        self._once = Once()
        self._summary_keys: set[tuple[int, ...]] = set()

    @property
    def rows(self) -> int:
        """So many have come."""
        return self._once.count("rows")

    def take(self, response: AblateResponse) -> Entries | None:
        """The entries of a block of results; None for all other messages."""
        if self.completion is not None:
            raise ContractError("a message came after the completion")
        kind = response.WhichOneof("payload")
        if kind == "manifest":
            self._take_manifest(response.manifest)
        elif self.manifest is None:
            raise ContractError("the stream does not begin with a manifest")
        elif kind == "variant_block":
            self._take_variants(response.variant_block)
        elif kind == "prompt_block":
            self._take_prompts(response.prompt_block)
        elif kind == "row_block":
            return self._take_rows(response.row_block)
        elif kind == "likelihood_block":
            return self._take_likelihood(response.likelihood_block)
        elif kind == "compensation_block":
            return self._take_compensation(response.compensation_block)
        elif kind == "summary_head":
            self._take_summary_head()
        elif kind == "summary_block":
            return self._take_summary(response.summary_block)
        elif kind == "completion":
            self._take_completion(response.completion)
        # Anything else is of a newer contract: clients pass over it.
        return None

    def end(self) -> None:
        """After the stream ended well."""
        if self.completion is None:
            total = "an unknown number of" if self.manifest is None else self.manifest.total_rows
            raise IncompleteError(
                f"incomplete: the stream ended after {self.rows} of {total} rows, without its completion; "
                "the results so far are not the whole scan"
            )

    def entries_of_prompts(self) -> dict[str, tuple[Ints, Ints]]:
        """Of each kind that was asked for: the number of each prompt's entries that have come, and of all of them."""
        space, readout = self._behind_head("the end"), self._request.readout
        wanted = {"rows": space.first_row}
        if readout.likelihood:
            wanted["likelihood"] = space.first_run
        if readout.compensation:
            wanted["compensation"] = space.first_edited_row
        return {kind: (self._once.of_prompts(kind, first), np.diff(first)) for kind, first in wanted.items()}

    def _take_manifest(self, manifest: Manifest) -> None:
        if self.manifest is not None:
            raise ContractError("a second manifest came")
        if self._is_job:
            self._request = request_of(manifest, self._n_prompts)
        check_manifest(manifest, self._request)
        self.manifest = manifest

    def _take_variants(self, block: VariantBlock) -> None:
        total, come = self._head().n_variants, len(self.variants)
        if block.first_variant != come or not block.variants or come + len(block.variants) > total:
            raise ContractError(
                f"a block of {len(block.variants)} variants begins at {block.first_variant}; {come} of "
                f"{total} have come"
            )
        self.variants.extend(block.variants)

    def _take_prompts(self, block: PromptBlock) -> None:
        manifest, come = self._head(), len(self.prompts)
        if len(self.variants) != manifest.n_variants:
            raise ContractError(f"prompts came after {len(self.variants)} of {manifest.n_variants} variants")
        if block.first_prompt_index != come or not block.prompts or come + len(block.prompts) > manifest.n_prompts:
            raise ContractError(
                f"a block of {len(block.prompts)} prompts begins at {block.first_prompt_index}; {come} of "
                f"{manifest.n_prompts} have come"
            )
        self.prompts.extend(block.prompts)
        if len(self.prompts) == manifest.n_prompts:
            self.space = RowSpace(manifest, self.prompts)
            if self.space.total_rows != manifest.total_rows:
                raise ContractError(
                    f"the manifest announces {manifest.total_rows} rows, expected {self.space.total_rows}"
                )

    def _take_rows(self, block: RowBlock) -> Entries:
        space = self._behind_head("rows")
        assert self.manifest is not None
        rows = max(len(block.variant), len(block.prompt_index), len(block.position))
        top_k = self._request.readout.top_k
        columns = read_columns(block, rows, lambda name: top_k if name in ("top_k_id", "top_k_logprob") else 1)
        require(columns, "position", *asked_for(self._request, self.manifest.primary_metric))
        for name in ("top_k_id", "top_k_logprob") if top_k else ():
            require(columns, name)
            columns[name] = columns[name].reshape(-1, top_k)
        keys = keys_of(columns, None, self._n_replacements(), space.sweeps_positions)
        position = columns["position"].astype(np.int64)
        index = space.row_index(keys.prompt, keys.replacement, keys.variant, keys.edit_position, position)
        self._once.mark("rows", index, space.total_rows)
        return Entries("rows", columns, index, {token.id: token.text for token in block.tokens})

    def _take_likelihood(self, block: LikelihoodBlock) -> Entries:
        space = self._behind_head("likelihoods")
        if not self._request.readout.likelihood:
            raise ContractError("likelihoods came, which the request does not ask for")
        self._check_prompt(block.prompt_index)
        width = len(self.prompts[block.prompt_index].tokens) - 1
        columns = read_columns(block, len(block.variant), lambda name: width if name == "token_logprob" else 1)
        require(columns, "mean_nll", "delta_mean_nll", "token_logprob")
        columns["token_logprob"] = columns["token_logprob"].reshape(-1, width)
        keys = keys_of(columns, block.prompt_index, self._n_replacements(), space.sweeps_positions)
        run = space.run_index(keys.prompt, keys.replacement, keys.variant, keys.edit_position)
        index = space.first_run[keys.prompt] + run
        self._once.mark("likelihood", index, int(space.first_run[-1]))
        return Entries("likelihood", columns, index)

    def _take_compensation(self, block: CompensationBlock) -> Entries:
        space = self._behind_head("compensations")
        if not self._request.readout.compensation:
            raise ContractError("compensations came, which the request does not ask for")
        self._check_prompt(block.prompt_index)
        model = self._head().model
        widths = {"heads": model.n_layers * model.n_heads, "mlps": model.n_layers}
        rows = max(len(block.variant), len(block.position))
        columns = read_columns(block, rows, lambda name: widths.get(name, 1))
        require(columns, "position", "heads", "mlps", "layer_norm")
        keys = keys_of(columns, block.prompt_index, self._n_replacements(), space.sweeps_positions)
        if (keys.variant < 0).any():
            raise ContractError(f"a compensation of an unedited run of prompt {block.prompt_index} came")
        position = columns["position"].astype(np.int64)
        row = space.row_index(keys.prompt, keys.replacement, keys.variant, keys.edit_position, position)
        p = block.prompt_index
        index = space.first_edited_row[p] + (row - space.first_row[p]) - space.n_unedited * space.n_reads[p]
        self._once.mark("compensation", index, int(space.first_edited_row[-1]))
        return Entries("compensation", columns, index)

    def _take_summary_head(self) -> None:
        if not self._wants_summary and not self._is_job:
            raise ContractError("a summary came, which the request does not ask for")
        if self._has_summary:
            raise ContractError("a second summary came")
        if self.rows != self._head().total_rows and not self._is_job:
            raise ContractError(f"the summary came after {self.rows} of {self._head().total_rows} rows")
        self._has_summary = True

    def _take_summary(self, block: SummaryBlock) -> Entries:
        if not self._has_summary:
            raise ContractError("a block of the summary came before its head")
        rows = max(len(block.variant), len(block.replacement))
        columns = read_columns(block, rows, lambda name: 1, allows_nan=True)
        require(columns, "variant", "replacement", "read_index", "mean")
        for name, limit in (("variant", self._head().n_variants), ("replacement", self._n_replacements())):
            if ((columns[name] < 0) | (columns[name] >= limit)).any():
                raise ContractError(f"the summary names a {name} that is none of the {limit}")
        self._mark_summary(columns, rows)
        return Entries("summary", columns, np.arange(rows))

    def _take_completion(self, completion: Completion) -> None:
        space = self._behind_head("the completion")
        total, come = self._head().total_rows, self.rows
        if completion.rows != come or (come != total and not self._is_job):
            raise ContractError(
                f"the completion counts {completion.rows} rows, {come} came, the manifest announced {total}"
            )
        readout = self._request.readout
        wanted = {
            "likelihood": int(space.first_run[-1]) if readout.likelihood else 0,
            "compensation": int(space.first_edited_row[-1]) if readout.compensation else 0,
            # Whether a job has one, its head tells.
            "summary": int(space.first_edited_row[1]) if self._wants_summary or self._has_summary else 0,
        }
        for kind, expected in wanted.items():
            come = len(self._summary_keys) if kind == "summary" else self._once.count(kind)
            if come != expected and (kind == "summary" or not self._is_job):
                raise ContractError(f"the completion came after {come} of {expected} entries of {kind}")
        self.completion = completion

    def _n_replacements(self) -> int:
        return max(1, len(self._request.replacements))

    def _head(self) -> Manifest:
        assert self.manifest is not None
        return self.manifest

    def _behind_head(self, what: str) -> RowSpace:
        if self.space is None:
            raise ContractError(f"{what} came before all variants and prompts had come")
        return self.space

    def _check_prompt(self, prompt: int) -> None:
        if not 0 <= prompt < len(self.prompts):
            raise ContractError(f"a block names prompt {prompt} of {len(self.prompts)}")

    def _mark_summary(self, columns: dict[str, Array], rows: int) -> None:
        keys = zip(*(columns[name].tolist() for name in _SUMMARY_KEYS if name in columns), strict=True)
        before = len(self._summary_keys)
        self._summary_keys.update(keys)
        if len(self._summary_keys) != before + rows:
            raise ContractError("an entry of the summary came twice")
