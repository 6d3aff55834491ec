"""The oracle of a whole request: every row, likelihood and compensation that the contract promises."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tests.oracle import readout, spec
from tests.oracle.effects import Effects, effects
from tests.oracle.means import Means
from tests.oracle.models import Geometry
from tests.oracle.readout import Answers
from tests.oracle.rows import BASELINE, CORRUPTED, Expectation, Row, RunKey, add_interactions, relate_to_pair
from tests.oracle.runs import Patch, Trace, folded_value_bias, head_outputs, trace
from tests.oracle.spec import Json, Variant
from tests.oracle.sweeps import Site

EFFECTS = ("direct_contribution", "direct_effect", "direct_effect_live")
TOTALS = ("total_effect", "indirect_effect", "self_repair")


@dataclass(frozen=True)
class Side:
    """The runs that are edits of one unedited run."""

    ids: list[int]
    donor: list[int]  # the pair's other prompt; empty: none
    is_corrupted: bool
    runs: list[tuple[RunKey, list[Patch]]]


class Oracle:
    """`model` in float64. `libraries`: by the id that the server gave them."""

    def __init__(self, model, tokenizer, geometry: Geometry, libraries: Mapping[str, Means]) -> None:
        self.model, self.tokenizer, self.geometry, self.libraries = model, tokenizer, geometry, libraries
        self._folded = folded_value_bias(model)

    def expect(self, request: Json, variants: Sequence[Variant]) -> Expectation:
        """`variants`: the request's, with the random sets that were drawn."""
        expected = Expectation()
        for index in range(len(request["prompts"])):
            _OnePrompt(self, request, index, variants, expected).run()
        return expected

    def order(self, request: Json) -> tuple[list[Site], list[float]]:
        """The sites that a `heads` sweep orders, the strongest first, and the mean deltas; templates weigh alike."""
        first = copy.deepcopy(request)
        first["sweep"] = {"heads": {}, "filter": request["sweep"].get("filter", {})}
        first["replacements"] = first.get("replacements", [{"zero": {}}])[:1]
        first.get("edit_positions", {}).pop("each", None)
        asked = request.get("readout", {})
        first["readout"] = {
            name: asked[name] for name in ("reduction", "target_mode", "edit_appended") if name in asked
        }
        heads = spec.variants(first, self.geometry)
        clusters: dict[str | int, list[np.ndarray]] = {}
        for prompt in range(len(request["prompts"])):
            # The last of the positions that the request reads.
            length = len(self.prompt(request, prompt).ids)
            one = first | {"prompts": [request["prompts"][prompt]]}
            one["readout"] = first["readout"] | {
                "positions": {"positions": [spec.read_positions(request, length)[-1]]},
            }
            deltas = np.zeros(len(heads))
            for (key, _), row in self.expect(one, heads).rows.items():
                if key.variant >= 0:
                    deltas[key.variant] = row["delta_" + row["_primary"]]
            clusters.setdefault(one["prompts"][0].get("template") or prompt, []).append(deltas)
        mean = np.mean([np.mean(cluster, axis=0) for cluster in clusters.values()], axis=0)
        ranked = sorted(range(len(heads)), key=lambda i: -abs(mean[i]))
        return [heads[i].sites[0] for i in ranked], [mean[i] for i in ranked]

    def prompt(self, request: Json, index: int) -> spec.Prompt:
        return spec.prompt(request, index, self.tokenizer, self.model.config.bos_token_id)

    def value(self, kind: str, options: Json, site: Site, length: int, template: str) -> torch.Tensor | None:
        """What is put in, [T, Dh], but for `resample`."""
        layer, head = site
        d_head = self._folded.shape[-1]
        if kind == "zero_keep_value_bias":
            return self._folded[layer, head].expand(length, -1)
        if kind == "constant":
            number = options["scalar"] if "scalar" in options else options["vector"]["values"]
            value = torch.tensor(number, dtype=torch.float32).double()
            return value.expand(length, d_head)
        if kind == "mean":
            return self.libraries[options["library"]].value(template, layer, head, length)
        return None


class _OnePrompt:
    def __init__(
        self, oracle: Oracle, request: Json, index: int, variants: Sequence[Variant], expected: Expectation
    ) -> None:
        self._oracle, self._request, self._index = oracle, request, index
        self._variants, self._expected = variants, expected
        self._prompt = oracle.prompt(request, index)
        self._readout = request.get("readout", {})
        self._replacements = request.get("replacements") or [{"zero": {}}]
        self._has_pairs = any("resample" in replacement for replacement in self._replacements)
        self._is_sequence = self._readout.get("target_mode") == "TARGET_MODE_SEQUENCE"
        reduction = self._readout.get("reduction", "REDUCTION_MEAN_LOGIT").removeprefix("REDUCTION_").lower()
        self._reduction = reduction
        self._effects = self._readout.get("effects") or self._readout.get("compensation")

    def run(self) -> None:
        for is_corrupted in (False, True)[: 1 + self._has_pairs]:
            if self._is_sequence:
                self._sequence(is_corrupted)
            else:
                self._sets(is_corrupted)
            if self._readout.get("likelihood"):
                self._likelihood(self._side(is_corrupted, ()))
        rows = {key: row for key, row in self._expected.rows.items() if key[0].prompt == self._index}
        if self._has_pairs:
            relate_to_pair(rows, self._index, self._readout.get("min_denominator", 0.1))
        if "pairs" in self._request.get("sweep", {}):
            add_interactions(rows, self._variants)

    def _side(self, is_corrupted: bool, appended: Sequence[int]) -> Side:
        """The edits of the clean or of the corrupted run, with an answer's tokens behind the prompt."""
        here, there = (self._prompt.ids, self._prompt.corrupted)[:: -1 if is_corrupted else 1]
        ids = here + list(appended)
        donor = there + list(appended) if self._has_pairs and there else []
        z = head_outputs(self._oracle.model, donor) if donor else None
        edits = self._request.get("edit_positions", {})
        where = spec.positions(edits.get("positions"), len(here))
        behind = list(range(len(here), len(ids))) if self._readout.get("edit_appended") else []
        sets = [(p, [p]) for p in where] if edits.get("each") else [(-1, where + behind)]
        runs = []
        for r, replacement in enumerate(self._replacements):
            ((kind, options),) = replacement.items()
            if (options.get("direction") == "DIRECTION_DENOISING") != is_corrupted:
                continue
            scale = float(np.float32(options["factor"])) if kind == "scale" else 0.0
            values = {}
            for v, variant in enumerate(self._variants):
                for site in variant.sites:
                    if site not in values:
                        values[site] = (
                            z[site]
                            if kind == "resample"
                            else self._oracle.value(kind, options, site, len(ids), self._prompt.template)
                        )
                for edit_position, at in sets:
                    patches = [Patch(*site, at, scale, values[site]) for site in variant.sites]
                    runs.append((RunKey(self._index, r, v, edit_position), patches))
        return Side(ids, donor, is_corrupted, runs)

    def _unedited(self, side: Side) -> RunKey:
        return RunKey(self._index, -1, CORRUPTED if side.is_corrupted else BASELINE)

    def _traces(self, side: Side, reads: Sequence[int]) -> tuple[Trace, Trace | None]:
        base = trace(self._oracle.model, side.ids, [[]], reads)
        patches = [run for _, run in side.runs]
        return base, trace(self._oracle.model, side.ids, patches, reads) if patches else None

    def _sets(self, is_corrupted: bool) -> None:
        side = self._side(is_corrupted, ())
        reads = spec.read_positions(self._request, len(side.ids))
        base, edited = self._traces(side, reads)
        for i, position in enumerate(reads):
            # What an unedited run differs from the clean one by is added where both are known.
            self._add([self._unedited(side)], position, base.logits[:, i], base.logits[0, i], self._prompt.answers)
            if edited is None:
                continue
            keys = [key for key, _ in side.runs]
            self._add(keys, position, edited.logits[:, i], base.logits[0, i], self._prompt.answers)
            if self._effects:
                sites = [{(p.layer, p.head) for p in run if position in p.positions} for _, run in side.runs]
                found = effects(self._oracle.model, edited, base, i, self._prompt.answers, sites)
                self._add_effects(keys, position, found)

    def _add(
        self, keys: Sequence[RunKey], position: int, y: torch.Tensor, base: torch.Tensor, answers: Answers
    ) -> None:
        columns = readout.measure(y, base, answers, self._reduction)
        for b, key in enumerate(keys):
            row: Row = {name: values[b].item() for name, values in columns.items()}
            row["_logits"] = y[b]
            if answers.targets:
                row["_primary"] = readout.primary_metric(columns, self._reduction)
            if self._readout.get("top_k"):
                best = torch.log_softmax(y[b], -1).topk(self._readout["top_k"])
                row["top_k"] = (best.indices.tolist(), best.values.tolist())
            if self._effects:
                row |= dict.fromkeys((*EFFECTS, *TOTALS), 0.0)
            self._expected.rows[key, position] = row

    def _add_effects(self, keys: Sequence[RunKey], position: int, found: Effects) -> None:
        for b, key in enumerate(keys):
            row = self._expected.rows[key, position]
            row |= {name: getattr(found, name)[b].item() for name in EFFECTS}
            row["total_effect"] = row["delta_logit_diff"]
            row["indirect_effect"] = row["self_repair"] = row["delta_logit_diff"] - row["direct_effect"]
            if self._readout.get("compensation"):
                self._expected.compensations[key, position] = {
                    name: getattr(found, name)[b].numpy() for name in ("heads", "mlps", "layer_norm")
                }

    def _sequence(self, is_corrupted: bool) -> None:
        """Sums of log-probs; all else is of the target's first token."""
        answers = self._prompt.answers
        last = len(self._prompt.ids) - 1
        sums: dict[str, dict[RunKey, float]] = {}
        for name, tokens in (("target", answers.targets), ("contrast", answers.contrasts)):
            if not tokens:
                continue
            side = self._side(is_corrupted, tokens[:-1])
            base, edited = self._traces(side, range(last, last + len(tokens)))
            keys = [self._unedited(side)] + [key for key, _ in side.runs]
            logits = base.logits if edited is None else torch.cat([base.logits, edited.logits])
            lp = torch.log_softmax(logits, -1)
            total = sum(lp[:, i, token] for i, token in enumerate(tokens))
            sums[name] = dict(zip(keys, total.tolist(), strict=True))
            if name == "target":
                self._add(keys, last, logits[:, 0], base.logits[0, 0], Answers(tokens[:1]))
        for key, target in sums["target"].items():
            row = self._expected.rows[key, last]
            for name in [n for n in row if n in (*readout.LEVELS, *readout.DELTAS)]:
                del row[name]
            row |= {"target_logprob": target, "target_prob": np.exp(target), "_primary": "target_logprob"}
            if "contrast" in sums:
                contrast = sums["contrast"][key]
                row |= {"contrast_logprob": contrast, "logit_diff": target - contrast}
                row |= {"prob_diff": np.exp(target) - np.exp(contrast), "_primary": "logit_diff"}
                if self._reduction == "prob_sum":
                    row["_primary"] = "prob_diff"
            base_row = self._expected.rows[self._unedited(side), last]
            row |= {"delta_" + n: row[n] - base_row[n] for n in readout.LEVELS if n in row}

    def _likelihood(self, side: Side) -> None:
        base, edited = self._traces(side, range(len(side.ids) - 1))
        logits = base.logits if edited is None else torch.cat([base.logits, edited.logits])
        lp = torch.log_softmax(logits, -1)
        found = lp[:, torch.arange(len(side.ids) - 1), side.ids[1:]].numpy()  # [B, T - 1]
        nll = -found.mean(1)
        keys = [self._unedited(side)] + [key for key, _ in side.runs]
        for b, key in enumerate(keys):
            row = {"mean_nll": nll[b], "delta_mean_nll": nll[b] - nll[0], "token_logprob": found[b]}
            self._expected.likelihoods[key] = row
